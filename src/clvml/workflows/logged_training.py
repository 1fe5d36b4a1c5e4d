"""A training from its data to its run in MLflow, or, where no server answers, to a folder that waits for one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from clvml.config import AnyConfig, SubscriptionConfig, overridden
from clvml.errors import InputError
from clvml.scores.customer_margin import margin_columns
from clvml.storage.workspace import temporary_folder
from clvml.tracking.record import LoggedRun, StoreUnreachable, TrainingRecord
from clvml.workflows.contract_training import train_contract
from clvml.workflows.preparation import (
    Prepared,
    prepare,
    prepare_on_spark,
    prepare_subscriptions,
    sample_on_spark,
)
from clvml.workflows.training import Trained, train

if TYPE_CHECKING:
    from clvml.tracking.reproduction import RecordedTraining

Progress = Callable[[str], None]

# What `hide_password` left of a password.
_HIDDEN = re.compile(r"[:/=]\*\*\*(@|[&;#]|$)")


@dataclass(frozen=True)
class Again:
    """A run to train again.

    Attributes
    ----------
    config : Config or SubscriptionConfig
        What the run was trained with, with what is to be different.
    other_data : bool
        Other data was asked for: it may differ from what the run was trained on.
    """

    recorded: RecordedTraining
    config: AnyConfig
    as_of: date | None
    other_data: bool


@dataclass(frozen=True)
class LoggedTraining:
    """A training, and where it is now.

    Attributes
    ----------
    logged : LoggedRun or None
        The run; None where it could not be logged.
    kept : Path or None
        The folder that waits for `clvml sync`, where it could not be.
    reason : str
        Why it could not be.
    reproduced : dict or None
        How the metrics compare with those of the run that was trained again on the same data.
    """

    prepared: Prepared[Any]
    trained: Trained
    logged: LoggedRun | None
    kept: Path | None
    reason: str
    reproduced: dict[str, Any] | None
    notes: list[str]


def train_again(
    reference: str,
    registered_model: str,
    uri: str,
    overrides: list[str] | None = None,
    source: str | None = None,
    as_of: date | None = None,
) -> Again:
    """Return what a run recorded, its configuration for another training, and the date up to which data is used.

    Raises
    ------
    InputError
        The run cannot be found, or its data needs a password.
    """
    from clvml.tracking.reproduction import recorded_training

    recorded = recorded_training(reference, registered_model, uri)
    config = overridden(
        recorded.config, overrides, f"the configuration of run '{recorded.run_id}' with --set"
    )
    if source is not None:
        config = config.with_source(source)
    for key, place in config.data.places().items():
        if _HIDDEN.search(place):
            date_of = (as_of or recorded.as_of).isoformat()
            given = f"--data, and --as-of {date_of}" if key == "source" else f"--set data.{key}=ADDRESS"
            raise InputError(
                f"run '{recorded.run_id}' recorded '{place}', without the password; give the whole address with {given}"
            )
    if source is not None:
        return Again(recorded, config, as_of, True)
    until = as_of or recorded.as_of
    return Again(recorded, config, until, until != recorded.as_of)


def train_and_log(
    config: AnyConfig,
    uri: str,
    now: datetime,
    connection: duckdb.DuckDBPyConnection,
    session: Any = None,
    as_of: date | None = None,
    rejects: Path | None = None,
    again: Again | None = None,
    told: Callable[[Prepared[Any]], None] = lambda prepared: None,
    progress: Progress = lambda text: None,
) -> LoggedTraining:
    """Read, train, and log; a training that cannot be logged is kept on disk.

    Parameters
    ----------
    uri : str
        The tracking store.
    now : datetime
        Order dates after it are rejected.
    connection : duckdb.DuckDBPyConnection
        Where the log's tables are made.
    session : SparkSession, optional
        Reads the log and makes the features.
    as_of : date, optional
        First day not used; the day after the last order where not given.
    rejects : Path, optional
        File for the rejected rows.
    again : Again, optional
        The run that is trained again.
    told : callable
        Told the log, before training begins.
    progress : callable
        Told what is being done.

    Raises
    ------
    InputError
        The data cannot be used, is not that of the run to train again, or the store cannot be used at all.
    """
    from clvml.tracking.session import check_tracking

    prepared: Prepared[Any]
    if isinstance(config, SubscriptionConfig):
        prepared = prepare_subscriptions(config.data, now, as_of=as_of)
    elif session is None:
        prepared = prepare(
            config.data,
            now,
            as_of=as_of,
            rejects=rejects,
            connection=connection,
            horizon_days=config.windows.horizon_days,
            example=margin_columns(config.value),
        )
    else:
        whole = prepare_on_spark(session, config.data, now, as_of=as_of)
        prepared = sample_on_spark(whole, config, connection)
    changes = _data_changes(again, prepared) if again else ""
    # Before an hour is spent on what could not be logged, but not for data that cannot be read.
    try:
        check_tracking(config.tracking, uri)
    except StoreUnreachable as error:
        progress(
            f"{error}; training goes on, and its results are kept on disk if nothing answers at its end either"
        )
    told(prepared)
    with temporary_folder() as folder:
        trained = (
            train_contract(prepared, config, folder, progress)
            if isinstance(config, SubscriptionConfig)
            else train(prepared, config, folder, progress)
        )
        record = _reproduction(trained.record, again, changes) if again else trained.record
        progress("logging to MLflow")
        logged, kept, reason = _log_or_keep(record, uri, progress)
    return LoggedTraining(
        prepared,
        trained,
        logged,
        kept,
        reason,
        _reproduced(again.recorded, record) if again and not changes else None,
        [*record.notes, *(logged.notes if logged else ())],
    )


def _data_changes(again: Again, prepared: Prepared[Any]) -> str:
    """Return how the data differs from the run's, in words; InputError unless other data was asked for."""
    recorded, quality = again.recorded, prepared.log.quality.to_dict()
    changes = recorded.data_changes(prepared.log.fingerprint, quality)
    if changes and not again.other_data:
        raise InputError(
            f"'{recorded.config.data.source}' is not what run '{recorded.run_id}' was trained on: {changes}; bring the "
            "old data back, or train on other data on purpose with --data"
        )
    return changes


