"""What people see on the terminal, and programs as JSON. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import typer

from clvml.cli.screen import filled, screen_width, screenful, secrets, write_checked

if TYPE_CHECKING:
    from clvml.evaluation.backtest import Backtest
    from clvml.workflows import Prepared

WARNINGS_SHOWN = 5
_SECONDS_BETWEEN = 0.2
# Short work needs no lines in a log file.
_SECONDS_BEFORE_LINES = 5


def progress(text: str) -> None:
    typer.echo(f"... {text}", err=True)


class Meter:
    """How far the work is, with rate and time left: one line that changes on a terminal, else a line per tenth."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.started = self.shown = time.monotonic()
        self.tenth = 0

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        tenth = 10 * done // of
        if terminal and now - self.shown < _SECONDS_BETWEEN and done < of:
            return
        if not terminal and (tenth == self.tenth or now - self.started < _SECONDS_BEFORE_LINES):
            return
        self.shown, self.tenth = now, tenth
        rate = done / max(now - self.started, 1e-9)
        left = f", {_duration((of - done) / rate)} left" if 0 < done < of else ""
        text = f"... {done:,} of {of:,} {self.what} ({rate:,.0f} a second{left})"
        # The line is cleared to its end, or the rest of a longer text would stay.
        shown = f"\r{text}\x1b[K" if terminal else text
        write_checked(sys.stderr, shown if terminal and done < of else f"{shown}\n")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def print_json(value: dict[str, Any]) -> None:
    import json

    # JSON writes control characters as numbers. Secrets are looked for in values alone: keys and numbers are ours.
    write_checked(
        sys.stdout, f"{json.dumps(_shown(value), default=lambda other: secrets.hide(str(other)))}\n"
    )


def _shown(value: Any) -> Any:
    """Return ``value`` without secrets, and with NaN and infinity as null: JSON has neither."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, str):
        return secrets.hide(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print columns as wide as what they hold: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    typer.echo()
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join([first.strip().ljust(widths[0]), *others]))


class _Cells(Formatter):
    """Fills the forms of cells; of what is missing with a dash."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return "-" if value is None or value != value else str(super().format_field(value, format_spec))


def print_records(columns: Sequence[tuple[str, str]], rows: Iterable[Mapping[Any, Any]]) -> None:
    """Print a table of rows: ``columns`` are heads and the forms of their cells, such as ``{clv:z,.0f}``."""
    cells = _Cells()
    print_table(
        [head for head, _ in columns],
        [[cells.vformat(form, (), row) for _, form in columns] for row in rows],
    )


def print_list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    typer.echo(f"\n{title}")
    for line in lines:
        print_paragraph(line, "  - ")


def print_warnings(found: list[dict[str, Any]]) -> None:
    """Print warnings about the data, the weightiest first, as many as a reader takes in."""
    shown = [f"{warning['text']} [{warning['code']}]" for warning in found[:WARNINGS_SHOWN]]
    if len(found) > len(shown):
        shown.append(f"and {len(found) - len(shown)} more; --json has them all")
    print_list("Warnings about the data", shown)


def print_paragraph(text: str, bullet: str = "") -> None:
    width = screen_width()
    text = screenful(text, width=width)
    typer.echo(filled(text, width, initial_indent=bullet, subsequent_indent=" " * len(bullet)))


def print_next(words: str, *commands: Sequence[str]) -> None:
    """Print what to do with what was done: commands of clvml, of which ``words`` say what they are for."""
    typer.echo()
    print_paragraph(words)
    for command in commands:
        typer.echo(f"  {command_line('clvml', *command)}")


def say_rejects(prepared: Prepared, rejects: Path | None) -> None:
    from clvml.log.sources import rejects_of

    rejected = sum(r.rows for r in prepared.log.quality.reasons if r.treatment == "rejected")
    if rejected and rejects:
        names = [source.name for source in prepared.log.quality.sources]
        files = [rejects_of(rejects, name) for name in names] or [rejects]
        rows = "row is" if rejected == 1 else "rows are"
        typer.echo(f"{rejected:,} rejected {rows} in {', '.join(map(str, files))}")
    elif rejected:
        rows = "row was" if rejected == 1 else "rows were"
        typer.echo(f"{rejected:,} {rows} rejected; --rejects FILE writes them to a file")


