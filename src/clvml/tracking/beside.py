"""Runs beside a model: what was done with its scores and what came of them, each below its training."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from clvml.outcomes.monitoring import Monitoring
from clvml.tracking.liveness import PROCESS_TAG, mark
from clvml.tracking.record import KIND_TAG, MONITORING, ResolvedModel
from clvml.tracking.registry import find_run, search_versions
from clvml.tracking.runs import closing, log_metrics
from clvml.tracking.session import PARENT_TAG, Store, open_store


def log_beside(
    store: Store,
    training_id: str,
    *,
    kind: str,
    name: str,
    note: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    files: Mapping[str, str],
    version_tags: Mapping[str, str],
) -> str:
    """Log a run below a training, tell the versions of its model, and return the run's id.

    ``note`` is its description as Markdown, ``files`` are texts by file name.

    Raises
    ------
    InputError
        The training is not in the store.
    """
    training = find_run(store, training_id)
    run = store.client.create_run(
        training.info.experiment_id,
        run_name=name,
        tags={
            KIND_TAG: kind,
            PROCESS_TAG: mark(),
            PARENT_TAG: training_id,
            "mlflow.source.name": f"clvml {'monitor' if kind == MONITORING else kind}",
            "mlflow.source.type": "LOCAL",
            "mlflow.note.content": note,
            **tags,
        },
    )
    run_id = str(run.info.run_id)
    with closing(store, run_id):
        log_metrics(store, run_id, metrics)
        with tempfile.TemporaryDirectory() as folder:
            for file, text in files.items():
                (Path(folder) / file).write_text(text, encoding="utf-8")
            store.client.log_artifacts(run_id, folder)
        for version in search_versions(store, f"run_id='{training_id}'"):
            for key, value in version_tags.items():
                store.client.set_model_version_tag(version.name, str(version.version), key, value)
    return run_id


def training_metrics(run_id: str, uri: str) -> dict[str, float]:
    """Return what a training run measured out of time, by metric.

    Raises
    ------
    InputError
        The run is not in the store, or the store cannot be used.
    """
    with open_store(uri, must_exist=True) as store:
        return dict(find_run(store, run_id).data.metrics)


def log_monitoring(found: Monitoring, model: ResolvedModel, uri: str) -> str:
    """Log what became of a scored file beside the training of its model, and return the run's id.

    The versions of the model are told, too: those that were made by the same run, under whatever name.

    Raises
    ------
    InputError
        The training run is not in the store, or the store cannot be used.
    """
    reasons = "\n".join(f"- {reason}" for reason in found.reasons)
    with open_store(uri, must_exist=True) as store:
        return log_beside(
            store,
            model.run_id,
            kind=MONITORING,
            name=f"monitored until {found.until}",
            note=f"**{found.recommendation}**\n\n{reasons}",
            tags={
                "recommendation": found.recommendation,
                "as_of": found.as_of.isoformat(),
                "until": found.until.isoformat(),
                "compared_days": str(found.compared_days),
                "model_version": model.version,
            },
            metrics=found.metrics,
            files={
                "tiers.csv": found.tiers.to_csv(index=False),
                "drift.csv": found.drift.to_csv(index=False),
            },
            version_tags={
                "monitored_until": found.until.isoformat(),
                "recommendation": found.recommendation,
            },
        )
