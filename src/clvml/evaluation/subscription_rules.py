"""Out of time, our forecast of subscribers beside the simple ones that it has to beat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from clvml.config import SubscriptionConfig
from clvml.customers.subscription_snapshots import (
    MONTH_DAYS,
    known_at,
    subscription_features,
    subscription_labels,
    subscription_revenue,
)
from clvml.customers.windows import test_cutoffs
from clvml.errors import InputError
from clvml.evaluation.backtest import MODEL_NAME, predict_at
from clvml.evaluation.folds import Forecasts, ModelColumns, put_forecasts
from clvml.evaluation.sbg import fit_curves, sbg_p_churn
from clvml.models.boosting import PROBABILITY_MARGIN
from clvml.models.contract import fit_contract_model

Array = NDArray[np.float64]

SBG, KAPLAN_MEIER, LOGISTIC, NO_CHANGE = (
    "sBG (shifted-beta-geometric)",
    "Kaplan-Meier (by plan and age)",
    "logistic (regression on tenure and plan)",
    "no change (all stay, at today's price)",
)
# Fewer subscriptions of a plan have no curve of their own.
_LEAST_PLAN = 100


def kaplan_meier(known: pd.DataFrame, cutoff: date, features: pd.DataFrame, horizon_days: int) -> Array:
    """Return P(ends within the horizon), shape (n,), from the survival curve of each plan (Kaplan & Meier 1958).

    Plans of fewer than 100 subscriptions take the curve of all.
    """
    days = (known["end"].fillna(pd.Timestamp(cutoff)) - known["start"]).dt.days.to_numpy()
    ended = known["end"].notna().to_numpy()
    groups = known.groupby("plan").indices
    p = np.empty(len(features))
    for plan, rows in features.groupby("plan").indices.items():
        of_plan = groups.get(plan, np.empty(0, dtype=np.intp))
        chosen = of_plan if len(of_plan) >= _LEAST_PLAN else np.arange(len(known))
        curve = _survival(days[chosen], ended[chosen])
        age = np.minimum(features["current_days"].to_numpy(dtype=int)[rows], len(curve) - 1)
        then = np.minimum(age + horizon_days, len(curve) - 1)
        p[rows] = 1 - curve[then] / np.maximum(curve[age], 1e-9)
    return p


def logistic(
    known: pd.DataFrame, cutoff: date, features: pd.DataFrame, horizon_days: int, grace_days: int = 0
) -> Array:
    """Return P(churn), shape (n,), of a logistic regression on tenure and plan, of the newest window that had ended."""
    before = cutoff - timedelta(days=horizon_days + grace_days)
    old = subscription_features(known, before)
    if old.empty:
        raise InputError(f"nobody was subscribed on {before}, {horizon_days} days before {cutoff}")
    churned, _ = subscription_labels(known, before, horizon_days, grace_days)
    y = churned.reindex(old["customer_id"]).to_numpy()
    if y.min() == y.max():
        return np.full(len(features), float(y[0]))
    plans = sorted(old["plan"].unique())

    def matrix(rows: pd.DataFrame) -> Array:
        told = [(rows["plan"] == plan).to_numpy(dtype=float) for plan in plans]
        tenure = rows["tenure_days"].to_numpy(dtype=float)
        return np.column_stack([np.log1p(tenure), tenure / 365, *told])

    fitted = LogisticRegression(max_iter=1000).fit(matrix(old), y)
    return np.asarray(fitted.predict_proba(matrix(features))[:, 1], dtype=float)


def predict_subscription_folds(
    subscriptions: pd.DataFrame,
    as_of: date,
    config: SubscriptionConfig,
    folds: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[pd.DataFrame, tuple[ModelColumns, ...]]:
    """Train at several past cutoffs, and return what all models say of the windows after them.

    As `clvml.evaluation.backtest.predict_folds` for purchases; spend is the revenue earned in the window.

    Raises
    ------
    InputError
        The log is too short for a single fold.
    """
    windows, grace = config.windows, config.data.grace_days
    known = known_at(subscriptions, as_of)
    if known.empty:
        raise InputError(f"no subscription began before {as_of}; choose a later --as-of")
    first = known["start"].min().date()
    cutoffs = test_cutoffs(first, as_of - timedelta(days=grace), windows, folds or config.evaluation.folds)
    too_short = (
        f"{(as_of - first).days} days of subscriptions before {as_of} are too short to test a horizon of"
        f" {windows.horizon_days} days out of time: {2 * windows.horizon_days + windows.min_history_days + grace} are"
        " needed; set a shorter windows.horizon_days or give more data"
    )
    return predict_at(
        cutoffs, lambda cutoff: predict_subscription_fold(known, cutoff, config), too_short, progress
    )


def predict_subscription_fold(
    subscriptions: pd.DataFrame, cutoff: date, config: SubscriptionConfig
) -> tuple[pd.DataFrame, tuple[ModelColumns, ...]]:
    """Return what our model and the rules, trained on what was known at the cutoff, say of the window after it.

    One row per customer subscribed at the cutoff: ``cutoff``, ``customer_id``, ``actual_spend`` [currency],
    ``churned``, ``monthly_price`` and ``later_price`` (at the end of the window) [currency], and the columns of the
    models.
    """
    horizon, grace = config.windows.horizon_days, config.data.grace_days
    known = known_at(subscriptions, cutoff)
    model = fit_contract_model(known, cutoff, config)
    features = model.features(known, cutoff)
    ours = model.predict(features)
    churned, later = subscription_labels(subscriptions, cutoff, horizon, grace)
    ids, price = features["customer_id"], features["monthly_price"].to_numpy(dtype=float)
    part = pd.DataFrame(
        {
            "cutoff": pd.Timestamp(cutoff),
            "customer_id": ids,
            "actual_spend": ids.map(subscription_revenue(subscriptions, cutoff, horizon))
            .fillna(0.0)
            .round(2),
            "churned": churned.reindex(ids).to_numpy(),
            "monthly_price": price,
            "later_price": later.reindex(ids).to_numpy(),
            "low": ours["expected_spend_low"],
            "high": ours["expected_spend_high"],
        }
    )
    rules = {
        SBG: sbg_p_churn(fit_curves(known, cutoff), features, horizon),
        KAPLAN_MEIER: kaplan_meier(known, cutoff, features, horizon),
        LOGISTIC: logistic(known, cutoff, features, horizon, grace),
    }
    forecasts: Forecasts = {MODEL_NAME: (ours["expected_spend"].to_numpy(), ours["p_churn"].to_numpy())}
    for name, p in rules.items():
        # A curve that has ended says that nobody stays, which no score forgives.
        p = np.clip(p, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        forecasts[name] = (_revenue(p, price, horizon), p)
    forecasts[NO_CHANGE] = (price / MONTH_DAYS * horizon, None)
    return part, put_forecasts(part, forecasts)


def _revenue(p_churn: Array, monthly_price: Array, horizon_days: int) -> Array:
    """Return the revenue of the horizon [currency] of customers who leave at a constant rate, shape (n,)."""
    hazard = np.maximum(-np.log1p(-p_churn) / horizon_days, 1e-12)
    # The days that are paid: the integral of exp(-hazard t).
    return monthly_price / MONTH_DAYS * -np.expm1(-hazard * horizon_days) / hazard


def _survival(days: NDArray[Any], ended: NDArray[np.bool_]) -> Array:
    """Return the share that still runs after each number of days, from 0."""
    longest = int(days.max()) + 1
    died = np.bincount(days[ended], minlength=longest + 1)
    left = np.cumsum(np.bincount(days, minlength=longest + 1))
    at_risk = len(days) - np.concatenate([[0], left[:-1]])
    return np.concatenate([[1.0], np.cumprod(1 - died / np.maximum(at_risk, 1))])
