"""What customers come to together, read off the scored table alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

# By how much all customers together come in above or below the forecast (standard deviation of the logarithm).
from clvml.config import ValueConfig
from clvml.customers.subscription_snapshots import MONTH_DAYS
from clvml.models.intervals import LEVEL_SPREAD
from clvml.models.outlook import lifetime_value, value_days

Array = NDArray[np.float64]

LEVEL = 0.8
# Standard errors on each side of an interval of that level.
REACH = float(ndtri(0.5 + LEVEL / 2.0))
# By how much what is lost of subscribers together comes in above or below the forecast, in the same way
# (docs/decisions/019).
LOSS_SPREAD = 0.1

__all__ = ["LEVEL", "LEVEL_SPREAD", "REACH", "spend_variance", "total_interval"]


def spend_variance(scores: pd.DataFrame) -> Array:
    """Return the variance of each customer's spend around the expectation, shape (n,) [currency squared].

    What the interval is wide, and not less than who may not buy at all brings about: ``mean^2 p / (1 - p)``.

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

    As `clvml.models.intervals.SpendIntervals.total_interval`: what customers do each for themselves cancels out in a
    group, that all come in higher or lower together does not.

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
    """Return the 80 % interval of what is left of ``full`` in groups of subscribers, shape (g,) each.

    Only what is lost is uncertain, which is little of the revenue of a few months.

    Parameters
    ----------
    full, lost, variance : array-like, shape (g,)
        Sums of what customers would bring if all stayed, of what is expected to be lost of it, and of `lost_variance`.

    >>> low, high = retained_interval([1000.0], [100.0], [0.0])
    >>> low.round().tolist(), high.round().tolist()
    ([887.0], [912.0])
    """
    full = np.asarray(full, dtype=float)
    least, most = total_interval(lost, variance, LOSS_SPREAD)
    return full - np.minimum(most, full), full - least


def lost_variance(full: ArrayLike, lost: ArrayLike) -> Array:
    """Return the variance of what is lost of each subscriber, shape (n,): at most ``lost * (full - lost)``.

    Nothing between nothing and ``full`` with this mean varies more (Bhatia & Davis 2000).
    """
    gone = np.asarray(lost, dtype=float)
    variance: Array = gone * np.maximum(np.asarray(full, dtype=float) - gone, 0.0)
    return variance


def lost_value(scores: pd.DataFrame, value: ValueConfig) -> Array:
    """Return what is expected to be lost of the value that subscribers would have if all stayed, shape (n,)."""
    days = np.asarray(value_days(value), dtype=float)
    daily = scores["monthly_price"].to_numpy(dtype=float)[:, None] / MONTH_DAYS
    lost: Array = np.maximum(lifetime_value(daily * days, value) - scores["clv"].to_numpy(), 0.0)
    return lost
