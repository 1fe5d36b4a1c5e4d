"""Minimum of a smooth loss of a few parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

_GRADIENT_TOLERANCE = 1e-6


def find_minimum(
    loss: Callable[..., tuple[float, Array]],
    starts: Array,
    bounds: Sequence[tuple[float, float]],
    args: tuple[Any, ...],
) -> tuple[Array, bool]:
    """Return the parameters of least loss, and whether the gradient vanished there.

    Parameters
    ----------
    loss : callable
        ``loss(theta, *args)`` returns the value (of order 1) and its gradient.
    starts : ndarray of shape (n_starts, n_params)
        Tried in turn until one converges.
    bounds : sequence of (low, high)
        One pair per parameter. At a bound, the gradient may point outwards.
    args : tuple
        Passed on to ``loss``.

    Examples
    --------
    >>> parabola = lambda theta, goal: (float(((theta - goal) ** 2).sum()), 2 * (theta - goal))
    >>> find_minimum(parabola, np.zeros((1, 2)), [(-1, 5), (-1, 1)], args=(3.0,))
    (array([3., 1.]), True)
    """
    low, high = np.array(bounds).T
    best, best_loss = starts[0], math.inf
    for start in starts:
        found = minimize(
            loss,
            start,
            args=args,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            # Near a smaller gradient than 1e-7 the loss changes by its rounding alone, and steps go on in vain.
            options={"maxiter": 1000, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-7},
        )
        # L-BFGS reports failure where rounding stops it at the optimum, so convergence is judged by the gradient.
        if np.abs(found.x - np.clip(found.x - found.jac, low, high)).max() < _GRADIENT_TOLERANCE:
            return found.x, True
        if found.fun < best_loss:
            best, best_loss = found.x, found.fun
    return best, False
