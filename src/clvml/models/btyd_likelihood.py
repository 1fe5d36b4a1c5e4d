"""The likelihood of the MBG/NBD and BG/NBD, and its maximum."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, psi

from clvml.models.optimum import find_minimum

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Prior mode of (r, alpha / mean T, a, b): typical values of a shop.
PRIOR_MODE = np.array([0.5, 0.3, 0.8, 2.0])
_STARTS = np.array([PRIOR_MODE, [1.0, 1.0, 0.5, 5.0], [0.1, 0.1, 2.0, 2.0], [5.0, 3.0, 0.1, 1.0]])
_LOG_BOUNDS = [(-10.0, 10.0)] * 4
_WARM_START_ROWS = 50_000


class Histories(NamedTuple):
    """Distinct histories with their weights, and the distinct values of their parts.

    A row is a distinct history; ``row_x``, ``row_t_x`` and ``row_age`` are its indices into the values. ``of_x`` and
    ``of_age`` are the weights, ``x_of_age`` the weighted purchases, summed over the rows of each value.
    """

    weight: Array
    x: Array
    row_x: Index
    row_t_x: Index
    row_age: Index
    x_values: Array
    t_x_values: Array
    age_values: Array
    of_x: Array
    of_age: Array
    x_of_age: Array


def collapse(x: Array, t_x: Array, age: Array, weight: Array) -> Histories:
    """Count equal histories once, and drop rows of weight 0.

    Examples
    --------
    >>> collapse(*np.array([[1.0, 1.0, 0.0], [5.0, 5.0, 0.0], [9.0, 9.0, 9.0]]), np.ones(3)).weight
    array([1., 2.])
    """
    used = weight > 0
    x_values, i = np.unique(x[used], return_inverse=True)
    t_x_values, j = np.unique(t_x[used], return_inverse=True)
    age_values, k = np.unique(age[used], return_inverse=True)
    # One integer per history sorts ten times faster than rows of three.
    code, row = np.unique((i * len(t_x_values) + j) * len(age_values) + k, return_inverse=True)
    row_age = code % len(age_values)
    row_t_x = code // len(age_values) % len(t_x_values)
    row_x = code // (len(age_values) * len(t_x_values))
    row_weight = _sums(row, weight[used], len(code))
    return _sum_by_value(row_weight, row_x, row_t_x, row_age, x_values, t_x_values, age_values)


def _sum_by_value(
    weight: Array,
    row_x: Index,
    row_t_x: Index,
    row_age: Index,
    x_values: Array,
    t_x_values: Array,
    age_values: Array,
) -> Histories:
    x = x_values[row_x]
    of_x = _sums(row_x, weight, len(x_values))
    of_age = _sums(row_age, weight, len(age_values))
    x_of_age = _sums(row_age, weight * x, len(age_values))
    return Histories(
        weight, x, row_x, row_t_x, row_age, x_values, t_x_values, age_values, of_x, of_age, x_of_age
    )


def _sums(group: Index, values: Array, n_groups: int) -> Array:
    return np.bincount(group, weights=values, minlength=n_groups).astype(np.float64, copy=False)


def maximise(histories: Histories, offset: int, penalizer: float) -> tuple[Array, bool]:
    """Return the parameters (r, alpha, a, b) of highest posterior, and whether the gradient vanished there.

    Parameters
    ----------
    histories : Histories
        Times in units of mean T.
    offset : {0, 1}
        Chances to drop out before the first repeat purchase: 0 in the BG/NBD, 1 in the MBG/NBD.
    penalizer : float
        Weight of the squared distance of the log-parameters from `PRIOR_MODE`.
    """
    starts = np.log(_STARTS)
    every = math.ceil(len(histories.weight) / _WARM_START_ROWS)
    if every > 1:
        # Rows are sorted, so every k-th row is a sample spread over all frequencies and ages, without randomness.
        kept = slice(every // 2, None, every)
        weight, _, row_x, row_t_x, row_age, *values = histories[:8]
        sample = _sum_by_value(weight[kept], row_x[kept], row_t_x[kept], row_age[kept], *values)
        near, _ = find_minimum(loss, starts, _LOG_BOUNDS, (sample, offset, penalizer))
        starts = np.vstack([near, starts])
    log_theta, converged = find_minimum(loss, starts, _LOG_BOUNDS, (histories, offset, penalizer))
    return np.exp(log_theta), converged


def loss(log_theta: Array, histories: Histories, offset: int, penalizer: float) -> tuple[float, Array]:
    """Penalised negative log-likelihood per customer and its gradient, both in log-parameters.

    Terms that depend on one part of the history alone are computed once per value of that part.

    References
    ----------
    Fader, Hardie & Lee (2005) and Batislam, Denizel & Filiztekin (2007), as cited at `BetaGeometric`.
    """
    r, alpha, a, b = theta = np.exp(log_theta)
    weight, x, row_x, row_t_x, row_age, x_values, t_x_values, age_values, of_x, of_age, x_of_age = histories
    n_values = x_values + offset
    total = weight.sum()

    log_age, log_t_x = np.log(alpha + age_values), np.log(alpha + t_x_values)
    buying = gammaln(r + x_values) - gammaln(r)
    staying = gammaln(a + b) - gammaln(b) + gammaln(b + n_values) - gammaln(a + b + n_values)
    value = of_x @ (buying + staying) + total * r * math.log(alpha) - (r * of_age + x_of_age) @ log_age
    slope = np.array(
        [
            of_x @ (psi(r + x_values) - psi(r)) + total * math.log(alpha) - of_age @ log_age,
            total * r / alpha - ((r * of_age + x_of_age) / (alpha + age_values)).sum(),
            of_x @ (psi(a + b) - psi(a + b + n_values)),
            of_x @ (psi(a + b) - psi(b) + psi(b + n_values) - psi(a + b + n_values)),
        ]
    )

    # P(dead) enters as log(1 + odds); without a chance to drop out the odds are 0.
    survived = np.where(n_values > 0, b + n_values - 1, 1.0)
    log_prior_odds = np.where(n_values > 0, math.log(a) - np.log(survived), -np.inf)
    silence = log_age[row_age] - log_t_x[row_t_x]
    log_odds = log_prior_odds[row_x] + (r + x) * silence
    small = np.exp(-np.abs(log_odds))
    value += weight @ (np.maximum(log_odds, 0.0) + np.log1p(small))
    dead = weight * np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
    by_alpha = (1.0 / (alpha + age_values))[row_age] - (1.0 / (alpha + t_x_values))[row_t_x]
    slope += [dead @ silence, (dead * (r + x)) @ by_alpha, dead.sum() / a, -(dead @ (1.0 / survived)[row_x])]

    pull = log_theta - np.log(PRIOR_MODE)
    penalised = penalizer * (pull @ pull) - value
    gradient = 2 * penalizer * pull - slope * theta
    return float(penalised / total), gradient / total
