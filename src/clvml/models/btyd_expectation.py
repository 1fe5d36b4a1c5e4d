"""Expected purchases of the MBG/NBD and BG/NBD: a mean over the unknown probability of dropping out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]

_NODES = 140
_LONGEST_HORIZON = 1e5
_CHUNK_ROWS = 4096
# Width of a panel of the logarithm of time, and points in it.
_PANEL = 1.0
_POINTS = 14
_SHORTEST_WINDOW = 1e-12


def expected_per_p(
    shapes: Array, p: Array, density: Array, row: NDArray[np.intp], windows: Array, days: Array
) -> Array:
    """``E_p[(1 - (1 + p u) ** -shape) / p]`` of ``u`` = window / days, shape (len(row), len(windows)).

    For one shape this is a smooth curve of ``log u``. It is averaged over the nodes at a few Chebyshev points of each
    panel of that axis, and interpolated between them to 1e-12. Panels do not depend on the customers asked for, so
    that no customer's value depends on the others.

    Parameters
    ----------
    shapes : array of shape (k,)
    p, density : arrays of shape (k, nodes)
        As `dropout_nodes` returns them.
    row : array of shape (n,)
        Index into ``shapes`` of each customer.
    windows : array of shape (m,)
    days : array of shape (n,)
    """
    expected = np.empty((len(row), len(windows)))
    if not expected.size:
        return expected
    log_windows = np.log(np.maximum(windows, _SHORTEST_WINDOW)) / _PANEL
    log_days = np.log(days) / _PANEL
    first = math.floor(log_windows.min() - log_days.max())
    panels = math.floor(log_windows.max() - log_days.min()) - first + 1
    chunks = [slice(start, start + _CHUNK_ROWS) for start in range(0, len(row), _CHUNK_ROWS)]

    def places(chunk: slice) -> tuple[Array, NDArray[np.intp]]:
        place = log_windows - log_days[chunk, None]
        panel = np.floor(place)
        return place - panel, (panel - first).astype(np.intp) * len(shapes) + row[chunk, None]

    asked = np.zeros(panels * len(shapes), dtype=bool)
    for chunk in chunks:
        asked[places(chunk)[1]] = True
    number = np.cumsum(asked) - 1
    panel, shape = np.divmod(np.flatnonzero(asked), len(shapes))
    series = _chebyshev_series(shapes[shape], p[shape], density[shape], first + panel)
    for chunk in chunks:
        place, cell = places(chunk)
        cell = number[cell]
        # Clenshaw's recurrence.
        twice = 4.0 * place - 2.0
        now, before = np.zeros_like(place), np.zeros_like(place)
        for coefficient in series[:0:-1]:
            now, before = coefficient[cell] + twice * now - before, now
        # No more than the purchases of a customer who never drops out.
        most = shapes[row[chunk], None] * windows / days[chunk, None]
        expected[chunk] = np.minimum(series[0][cell] + twice / 2.0 * now - before, most)
    return expected


def _chebyshev_series(shapes: Array, p: Array, density: Array, panels: Array) -> Array:
    """Return the coefficients of `expected_per_p` in each panel of one shape, shape (points, len(panels))."""
    angles = (np.arange(_POINTS) + 0.5) * np.pi / _POINTS
    series = np.zeros((_POINTS, len(panels)))
    for angle in angles:
        u = np.exp((panels + (np.cos(angle) + 1.0) / 2.0) * _PANEL)
        died = -np.expm1(-shapes[:, None] * np.log1p(p * u[:, None]))
        # No matrix product: its rounding depends on the number of panels.
        cosines = np.cos(np.arange(_POINTS) * angle) * (2.0 / _POINTS)
        series += cosines[:, None] * (died * (density / p)).sum(axis=1)
    series[0] /= 2.0
    return series


def dropout_nodes(a: float, b: Array, days_per_purchase: Array) -> tuple[Array, Array]:
    """Nodes and weights, shape (len(b), nodes), that average over ``p ~ Beta(a, b)``.

    The trapezoid rule in ``y = logit(p)``: the densities are analytic for ``abs(Im y) < pi / 2`` and fall
    exponentially, where that rule converges geometrically (Trefethen & Weideman 2014, SIAM Review 56(3)). A
    power law at either end (a or b far below 1) is a geometric series of the last node, and is summed as one.
    """
    mode = np.log(a / b)
    peak = _log_beta(mode, a, b)
    # The integrand is at most 1 / p, and flat for p too small to matter within the longest horizon.
    gap = mode - np.minimum(np.minimum(mode, 0.0), np.log(days_per_purchase / _LONGEST_HORIZON))
    left = _distance(lambda d: peak - _log_beta(mode - d, a, b) - np.minimum(d, gap), gap + 25.0)
    right = _distance(lambda d: peak - _log_beta(mode + d, a, b), np.maximum(-mode, 0.0) + 25.0)
    step = (left + right) / (_NODES - 1)
    y = (mode - left)[:, None] + step[:, None] * np.arange(_NODES)
    density = np.exp(_log_beta(y, a, b[:, None]) - peak[:, None])
    density[:, 0] /= -np.expm1(-a * step)
    density[:, -1] /= -np.expm1(-b * step)
    return expit(y), density / density.sum(axis=1, keepdims=True)


def _log_beta(y: Array, a: float, b: Array) -> Array:
    """Log of the Beta(a, b) density of y = logit(p), up to a constant."""
    return -a * np.logaddexp(0.0, -y) - b * np.logaddexp(0.0, y)


def _distance(fall: Callable[[Array], Array], longest: Array) -> Array:
    """Distance at which ``fall`` (convex, 0 at 0) reaches 40, where the density is exp(-40); at most ``longest``."""
    low, high = np.zeros_like(longest), longest
    for _ in range(30):
        middle = (low + high) / 2
        enough = fall(middle) >= 40.0
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
