"""What a training hands to tracking, and what tracking hands back. Free of mlflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from clvml.config import AnyConfig
from clvml.errors import InputError

# Tells runs of other kinds from the trainings, which have no such tag.
KIND_TAG, EXPERIMENT, VARIANT, MONITORING = "clvml.kind", "experiment", "variant", "monitoring"
PLAN, READBACK = "plan", "readback"
# Of these, nothing is tested on past dates.
UNTESTED = (EXPERIMENT, MONITORING, PLAN, READBACK)
# Tags of a training that was kept on disk until the store answered.
UPLOAD_TAG = "upload_id"
STARTED_TAG = "trained_at"


class StoreUnreachable(InputError):
    """Nothing answers where the tracking store should be: it may do so later."""


@dataclass(frozen=True)
class TrainingRecord:
    """Everything that a training leaves behind.

    Attributes
    ----------
    as_of : date
        The first day not observed.
    horizon_days : int
        Days of future predicted [days].
    fingerprint : str
        Of the purchase log: equal for equal data.
    quality : dict
        The data-quality report, ready for JSON.
    quality_text : str
        The same for people.
    metrics : dict of str to float
        Pooled headline metrics of the trained model, by key. NaN and infinite ones are not logged.
    fold_metrics : DataFrame
        One row per model, cutoff and metric: `model, cutoff, metric, value`.
    leaderboard : DataFrame
        To be shown: one row per model (the index), one column per metric. Like `fold_metrics`, empty where
        the log is too short for a backtest.
    verdicts : list of str
        Sentences.
    figures : dict of str to bytes
        PNGs by file name without ending.
    drivers : DataFrame
        What moves the predictions.
    model_directory : Path
        The saved model: JSON only.
    signature_example : DataFrame
        A few rows of a purchase log that the model can score, under the input's own column names.
    notes : list of str
        What else people should know.
    model_name : str
        The trained model's name in `fold_metrics`; the first one there if empty.
    predictions : DataFrame
        Out of time, of the trained model, for later comparisons: one row per (`cutoff`, `customer_id`), with
        `actual_spend` [currency], `churned` (0 or 1), `spend` [currency] and `p_churn`. Empty without a test.
    retention : DataFrame
        Of subscriptions, what is left of each cohort (`clvml.customers.cohorts`); empty of purchases.
    page : str
        The report on the customers as HTML; empty where it could not be made.
    tags : dict of str to str
        More tags for the run, such as what it reproduces.
    """

    config: AnyConfig
    as_of: date
    horizon_days: int
    fingerprint: str
    quality: dict[str, Any]
    quality_text: str
    metrics: dict[str, float]
    fold_metrics: pd.DataFrame
    leaderboard: pd.DataFrame
    verdicts: list[str]
    figures: dict[str, bytes]
    drivers: pd.DataFrame
    model_directory: Path
    signature_example: pd.DataFrame
    notes: list[str]
    model_name: str = ""
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    retention: pd.DataFrame = field(default_factory=pd.DataFrame)
    page: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedRun:
    """Where a training is in MLflow.

    Attributes
    ----------
    model_version : str
        In the registry: a number, as text.
    model_uri : str
        What `mlflow.pyfunc.load_model` and ``--model`` take: ``models:/<name>/<version>``.
    alias : str
        "champion" if it is the first of its name, else "challenger".
    experiment : str
        The experiment's name.
    mlflow_page : str
        Address of its runs with their metrics; see `clvml.tracking.view`.
    notes : tuple of str
        What MLflow complained about while it logged the model; usually nothing.
    """

    run_id: str
    model_version: str
    model_uri: str
    alias: str
    experiment: str
    mlflow_page: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResolvedModel:
    """A model found by reference.

    Attributes
    ----------
    directory : Path
        Holds ``model.json``. In place for a local store, else a copy that lasts as long as the process.
    version : str
        The number in the registry, or "unregistered".
    run_id : str
        The run that trained it; empty where that is not known.
    note : str
        A doubt whether it is the one that is meant; mostly empty.
    """

    directory: Path
    version: str
    run_id: str
    note: str = ""


@dataclass(frozen=True)
class VariantRecord:
    """A variant of an experiment, or the experiment as a whole, as it is logged.

    Attributes
    ----------
    name : str
        Of the run.
    key : str
        Equal for what gives equal predictions; by it, a finished variant is found again, and an experiment on
        the same data and code.
    changes : dict of str to object
        What differs from the base configuration, by key.
    fingerprint : str
        Of the purchase log.
    quality : dict
        The data-quality report, ready for JSON.
    as_of : date
        The first day not observed.
    """

    name: str
    key: str
    changes: dict[str, Any]
    config: AnyConfig
    fingerprint: str
    quality: dict[str, Any]
    as_of: date
