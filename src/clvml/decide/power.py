"""How large an effect must be for a campaign with a control group to show it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

# Of the interval that must leave out zero, and the probability with which the true difference is to be seen.
LEVEL = 0.95
POWER = 0.80
# Standard errors that the interval reaches to either side.
Z = float(ndtri((1.0 + LEVEL) / 2.0))
# So many standard errors must an effect be away from zero to be seen: 2.8.
MULTIPLE = Z + float(ndtri(POWER))


def smallest_effect(spread: float, treated: float, control: float, variance_removed: float = 0.0) -> float:
    """Return the smallest true difference of two means that a campaign would show, in the unit of the outcome.

    ``(z[(1 + LEVEL) / 2] + z[POWER]) * spread * sqrt((1 - variance_removed) * (1 / treated + 1 / control))``
    (Duflo, Glennerster and Kremer 2007, section 4.1); infinite where a group is empty.

    Parameters
    ----------
    spread : float
        Standard deviation of the outcome between customers [its unit].
    treated, control : float
        Customers in each group.
    variance_removed : float
        The share of the variance that covariates explain (CUPED), from 0 to 1.

    >>> round(smallest_effect(100, 900, 100), 4)
    29.5313
    >>> round(smallest_effect(0.5, 500, 500, variance_removed=0.3), 6)
    0.074123
    """
    if not (treated and control):
        return math.inf
    left = spread * math.sqrt(1.0 - variance_removed)
    return MULTIPLE * left * math.sqrt(1.0 / treated + 1.0 / control)


def customers_needed(
    effect: float, spread: float, control_share: float, variance_removed: float = 0.0
) -> float:
    """Return how many customers, control group included, it takes to see a difference of ``effect``.

    The inverse of `smallest_effect`; infinite where there is no effect to see.

    >>> customers_needed(25, 100, control_share=0.1)
    1396.0
    """
    if effect == 0 or not 0 < control_share < 1:
        return math.inf
    variance = spread**2 * (1.0 - variance_removed)
    needed = (MULTIPLE / effect) ** 2 * variance / (control_share * (1.0 - control_share))
    # What is whole but for rounding is not rounded up.
    return float(math.ceil(needed * (1.0 - 1e-9)))


def retention_variance(p_churn: ArrayLike) -> tuple[float, float]:
    """Return the spread of staying or leaving, and the share of its variance that ``p_churn`` explains.

    ``spread = sqrt(p (1 - p))`` of the mean p; ``Var(p) / (p (1 - p))`` is explained where the probabilities are
    calibrated. Both are 0 for no customers.

    Parameters
    ----------
    p_churn : array-like, shape (n,)

    Returns
    -------
    tuple of float
        Standard deviation, and share of the variance [0, 1].

    >>> spread, removed = retention_variance([0.2, 0.8])
    >>> round(spread, 3), round(removed, 3)
    (0.5, 0.36)
    """
    p_churn = np.asarray(p_churn, dtype=float)
    if not p_churn.size:
        return 0.0, 0.0
    mean = float(p_churn.mean())
    variance = mean * (1.0 - mean)
    return math.sqrt(max(variance, 0.0)), min(float(p_churn.var()) / variance, 1.0) if variance > 0 else 0.0


def smallest_save_rate(p_churn: ArrayLike, control: int) -> float:
    """Return the smallest save rate that an action would show in retention, ``p_churn`` being the covariate.

    An action that keeps a share of those who would have left moves retention by that share times the mean
    ``p_churn``. More than 1 means: no effect whatever would be seen.

    Parameters
    ----------
    p_churn : array-like, shape (n,)
        Of all who were planned for the action, the control group included.
    control : int
        How many of them are in the control group.

    >>> round(smallest_save_rate([0.5] * 1000, control=500), 6)
    0.177188
    """
    p_churn = np.asarray(p_churn, dtype=float)
    spread, removed = retention_variance(p_churn)
    at_risk = float(p_churn.mean()) if p_churn.size else 0.0
    if at_risk == 0.0:
        return math.inf
    return smallest_effect(spread, p_churn.size - control, control, removed) / at_risk
