"""Tracking: every training as an MLflow run, every model in its registry. The only importer of mlflow.

Importing this package, or `clvml.tracking.record`, is quick: mlflow itself, which takes seconds, is imported
when one of the functions is first asked for.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from clvml.tracking.record import (
    LoggedRun,
    ResolvedModel,
    StoreUnreachable,
    TrainingRecord,
    VariantRecord,
)

if TYPE_CHECKING:
    from clvml.tracking.campaign_runs import log_plan, log_readback
    from clvml.tracking.comparison import compare
    from clvml.tracking.location import store_in_use, tracking_uri
    from clvml.tracking.monitored import log_monitoring, training_metrics
    from clvml.tracking.pending import keep_training, sync
    from clvml.tracking.promotion import promote, rollback
    from clvml.tracking.registry import resolve_model
    from clvml.tracking.reproduction import recorded_training
    from clvml.tracking.runs import log_training
    from clvml.tracking.session import check_tracking, current_tracking_uri
    from clvml.tracking.standing import model_state
    from clvml.tracking.variant_runs import ExperimentRuns, search_storage

__all__ = [
    "ExperimentRuns",
    "LoggedRun",
    "ResolvedModel",
    "StoreUnreachable",
    "TrainingRecord",
    "VariantRecord",
    "check_tracking",
    "compare",
    "current_tracking_uri",
    "keep_training",
    "log_monitoring",
    "log_plan",
    "log_readback",
    "log_training",
    "model_state",
    "promote",
    "recorded_training",
    "resolve_model",
    "rollback",
    "search_storage",
    "store_in_use",
    "sync",
    "tracking_uri",
    "training_metrics",
]

# MLflow reads this once, while it is imported, and would report its use over the network. Here, since this
# module runs before any other of the package; a user who has set it otherwise keeps that.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

_HOMES = {
    "ExperimentRuns": "clvml.tracking.variant_runs",
    "check_tracking": "clvml.tracking.session",
    "compare": "clvml.tracking.comparison",
    "current_tracking_uri": "clvml.tracking.session",
    "keep_training": "clvml.tracking.pending",
    "log_monitoring": "clvml.tracking.monitored",
    "log_plan": "clvml.tracking.campaign_runs",
    "log_readback": "clvml.tracking.campaign_runs",
    "log_training": "clvml.tracking.runs",
    "model_state": "clvml.tracking.standing",
    "promote": "clvml.tracking.promotion",
    "recorded_training": "clvml.tracking.reproduction",
    "resolve_model": "clvml.tracking.registry",
    "rollback": "clvml.tracking.promotion",
    "search_storage": "clvml.tracking.variant_runs",
    "store_in_use": "clvml.tracking.location",
    "sync": "clvml.tracking.pending",
    "tracking_uri": "clvml.tracking.location",
    "training_metrics": "clvml.tracking.monitored",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
