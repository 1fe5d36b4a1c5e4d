"""Treated customers against a control group: differences with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, stdtr, stdtrit

from clvml.decide.power import LEVEL

Array = NDArray[np.float64]

# The largest spends of a log are so rare that a control group holds none or one of them.
CAPPED_AT = 0.99


@dataclass(frozen=True)
class Difference:
    """Means of the treated and of the control group, and their difference.

    Attributes
    ----------
    treated, control : int
        Customers in each group.
    mean_treated, mean_control : float
        Unadjusted means.
    difference : float
        Treated less control, adjusted by the covariates.
    standard_error : float
        Of the difference.
    low, high : float
        The 95 % interval of the difference.
    p_value : float
        Of no difference, from both sides.
    variance_removed : float
        The share of the variance within the groups that the covariates explain, from 0 to 1.
    """

    treated: int
    control: int
    mean_treated: float
    mean_control: float
    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float
    variance_removed: float


def compare(
    outcome: ArrayLike,
    treated: ArrayLike,
    covariates: ArrayLike | None = None,
    units: ArrayLike | None = None,
) -> Difference:
    """Return the difference of two group means, adjusted by what was known before (CUPED).

    ``mean(y1) - mean(y0) - theta * (mean(x1) - mean(x0))``, where theta is the regression of y on x within the
    groups (Deng, Xu, Kohavi and Walker 2013); one variance is pooled over both groups. A small control group
    seldom holds one of the largest customers: with a variance of its own it looks surer than it is.

    Parameters
    ----------
    outcome : array-like, shape (n,)
    treated : array-like of bool, shape (n,)
        False: control group. Each group has at least one customer, and both together at least three.
    covariates : array-like, shape (n,) or (n, k), optional
        Known before the treatment. One that is the same for all has no effect.
    units : array-like, shape (n,), optional
        Who was drawn together, such as a household: chance is counted by unit. Without them, by customer.

    >>> x = [10, 20, 30, 10, 20, 30]
    >>> found = compare([12, 18, 30, 8, 20, 26], [True] * 3 + [False] * 3, x)
    >>> round(found.difference, 4), round(found.standard_error, 4)
    (2.0, 1.4142)
    """
    y, group = np.asarray(outcome, dtype=float), np.asarray(treated, dtype=bool)
    counts = int(group.sum()), int((~group).sum())
    means = float(y[group].mean()), float(y[~group].mean())
    gap = means[0] - means[1]
    left = y - np.where(group, *means)
    raw = float(left @ left)
    if covariates is not None:
        x = np.asarray(covariates, dtype=float).reshape(len(y), -1)
        x_treated, x_control = x[group].mean(axis=0), x[~group].mean(axis=0)
        within = x - np.where(group[:, None], x_treated, x_control)
        # In units of their own, so that none is lost beside a larger one; one that does not vary is left out.
        size = np.sqrt((within**2).mean(axis=0))
        varies = size > 1e-9 * np.maximum(np.abs(x).max(axis=0, initial=0.0), 1e-300)
        size = np.where(varies, size, 1.0)
        within = np.where(varies, within / size, 0.0)
        theta = np.linalg.lstsq(within.T @ within, within.T @ left, rcond=1e-10)[0]
        gap -= float(theta @ ((x_treated - x_control) / size))
        left = left - within @ theta
    sums = left if units is None else np.bincount(pd.factorize(np.asarray(units))[0], left)
    freedom = max(len(sums) - 2, 1)
    # Of one customer; those of a unit share what chance did to it.
    variance = float(sums @ sums) / freedom * (len(sums) / len(y))
    error = math.sqrt(variance * (1 / counts[0] + 1 / counts[1]))
    half_width = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return Difference(
        *counts,
        *means,
        difference=gap,
        standard_error=error,
        low=gap - half_width,
        high=gap + half_width,
        p_value=p_value(gap, error, freedom),
        variance_removed=1.0 - float(left @ left) / raw if raw > 0 else 0.0,
    )


def capped(values: ArrayLike, share: float = CAPPED_AT) -> Array:
    """Return values with those above a quantile of all put down to it, shape (n,).

    >>> capped([1.0, 2.0, 3.0, 100.0], share=0.5).tolist()
    [1.0, 2.0, 2.5, 2.5]
    """
    values = np.asarray(values, dtype=float)
    return np.minimum(values, np.quantile(values, share)) if values.size else values


def sample_ratio(treated: int, control: int, control_share: float) -> float:
    """Return how probable group sizes so far from the planned ones are (chi-squared with one degree of freedom).

    Below .001, something other than chance decided who is in which group (Fabijan and others 2019).

    >>> round(sample_ratio(900, 100, 0.1), 4), round(sample_ratio(950, 50, 0.1), 9)
    (1.0, 1.36e-07)
    """
    expected = (treated + control) * control_share
    if treated + control == 0:
        return 1.0
    return float(chdtrc(1, (control - expected) ** 2 / (expected * (1.0 - control_share))))


def holm(p_values: ArrayLike) -> Array:
    """Return p values that hold for all tests together (Holm 1979), shape (k,); missing ones stay missing.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * times), 1.0)
    return adjusted


def p_value(gap: float, error: float, freedom: int) -> float:
    """Return how probable a difference so far from zero is where there is none (Student's t, both sides)."""
    if error == 0.0:
        # Nothing varies: no difference is certain, and so is any.
        return 1.0 if gap == 0.0 else 0.0
    return float(2.0 * stdtr(freedom, -abs(gap) / error))
