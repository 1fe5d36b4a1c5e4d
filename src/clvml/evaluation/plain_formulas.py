"""The formulas for customer value that people know, over so many days ahead.

A customer's age counts as one horizon at least: a single order of yesterday is not one a day.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def days_kept(churn: float, horizon_days: float, days: float) -> float:
    """Return of how many days ahead the average customer is still there.

    Where a share c leaves per horizon h at a constant rate, the lifetime is L = -h / ln(1 - c), and
    L x (1 - exp(-days / L)) of it falls within the days.

    >>> round(days_kept(0.5, 100, 100), 2), days_kept(0.0, 100, 365), days_kept(1.0, 100, 365)
    (72.13, 365.0, 0.0)
    """
    if churn <= 0.0:
        return float(days)
    if churn >= 1.0:
        return 0.0
    leaving = -math.log1p(-churn) / horizon_days
    return -math.expm1(-leaving * days) / leaving


def purchase_formula(
    spend: Array, purchase_days: Array, age: Array, horizon_days: float, kept: float
) -> Array:
    """Return purchase value x frequency x lifetime: own value and frequency, the average lifetime [currency]."""
    value = np.divide(spend, purchase_days, out=np.zeros(len(spend)), where=purchase_days > 0)
    return value * (purchase_days / np.maximum(age, horizon_days)) * kept


def monthly_formula(spend: Array, age: Array, horizon_days: float, days: float) -> Array:
    """Return monthly value x months: own spend per day since the first purchase, and nobody leaves [currency]."""
    return spend / np.maximum(age, horizon_days) * days


def yearly_formula(spend_of_a_year: Array, kept: float) -> Array:
    """Return yearly profit x years kept: own spend of the last year, the average lifetime [currency]."""
    return spend_of_a_year / 365.0 * kept
