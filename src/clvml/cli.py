"""The command line. The only module that prints or reads the environment."""

from __future__ import annotations

import errno
import io
import math
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from clvml.errors import InputError

# Everything heavy is imported inside the commands: `clvml --help` must answer at once.
if TYPE_CHECKING:
    from clvml.config import Config
    from clvml.evaluation.backtest import Backtest
    from clvml.pipeline import Prepared

app = typer.Typer(
    name="clvml",
    help="Predict customer lifetime value and churn from purchase histories.",
    pretty_exceptions_enable=False,
    # Plain help and usage errors: rich would take longer to load than everything else.
    rich_markup_mode=None,
    add_completion=False,
)

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration (YAML).")]
DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="Purchase log: file, directory, glob or database table.")
]
DataOption = Annotated[str | None, typer.Option("--data", help="Purchase log, instead of data.source.")]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="First day not used (YYYY-MM-DD). Default: the day after the last order."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a config key: windows.horizon_days=90. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
RejectsOption = Annotated[
    Path | None, typer.Option("--rejects", help="Write rejected rows here (.csv or .parquet).")
]

SPEND_SHOWN = ("wape", "rmse", "spearman", "gini", "total_bias", "top_10_share")
CHURN_SHOWN = ("roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error")


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


@app.command()
def check(
    data: DataArgument,
    config: ConfigOption = None,
    rejects: RejectsOption = None,
    as_of: AsOfOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report the quality of a purchase log; nothing is trained."""
    from clvml import pipeline

    settings = _config(config, overrides) if config else pipeline.assume_config(data, overrides)
    prepared = pipeline.prepare(settings.data, _now(), data, _date(as_of), rejects)
    length = pipeline.check_length(prepared, settings)
    if as_json:
        summary = {
            **prepared.log.quality.to_dict(),
            "as_of": prepared.as_of,
            "columns_read": settings.data.columns.mapped(),
            "columns_assumed": config is None,
            "horizon_days": settings.windows.horizon_days,
            "enough_history": length.enough,
            "longest_horizon_days": length.longest_horizon_days,
            "history": length.message,
        }
        _print_json(summary)
        return
    if config is None:
        _print_assumed(settings)
    typer.echo(prepared.log.quality.to_text())
    _print_paragraph(length.message)
    _say_rejects(prepared, rejects)


@app.command()
def train(
    config: ConfigOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    rejects: RejectsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train, test out of time against the baselines, explain, log to MLflow, register."""
    import tempfile

    from clvml import pipeline
    from clvml.tracking import check_tracking, log_training, tracking_uri

    settings = _config(config, overrides, data)
    until = _date(as_of)
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    _progress(f"reading {settings.data.source}")
    prepared = pipeline.prepare(settings.data, _now(), as_of=until, rejects=rejects)
    # Before an hour is spent on what could not be logged, but not for data that cannot be read.
    check_tracking(settings.tracking, uri)
    if not as_json:
        typer.echo(prepared.log.quality.to_text())
        _say_rejects(prepared, rejects)
    with tempfile.TemporaryDirectory() as folder:
        trained = pipeline.train(prepared, settings, Path(folder), _progress)
        _progress("logging to MLflow")
        logged = log_training(trained.record, uri)
    if as_json:
        _print_json(
            {
                "run_id": logged.run_id,
                "model_version": logged.model_version,
                "model_uri": logged.model_uri,
                "alias": logged.alias,
                "experiment": logged.experiment,
                "tracking_uri": uri,
                "as_of": prepared.as_of,
                "answer": pipeline.answer(trained.backtest) if trained.backtest else None,
                "metrics": trained.record.metrics,
                "verdicts": trained.record.verdicts,
                "drivers": trained.driver_sentences,
                "notes": [*trained.record.notes, *logged.notes],
            }
        )
        return
    if trained.backtest:
        _print_leaderboard(trained.backtest)
    _print_list("What drives retention", trained.driver_sentences)
    _print_list("Notes", [*trained.record.notes, *logged.notes])
    name = settings.tracking.registered_model
    which = logged.model_uri if logged.alias != "champion" else f"models:/{name}@champion"
    options = [] if which == "models:/clvml@champion" else ["--model", which]
    typer.echo(f"\nThe model is {logged.model_uri}, now the {logged.alias} of '{name}'. Score customers with")
    typer.echo(f"  {_command('clvml', 'score', settings.data.source, '--output', 'scores.csv', *options)}")
    typer.echo(f"Plots and metrics are in run {logged.run_id} of experiment '{logged.experiment}':")
    typer.echo(f"  {_command('mlflow', 'ui', '--backend-store-uri', uri)}")


@app.command()
def backtest(
    config: ConfigOption = None,
    data: DataOption = None,
    folds: Annotated[int | None, typer.Option("--folds", min=1, max=24, help="Test cutoffs.")] = None,
    as_of: AsOfOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the model with the baselines at several past dates; nothing is logged."""
    from clvml import pipeline

    settings = _config(config, overrides, data)
    until = _date(as_of)
    _progress(f"reading {settings.data.source}")
    prepared = pipeline.prepare(settings.data, _now(), as_of=until)
    result = pipeline.backtest(prepared, settings, folds, _progress)
    if as_json:
        headline = pipeline.headline_metrics(result)
        summary = {"as_of": prepared.as_of, "answer": pipeline.answer(result), "headline": headline}
        _print_json({**summary, **result.leaderboard.to_dict()})
        return
    _print_leaderboard(result)
    _print_list("Notes", [prepared.note] if prepared.note else [])


@app.command()
def score(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Scored file (.csv or .parquet).")],
    config: ConfigOption = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="champion, challenger, a version, an MLflow URI, a folder.")
    ] = "champion",
    as_of: AsOfOption = None,
    explain: Annotated[
        str, typer.Option("--explain", help="all, none, or N: the N customers with most value at risk.")
    ] = "all",
    rejects: RejectsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score every customer of a purchase log into a ranked file."""
    from clvml import pipeline
    from clvml.config import parse_config
    from clvml.files import TABLES, check_output, write_table
    from clvml.score import Scorer
    from clvml.tracking import resolve_model, tracking_uri

    check_output(output, TABLES, data)
    if rejects is not None and rejects.absolute() == output.absolute():
        raise InputError(f"--output and --rejects are both '{output}'; give two names")
    asked, until = _explain_choice(explain), _date(as_of)
    settings = _config(config, overrides) if config else None
    registered = settings.tracking.registered_model if settings else "clvml"
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    _progress(f"loading model '{model}'")
    resolved = resolve_model(model, registered, uri)
    scorer = Scorer.load(resolved.directory, resolved.version, resolved.run_id)
    if settings is None:
        # Without a configuration the file is read as the training data was.
        raw = _overridden(scorer.model.config.model_dump(mode="json"), overrides)
        settings = parse_config(raw, "the model's configuration with --set")
    named = ", ".join(f"{ours}: {theirs}" for ours, theirs in settings.data.columns.mapped().items())
    _progress(f"reading {data} (columns{'' if config else ' as in training'}: {named})")
    prepared = pipeline.prepare(settings.data, _now(), data, until, rejects)
    _progress("scoring")
    table = pipeline.score(prepared, scorer, asked)
    write_table(table, output)
    quality = prepared.log.quality
    summary = {
        "output": str(output),
        "customers": len(table),
        "as_of": prepared.as_of,
        "horizon_days": scorer.model.horizon_days,
        "model_version": resolved.version,
        "run_id": resolved.run_id,
        "rows_in": quality.rows_in,
        "rows_out": quality.rows_out,
        "expected_spend": round(float(table["expected_spend"].sum()), 2),
        "clv": round(float(table["clv"].sum()), 2),
        "notes": pipeline.scoring_notes(prepared, scorer, settings),
    }
    if as_json:
        _print_json(summary)
        return
    _print_scored(table, summary, prepared)


def main() -> None:
    """Run the command line: 0 done, 2 the input is at fault, 1 a defect of ours, 130 interrupted."""
    # Threads of XGBoost that wait for work must not burn the core another one needs: on a busy machine that
    # makes training several times slower. OpenMP reads this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not end the work.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="clvml")
    except InputError as error:
        _fail(f"Error: {error}", 2)
    except KeyboardInterrupt:
        _fail("Interrupted.", 130)
    except SystemExit as end:
        # Typer has its own way with an interrupt and with a reader of our output that left (`clvml ... | head`).
        if isinstance(end.__context__, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        if end.code == 130:
            _fail("Interrupted.", 130)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, people are told what to do about it
        import traceback

        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            # What DuckDB makes of Ctrl-C.
            _fail("Interrupted.", 130)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(f"Error: the disk is full ({error}); make room and run it again", 2)
        typer.echo(
            f"Error: {type(error).__name__}; this is a defect of clvml and not of your input: please report it"
            " with your command and the lines below",
            err=True,
        )
        _fail(traceback.format_exc(), 1)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)


def _config(path: Path | None, overrides: list[str] | None, source: str | None = None) -> Config:
    from clvml.config import read_config

    if path is None:
        raise InputError(
            "no configuration given; add --config FILE (`clvml check DATA` proposes one for a file of yours)"
        )
    settings = read_config(path, overrides)
    return settings.with_source(source) if source else settings


def _overridden(raw: dict[str, Any], overrides: list[str] | None) -> dict[str, Any]:
    from clvml.config import assign

    for assignment in overrides or []:
        assign(raw, assignment)
    return raw


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    # Python reads weeks and dates without dashes, too, which are more often a slip than meant.
    if parsed is None or parsed.isoformat() != text:
        raise InputError(f"--as-of '{text}' is not a date; give it as YYYY-MM-DD")
    return parsed


def _now() -> datetime:
    return datetime.now(UTC)


def _explain_choice(text: str) -> Literal["all", "none"] | int:
    if text == "all":
        return "all"
    if text == "none":
        return "none"
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise InputError(f"--explain '{text}' is not all, none or a number of customers")


def _progress(text: str) -> None:
    typer.echo(f"... {text}", err=True)


def _say_rejects(prepared: Prepared, rejects: Path | None) -> None:
    rejected = sum(r.rows for r in prepared.log.quality.reasons if r.treatment == "rejected")
    if rejected and rejects:
        typer.echo(f"{rejected:,} rejected rows are in {rejects}")
    elif rejected:
        typer.echo(f"{rejected:,} rows were rejected; --rejects FILE writes them to a file")


def _print_json(value: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(_finite(value), default=str))


def _finite(value: Any) -> Any:
    """Return ``value`` with NaN and infinity as null: JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _print_assumed(settings: Config) -> None:
    import yaml

    assumed = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    _print_paragraph(
        "No configuration was given; what follows is assumed from the names of the columns. Correct it, keep it"
        " as a file and pass that as --config."
    )
    text = yaml.safe_dump(assumed, sort_keys=False, allow_unicode=True)
    typer.echo("\n" + "".join(f"  {line}\n" for line in text.splitlines()))


def _print_leaderboard(result: Backtest) -> None:
    from clvml import pipeline
    from clvml.evaluation.leaderboard import METRICS

    board = result.leaderboard
    cutoffs = ", ".join(sorted(board.folds["cutoff"].astype(str).str[:10].unique()))
    typer.echo()
    _print_paragraph(pipeline.answer(result))
    typer.echo(
        f"\nMeans over the test dates ({cutoffs}; {len(result.predictions):,} predictions), best first"
    )
    for title, names in (("Spend", SPEND_SHOWN), ("Churn", CHURN_SHOWN)):
        shown = board.table(names)
        shown = shown[(shown != "-").any(axis="columns")]
        rows = zip(map(pipeline.short_name, shown.index), shown.to_numpy().tolist(), strict=True)
        header = [title, *(pipeline.short_label(name) for name in names)]
        _print_table(header, [[model, *row] for model, row in rows])
    standings = pipeline.standings(result, [*SPEND_SHOWN, *CHURN_SHOWN])
    _print_list(
        f"{board.champion} against the best of the others, where chance is ruled out at 95 %",
        [f"{verdict}: {', '.join(metrics) or '-'}" for verdict, metrics in standings.items()],
    )
    _print_list(
        "What is measured",
        [f"{pipeline.short_label(n)}: {METRICS[n].description}" for n in (*SPEND_SHOWN, *CHURN_SHOWN)],
    )


def _print_scored(table: Any, summary: dict[str, Any], prepared: Prepared) -> None:
    quality = prepared.log.quality
    currency = f" {quality.currency}" if quality.currency else ""
    typer.echo(
        f"{summary['customers']:,} customers scored as of {summary['as_of']} into {summary['output']}"
        f" (model version {summary['model_version']})"
    )
    typer.echo(
        f"expected spend {summary['expected_spend']:,.0f}{currency} in {summary['horizon_days']} days,"
        f" lifetime value {summary['clv']:,.0f}{currency}"
    )
    left_out = quality.rows_in - quality.rows_out
    if left_out:
        typer.echo(
            f"{left_out:,} of {quality.rows_in:,} rows were left out; `clvml check` says why, --rejects keeps them"
        )
    by = table.groupby("segment").agg(
        customers=("clv", "size"), clv=("clv", "sum"), p_churn=("p_churn", "mean")
    )
    _print_table(
        ["Segment", "customers", "mean P(churn)", f"CLV{currency}"],
        [
            [str(name), f"{row.customers:,.0f}", f"{row.p_churn:.0%}", f"{row.clv:,.0f}"]
            for name, row in by.sort_values("clv", ascending=False).iterrows()
        ],
    )
    _print_list("Notes", summary["notes"])


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print columns as wide as what they hold: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    typer.echo()
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join([first.strip().ljust(widths[0]), *others]))


def _print_list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    typer.echo(f"\n{title}")
    for line in lines:
        _print_paragraph(line, "  - ")


def _print_paragraph(text: str, bullet: str = "") -> None:
    import shutil
    import textwrap

    # Piped output has no width of its own.
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    typer.echo(
        textwrap.fill(
            text,
            width,
            initial_indent=bullet,
            subsequent_indent=" " * len(bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _command(program: str, *words: str) -> str:
    """Return a command line that works in this shell: a program that is not on the path by its path."""
    import shlex
    import shutil

    beside = Path(sys.argv[0]).with_name(program)
    if shutil.which(program) is None and beside.exists():
        program = os.path.relpath(beside)
    return shlex.join([program, *words])


if __name__ == "__main__":
    main()
