"""Intervals for the spend of one customer, learnt from forecasts that have come due."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Customers per group of similar forecasts: fewer make the 80 % quantile too noisy.
_GROUP_SIZE = 100
_MOST_GROUPS = 20
# Expected spend below it [currency] counts as this much.
_LEAST_EXPECTED = 1e-9


@dataclass(frozen=True)
class SpendIntervals:
    """What share of the expected spend was spent, by size of the expectation.

    Split-conformal prediction with the ratio actual / expected as score, in groups of similar expectation
    (Mondrian conformal prediction; Vovk et al. 2005, section 4.5), interpolated between the groups.

    Attributes
    ----------
    level : float
        Share of customers whose spend the interval should hold.
    log_expected : tuple of float
        Logarithm of the expected spend in the middle of each group, rising.
    low_ratio, high_ratio : tuple of float
        Ends of the interval over the expectation, per group; ``low_ratio <= 1 <= high_ratio``.
    """

    level: float
    log_expected: tuple[float, ...]
    low_ratio: tuple[float, ...]
    high_ratio: tuple[float, ...]

    def interval(self, expected: ArrayLike) -> tuple[Array, Array]:
        """Return the low and the high end for expected spends (n,), in their unit."""
        expected = np.asarray(expected, dtype=float)
        at = np.log(np.maximum(expected, _LEAST_EXPECTED))
        low = expected * np.interp(at, self.log_expected, self.low_ratio)
        high = expected * np.interp(at, self.log_expected, self.high_ratio)
        return np.minimum(low, expected), np.maximum(high, expected)

    def to_dict(self) -> dict[str, Any]:
        """Return the intervals as JSON-ready values."""
        return {
            "level": self.level,
            "log_expected": list(self.log_expected),
            "low_ratio": list(self.low_ratio),
            "high_ratio": list(self.high_ratio),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> SpendIntervals:
        """Return the intervals that `to_dict` described."""
        return cls(
            level=float(state["level"]),
            log_expected=tuple(state["log_expected"]),
            low_ratio=tuple(state["low_ratio"]),
            high_ratio=tuple(state["high_ratio"]),
        )


def fit_intervals(expected: ArrayLike, actual: ArrayLike, level: float = 0.8) -> SpendIntervals:
    """Learn intervals from forecasts (n,) and what was spent (n,), out of time.

    Both are compared at the same total: that the whole market came in higher or lower than forecast is one
    draw, not n, and would shift every interval. Where so many spent nothing that zero is in the interval, all
    the room for error lies above it.

    Parameters
    ----------
    expected, actual : array of shape (n,)
        Expected spend, non-negative, of at least one customer, and actual net spend [same currency].
    level : float
        Share of customers to be held.
    """
    forecast: Array = np.maximum(np.asarray(expected, dtype=float), _LEAST_EXPECTED)
    # Negative spend is below any interval: like the trees, it counts as none, or refunds would set the scale.
    spent: Array = np.maximum(np.asarray(actual, dtype=float), 0.0)
    scale = forecast.sum() / spent.sum() if spent.sum() > 0 else 1.0
    ratio = spent * scale / forecast
    groups = int(np.clip(len(forecast) // _GROUP_SIZE, 1, _MOST_GROUPS))
    # Customers of equal expectation stay together, so that the middles of the groups differ.
    starts = [part[0] for part in np.array_split(np.sort(forecast), groups)]
    group = np.searchsorted(np.unique(starts), forecast, side="right") - 1
    tail = (1.0 - level) / 2.0
    log_expected, low_ratio, high_ratio = [], [], []
    for number in range(group.max() + 1):
        ratios = np.sort(ratio[group == number])
        if np.mean(ratios <= 0) >= tail:
            low, high = 0.0, _upper(ratios, level)
        else:
            low, high = _lower(ratios, tail), _upper(ratios, 1.0 - tail)
        log_expected.append(float(np.log(np.median(forecast[group == number]))))
        low_ratio.append(min(low, 1.0))
        high_ratio.append(max(high, 1.0))
    return SpendIntervals(level, tuple(log_expected), tuple(low_ratio), tuple(high_ratio))


def _upper(ratios: Array, share: float) -> float:
    """Return what one more of the same kind stays at or below with P >= ``share``; at most the largest."""
    rank = math.ceil(round((len(ratios) + 1) * share, 9))
    return float(ratios[min(rank, len(ratios)) - 1])


def _lower(ratios: Array, share: float) -> float:
    """Return what one more of the same kind falls below with P <= ``share``; 0 where there are too few."""
    rank = math.floor(round((len(ratios) + 1) * share, 9))
    return float(ratios[rank - 1]) if rank else 0.0
