"""The command line: a module per command. The only package that prints or reads the environment."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated, NoReturn

import typer

from clvml.cli.backtest import backtest
from clvml.cli.check import check
from clvml.cli.compare import compare
from clvml.cli.dashboard import dashboard
from clvml.cli.ending import WORDS, Ending, prompt_end
from clvml.cli.experiment import experiment
from clvml.cli.monitor import monitor
from clvml.cli.plan import plan
from clvml.cli.promote import promote
from clvml.cli.readback import readback
from clvml.cli.report import report
from clvml.cli.score import score
from clvml.cli.screen import harmless, learn_secrets, screened, screenful, wrapped, write_checked
from clvml.cli.sql import sql
from clvml.cli.sync import sync
from clvml.cli.train import train
from clvml.cli.uplift import uplift
from clvml.cli.worth import worth
from clvml.errors import InputError
from clvml.threads import WAIT

app = typer.Typer(
    name="clvml",
    help="Predict customer lifetime value and churn from purchase histories.",
    pretty_exceptions_enable=False,
    # Plain help and usage errors: rich would take longer to load than everything else.
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Predict customer lifetime value and churn from purchase histories."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("clvml"))
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit()


# In the order of the work, which is the order of the help.
for command in (
    check,
    train,
    backtest,
    score,
    experiment,
    compare,
    promote,
    monitor,
    worth,
    plan,
    readback,
    uplift,
    report,
    dashboard,
    sync,
    sql,
):
    app.command()(command)


def main() -> None:
    """Run the command line: 0 done, 2 the input is at fault, 1 a defect of ours, 130 interrupted, 143 terminated."""
    # Threads that wait for work must not burn the core another one needs: on a busy machine that
    # makes training several times slower. The libraries read this when they are loaded.
    for name, value in WAIT.items():
        os.environ.setdefault(name, value)
    # Streams that the caller closed (>&-): no file that is opened later may get their numbers, and libraries' words.
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not end the work.
            stream.reconfigure(errors="backslashreplace")
    learn_secrets(sys.argv[1:], os.environ)
    with screened():
        _run()


def _run() -> None:
    ending = Ending()
    try:
        with prompt_end() as ending:
            app(prog_name="clvml")
    except InputError as error:
        _fail(f"Error: {error}", 2)
    except KeyboardInterrupt:
        _ended(ending)
    except SystemExit as end:
        # Typer has its own way with an interrupt and with a reader of our output that left (`clvml ... | head`).
        if isinstance(end.__context__, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        if end.code == 130:
            _ended(ending)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, people are told what to do about it
        import traceback

        from clvml.storage.files import no_room

        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            # What DuckDB makes of Ctrl-C.
            _ended(ending)
        if no_room(error):
            said = str(error).strip().partition("\n")[0]
            _fail(f"Error: the disk is full ({said}); make room, or point TMPDIR at a larger disk", 2)
        if isinstance(error, FileNotFoundError) and not _has_folder():
            _fail(
                "Error: the current folder is not there any more; change to one that is, then run this again",
                2,
            )
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            _fail(f"Error: {error.strerror}: '{error.filename}'; give the name of a file", 2)
        if type(error).__name__ == "OutOfMemoryException":
            said = str(error).strip().partition("\n")[0]
            _fail(f"Error: there is too little memory ({said}); give more with --memory", 2)
        typer.echo(
            f"Error: {type(error).__name__}; this is a defect of clvml and not of your input: please report it"
            " with your command and the lines below",
            err=True,
        )
        lines = harmless(traceback.format_exc()).splitlines()
        write_checked(sys.stderr, "".join(f"{screenful(line, 5)}\n" for line in lines))
        sys.exit(1)


def _has_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - nothing else is asked
    except FileNotFoundError:
        return False
    return True


def _ended(ending: Ending) -> NoReturn:
    code = ending.code or 130
    ending.told = True
    _fail(WORDS[code], code)


def _fail(message: str, code: int) -> NoReturn:
    # Cut before it is broken into lines, which do not count.
    write_checked(sys.stderr, f"{wrapped(screenful(harmless(message)), sys.stderr)}\n")
    sys.exit(code)
