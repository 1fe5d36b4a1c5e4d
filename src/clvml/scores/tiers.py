"""Bands of customers by a number: value tiers, and big spenders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

TIERS = ("platinum", "gold", "silver", "bronze")
# Cumulative shares of customers, from the highest tier to the last but one.
TIER_SHARES = (0.05, 0.20, 0.50)
# Share of the last year's buyers who count as big spenders, whatever their CLV now.
_SPENDER_SHARE = 0.20


def tier_thresholds(clv: Numbers) -> tuple[float, ...]:
    """Return the least ``clv`` of each tier but the last, for `value_tier` to apply to any file."""
    return tuple(float(np.quantile(clv, 1.0 - share)) for share in TIER_SHARES)


def spend_thresholds(spend_365d: Numbers) -> dict[str, float]:
    """Return the spend of the last year from which a customer is a big spender, for `segment` to apply to any file.

    >>> spend_thresholds(np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0]))
    {'big_spend_365d': 42.0}
    """
    spent = spend_365d[spend_365d > 0]
    return {"big_spend_365d": float(np.quantile(spent, 1.0 - _SPENDER_SHARE))} if len(spent) else {}


def value_tier(clv: Numbers, thresholds: Sequence[float]) -> NDArray[np.object_]:
    """Return the tier of each customer, shape (n,); None where there are no thresholds.

    >>> value_tier(np.array([900.0, 20.0, 3.0, 0.0]), (500.0, 10.0, 1.0)).tolist()
    ['platinum', 'gold', 'silver', 'bronze']
    """
    if not thresholds:
        return np.full(len(clv), None, dtype=object)
    return band(clv, thresholds[::-1], TIERS[::-1])


def band(values: Numbers, edges: Sequence[float], names: Sequence[str]) -> NDArray[np.object_]:
    """Return the name of the band between two edges in which each value lies, shape (n,)."""
    return np.asarray(names, dtype=object)[np.digitize(values, edges)]