def _reproduction(record: TrainingRecord, again: Again, changes: str) -> TrainingRecord:
    recorded = again.recorded
    notes = [f"trained again from run {recorded.run_id}{f', on other data: {changes}' if changes else ''}"]
    if versions := recorded.environment_changes():
        notes.append(f"packages have changed since, so last digits may differ: {versions}")
    tags = record.tags | {"reproduced_from": recorded.run_id}
    return replace(record, notes=[*record.notes, *notes], tags=tags)


def _reproduced(recorded: RecordedTraining, record: TrainingRecord) -> dict[str, Any]:
    changed = recorded.metric_changes(record.metrics)
    return {
        "run_id": recorded.run_id,
        "same_metrics": not changed,
        "changed": {key: {"now": new, "then": old} for key, (new, old) in changed.items()},
    }


def _log_or_keep(
    record: TrainingRecord, uri: str, progress: Progress
) -> tuple[LoggedRun | None, Path | None, str]:
    """Log a training; where that fails, keep it on disk: (where it is logged, where it is kept, why)."""
    from clvml.tracking.runs import log_training

    try:
        return log_training(record, uri), None, ""
    except Exception as error:
        kept = _kept(record, progress)
        if isinstance(error, InputError):
            return None, kept, str(error)
        progress(f"the training is kept in {kept}; 'clvml sync' logs it once the fault below is mended")
        raise


def _kept(record: TrainingRecord, progress: Progress) -> Path:
    """Keep a training in the current folder, or, where that cannot take it, in the one for temporary files."""
    from clvml.tracking.pending import PENDING_FOLDER, keep_training

    try:
        return keep_training(record, Path(PENDING_FOLDER))
    except InputError as error:
        elsewhere = Path(tempfile.gettempdir(), PENDING_FOLDER)
        progress(f"{error}; it is kept in '{elsewhere}'")
        return keep_training(record, elsewhere)
