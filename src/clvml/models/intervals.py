"""Prediction intervals for the spend of one customer and of groups, learnt from forecasts of what was not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]

# Buyers per group of similar forecasts: fewer make its quantiles too noisy.
_GROUP_SIZE = 200
_MOST_GROUPS = 15
# Shares at which the quantiles of a group are kept.
SHARES = np.linspace(0.0, 1.0, 101)
# Standard deviation of the logarithm of actual over expected total spend of all customers, measured on past windows of
# several logs.
LEVEL_SPREAD = 0.25
# The share of the error in all buyers' spend in one window that is not expected to recur.
_PASSING_SURPRISE = 2.0 / 3.0
# Ratios are cut at this quantile of the buyers; otherwise a few of them would decide the mean.
_TRIMMED_SHARE = 0.99
# Standard deviation of the logarithm of a buyer's spend, assumed where there is no forecast to learn it from.
_ASSUMED_SPREAD = 1.0
_LEAST = 1e-9


@dataclass(frozen=True)
class SpendIntervals:
    """Distribution of the ratio of actual to expected spend of buyers.

    A customer buys nothing with probability ``p_churn``, and otherwise spends a multiple of
    ``expected_spend / (1 - p_churn)``. The distribution of that multiple is learnt from forecasts of a window or of
    customers that the model had not seen, in groups of similar expected spend, and interpolated between them:
    split-conformal prediction within groups (Vovk et al. 2005, section 4.5) of those who buy. Since each customer has a
    probability of no purchase, intervals follow a customer base that becomes more or less active.

    Attributes
    ----------
    level : float
        Share of customers whose spend the interval should cover.
    expected : tuple of float
        Median expected spend of each group, rising [currency].
    ratios : tuple of tuple of float
        Per group, the quantiles of actual over expected spend of buyers at 0, 1, ..., 100 %.
    variances : tuple of float
        Per group, the variance of that ratio.
    level_spread : float
        Standard deviation of the logarithm of actual over expected total spend of all customers.
    """

    level: float
    expected: tuple[float, ...]
    ratios: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    level_spread: float = LEVEL_SPREAD

    @classmethod
    def assumed(cls, level: float = 0.8) -> SpendIntervals:
        """Return intervals for a model without forecasts to learn from: log-normal spend of buyers."""
        shares = np.clip(SHARES, 1e-3, 1.0 - 1e-3)
        ratios = np.exp(_ASSUMED_SPREAD * ndtri(shares) - _ASSUMED_SPREAD**2 / 2.0)
        variance = float(np.exp(_ASSUMED_SPREAD**2) - 1.0)
        return cls(level, (1.0,), (tuple(ratios.tolist()),), (variance,))

    def interval(self, expected: ArrayLike, p_churn: ArrayLike) -> tuple[Array, Array]:
        """Return the low and the high end of spend, shape (n,) each, in the unit of the expectation.

        The low end is 0 where P(no purchase) exceeds ``(1 - level) / 2``, and the high end then is the quantile at
        ``level``. Where P(no purchase) is ``level`` or more, that quantile is 0; the high end is then the expectation,
        and the interval covers more than ``level``.

        Parameters
        ----------
        expected, p_churn : array of shape (n,)
            Expected spend, non-negative, and probability of no purchase.
        """
        mean, p = np.asarray(expected, dtype=float), np.asarray(p_churn, dtype=float)
        buys = np.maximum(1.0 - p, _LEAST)
        tail = (1.0 - self.level) / 2.0
        certain = p <= tail
        low = np.where(certain, self._quantile(mean, (tail - p) / buys), 0.0)
        high = self._quantile(mean, np.where(certain, 1.0 - tail - p, self.level - p) / buys)
        high = np.where(p < self.level, high, 0.0)
        return np.minimum(low * mean / buys, mean), np.maximum(high * mean / buys, mean)

    def variance(self, expected: ArrayLike, p_churn: ArrayLike) -> Array:
        """Return the variance of each customer's spend around the expectation, shape (n,), for `total_interval`."""
        mean, p = np.asarray(expected, dtype=float), np.asarray(p_churn, dtype=float)
        buys = np.maximum(1.0 - p, _LEAST)
        spread = np.interp(_log(mean), _log(self.expected), self.variances)
        return mean**2 * ((1.0 + spread) / buys - 1.0)

    def total_interval(self, expected: float, variance: float) -> tuple[float, float]:
        """Return the low and the high end of the spend of a group of customers.

        Errors of single customers are independent, so that they partly cancel out in a group; a common error of the
        level does not. The total is taken as log-normal with both variances.

        Parameters
        ----------
        expected, variance : float
            Sums of the expected spends and of their `variance` over the group.

        >>> intervals = SpendIntervals.assumed()
        >>> [round(end) for end in intervals.total_interval(1000.0, 0.0)]
        [704, 1335]
        >>> intervals.total_interval(0.0, 0.0)
        (0.0, 0.0)
        """
        if expected <= 0:
            return 0.0, 0.0
        spread = float(np.sqrt(np.log1p(variance / expected**2) + self.level_spread**2))
        reach = float(ndtri(0.5 + self.level / 2.0)) * spread
        middle = expected * np.exp(-(spread**2) / 2.0)
        return float(min(middle * np.exp(-reach), expected)), float(max(middle * np.exp(reach), expected))

    def _quantile(self, expected: Array, shares: Array) -> Array:
        """Return each customer's quantile of the ratio at the share asked for, shape (n,)."""
        table = np.asarray(self.ratios)
        group = np.interp(_log(expected), _log(self.expected), np.arange(len(table), dtype=float))
        at = np.clip(shares, 0.0, 1.0) * (len(SHARES) - 1)
        below, left = np.floor(group).astype(int), np.floor(at).astype(int)
        above, right = np.minimum(below + 1, len(table) - 1), np.minimum(left + 1, len(SHARES) - 1)
        down, across = group - below, at - left
        lower = (1.0 - across) * table[below, left] + across * table[below, right]
        upper = (1.0 - across) * table[above, left] + across * table[above, right]
        return (1.0 - down) * lower + down * upper

    def to_dict(self) -> dict[str, Any]:
        """Return the intervals as JSON-ready values."""
        return {
            "level": self.level,
            "expected": list(self.expected),
            "ratios": [list(ratios) for ratios in self.ratios],
            "variances": list(self.variances),
            "level_spread": self.level_spread,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> SpendIntervals:
        """Return the intervals that `to_dict` described."""
        return cls(
            level=float(state["level"]),
            expected=tuple(state["expected"]),
            ratios=tuple(tuple(ratios) for ratios in state["ratios"]),
            variances=tuple(state["variances"]),
            level_spread=float(state["level_spread"]),
        )


def fit_intervals(
    expected: ArrayLike,
    p_churn: ArrayLike,
    actual: ArrayLike,
    level: float = 0.8,
    level_spread: float = LEVEL_SPREAD,
) -> SpendIntervals:
    """Learn intervals from forecasts for customers or a window that the model had not seen, and actual spend.

    The error in all buyers' spend is a single draw of the level: two thirds of it are removed.

    Parameters
    ----------
    expected, p_churn, actual : array of shape (n,)
        Expected spend, non-negative, probability of no purchase, and actual net spend [same currency]. Negative
        spend counts as none, as it does for the trees.
    level : float
        Share of customers to be covered.
    level_spread : float
        Standard deviation of the logarithm of actual over expected total spend of all customers.

    Returns
    -------
    SpendIntervals
        `SpendIntervals.assumed` where nobody bought.
    """
    forecast, p = np.asarray(expected, dtype=float), np.asarray(p_churn, dtype=float)
    spent = np.asarray(actual, dtype=float)
    bought = (spent > 0) & (forecast > 0)
    if not bought.any():
        return replace(SpendIntervals.assumed(level), level_spread=level_spread)
    ratio = (spent * (1.0 - p) / np.maximum(forecast, _LEAST))[bought]
    typical = np.minimum(ratio, np.quantile(ratio, _TRIMMED_SHARE)).mean()
    ratio = ratio / np.maximum(typical, _LEAST) ** _PASSING_SURPRISE
    mean = forecast[bought]
    groups = int(np.clip(len(mean) // _GROUP_SIZE, 1, _MOST_GROUPS))
    # Customers of equal expectation stay together, so that the middles of the groups differ.
    starts = np.unique([part[0] for part in np.array_split(np.sort(mean), groups)])
    group = np.searchsorted(starts, mean, side="right") - 1
    grouped = [(mean[group == number], ratio[group == number]) for number in range(len(starts))]
    return SpendIntervals(
        level,
        expected=tuple(float(np.median(own)) for own, _ in grouped),
        ratios=tuple(tuple(np.quantile(own, SHARES).tolist()) for _, own in grouped),
        variances=tuple(float(own.var()) for _, own in grouped),
        level_spread=level_spread,
    )


def _log(expected: ArrayLike) -> Array:
    return np.log(np.maximum(expected, _LEAST))
