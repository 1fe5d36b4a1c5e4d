"""Totals over groups of customers, and their intervals, from the scored table alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from clvml.config import ValueConfig
from clvml.customers.subscription_snapshots import MONTH_DAYS
from clvml.models.intervals import LEVEL_SPREAD
from clvml.models.outlook import lifetime_value, value_days

Array = NDArray[np.float64]

LEVEL = 0.8
# Half the width of an interval of that level, in standard errors.
REACH = float(ndtri(0.5 + LEVEL / 2.0))
# Standard deviation of the logarithm of actual over expected lost revenue of all subscribers (docs/decisions/019).
LOSS_SPREAD = 0.1

__all__ = ["LEVEL", "LEVEL_SPREAD", "REACH", "spend_variance", "total_interval"]


def spend_variance(scores: pd.DataFrame) -> Array:
    """Return the variance of each customer's spend around the expectation, shape (n,) [currency squared].

    It follows from the width of the interval, and is at least ``mean^2 p / (1 - p)``, the variance that P(no purchase)
    alone causes.

    Parameters
    ----------
    scores : DataFrame
        ``p_churn``, ``expected_spend``, and ``expected_spend_low``, ``expected_spend_high`` where there are intervals.
    """
    mean, p = scores["expected_spend"].to_numpy(), scores["p_churn"].to_numpy()
    ends = scores.get("expected_spend_low"), scores.get("expected_spend_high")
    width = 0.0 if ends[0] is None or ends[1] is None else (ends[1] - ends[0]).to_numpy()
    variance: NDArray[np.float64] = np.maximum(
        (width / (2.0 * REACH)) ** 2, mean**2 * p / np.maximum(1.0 - p, 1e-6)
    )
    return variance


def total_interval(
    expected: ArrayLike, variance: ArrayLike, level_spread: float = LEVEL_SPREAD
) -> tuple[Array, Array]:
    """Return the 80 % interval of the totals of groups of customers, shape (g,) each.

    As `clvml.models.intervals.SpendIntervals.total_interval`: independent errors of customers partly cancel out in a
    group, a common error of the level does not.

    >>> low, high = total_interval(np.array([1000.0, 0.0]), np.array([0.0, 0.0]))
    >>> low.round().tolist(), high.round().tolist()
    ([704.0, 0.0], [1335.0, 0.0])
    """
    expected, variance = np.asarray(expected, dtype=float), np.asarray(variance, dtype=float)
    relative = variance / np.maximum(expected, 1e-12) ** 2
    spread = np.sqrt(np.log1p(np.where(expected > 0, relative, 0.0)) + level_spread**2)
    middle = np.maximum(expected, 0.0) * np.exp(-(spread**2) / 2.0)
    low = np.minimum(middle * np.exp(-REACH * spread), expected)
    return low, np.maximum(middle * np.exp(REACH * spread), expected)


def retained_interval(full: ArrayLike, lost: ArrayLike, variance: ArrayLike) -> tuple[Array, Array]:
    """Return the 80 % interval of the revenue that groups of subscribers retain, shape (g,) each.

    Only the lost revenue is uncertain, which is a small part over a few months.

    Parameters
    ----------
    full, lost, variance : array-like, shape (g,)
        Sums of the revenue if all stayed, of the revenue expected to be lost, and of `lost_variance`.

    >>> low, high = retained_interval([1000.0], [100.0], [0.0])
    >>> low.round().tolist(), high.round().tolist()
    ([887.0], [912.0])
    """
    full = np.asarray(full, dtype=float)
    least, most = total_interval(lost, variance, LOSS_SPREAD)
    return full - np.minimum(most, full), full - least


def retained_total(scores: pd.DataFrame) -> tuple[float, float]:
    """Return the 80 % interval of the revenue of all scored subscribers over the horizon."""
    full = scores["monthly_price"] / MONTH_DAYS * scores["horizon_days"]
    lost = (full - scores["expected_spend"]).clip(lower=0.0)
    low, high = retained_interval(full.sum(), lost.sum(), lost_variance(full, lost).sum())
    return float(low), float(high)


def lost_variance(full: ArrayLike, lost: ArrayLike) -> Array:
    """Return an upper bound of the variance of each subscriber's lost revenue, shape (n,): ``lost * (full - lost)``.

    No variable between 0 and ``full`` with this mean has a larger variance (Bhatia & Davis 2000).
    """
    gone = np.asarray(lost, dtype=float)
    variance: Array = gone * np.maximum(np.asarray(full, dtype=float) - gone, 0.0)
    return variance


def lost_value(scores: pd.DataFrame, value: ValueConfig) -> Array:
    """Return the CLV of each subscriber if all stayed, less the expected CLV, shape (n,) [currency]."""
    days = np.asarray(value_days(value), dtype=float)
    daily = scores["monthly_price"].to_numpy(dtype=float)[:, None] / MONTH_DAYS
    lost: Array = np.maximum(lifetime_value(daily * days, value) - scores["clv"].to_numpy(), 0.0)
    return lost
