"""AutoGluon's tabular predictor on the same features and windows as boosted.py: what needs no modeller at all.

Runs in an environment of its own (requirements-automl.txt). It chooses and weighs its models on the newest window,
and then fits the chosen again on all of them.
"""

from __future__ import annotations

import tempfile
import time
from unittest import mock

import numpy as np
import pandas as pd
from boosted import Forecast, _forecast, _split, _x, _y

# Processor seconds of a fit, of which there are two per horizon. By the clock, whatever else the machine does would
# decide which models are tried.
SECONDS = 20
PRESETS = "medium_quality"
# Random forests, whose first forty trees alone take ten times as long on one thread, and networks, which need torch.
WITHOUT = ["RF", "XT", "FASTAI", "NN_TORCH"]


def fit_predict_autogluon(train: pd.DataFrame, test: pd.DataFrame) -> Forecast:
    """Return expected spend and P(no order), and the settings: a regression and a binary classification."""
    spend = _fit_predict(train, test, "actual_spend", "regression", "root_mean_squared_error")
    churn = _fit_predict(train, test, "churned", "binary", "log_loss")
    return _forecast(np.maximum(spend, 0.0), churn), f"{PRESETS}, {SECONDS} processor seconds a fit"


def _fit_predict(
    train: pd.DataFrame, test: pd.DataFrame, label: str, problem: str, metric: str
) -> np.ndarray:
    """Return the predictions: of the two classes, where it is binary."""
    from autogluon.tabular import TabularPredictor

    learnt, stopped = (_x(rows).assign(label=_y(rows, label)) for rows in _split(train))
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor("label", problem, metric, folder, verbosity=0)
        with mock.patch.object(time, "time", time.process_time):
            predictor.fit(
                learnt,
                tuning_data=stopped,
                presets=PRESETS,
                excluded_model_types=WITHOUT,
                time_limit=SECONDS,
                num_cpus=1,
                num_gpus=0,
                refit_full="best",
                set_best_to_refit_full=True,
            )
        answers = predictor.predict_proba(_x(test)) if problem == "binary" else predictor.predict(_x(test))
        return answers.to_numpy()
