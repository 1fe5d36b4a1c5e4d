"""LightGBM with the zero-inflated lognormal loss of Wang, Liu and Miao (2019), on the features of boosted.py.

One model of three outputs: the logit of P(spend > 0), and mean and log standard deviation of the logarithm of what
is spent then. Each round grows a tree for every output; the curvature is Fisher's information, which is diagonal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from boosted import ENDS, LIGHTGBM, PATIENCE, ROUNDS, Forecast, _split, _x, _y
from scipy.special import expit, logit, ndtri


def fit_predict_ziln(train: pd.DataFrame, test: pd.DataFrame) -> Forecast:
    """Return expected spend, P(no spend) and the ends of an 80 % interval, and the settings."""
    import lightgbm as lgb

    learnt, stopped = _split(train)
    start = _constants(_spend(learnt))
    first = lgb.train(
        _parameters(),
        _data(learnt, start),
        num_boost_round=ROUNDS,
        valid_sets=[_data(stopped, start)],
        feval=lambda outputs, data: ("ziln", _loss(outputs, data.get_label()).mean(), False),
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    start = _constants(_spend(train))
    last = lgb.train(_parameters(), _data(train, start), num_boost_round=first.best_iteration)
    settings = f"{first.best_iteration} rounds of three trees, 31 leaves"
    return _forecast(last.predict(_x(test), raw_score=True) + start), settings


def _parameters() -> dict:
    return {"objective": _slopes, "num_class": 3, "metric": "None", **LIGHTGBM}


def _data(rows: pd.DataFrame, start: np.ndarray):
    import lightgbm as lgb

    return lgb.Dataset(_x(rows), _spend(rows), init_score=np.tile(start, (len(rows), 1)))


def _spend(rows: pd.DataFrame) -> np.ndarray:
    return _y(rows, "actual_spend")


def _constants(spend: np.ndarray) -> np.ndarray:
    """Return the three outputs that fit best were everybody the same."""
    logs = np.log(spend[spend > 0])
    return np.array([logit((spend > 0).mean()), logs.mean(), np.log(logs.std())])


def _standardized(outputs: np.ndarray, spend: np.ndarray) -> np.ndarray:
    """Return (log spend - mu) / sigma, and 0 where nothing was spent."""
    logs = np.log(np.where(spend > 0, spend, 1.0))
    return np.where(spend > 0, (logs - outputs[:, 1]) * np.exp(-outputs[:, 2]), 0.0)


def _loss(outputs: np.ndarray, spend: np.ndarray) -> np.ndarray:
    """Return minus the log likelihood of each row, without what no output changes."""
    bought = spend > 0
    amount = outputs[:, 2] + 0.5 * _standardized(outputs, spend) ** 2
    return np.logaddexp(0.0, outputs[:, 0]) - bought * outputs[:, 0] + np.where(bought, amount, 0.0)


def _slopes(outputs: np.ndarray, data) -> tuple[np.ndarray, np.ndarray]:
    """Return the first derivatives of the loss and Fisher's information, one column per output."""
    spend = data.get_label()
    bought, z, p = spend > 0, _standardized(outputs, spend), expit(outputs[:, 0])
    precision = np.exp(-outputs[:, 2])
    slopes = np.column_stack([p - bought, -z * precision, bought * (1.0 - z**2)])
    return slopes, np.column_stack([p * (1.0 - p), bought * precision**2, 2.0 * bought])


def _forecast(outputs: np.ndarray) -> dict[str, np.ndarray]:
    p, mu, sigma = expit(outputs[:, 0]), outputs[:, 1], np.exp(outputs[:, 2])
    made = {"spend": p * np.exp(mu + sigma**2 / 2), "churn": 1.0 - p}
    for end, share in ENDS.items():
        among_buyers = np.clip((share - (1.0 - p)) / p, 0.0, 1.0)
        made[end] = np.exp(mu + sigma * ndtri(among_buyers))
    return made
