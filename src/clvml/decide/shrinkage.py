"""What is believed about effects after seeing them: estimates drawn together, and assumptions updated."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Shrunk(NamedTuple):
    """Effects of several groups, drawn towards their mean.

    Attributes
    ----------
    mean, spread : ndarray, shape (k,)
        Posterior mean and standard deviation of each group's effect.
    common : float
        The mean over groups, weighted by what each tells.
    between : float
        Variance of the true effects between groups (tau squared); 0: the groups do not differ beyond chance.
    """

    mean: Array
    spread: Array
    common: float
    between: float


def shrink(effects: ArrayLike, variances: ArrayLike) -> Shrunk:
    """Draw the effects of groups together, as far as their differences are chance (empirical Bayes).

    The variance between groups is that of DerSimonian and Laird (1986): ``(Q - (k - 1)) / (W - sum(w^2) / W)``
    with ``w = 1 / variance`` and ``W = sum(w)``, not below zero. Each group keeps ``between / (between + variance)``
    of its distance from the mean (Efron and Morris 1975).

    Parameters
    ----------
    effects, variances : array-like, shape (k,)
        Estimates, and the squares of their standard errors, all above zero.

    >>> shrink([0.10, 0.02, 0.06], [0.0004] * 3).mean.round(10).tolist()
    [0.09, 0.03, 0.06]
    >>> shrink([0.07, 0.05, 0.06], [0.0004] * 3).mean.round(10).tolist()
    [0.06, 0.06, 0.06]
    """
    effects, variances = np.asarray(effects, dtype=float), np.asarray(variances, dtype=float)
    # In a unit of its own, so that squares of squares neither overflow nor vanish.
    unit = float(variances.mean())
    scale, variances = math.sqrt(unit), variances / unit
    effects = effects / scale
    weights = 1.0 / variances
    total = weights.sum()
    fixed = float((weights * effects).sum() / total)
    freedom = total - (weights**2).sum() / total
    # Cochran's Q over its expectation; a single group has nothing to differ from.
    excess = float((weights * (effects - fixed) ** 2).sum()) - (len(effects) - 1)
    between = max(0.0, excess / freedom) if len(effects) > 1 else 0.0
    weights = 1.0 / (variances + between)
    common = float((weights * effects).sum() / weights.sum())
    kept = between / (between + variances)
    # The common mean is an estimate itself (Morris 1983).
    spread = np.sqrt(kept * variances + (1.0 - kept) ** 2 / weights.sum())
    mean = common + kept * (effects - common)
    return Shrunk(mean * scale, spread * scale, common * scale, between * unit)


def update(mean: float, spread: float, estimate: float, error: float) -> tuple[float, float]:
    """Return mean and spread of an effect after a campaign: both sources weighted by what they tell.

    Normal prior, normal estimate: ``(mean / spread^2 + estimate / error^2) / (1 / spread^2 + 1 / error^2)``.

    Parameters
    ----------
    mean, spread : float
        What was believed; a spread of 0 is certainty, which nothing moves.
    estimate, error : float
        What the campaign showed, and its standard error, above zero; infinite: it showed nothing.

    >>> [round(value, 4) for value in update(0.10, 0.08, 0.02, 0.04)]
    [0.036, 0.0358]
    """
    if spread == 0.0 or not np.isfinite(error):
        return mean, spread
    moved = spread**2 / (spread**2 + error**2)
    return mean + moved * (estimate - mean), float(spread * np.sqrt(1.0 - moved))
