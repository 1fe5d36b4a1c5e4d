"""clvml train."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from clvml.cli.inputs import load_config, now, parse_date, spark_session, workspace
from clvml.cli.options import (
    AsOfOption,
    ConfigOption,
    DataOption,
    EngineOption,
    JsonOption,
    MasterOption,
    MemoryOption,
    RejectsOption,
    SetOption,
)
from clvml.cli.output import (
    command_line,
    print_json,
    print_leaderboard,
    print_list,
    progress,
    say_rejects,
)


def train(
    config: ConfigOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    rejects: RejectsOption = None,
    memory: MemoryOption = None,
    engine: EngineOption = "duckdb",
    master: MasterOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train, test out of time against the baselines, explain, log to MLflow, register."""
    import tempfile

    from clvml import pipeline
    from clvml.addresses import hide_password
    from clvml.tracking import check_tracking, log_training, tracking_uri

    settings = load_config(config, overrides, data)
    until = parse_date(as_of)
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    progress(f"reading {hide_password(settings.data.source)}")
    with workspace(memory) as connection:
        with spark_session(engine, master, rejects) as session:
            if session is None:
                prepared = pipeline.prepare(
                    settings.data, now(), as_of=until, rejects=rejects, connection=connection
                )
            else:
                whole = pipeline.prepare_on_spark(session, settings.data, now(), as_of=until)
                prepared = pipeline.sample_from_spark(whole, settings, connection)
        # Before an hour is spent on what could not be logged, but not for data that cannot be read.
        check_tracking(settings.tracking, uri)
        if not as_json:
            typer.echo(prepared.log.quality.to_text())
            say_rejects(prepared, rejects)
        with tempfile.TemporaryDirectory() as folder:
            trained = pipeline.train(prepared, settings, Path(folder), progress)
            progress("logging to MLflow")
            logged = log_training(trained.record, uri)
    if as_json:
        print_json(
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
        print_leaderboard(trained.backtest)
    print_list("What drives retention", trained.driver_sentences)
    print_list("Notes", [*trained.record.notes, *logged.notes])
    name = settings.tracking.registered_model
    which = logged.model_uri if logged.alias != "champion" else f"models:/{name}@champion"
    options = [] if which == "models:/clvml@champion" else ["--model", which]
    typer.echo(f"\nThe model is {logged.model_uri}, now the {logged.alias} of '{name}'. Score customers with")
    typer.echo(
        f"  {command_line('clvml', 'score', hide_password(settings.data.source), '--output', 'scores.csv', *options)}"
    )
    typer.echo(f"Plots and metrics are in run {logged.run_id} of experiment '{logged.experiment}':")
    typer.echo(f"  {command_line('mlflow', 'ui', '--backend-store-uri', uri)}")
