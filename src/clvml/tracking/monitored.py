"""Monitoring in MLflow: a run under the training it judges, and tags on the version of the model."""

from __future__ import annotations

from clvml.outcomes.monitoring import Monitoring
from clvml.tracking.beside import Beside, log_beside
from clvml.tracking.record import MONITORING, ResolvedModel
from clvml.tracking.registry import find_run
from clvml.tracking.session import open_store


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
    judged = {"monitored_until": found.until.isoformat(), "recommendation": found.recommendation}
    run = Beside(
        kind=MONITORING,
        command="monitor",
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
        version_tags=judged,
    )
    with open_store(uri, must_exist=True) as store:
        return log_beside(store, model.run_id, run)
