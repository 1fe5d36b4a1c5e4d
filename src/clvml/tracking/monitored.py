"""Monitoring in MLflow: a run under the training it judges, and tags on the version of the model."""

from __future__ import annotations

import tempfile
from pathlib import Path

from clvml.outcomes.monitoring import Monitoring
from clvml.tracking.liveness import PROCESS_TAG, mark
from clvml.tracking.record import KIND_TAG, MONITORING, ResolvedModel
from clvml.tracking.registry import find_run, search_versions
from clvml.tracking.runs import closing, log_metrics
from clvml.tracking.session import PARENT_TAG, open_store


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
    with open_store(uri, must_exist=True) as store:
        training = find_run(store, model.run_id)
        reasons = "\n".join(f"- {reason}" for reason in found.reasons)
        run = store.client.create_run(
            training.info.experiment_id,
            run_name=f"monitored until {found.until}",
            tags={
                KIND_TAG: MONITORING,
                PROCESS_TAG: mark(),
                PARENT_TAG: model.run_id,
                "mlflow.source.name": "clvml monitor",
                "mlflow.source.type": "LOCAL",
                "mlflow.note.content": f"**{found.recommendation}**\n\n{reasons}",
                "recommendation": found.recommendation,
                "as_of": found.as_of.isoformat(),
                "until": found.until.isoformat(),
                "compared_days": str(found.compared_days),
                "model_version": model.version,
            },
        )
        run_id = str(run.info.run_id)
        with closing(store, run_id):
            log_metrics(store, run_id, found.metrics)
            with tempfile.TemporaryDirectory() as folder:
                for name, table in (("tiers", found.tiers), ("drift", found.drift)):
                    table.to_csv(Path(folder) / f"{name}.csv", index=False)
                store.client.log_artifacts(run_id, folder)
            tags = {"monitored_until": found.until.isoformat(), "recommendation": found.recommendation}
            for version in search_versions(store, f"run_id='{model.run_id}'"):
                for key, value in tags.items():
                    store.client.set_model_version_tag(version.name, str(version.version), key, value)
        return run_id
