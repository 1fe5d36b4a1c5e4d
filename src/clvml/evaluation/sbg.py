"""The shifted-beta-geometric curve of contracts, under right censoring: the field's rule for who stays subscribed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln

from clvml.customers.subscription_snapshots import known_at
from clvml.models.survival import LEAST_PLAN

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    """Survival of a contract over billing periods, where each customer leaves at each renewal with a rate of their own.

    The rate is Beta(a, b) over customers, so that ``S(t) = B(a, b + t) / B(a, b)``, continued to parts of a period.

    References
    ----------
    Fader & Hardie (2007), "How to project customer retention", Journal of Interactive Marketing 21(1), equation 6.
    """

    a: float
    b: float

    @classmethod
    def fit(cls, periods: ArrayLike, ended: ArrayLike) -> ShiftedBetaGeometric:
        """Fit by maximum likelihood on whole periods survived, shape (n,), and whether the contract then ended.

        One that ended after ``k`` whole periods counts ``S(k) - S(k + 1)``; one that still runs is right censored and
        counts ``S(k)``.

        >>> float(ShiftedBetaGeometric.fit([0, 1, 2, 3], [True, True, False, False]).p_end(0.0, 0.0))
        0.0
        """
        table = pd.DataFrame(
            {"k": np.floor(np.asarray(periods, dtype=float)), "ended": np.asarray(ended, dtype=bool)}
        )
        counts = table.value_counts(sort=False).reset_index(name="n")
        k, gone, n = (counts[name].to_numpy() for name in ("k", "ended", "n"))

        def loss(logs: Array) -> float:
            a, b = np.exp(logs)
            # S(k) - S(k + 1) = B(a + 1, b + k) / B(a, b)
            likelihood = np.where(gone, betaln(a + 1, b + k), betaln(a, b + k)) - betaln(a, b)
            return -float(n @ likelihood) / float(n.sum()) + 1e-4 * float(logs @ logs)

        found = minimize(loss, np.log([1.0, 5.0]), method="L-BFGS-B", bounds=[(-7.0, 9.0)] * 2)
        a, b = np.exp(found.x)
        return cls(float(a), float(b))

    def p_end(self, age: ArrayLike, ahead: ArrayLike) -> Array:
        """Return P(ends within ``ahead`` periods, given that it has run for ``age``), shape of the two."""
        age, ahead = np.asarray(age, dtype=float), np.asarray(ahead, dtype=float)
        return 1.0 - np.exp(betaln(self.a, self.b + age + ahead) - betaln(self.a, self.b + age))


def fit_curves(subscriptions: pd.DataFrame, cutoff: date) -> dict[tuple[float, str], ShiftedBetaGeometric]:
    """Return a curve for each billing period (plan ``""``), and for each plan in it that has enough subscriptions.

    Only what was known at the cutoff counts.
    """
    known = known_at(subscriptions, cutoff)
    ended = known["end"].notna()
    days = (known["end"].fillna(pd.Timestamp(cutoff)) - known["start"]).dt.days
    periods = days / known["period_days"]
    curves = {}
    for period in sorted(known["period_days"].unique()):
        rows = known.index[known["period_days"] == period]
        curves[float(period), ""] = ShiftedBetaGeometric.fit(periods.loc[rows], ended.loc[rows])
        for plan, part in known.loc[rows].groupby("plan").groups.items():
            if len(part) >= LEAST_PLAN:
                curves[float(period), str(plan)] = ShiftedBetaGeometric.fit(
                    periods.loc[part], ended.loc[part]
                )
    return curves


def sbg_p_churn(
    curves: dict[tuple[float, str], ShiftedBetaGeometric], features: pd.DataFrame, horizon_days: int
) -> Array:
    """Return P(the current subscription ends within the horizon), shape (n,)."""
    p = np.empty(len(features))
    nearest = np.array([period for period, plan in curves if not plan])
    for rows in features.groupby(["period_days", "plan"]).indices.values():
        period, plan = features["period_days"].iloc[rows[0]], str(features["plan"].iloc[rows[0]])
        curve = curves.get((period, plan)) or curves[float(nearest[np.abs(nearest - period).argmin()]), ""]
        p[rows] = curve.p_end(features["current_days"].to_numpy()[rows] / period, horizon_days / period)
    return p
