"""Intervals for the spend of one customer, learnt from forecasts that have come due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Customers per group of similar forecasts: fewer make the 80 % quantile too noisy.
_GROUP_SIZE = 100
_MOST_GROUPS = 20


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
        at = np.log(np.maximum(expected, 1e-9))
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
        Expected spend, positive, and actual net spend [same currency].
    level : float
        Share of customers to be held.
    """
    expected, actual = np.asarray(expected, dtype=float), np.asarray(actual, dtype=float)
    scale = expected.sum() / actual.sum() if actual.sum() > 0 else 1.0
    order = np.argsort(expected, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // _GROUP_SIZE, 1, _MOST_GROUPS)))
    log_expected, low_ratio, high_ratio = [], [], []
    for rows in groups:
        ratio = actual[rows] * scale / np.maximum(expected[rows], 1e-9)
        tail = (1.0 - level) / 2.0
        if np.mean(ratio <= 0) >= tail:
            low, high = 0.0, float(np.quantile(ratio, level))
        else:
            low, high = (float(q) for q in np.quantile(ratio, [tail, 1.0 - tail]))
        log_expected.append(float(np.log(np.maximum(np.median(expected[rows]), 1e-9))))
        low_ratio.append(float(np.clip(low, 0.0, 1.0)))
        high_ratio.append(max(high, 1.0))
    return SpendIntervals(level, tuple(log_expected), tuple(low_ratio), tuple(high_ratio))
