"""clvml train."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import load_config, now, overridden, parse_date, spark_session, workspace
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
    print_mlflow_page,
    print_paragraph,
    progress,
    say_rejects,
)
from clvml.errors import InputError

if TYPE_CHECKING:
    from datetime import date

    from clvml.config import Config
    from clvml.tracking import LoggedRun, TrainingRecord
    from clvml.tracking.reproduction import RecordedTraining
    from clvml.workflows import Prepared, Trained


def train(
    config: ConfigOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    rejects: RejectsOption = None,
    memory: MemoryOption = None,
    engine: EngineOption = "duckdb",
    master: MasterOption = None,
    overrides: SetOption = None,
    from_run: Annotated[
        str | None,
        typer.Option("--from-run", help="Train again what a run, version or alias was trained with."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train, test out of time against the baselines, explain, log to MLflow, register."""
    from clvml import workflows
    from clvml.storage.addresses import hide_password
    from clvml.storage.workspace import temporary_folder
    from clvml.tracking import StoreUnreachable, check_tracking, tracking_uri

    until = parse_date(as_of)
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    recorded = None
    if from_run is None:
        settings = load_config(config, overrides, data)
    else:
        recorded, settings, until = _recorded(from_run, config, overrides, data, until, uri)
    progress(f"reading {hide_password(settings.data.source)}")
    prepared: Prepared
    with workspace(memory) as connection, spark_session(engine, master, rejects) as session:
        if session is None:
            prepared = workflows.prepare(
                settings.data, now(), as_of=until, rejects=rejects, connection=connection
            )
        else:
            whole = workflows.prepare_on_spark(session, settings.data, now(), as_of=until)
            prepared = workflows.sample_on_spark(whole, settings, connection)
        changes = _check_data(recorded, prepared, data)
        # Before an hour is spent on what could not be logged, but not for data that cannot be read.
        try:
            check_tracking(settings.tracking, uri)
        except StoreUnreachable as error:
            progress(
                f"{error}; training goes on, and its results are kept on disk if nothing answers at its end either"
            )
        if not as_json:
            typer.echo(prepared.log.quality.to_text())
            say_rejects(prepared, rejects)
        with temporary_folder() as folder:
            trained = workflows.train(prepared, settings, folder, progress)
            record = trained.record
            if recorded is not None:
                record = _as_reproduction(record, recorded, changes)
            progress("logging to MLflow")
            logged, kept, reason = _log_or_keep(record, uri)
    reproduced = _reproduced(recorded, record) if recorded is not None and not changes else None
    notes = [*record.notes, *(logged.notes if logged else ())]
    if as_json:
        print_json(
            {
                "run_id": logged.run_id if logged else None,
                "model_version": logged.model_version if logged else None,
                "model_uri": logged.model_uri if logged else None,
                "alias": logged.alias if logged else None,
                "experiment": settings.tracking.experiment,
                "tracking_uri": hide_password(uri),
                "mlflow_page": logged.mlflow_page if logged else None,
                "pending": str(kept) if kept else None,
                "pending_reason": reason or None,
                "as_of": prepared.as_of,
                "answer": workflows.answer(trained.backtest) if trained.backtest else None,
                "metrics": record.metrics,
                "verdicts": record.verdicts,
                "drivers": trained.driver_sentences,
                "reproduced": reproduced,
                "notes": notes,
            }
        )
        return
    _print_trained(trained, notes, reproduced)
    if logged is not None:
        _print_logged(logged, settings, uri)
    else:
        _print_kept(kept, reason, settings)


def _recorded(
    reference: str,
    config: Path | None,
    overrides: list[str] | None,
    data: str | None,
    until: date | None,
    uri: str,
) -> tuple[RecordedTraining, Config, date | None]:
    """Return what a run recorded, its configuration for this training, and the date up to which data is used."""
    from clvml.config import parse_config
    from clvml.tracking import recorded_training

    if until is not None and data is None:
        raise InputError(
            "--as-of with --from-run is for other data: the run has its own date; leave it out, or add --data"
        )
    registered = load_config(config, None).tracking.registered_model if config else "clvml"
    recorded = recorded_training(reference, registered, uri)
    raw = overridden(recorded.config.model_dump(mode="json"), overrides)
    settings = parse_config(raw, f"the configuration of run '{recorded.run_id}' with --set")
    if data is not None:
        return recorded, settings.with_source(data), until
    if re.search(r":\*\*\*@|=\*\*\*(&|$)", settings.data.source):
        raise InputError(
            f"run '{recorded.run_id}' recorded '{settings.data.source}', without the password; give the whole address "
            "with --data, and --as-of " + recorded.as_of.isoformat()
        )
    return recorded, settings, recorded.as_of


