"""Tracking: every training as an MLflow run, every model in its registry. The only importer of mlflow.

Importing this package, or `clvml.tracking.record`, is quick: mlflow itself, which takes seconds, is imported
when one of the functions is first asked for.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from clvml.tracking.record import LoggedRun, ResolvedModel, TrainingRecord, VariantRecord

if TYPE_CHECKING:
    from clvml.tracking.experiments import ExperimentRuns, search_storage
    from clvml.tracking.location import tracking_uri
    from clvml.tracking.registry import resolve_model
    from clvml.tracking.runs import log_training
    from clvml.tracking.session import check_tracking

__all__ = [
    "ExperimentRuns",
    "LoggedRun",
    "ResolvedModel",
    "TrainingRecord",
    "VariantRecord",
    "check_tracking",
    "log_training",
    "resolve_model",
    "search_storage",
    "tracking_uri",
]

# MLflow reads this once, while it is imported, and would report its use over the network. Here, since this
# module runs before any other of the package; a user who has set it otherwise keeps that.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

_HOMES = {
    "ExperimentRuns": "clvml.tracking.experiments",
    "check_tracking": "clvml.tracking.session",
    "log_training": "clvml.tracking.runs",
    "resolve_model": "clvml.tracking.registry",
    "search_storage": "clvml.tracking.experiments",
    "tracking_uri": "clvml.tracking.location",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
