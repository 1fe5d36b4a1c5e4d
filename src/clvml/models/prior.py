"""The prior forecasts, without any trees: BTYD, trailing spend and the season."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.models.boosting import TWEEDIE_POWER
from clvml.models.btyd import BetaGeometric
from clvml.models.gamma_gamma import GammaGamma
from clvml.models.rhythm import Due, Rhythm, fit_rhythm
from clvml.models.season import Season, fit_season

Array = NDArray[np.float64]

BTYD_COLUMNS = ("btyd_p_churn", "btyd_orders", "btyd_value")
# Forecasts of spend that `fit_blend` combines.
SPEND_COLUMNS = ("btyd_spend", "own_value_spend", "trailing_365d", "trailing_180d", "trailing_90d")
PRIOR_COLUMNS = (*BTYD_COLUMNS, *SPEND_COLUMNS)

# The features that `Prior.forecast` reads.
FORECAST_FEATURES = (
    "frequency",
    "recency",
    "T",
    "monetary_value",
    "spend_mean",
    "spend_sum_365d",
    "spend_sum_180d",
    "spend_sum_90d",
)

# It reads these as well where the log shows regular customers.
RHYTHM_FEATURES = ("purchase_days", "days_since_last_order", "gap_mean", "gap_std")

# Largest weight in the blend: a single absurd amount must not raise everyone's forecast.
_LARGEST_WEIGHT = 2.0

# Length of the windows of `_surprises`, and of the log that BTYD needs before the first of them.
_SURPRISE_DAYS = 30
_BURN_IN_DAYS = 60
_YEARS_OF_SURPRISES = 3
# If this many purchase days are expected, none at all is hardly chance (Poisson: P = .007).
_MISSED_ORDERS = 5.0


@dataclass(frozen=True)
class Prior:
    """Forecasts that need a handful of parameters only, fitted on all history before a cutoff.

    The season stretches time: 90 days at index 1.2 are 108 usual days, both in the forecasts of purchases, churn and
    spend and in the history that BTYD reads.

    BTYD assumes exponential waits, which have no memory: when a regular customer is due makes no difference. Where the
    log shows regular customers, their forecast is a mean of BTYD and of the forecast from their rhythm, weighted by
    the probability that they are regular.

    Attributes
    ----------
    btyd : BetaGeometric
        MBG/NBD of the number of purchase days.
    gamma_gamma : GammaGamma or None
        Spend per purchase day; None where nobody came back, and ``mean_value`` serves.
    mean_value : float
        Mean net spend per purchase day [currency].
    season : Season
        Flat where the log is short.
    first_day : date
        Of the log: trailing spend covers a shorter window while the log is young.
    rhythm : Rhythm
        Empty where few customers buy regularly.
    """

    btyd: BetaGeometric
    gamma_gamma: GammaGamma | None
    mean_value: float
    season: Season
    first_day: date
    rhythm: Rhythm = field(default_factory=Rhythm)

    def forecast(
        self,
        features: pd.DataFrame,
        cutoff: date,
        horizon_days: int,
        log_from: date | None = None,
        purchases: tuple[Array, Array] | None = None,
    ) -> pd.DataFrame:
        """Return `PRIOR_COLUMNS` for each row of the feature table of one cutoff, same index.

        ``log_from`` is the first day of the log of the features, where that is not the training log. ``purchases`` is
        the result of `purchases` for the features, where it is known already.
        ``btyd_p_churn`` is P(no purchase in the window), ``btyd_orders`` purchase days, the others currency.
        """
        p_churn, orders = purchases or self.purchases(features, cutoff, horizon_days)
        value = self.value(features)
        own_value = np.maximum(np.nan_to_num(features["spend_mean"].to_numpy(float)), 0.0)
        columns = {
            "btyd_p_churn": p_churn,
            "btyd_orders": orders,
            "btyd_value": value,
            "btyd_spend": orders * value,
            "own_value_spend": orders * own_value,
        }
        clock = horizon_days * self.season.factor(cutoff, horizon_days)
        first_day = min(self.first_day, log_from or self.first_day)
        log_days = max((cutoff - first_day).days, 1)
        for window in (365, 180, 90):
            seen = min(window, log_days)
            usual = seen * self.season.factor(cutoff - timedelta(days=seen), seen)
            spent = np.maximum(features[f"spend_sum_{window}d"].to_numpy(float), 0.0)
            columns[f"trailing_{window}d"] = spent * clock / usual
        return pd.DataFrame(columns, index=features.index)

    def purchases(self, features: pd.DataFrame, cutoff: date, horizon_days: int) -> tuple[Array, Array]:
        """Return P(no purchase in the window) and the expected purchase days in it, shape (n,) each."""
        clock = horizon_days * self.season.factor(cutoff, horizon_days)
        history = self.season.history(features, cutoff)
        orders = self.btyd.expected_purchases(clock, *history)
        p_churn = self.btyd.p_no_purchase(clock, *history)
        chance, due = self.due(features)
        regular = chance > 0
        if due is not None:
            own, rest = chance[regular], 1.0 - chance[regular]
            orders[regular] = rest * orders[regular] + own * due.orders([horizon_days])[:, 0]
            p_churn[regular] = 1.0 - rest * (1.0 - p_churn[regular]) - own * due.p_purchase(horizon_days)
            np.clip(p_churn, 0.0, 1.0, out=p_churn)
        return p_churn, orders

    def due(self, features: pd.DataFrame) -> tuple[Array, Due | None]:
        """Return P(regular) of each customer, shape (n,), and `Due` of those with P above 0, None without any."""
        chance, variation = self.rhythm.regularity(features)
        regular = chance > 0
        if not regular.any():
            return chance, None
        gap, silent, waits = (
            features.loc[regular, name].to_numpy(float)
            for name in ("gap_mean", "days_since_last_order", "frequency")
        )
        leaving = self.btyd.odds_of_leaving(waits)
        return chance, Due(gap, silent, variation[regular], waits, leaving)

    def value(self, features: pd.DataFrame) -> Array:
        """Return the expected spend per purchase day of each customer, shape (n,) [currency]."""
        if self.gamma_gamma is None:
            return np.full(len(features), self.mean_value)
        return self.gamma_gamma.expected_spend_per_purchase(features["frequency"], features["monetary_value"])

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-ready values."""
        return {
            "btyd": self.btyd.to_dict(),
            "gamma_gamma": self.gamma_gamma.to_dict() if self.gamma_gamma else None,
            "mean_value": self.mean_value,
            "season": self.season.to_dict(),
            "first_day": self.first_day.isoformat(),
            "rhythm": list(self.rhythm.shares),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Prior:
        """Return the prior that `to_dict` described."""
        return cls(
            btyd=BetaGeometric.from_dict(state["btyd"]),
            gamma_gamma=GammaGamma.from_dict(state["gamma_gamma"]) if state["gamma_gamma"] else None,
            mean_value=float(state["mean_value"]),
            season=Season.from_dict(state["season"]),
            first_day=date.fromisoformat(state["first_day"]),
            rhythm=Rhythm(tuple(map(float, state.get("rhythm", ())))),
        )


def fit_prior(
    days: CustomerDays, cutoff: date, horizon_days: int, season: bool = True, rhythm: bool = True
) -> Prior:
    """Fit on the history before ``cutoff`` alone; without ``season``, the season is flat.

    Without ``rhythm``, every wait is exponential, as in the published model.

    The same fit is used at all earlier training cutoffs: four parameters cannot memorise a customer, and trees that
    correct the same forecast at every cutoff learn corrections that hold at the next.
    """
    customers = days.features(cutoff, horizon_days)
    customers = customers[customers["purchase_days"] > 0]
    if customers.empty:
        raise InputError(f"no purchase of positive amount before {cutoff}; choose a later date or more data")
    btyd = BetaGeometric().fit(customers["frequency"], customers["recency"], customers["T"])
    mean_value = max(float(customers["spend_sum"].sum() / customers["purchase_days"].sum()), 0.0)
    try:
        gamma_gamma = GammaGamma().fit(customers["frequency"], customers["monetary_value"])
    except InputError:
        # Nobody came back with positive spend, so that the spread between customers cannot be learnt.
        gamma_gamma = None
    shares = fit_rhythm(customers) if rhythm else Rhythm()
    prior = Prior(btyd, gamma_gamma, mean_value, Season.flat(), days.first_day, shares)
    if not season:
        return prior
    totals = days.daily_totals(cutoff)
    learnt = fit_season(
        totals, _surprises(days, cutoff, prior), customers["T"], _chance(customers) * len(totals)
    )
    if learnt.years:
        btyd = BetaGeometric().fit(*learnt.history(customers, cutoff))
    return replace(prior, btyd=btyd, season=learnt)


def fit_blend(forecasts: ArrayLike, spend: ArrayLike, weights: ArrayLike) -> Array:
    """Return the non-negative weights, shape (k,), of the best linear combination of forecasts of spend.

    Minimises the Tweedie deviance of power 1.5 by iteratively re-weighted non-negative least squares, so that
    the many small customers count beside the few very large ones.

    Parameters
    ----------
    forecasts : array of shape (n, k)
        Forecasts of the same spend [currency], non-negative.
    spend : array of shape (n,)
        What was spent [currency], non-negative.
    weights : array of shape (n,)
        Weight of each row.
    """
    forecasts, spend = np.asarray(forecasts, dtype=float), np.asarray(spend, dtype=float)
    blend = np.full(forecasts.shape[1], 1.0 / forecasts.shape[1])
    for _ in range(8):
        expected = forecasts @ blend
        if expected.mean() <= 0:
            break
        root = np.sqrt(weights / np.maximum(expected, 1e-2 * expected.mean()) ** TWEEDIE_POWER)
        found, _ = nnls(forecasts * root[:, None], spend * root)
        if not found.any():
            break
        blend = np.minimum(found, _LARGEST_WEIGHT)
    return blend


def _chance(customers: pd.DataFrame) -> float:
    """Return the variance of the logarithm of total sales if all purchases were independent."""
    number = customers["purchase_days"]
    squares = customers["spend_mean"] ** 2 + customers["spend_std"].fillna(0.0) ** 2
    spent = (number * customers["spend_mean"]).sum()
    return float((number * squares).sum() / spent**2) if spent > 0 else 0.0


def _surprises(days: CustomerDays, cutoff: date, prior: Prior) -> list[tuple[date, int, float]]:
    """Return (start, days, actual over expected spend) of past windows; empty unless they cover a year."""
    step = timedelta(days=_SURPRISE_DAYS)
    first = days.first_day + timedelta(days=_BURN_IN_DAYS)
    last = min(cutoff - first, timedelta(days=_YEARS_OF_SURPRISES * 365))
    if last.days < 365:
        return []
    needed = (*FORECAST_FEATURES, *(RHYTHM_FEATURES if prior.rhythm.shares else ()))
    surprises = []
    for k in range(1, last // step + 1):
        start = cutoff - k * step
        window = days.snapshots([start], _SURPRISE_DAYS, needed)
        forecast = prior.forecast(window, start, _SURPRISE_DAYS)
        expected, actual = forecast["btyd_spend"].sum(), window["actual_spend"].clip(lower=0.0).sum()
        if expected > 0 and (actual > 0 or forecast["btyd_orders"].sum() >= _MISSED_ORDERS):
            surprises.append((start, _SURPRISE_DAYS, float(actual / expected)))
    return surprises
