"""The command line. The only module that prints, reads the environment or looks at the clock."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration (YAML).")]
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

SPEND_SHOWN = ("wape", "rmse", "spearman", "gini", "total_bias", "decile_calibration_error", "top_10_share")
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
    data: Annotated[str, typer.Argument(help="Purchase log: file, directory, glob or database table.")],
    config: ConfigOption = None,
    rejects: RejectsOption = None,
    as_of: AsOfOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report the quality of a purchase log; nothing is trained."""
    from clvml import pipeline

    settings = _config(config or Path("configs/online_retail.yaml"), overrides)
    prepared = pipeline.prepare(settings.data, _now(), data, _date(as_of), rejects)
    message = pipeline.history_message(prepared, settings)
    if as_json:
        _print_json({**prepared.log.quality.to_dict(), "as_of": prepared.as_of, "history": message})
        return
    typer.echo(prepared.log.quality.to_text())
    typer.echo(message)
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
    from clvml import pipeline
    from clvml.tracking import check_tracking, log_training, tracking_uri

    settings = _config(config, overrides)
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    check_tracking(settings.tracking, uri)
    _progress(f"reading {data or settings.data.source}")
    prepared = pipeline.prepare(settings.data, _now(), data, _date(as_of), rejects)
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
    source = data or settings.data.source
    _print_list(
        "Where to look next",
        [
            f"the run with plots and metrics: mlflow ui --backend-store-uri {uri}  (experiment"
            f" '{logged.experiment}', run {logged.run_id})",
            f"the model: {logged.model_uri}, now the {logged.alias} of '{name}'",
            f"score customers: clvml score {source} --output out/scores.csv"
            + ("" if logged.alias == "champion" else f" --model {logged.model_version}")
            + (f" --config {config}" if name != "clvml" else ""),
        ],
    )


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

    settings = _config(config, overrides)
    _progress(f"reading {data or settings.data.source}")
    prepared = pipeline.prepare(settings.data, _now(), data, _date(as_of))
    result = pipeline.backtest(prepared, settings, folds, _progress)
    if as_json:
        _print_json({**result.leaderboard.to_dict(), "headline": pipeline.headline_metrics(result)})
        return
    _print_leaderboard(result)