def _check_data(recorded: RecordedTraining | None, prepared: Prepared, data: str | None) -> str:
    """Return how the data differs from the run's, in words; InputError unless other data was asked for."""
    if recorded is None:
        return ""
    changes = recorded.data_changes(prepared.log.fingerprint, prepared.log.quality.to_dict())
    if changes and data is None:
        raise InputError(
            f"'{recorded.config.data.source}' is not what run '{recorded.run_id}' was trained on: {changes}; bring the "
            "old data back, or train on other data on purpose with --data"
        )
    return changes


def _as_reproduction(record: TrainingRecord, recorded: RecordedTraining, changes: str) -> TrainingRecord:
    notes = [f"trained again from run {recorded.run_id}{f', on other data: {changes}' if changes else ''}"]
    if versions := recorded.environment_changes():
        notes.append(f"packages have changed since, so last digits may differ: {versions}")
    return replace(
        record, notes=[*record.notes, *notes], tags=record.tags | {"reproduced_from": recorded.run_id}
    )


def _reproduced(recorded: RecordedTraining, record: TrainingRecord) -> dict[str, Any]:
    changed = recorded.metric_changes(record.metrics)
    return {
        "run_id": recorded.run_id,
        "same_metrics": not changed,
        "changed": {key: {"now": new, "then": old} for key, (new, old) in changed.items()},
    }


def _log_or_keep(record: TrainingRecord, uri: str) -> tuple[LoggedRun | None, Path | None, str]:
    """Log a training; where that fails, keep it on disk: (where it is logged, where it is kept, why)."""
    from clvml.tracking import keep_training, log_training
    from clvml.tracking.pending import PENDING_FOLDER

    try:
        return log_training(record, uri), None, ""
    except Exception as error:
        kept = keep_training(record, Path(PENDING_FOLDER))
        if isinstance(error, InputError):
            return None, kept, str(error)
        progress(f"the training is kept in {kept}; 'clvml sync' logs it once the fault below is mended")
        raise


def _print_trained(trained: Trained, notes: list[str], reproduced: dict[str, Any] | None) -> None:
    if trained.backtest:
        print_leaderboard(trained.backtest)
    print_list("What drives retention", trained.driver_sentences)
    print_list("Notes", notes)
    if reproduced is None:
        return
    typer.echo()
    if reproduced["same_metrics"]:
        print_paragraph(f"All metrics are those of run {reproduced['run_id']}, to the last digit.")
        return
    changed = ", ".join(f"{k} {v['now']} (was {v['then']})" for k, v in reproduced["changed"].items())
    print_paragraph(f"Metrics that are not those of run {reproduced['run_id']}: {changed}")


def _print_logged(logged: LoggedRun, settings: Config, uri: str) -> None:
    from clvml.storage.addresses import hide_password

    name = settings.tracking.registered_model
    which = logged.model_uri if logged.alias != "champion" else f"models:/{name}@champion"
    options = [] if which == "models:/clvml@champion" else ["--model", which]
    typer.echo(f"\nThe model is {logged.model_uri}, now the {logged.alias} of '{name}'. Score customers with")
    typer.echo(
        f"  {command_line('clvml', 'score', hide_password(settings.data.source), '--output', 'scores.csv', *options)}"
    )
    typer.echo(f"Plots and metrics are in run {logged.run_id} of experiment '{logged.experiment}':")
    print_mlflow_page(uri, logged.mlflow_page)


def _print_kept(kept: Path | None, reason: str, settings: Config) -> None:
    from clvml.storage.addresses import hide_password

    typer.echo()
    print_paragraph(f"Not logged: {reason}")
    typer.echo(f"\nNothing is lost: the training is in {kept}. When the store answers, upload it with")
    typer.echo(f"  {command_line('clvml', 'sync')}")
    typer.echo("Until then, score customers with")
    model = ["--model", f"{kept}/model"]
    source = hide_password(settings.data.source)
    typer.echo(f"  {command_line('clvml', 'score', source, '--output', 'scores.csv', *model)}")
