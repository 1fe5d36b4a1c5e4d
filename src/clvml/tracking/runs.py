"""A training becomes one MLflow run and one version in the registry."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from clvml.storage.addresses import hide_password
from clvml.tracking.artifacts import LEADERBOARD_TABLE, copy_model, write_run_files
from clvml.tracking.description import flat_params, fold_series, note, public_config, run_name, run_tags
from clvml.tracking.liveness import PROCESS_TAG, is_dead, is_silent, mark
from clvml.tracking.logged_model import log_model
from clvml.tracking.record import STARTED_TAG, UPLOAD_TAG, LoggedRun, TrainingRecord
from clvml.tracking.registry import ensure_registered, search_versions
from clvml.tracking.session import (
    MlflowException,
    Store,
    check_answer,
    entities,
    experiment_id,
    last_try,
    mlflow,
    open_store,
    registered_aliases,
)
from clvml.tracking.view import VIEW_TAG, save_view, view_address

# The most that MLflow takes at once is 1,000 of everything together.
METRICS_AT_ONCE = 800
MOST_EXPERIMENTS = 1000
EXPERIMENT_NOTE = (
    "Customer lifetime value and churn, by clvml. Every run is one training: its metrics are means over past dates "
    "that it had not seen, its description says how it stands against simple rules. `clvml compare` holds the runs "
    "against the champion, customer by customer."
)
# MLflow takes 36 at most, and its pages show it beside the name; the whole fingerprint is a tag.
DIGEST_LENGTH = 12


def log_training(record: TrainingRecord, uri: str) -> LoggedRun:
    """Log a training as one run, and register its model.

    The model becomes a version of ``tracking.registered_model``, with the alias ``champion`` if no version
    has it yet, else ``challenger``. A run that cannot be completed is marked as failed.

    Raises
    ------
    InputError
        The store cannot be used; see `clvml.tracking.session.open_store`.
    ValueError
        The model's directory holds something else than plain data.
    """
    names = record.config.tracking
    with open_store(uri) as store:
        # Refuses a name that cannot be used before a run is made.
        registered_aliases(store, names.registered_model)
        tags = run_tags(record)
        experiment = str(experiment_id(store, names.experiment))
        if VIEW_TAG not in store.client.get_experiment(experiment).tags:
            save_view(store, experiment, EXPERIMENT_NOTE)
        close_dead_runs(store)
        run = store.client.create_run(
            experiment,
            start_time=_started(record),
            tags=tags | {PROCESS_TAG: mark()},
            run_name=run_name(record),
        )
        run_id = run.info.run_id
        check_answer(store, "a new run", True, bool(run_id) and run.info.experiment_id == experiment)
        with closing(store, run_id):
            model_id, said = _log_everything(record, store, run_id, experiment)
            # Read again: while this one was uploaded, another may have become champion.
            aliases = registered_aliases(store, names.registered_model)
            if not aliases:
                ensure_registered(store, names.registered_model)
            alias = "challenger" if "champion" in aliases else "champion"
            found = mlflow.register_model(
                f"models:/{model_id}", names.registered_model, tags=version_tags(tags)
            )
            version = str(found.version)
            store.client.update_model_version(names.registered_model, version, description=note(record))
            store.client.set_registered_model_alias(names.registered_model, alias, version)
        return LoggedRun(
            run_id=run_id,
            model_version=version,
            model_uri=f"models:/{names.registered_model}/{version}",
            alias=alias,
            experiment=names.experiment,
            mlflow_page=view_address(uri, experiment),
            notes=(*said, *(text for text in store.complaints if "validate serving input" in text)),
        )


def uploaded_before(record: TrainingRecord, uri: str) -> LoggedRun | None:
    """Return where a kept training already is in the store; what a broken-off upload left there is removed.

    Raises
    ------
    InputError
        The store cannot be used; see `clvml.tracking.session.open_store`.
    """
    names = record.config.tracking
    with open_store(uri) as store:
        experiment = experiment_id(store, names.experiment, create=False)
        if experiment is None:
            return None
        condition = f"tags.{UPLOAD_TAG} = '{record.tags[UPLOAD_TAG]}'"
        for run in store.client.search_runs([experiment], condition):
            run_id = run.info.run_id
            versions = search_versions(store, f"run_id='{run_id}'")
            if run.info.status == "FINISHED" and versions:
                found = versions[0]
                aliases = registered_aliases(store, found.name)
                named = [alias for alias, number in aliases.items() if number == str(found.version)]
                return LoggedRun(
                    run_id=run_id,
                    model_version=str(found.version),
                    model_uri=f"models:/{found.name}/{found.version}",
                    alias=named[0] if named else "",
                    experiment=names.experiment,
                    mlflow_page=view_address(uri, experiment),
                )
            for version in versions:
                store.client.delete_model_version(version.name, version.version)
            store.client.delete_run(run_id)
    return None


def _started(record: TrainingRecord) -> int | None:
    """Return when a kept training was made [ms since 1970], for its run to stand where it belongs in time."""
    kept = record.tags.get(STARTED_TAG)
    return int(datetime.fromisoformat(kept).timestamp() * 1000) if kept else None


@contextmanager
def closing(store: Store, run_id: str) -> Iterator[None]:
    """End a run with the block: as finished, or as failed or killed where the block ends in an error."""
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        # Where the store itself is what failed, its first error is the one to tell.
        with contextlib.suppress(MlflowException), last_try():
            store.client.set_terminated(run_id, status=status)
        raise
    store.client.set_terminated(run_id)


def close_dead_runs(store: Store) -> None:
    """End the runs that killed processes of clvml left running in a store, with the models they had begun.

    A run is left alone as long as its process may be alive.
    """
    experiments = store.client.search_experiments(max_results=MOST_EXPERIMENTS)
    running = store.client.search_runs(
        [found.experiment_id for found in experiments],
        f"attributes.status = 'RUNNING' and tags.`{PROCESS_TAG}` LIKE '%'",
    )
    for run in running:
        told = run.data.tags[PROCESS_TAG]
        if not (is_dead(told) or is_silent(told)):
            continue
        run_id = run.info.run_id
        store.client.set_terminated(run_id, status="KILLED")
        # Servers of older versions know no such models.
        with contextlib.suppress(MlflowException):
            for model in store.client.search_logged_models(
                [run.info.experiment_id], f"source_run_id = '{run_id}'"
            ):
                if str(model.status) == "PENDING":
                    store.client.finalize_logged_model(model.model_id, "FAILED")


def log_metrics(store: Store, run_id: str, metrics: Mapping[str, float]) -> None:
    """Log those metrics of a run that are numbers."""
    now = int(time.time() * 1000)
    known = [entities.Metric(key, value, now, 0) for key, value in metrics.items() if math.isfinite(value)]
    store.client.log_batch(run_id, metrics=known)


def _log_everything(
    record: TrainingRecord, store: Store, run_id: str, experiment: str
) -> tuple[str, tuple[str, ...]]:
    dataset = purchase_dataset(record.config.data.source, record.fingerprint, record.quality)
    context = entities.InputTag("mlflow.data.context", "training")
    store.client.log_inputs(run_id, datasets=[entities.DatasetInput(dataset, [context])])
    with tempfile.TemporaryDirectory(prefix="clvml-") as name:
        files, staging = Path(name, "files"), Path(name, "model")
        files.mkdir()
        staging.mkdir()
        write_run_files(record, files)
        store.client.log_artifacts(run_id, str(files))
        model_id, notes = log_model(
            record, store, run_id, experiment, copy_model(record.model_directory, staging)
        )
    now = int(time.time() * 1000)
    metrics = [
        # Tied to model and data, MLflow shows them on the model's page as well.
        entities.Metric(key, float(value), now, 0, model_id, dataset.name, dataset.digest, run_id)
        for key, value in record.metrics.items()
        if math.isfinite(value)
    ]
    metrics += [entities.Metric(key, value, now, step) for key, step, value in fold_series(record)]
    told = flat_params(public_config(record.config))
    params = [entities.Param(key, value) for key, value in told.items()]
    tables = [] if record.leaderboard.empty else [{"path": LEADERBOARD_TABLE, "type": "table"}]
    tags = [entities.RunTag("mlflow.loggedArtifacts", json.dumps(tables))] if tables else []
    store.client.log_batch(run_id, metrics[:METRICS_AT_ONCE], params, tags)
    for start in range(METRICS_AT_ONCE, len(metrics), METRICS_AT_ONCE):
        store.client.log_batch(run_id, metrics[start : start + METRICS_AT_ONCE])
    return model_id, notes


def purchase_dataset(source: str, fingerprint: str, quality: dict[str, Any]) -> entities.Dataset:
    """Return a purchase log as MLflow's data set."""
    # MLflow's own dataset classes would read the data to hash it, and the log has its fingerprint already.
    source = hide_password(source)
    counts = {"num_rows": quality.get("rows_out"), "num_customers": quality.get("customers")}
    return entities.Dataset(
        name=_dataset_name(source),
        digest=fingerprint[:DIGEST_LENGTH],
        source_type="database" if "://" in source else "local",
        source=json.dumps({"uri": source}),
        profile=json.dumps({key: value for key, value in counts.items() if value is not None}),
    )


def _dataset_name(source: str) -> str:
    address, _, query = source.partition("?")
    table = [part.partition("=")[2] for part in query.split("&") if part.startswith("table=")]
    return table[0] if table else address.rstrip("/").rpartition("/")[2].partition(".")[0] or address


def version_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run that its version in the registry has, too."""
    return {key: value for key, value in tags.items() if key in ("as_of", "horizon_days", "data_fingerprint")}