def print_leaderboard(result: Backtest) -> None:
    from clvml import workflows
    from clvml.evaluation.leaderboard import CHURN_SHOWN, METRICS, SPEND_SHOWN
    from clvml.evaluation.versus import short_label
    from clvml.scores.columns import whom

    board, subscribers = result.leaderboard, result.subscribers
    cutoffs = ", ".join(sorted(board.folds["cutoff"].astype(str).str[:10].unique()))
    typer.echo()
    print_paragraph(workflows.answer(result))
    typer.echo(
        f"\nMeans over the test dates ({cutoffs}; {len(result.predictions):,} predictions), best first"
    )
    for title, names in (("Revenue" if subscribers else "Spend", SPEND_SHOWN), ("Churn", CHURN_SHOWN)):
        shown = board.table(names)
        shown = shown[(shown != "-").any(axis="columns")]
        rows = zip(map(workflows.short_name, shown.index), shown.to_numpy().tolist(), strict=True)
        header = [title, *(short_label(name) for name in names)]
        print_table(header, [[model, *row] for model, row in rows])
    standings = workflows.standings(result, [*SPEND_SHOWN, *CHURN_SHOWN])
    print_list(
        f"{board.champion} against the best of the others, where chance is ruled out at 95%",
        [f"{verdict}: {', '.join(metrics) or '-'}" for verdict, metrics in standings.items()],
    )
    day, reached = workflows.reach(result)
    print_records(
        [
            (f"P(churn) as of {day}", "{p_churn:.0%} and more"),
            (whom(subscribers), "{customers:,.0f}"),
            ("left", "{leavers:,.0f}"),
            ("stayed", "{stayers:,.0f}"),
            ("precision", "{precision:.0%}"),
            ("of all who left", "{recall:.0%}"),
        ],
        reached.to_dict("records"),
    )
    print_list(
        "What is measured",
        [
            f"{short_label(n)}: {whom(subscribers, METRICS[n].description)}"
            for n in (*SPEND_SHOWN, *CHURN_SHOWN)
        ],
    )


def print_margin(rows: Sequence[Mapping[Any, Any]], subscribers: bool, only: Sequence[str] = ()) -> None:
    """Print what forecasts said and what came of it in margin; of ``only`` some of them."""
    from clvml import workflows
    from clvml.scores.columns import whom

    shown = [row for row in rows if not only or row["model"] in only]
    groups = list(dict.fromkeys(row["group"] for row in shown))
    times = {(row["model"], row["group"]): row["times"] for row in shown}
    said = [row for row in shown if row["group"] == groups[0]]
    said.sort(key=lambda row: float(row["error"]))
    print_table(
        ["In margin", "said", "came", "off each", "times", *(name.split()[-1] for name in groups[1:])],
        [
            [
                workflows.short_name(row["model"]),
                f"{row['said']:,.0f}",
                f"{row['came']:,.0f}",
                f"{row['error']:,.2f}",
                *(_times(times.get((row["model"], group))) for group in groups),
            ]
            for row in said
        ],
    )
    print_list(
        "What these columns are",
        [
            f"off each: mean distance between said and came per {whom(subscribers, 'customer')}, all in margin",
            f"times: what was said, as a multiple of what came; then the same of {whom(subscribers)} who were likely to"
            " stay (P(churn) below a third), in doubt, and likely to leave (from two thirds on)",
        ],
    )


def margin_said(value: Mapping[str, Any]) -> str:
    """Return in words which margin is earned, of the keys of section ``value``.

    >>> value = {"margin": 0.3, "cost": None, "margins": None}
    >>> margin_said(value), margin_said({**value, "cost": "unit_cost * quantity"})
    ('a margin of 30%', "each customer's own margin")
    """
    if value["cost"] is None and value["margins"] is None:
        return f"a margin of {value['margin']:.0%}"
    return "each customer's own margin"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None or ratio != ratio else f"{ratio:.2f}"


def print_mlflow_page(uri: str, page: str) -> None:
    """Print where MLflow shows the runs, where that is known, and how to start it where no server runs."""
    from clvml.storage.addresses import hide_password

    if not page:
        return
    if not uri.startswith("http"):
        typer.echo(f"  {command_line('mlflow', 'ui', '--backend-store-uri', hide_password(uri))}")
    typer.echo(f"  {page}")


def command_line(program: str, *words: str) -> str:
    """Return a command line that works in this shell: a program that is not on the path by its path."""
    import shlex
    import shutil

    beside = Path(sys.argv[0]).with_name(program)
    if shutil.which(program) is None and beside.exists():
        program = os.path.relpath(beside)
    return shlex.join([program, *words])
