"""Churn of subscribers: a shifted-beta-geometric prior under right censoring, and trees boosted from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln

from clvml.customers.subscription_snapshots import (
    FEATURES,
    MONTH_DAYS,
    known_at,
    subscription_features,
    subscription_labels,
)
from clvml.errors import InputError
from clvml.models.boosting import ChurnClassifier

Array = NDArray[np.float64]

# A plan with fewer subscriptions is predicted by the curve of its billing period.
LEAST_PLAN = 500
_LEAST_ROWS = 100


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


def prior_p_churn(
    curves: dict[tuple[float, str], ShiftedBetaGeometric], features: pd.DataFrame, horizon_days: int
) -> Array:
    """Return the prior P(the current subscription ends within the horizon), shape (n,)."""
    p = np.empty(len(features))
    nearest = np.array([period for period, plan in curves if not plan])
    for rows in features.groupby(["period_days", "plan"]).indices.values():
        period, plan = features["period_days"].iloc[rows[0]], str(features["plan"].iloc[rows[0]])
        curve = curves.get((period, plan)) or curves[float(nearest[np.abs(nearest - period).argmin()]), ""]
        p[rows] = curve.p_end(features["current_days"].to_numpy()[rows] / period, horizon_days / period)
    return p


@dataclass(frozen=True)
class ContractModel:
    """Predicts who is not subscribed at the end of a window, and what revenue is left.

    Attributes
    ----------
    plans : tuple of str
        Plans that trees tell apart.
    early : tuple of str
        Numbers known ``early_days`` after a subscription began.
    curves : dict
        The prior, fitted at ``as_of``.
    trees : ChurnClassifier
        Boosted from the prior on the logit.
    """

    horizon_days: int
    plans: tuple[str, ...]
    early: tuple[str, ...]
    early_days: int
    curves: dict[tuple[float, str], ShiftedBetaGeometric]
    trees: ChurnClassifier

    def predict(
        self,
        subscriptions: pd.DataFrame,
        cutoff: date,
        margin: float = 0.3,
        discount_rate: float = 0.1,
        days: int = 365,
    ) -> pd.DataFrame:
        """Predict every customer who is subscribed at the cutoff: one row each, by customer_id.

        Returns
        -------
        DataFrame
            ``customer_id``, ``p_churn``, ``monthly_price`` [currency], ``expected_spend`` [currency, revenue earned
            over the horizon], ``clv`` [currency, present value of margin over ``days``]. After the horizon, a customer
            leaves at the constant rate that ``p_churn`` implies.
        """
        features = subscription_features(subscriptions, cutoff, self.early, self.early_days)
        prior = prior_p_churn(self.curves, features, self.horizon_days)
        p = self.trees.predict_proba(_matrix(features, self.plans, self.early), prior=prior)[:, 1]
        price = features["monthly_price"].to_numpy()
        hazard = -np.log1p(-np.minimum(p, 1 - 1e-9)) / self.horizon_days
        discounted = hazard + np.log1p(discount_rate) / 365.25
        return pd.DataFrame(
            {
                "customer_id": features["customer_id"],
                "p_churn": p,
                "monthly_price": price,
                "expected_spend": price / MONTH_DAYS * _days_paid(hazard, self.horizon_days),
                "clv": margin * price / MONTH_DAYS * _days_paid(discounted, days),
            }
        )


def fit_contract_model(
    subscriptions: pd.DataFrame,
    as_of: date,
    horizon_days: int,
    grace_days: int = 0,
    early: tuple[str, ...] = (),
    early_days: int = 30,
    cutoffs: int = 12,
    step_days: int = 30,
    seed: int = 0,
    threads: int = 0,
) -> ContractModel:
    """Train on what was known before ``as_of``: the prior at each training cutoff, trees on the windows that had ended.

    Raises
    ------
    InputError
        No window had ended with both subscribers who left and some who stayed.
    """
    known = known_at(subscriptions, as_of)
    newest = as_of - timedelta(days=horizon_days + grace_days)
    frames, priors, labels = [], [], []
    for number in range(cutoffs):
        cutoff = newest - timedelta(days=number * step_days)
        if (known["start"] < pd.Timestamp(cutoff)).sum() < _LEAST_ROWS:
            break
        features = subscription_features(known, cutoff, early, early_days)
        churned, _ = subscription_labels(known, cutoff, horizon_days, grace_days)
        frames.append(features)
        priors.append(prior_p_churn(fit_curves(known, cutoff), features, horizon_days))
        labels.append(churned.reindex(features["customer_id"]).to_numpy())
    y = np.concatenate(labels) if labels else np.empty(0)
    if len(np.unique(y)) < 2:
        raise InputError(
            f"no window of {horizon_days} days before {as_of} has customers who left and others who stayed; give a"
            " longer table of subscriptions or a shorter horizon"
        )
    rows = pd.concat(frames, ignore_index=True)
    counts = rows["plan"].value_counts()
    plans = tuple(sorted(str(plan) for plan in counts.index[counts >= LEAST_PLAN]))
    trees = ChurnClassifier(n_estimators=200, max_depth=4, n_jobs=threads, random_state=seed)
    trees.fit(_matrix(rows, plans, early), y, prior=np.concatenate(priors))
    return ContractModel(horizon_days, plans, early, early_days, fit_curves(known, as_of), trees)


def _matrix(features: pd.DataFrame, plans: tuple[str, ...], early: tuple[str, ...]) -> pd.DataFrame:
    told = {f"plan_{number}": (features["plan"] == plan).astype(float) for number, plan in enumerate(plans)}
    return features[[*FEATURES, *early]].astype(float).assign(**told)


def _days_paid(hazard: Array, days: float) -> Array:
    """Return the days that are paid of the next ``days``: the integral of ``exp(-hazard t)``."""
    rate = np.maximum(hazard, 1e-12)
    return -np.expm1(-rate * days) / rate