@app.command()
def score(
    data: Annotated[str, typer.Argument(help="Purchase log: file, directory, glob or database table.")],
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
    from clvml.files import check_output, write_table
    from clvml.score import Scorer
    from clvml.tracking import resolve_model, tracking_uri

    check_output(output, (".csv", ".parquet"))
    asked = _explain_choice(explain)
    settings = _config(config, overrides) if config else None
    registered = settings.tracking.registered_model if settings else "clvml"
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    _progress(f"loading model '{model}'")
    resolved = resolve_model(model, registered, uri)
    scorer = Scorer.load(resolved.directory, resolved.version, resolved.run_id)
    if settings is None:
        # Without a configuration the file is read as the training data was.
        trained = scorer.model.config
        settings = parse_config(_overridden(trained.model_dump(mode="json"), overrides), "the model's config")
    _progress(f"reading {data}")
    prepared = pipeline.prepare(settings.data, _now(), data, _date(as_of), rejects)
    _progress("scoring")
    table = pipeline.score(prepared, scorer, asked)
    write_table(table, output)
    quality = prepared.log.quality
    summary = {
        "output": str(output),
        "customers": len(table),
        "as_of": prepared.as_of,
        "model_version": resolved.version,
        "run_id": resolved.run_id,
        "rows_in": quality.rows_in,
        "rows_out": quality.rows_out,
        "expected_spend": round(float(table["expected_spend"].sum()), 2),
        "clv": round(float(table["clv"].sum()), 2),
        "notes": _staleness(scorer, prepared),
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
    try:
        app()
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output left (`clvml ... | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _config(path: Path | None, overrides: list[str] | None) -> Config:
    from clvml.config import read_config

    if path is None:
        raise InputError(
            "no configuration given; add --config, for example --config configs/online_retail.yaml"
        )
    return read_config(path, overrides)


def _overridden(raw: dict[str, Any], overrides: list[str] | None) -> dict[str, Any]:
    from clvml.config import assign

    for assignment in overrides or []:
        assign(raw, assignment)
    return raw


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--as-of '{text}' is not a date; give it as YYYY-MM-DD") from None


def _now() -> datetime:
    return datetime.now(UTC)


def _explain_choice(text: str) -> Literal["all", "none"] | int:
    if text == "all" or text == "none":
        return text
    if text.isdigit():
        return int(text)
    raise InputError(f"--explain '{text}' is not all, none or a number of customers")


def _staleness(scorer: Any, prepared: Prepared) -> list[str]:
    notes = [prepared.horizon_note] if prepared.horizon_note else []
    age = (prepared.as_of - scorer.model.as_of).days
    if age > scorer.model.horizon_days:
        notes.append(
            f"the model was trained {age} days before {prepared.as_of}, longer ago than its horizon of"
            f" {scorer.model.horizon_days} days; train it again"
        )
    elif age < 0:
        notes.append(
            f"the model was trained on data up to {scorer.model.as_of}, after {prepared.as_of}: it has seen"
            " what it predicts here"
        )
    return notes


def _progress(text: str) -> None:
    typer.echo(f"... {text}", err=True)


def _say_rejects(prepared: Prepared, rejects: Path | None) -> None:
    rejected = sum(r.rows for r in prepared.log.quality.reasons if r.treatment == "rejected")
    if rejected and rejects:
        typer.echo(f"{rejected:,} rejected rows are in {rejects}")
    elif rejected:
        typer.echo(f"{rejected:,} rows were rejected; --rejects FILE writes them to a file")


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(_finite(value), default=str, ensure_ascii=False))


def _finite(value: Any) -> Any:
    """Return ``value`` with NaN and infinity as null: JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return None
    return value


def _print_list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    typer.echo(f"\n{title}")
    for line in lines:
        typer.echo(f"  - {line}")


def _print_leaderboard(result: Backtest) -> None:
    board = result.leaderboard
    cutoffs = sorted(board.folds["cutoff"].astype(str).str[:10].unique())
    typer.echo(
        f"\nOut of time, mean of {len(cutoffs)} test dates ({', '.join(cutoffs)}), "
        f"{len(result.predictions):,} predictions"
    )
    for title, names in (("Spend", SPEND_SHOWN), ("Churn", CHURN_SHOWN)):
        shown = board.table(names)
        shown = shown[(shown != "-").any(axis="columns")]
        _print_table(
            title,
            ["", *shown.columns],
            [[str(model), *row] for model, row in zip(shown.index, shown.to_numpy().tolist(), strict=True)],
        )
    _print_list("Verdicts", board.verdicts([*SPEND_SHOWN, *CHURN_SHOWN]))


def _print_scored(table: Any, summary: dict[str, Any], prepared: Prepared) -> None:
    quality = prepared.log.quality
    currency = f" {quality.currency}" if quality.currency else ""
    typer.echo(
        f"{summary['customers']:,} customers scored as of {summary['as_of']} into {summary['output']}"
        f" (model version {summary['model_version']})"
    )
    typer.echo(
        f"expected spend {summary['expected_spend']:,.0f}{currency} in {table['horizon_days'].iloc[0]} days,"
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
        "Segments",
        ["segment", "customers", "mean P(churn)", f"CLV{currency}"],
        [
            [str(name), f"{row.customers:,.0f}", f"{row.p_churn:.0%}", f"{row.clv:,.0f}"]
            for name, row in by.sort_values("clv", ascending=False).iterrows()
        ],
    )
    _print_list("Notes", summary["notes"])


def _print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    # Piped output has no width of its own: wide enough that no cell is cut.
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)


if __name__ == "__main__":
    main()
