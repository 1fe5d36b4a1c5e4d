"""A plain XGBoost, a plain CatBoost and a two-part LightGBM on the same features: no prior, no season, no level.

What a practitioner writes in an afternoon: past windows stacked, rounds chosen by early stopping on the newest
window, then fitted again on all of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

SEED = 0
# One thread: the peers run beside clvml, and threads that wait for a busy core cost more than they bring.
ROUNDS = 600
PATIENCE = 30
LABELS = ("cutoff", "customer_id", "actual_spend", "purchases", "churned")
XGBOOST = {
    "max_depth": 4,
    "learning_rate": 0.05,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "n_jobs": 1,
    "random_state": SEED,
}
LIGHTGBM = {
    "num_leaves": 31,
    "learning_rate": 0.05,
    "min_child_samples": 50,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.8,
    "n_jobs": 1,
    "random_state": SEED,
    "deterministic": True,
    "verbose": -1,
}
CATBOOST = {
    "depth": 6,
    "learning_rate": 0.1,
    "thread_count": 1,
    "random_seed": SEED,
    "allow_writing_files": False,
    "verbose": False,
}
CATBOOST_ROUNDS = 300
# The ends of an 80 % interval.
ENDS = {"low": 0.1, "high": 0.9}
Forecast = tuple[dict[str, np.ndarray], str]


def fit_predict_xgboost(train: pd.DataFrame, test: pd.DataFrame) -> Forecast:
    """Return expected spend and P(no order), and the settings: Tweedie regressor, logistic classifier."""
    import xgboost as xgb

    def fit(kind: type, objective: dict, label: str):
        def make(rounds: int, patience: int | None):
            return kind(n_estimators=rounds, early_stopping_rounds=patience, **XGBOOST, **objective)

        learnt, stopped = _split(train)
        first = make(ROUNDS, PATIENCE)
        first.fit(_x(learnt), _y(learnt, label), eval_set=[(_x(stopped), _y(stopped, label))], verbose=False)
        return make(first.best_iteration + 1, None).fit(_x(train), _y(train, label))

    spend = fit(xgb.XGBRegressor, {"objective": "reg:tweedie", "tweedie_variance_power": 1.5}, "actual_spend")
    churn = fit(xgb.XGBClassifier, {"objective": "binary:logistic"}, "churned")
    settings = f"{spend.n_estimators} and {churn.n_estimators} rounds, depth 4"
    return _forecast(spend.predict(_x(test)), churn.predict_proba(_x(test))), settings


def fit_predict_catboost(train: pd.DataFrame, test: pd.DataFrame) -> Forecast:
    """Return the same of CatBoost."""
    import catboost

    def fit(kind: type, loss: str, label: str):
        learnt, stopped = _split(train)
        first = kind(iterations=CATBOOST_ROUNDS, loss_function=loss, **CATBOOST)
        first.fit(
            _x(learnt),
            _y(learnt, label),
            eval_set=(_x(stopped), _y(stopped, label)),
            early_stopping_rounds=PATIENCE,
        )
        last = kind(iterations=first.tree_count_, loss_function=loss, **CATBOOST)
        return last.fit(_x(train), _y(train, label))

    spend = fit(catboost.CatBoostRegressor, "Tweedie:variance_power=1.5", "actual_spend")
    churn = fit(catboost.CatBoostClassifier, "Logloss", "churned")
    settings = f"{spend.tree_count_} and {churn.tree_count_} rounds, depth 6"
    expected = spend.predict(_x(test), prediction_type="Exponent")
    return _forecast(expected, churn.predict_proba(_x(test))), settings


def fit_predict_lightgbm(train: pd.DataFrame, test: pd.DataFrame) -> Forecast:
    """Return the same by P(spend) x gamma regression of what buyers spend, and an interval by quantile regression."""
    import lightgbm as lgb

    def fit(kind: type, objective: str, rows: pd.DataFrame, label: str):
        learnt, stopped = _split(rows)
        first = kind(n_estimators=ROUNDS, objective=objective, **LIGHTGBM)
        first.fit(
            _x(learnt),
            _y(learnt, label),
            eval_set=[(_x(stopped), _y(stopped, label))],
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )
        last = kind(n_estimators=first.best_iteration_, objective=objective, **LIGHTGBM)
        return last.fit(_x(rows), _y(rows, label))

    churn = fit(lgb.LGBMClassifier, "binary", train, "churned")
    value = fit(lgb.LGBMRegressor, "gamma", train[train["actual_spend"] > 0], "actual_spend")
    settings = f"{churn.n_estimators} and {value.n_estimators} rounds, 31 leaves"
    chances = churn.predict_proba(_x(test))
    made = _forecast(chances[:, 0] * value.predict(_x(test)), chances)
    for end, alpha in ENDS.items():
        quantile = lgb.LGBMRegressor(
            n_estimators=value.n_estimators, objective="quantile", alpha=alpha, **LIGHTGBM
        )
        made[end] = quantile.fit(_x(train), _y(train, "actual_spend")).predict(_x(test))
    # Quantiles that were learnt one by one may cross.
    made["low"] = np.clip(made["low"], 0.0, None)
    made["high"] = np.maximum(made["low"], made["high"])
    return made, settings


def _forecast(spend: np.ndarray, chances: np.ndarray) -> dict[str, np.ndarray]:
    return {"spend": spend, "churn": chances[:, 1]}


def _split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what to learn from and what to stop on: the newest window, or a fifth of the customers of the only one."""
    newest = rows["cutoff"] == rows["cutoff"].max()
    if newest.all():
        newest = pd.Series(np.random.default_rng(SEED).random(len(rows)) < 0.2, index=rows.index)
    return rows[~newest], rows[newest]


def _x(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=[name for name in LABELS if name in rows])


def _y(rows: pd.DataFrame, label: str) -> np.ndarray:
    # Refunds of earlier orders can make the spend of a window negative, which neither objective takes.
    return np.maximum(rows[label].to_numpy(dtype=float), 0.0)
