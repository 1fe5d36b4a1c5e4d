"""Survival of subscriptions by plan and day of age: the prior of their churn.

    h(plan, t)   = (ended(plan, t) + 200 h(period, t)) / (at risk(plan, t) + 200)
    h(period, t) = (ended(t) + 200 h(period, t - period)) / (at risk(t) + 200)

h is the hazard of each day, estimated as by Kaplan & Meier (1958). With few subscriptions at risk, it is shrunk
towards the hazard of all plans of the billing period, and that towards the days one period before: many leave on
certain days after a renewal, and no subscription has been observed for longer than the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers.subscription_snapshots import known_at

Array = NDArray[np.float64]
Hazards = Mapping[tuple[float, str], Array]

# A plan with fewer subscriptions is predicted by the hazards of its billing period.
LEAST_PLAN = 500
# Weight of the hazard shrunk towards, in subscriptions at risk (docs/decisions/018).
_HELD = 200.0


def fit_hazards(subscriptions: pd.DataFrame, cutoff: date) -> dict[tuple[float, str], Array]:
    """Return the daily hazards P(ends on this day of age | ran until then), from day 0, by billing period and plan.

    Plan ``""`` stands for all plans of a billing period [days]. Only what was known at the cutoff is used:
    subscriptions that still run are right-censored.
    """
    known = known_at(subscriptions, cutoff)
    ended = known["end"].notna()
    days = (known["end"].fillna(pd.Timestamp(cutoff)) - known["start"]).dt.days
    hazards: dict[tuple[float, str], Array] = {}
    for period in sorted(map(float, known["period_days"].unique())):
        rows = known.index[known["period_days"] == period]
        died, at_risk = _counts(days.loc[rows], ended.loc[rows])
        whole = np.empty(len(died))
        usual = died.sum() / at_risk.sum()
        for day in range(len(whole)):
            before = _period_before(whole, day, period, usual)
            whole[day] = (died[day] + _HELD * before) / (at_risk[day] + _HELD)
        hazards[period, ""] = whole
        for plan, part in known.loc[rows].groupby("plan").groups.items():
            if len(part) >= LEAST_PLAN:
                died, at_risk = _counts(days.loc[part], ended.loc[part])
                hazards[period, str(plan)] = (died + _HELD * whole[: len(died)]) / (at_risk + _HELD)
    # Rounded to nine digits, which the model's file stores exactly.
    return {key: np.round(hazard, 9) for key, hazard in hazards.items()}


def prior_p_churn(hazards: Hazards, features: pd.DataFrame, horizon_days: int) -> Array:
    """Return the prior P(the current subscription ends within the horizon), shape (n,)."""
    p = np.empty(len(features))
    for rows, age, curve in _curves(hazards, features, horizon_days):
        p[rows] = -np.expm1(curve[age + horizon_days] - curve[age])
    return p


def survival(hazards: Hazards, features: pd.DataFrame, p_churn: Array, horizon_days: int, days: int) -> Array:
    """Return P(still subscribed after so many days), from 0 to ``days``, at least the horizon: shape (n, days + 1).

    The hazards of plan and age are scaled in proportion (Cox 1972), so that P(churn) over the horizon is ``p_churn``.
    """
    left = np.empty((len(features), days + 1))
    # A hazard of 0 could not be scaled to p_churn.
    least = -1e-9 * np.arange(days + 1)
    for rows, age, curve in _curves(hazards, features, days):
        left[rows] = curve[age[:, None] + np.arange(days + 1)] - curve[age][:, None] + least
    power = np.log1p(-np.clip(p_churn, 1e-9, 1.0 - 1e-9)) / left[:, horizon_days]
    survived: Array = np.exp(power[:, None] * left)
    return survived


def _curves(hazards: Hazards, features: pd.DataFrame, days: int) -> Iterator[tuple[Any, Any, Array]]:
    """Yield, by plan, the rows, their ages [days] and the logarithm of the survival, up to ``days`` from the oldest."""
    periods = np.array([period for period, plan in hazards if not plan])
    for rows in features.groupby(["period_days", "plan"]).indices.values():
        period, plan = features["period_days"].iloc[rows[0]], str(features["plan"].iloc[rows[0]])
        if (period, plan) not in hazards:
            period, plan = float(periods[np.abs(periods - period).argmin()]), ""
        age = features["current_days"].to_numpy(dtype=int)[rows]
        yield rows, age, _log_survival(hazards, (period, plan), int(age.max()) + days)


def _log_survival(hazards: Hazards, key: tuple[float, str], days: int) -> Array:
    """Return the logarithm of the share that still runs after so many days, shape (days + 1,)."""
    period = key[0]
    whole, own = hazards[period, ""], hazards[key]
    hazard = np.concatenate([own, whole[len(own) :], np.empty(max(days - len(whole), 0))])
    for day in range(len(whole), days):
        hazard[day] = _period_before(hazard, day, period, float(whole.mean()))
    return np.concatenate([[0.0], np.cumsum(np.log1p(-np.minimum(hazard[:days], 1.0 - 1e-9)))])


def _period_before(hazard: Array, day: int, period: float, usual: float) -> float:
    """Return the mean hazard of the three days about one billing period before, since months differ in length."""
    then = day - round(period)
    return float(hazard[max(then - 1, 0) : min(then + 2, day)].mean()) if then >= 0 else usual


def _counts(days: pd.Series, ended: pd.Series) -> tuple[Array, Array]:
    """Return how many ended on each day of age, and how many were at risk, from day 0 to the last day observed."""
    ran, gone = days.to_numpy(), ended.to_numpy()
    size = int((ran + gone).max())
    died = np.bincount(ran[gone], minlength=size)[:size].astype(float)
    # A subscription that still runs on its n-th day has survived the days 0 to n - 1.
    left = np.cumsum(np.bincount(ran + gone, minlength=size + 1)[:size])
    return died, (len(ran) - left).astype(float)
