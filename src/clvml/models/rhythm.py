"""Regular buyers: how regular the waits of each customer are, and the purchases to expect from that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln, log_ndtr, ndtr, ndtri_exp

Array = NDArray[np.float64]

# Shapes of gamma-distributed waits: 1 is an exponential wait without memory; larger shapes are more regular.
SHAPES = np.array([0.5, *(2.0**power for power in range(11))])
# From this shape on (waits vary by a third of their mean or less) a customer counts as regular.
REGULAR_SHAPE = 8.0
# Customers with exponential waits that are added to those of the log, as a prior.
_USUAL_CUSTOMERS = 20.0
_ROUNDS = 200
# A smaller share of regular customers is ignored: it may be chance, and changes little.
LEAST_SHARE = 0.1
# The distribution of so many purchase days is computed, from the next one on; later ones come at the mean rate.
_WORKED_OUT = 6
# A smaller P(regular) is set to 0.
_LEAST_CHANCE = 0.05


@dataclass(frozen=True)
class Rhythm:
    """The shares of a customer base by the shape of its waits between purchase days.

    The waits of a customer are gamma distributed with a mean and a shape of the customer's own [1]_. Given the shape,
    their proportions are Dirichlet distributed whatever the mean. So the shares of `SHAPES` in the customer base are
    estimated without a distribution of the means, and each customer's shape from these shares and the customer's own
    waits (empirical Bayes).

    Attributes
    ----------
    shares : tuple of float
        One share for each of `SHAPES`, adding up to 1; empty where regular customers may be chance.

    References
    ----------
    .. [1] Platzer & Reutterer (2016), Ticking Away the Moments: Timing Regularity Helps to Better Predict Customer
       Activity, Marketing Science 35(5), 779-799; they draw shapes and means by MCMC.
    """

    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.shares and not (
            len(self.shares) == len(SHAPES) and all(0 <= part <= 1 for part in self.shares)
        ):
            raise ValueError(
                f"shares must be {len(SHAPES)} numbers from 0 to 1, or none (currently {self.shares!r})"
            )

    @property
    def regular_share(self) -> float:
        """The share of customers with two waits or more who buy in a regular rhythm."""
        return float(np.asarray(self.shares)[SHAPES >= REGULAR_SHAPE].sum()) if self.shares else 0.0

    def regularity(self, features: pd.DataFrame) -> tuple[Array, Array]:
        """Return P(regular) and the squared coefficient of variation of a regular customer's waits, shape (n,) each.

        P is 0 for customers with fewer than two waits.
        """
        chance, variation = np.zeros(len(features)), np.full(len(features), 1.0 / REGULAR_SHAPE)
        if not self.shares:
            return chance, variation
        waits, squared = _variation(features)
        told = waits >= 2
        posterior = np.exp(_log_density(waits[told], squared[told])) * np.asarray(self.shares)
        posterior /= posterior.sum(axis=1, keepdims=True)
        regular = posterior[:, SHAPES >= REGULAR_SHAPE]
        chance[told] = np.minimum(regular.sum(axis=1), 1.0)
        chance[chance < _LEAST_CHANCE] = 0.0
        shapes = SHAPES[SHAPES >= REGULAR_SHAPE]
        # A geometric mean: the largest possible variation would dominate the arithmetic mean.
        logs = (regular * np.log(shapes)).sum(axis=1) / np.maximum(chance[told], 1e-300)
        variation[told] = np.exp(-logs)
        return chance, variation


def fit_rhythm(customers: pd.DataFrame) -> Rhythm:
    """Estimate the shares by expectation maximisation (Laird 1978, JASA 73), from customers with two waits or more.

    Parameters
    ----------
    customers : DataFrame
        One row per customer, with ``purchase_days``, ``gap_mean`` and ``gap_std`` [days].
    """
    waits, squared = _variation(customers)
    told = waits >= 2
    if not told.any():
        return Rhythm()
    density = np.exp(_log_density(waits[told], squared[told]))
    usual = _USUAL_CUSTOMERS * (SHAPES == 1.0)
    shares = np.full(len(SHAPES), 1.0 / len(SHAPES))
    for _ in range(_ROUNDS):
        posterior = density * shares
        posterior /= posterior.sum(axis=1, keepdims=True)
        shares = posterior.sum(axis=0) + usual
        shares /= shares.sum()
    found = Rhythm(tuple(shares.tolist()))
    return found if found.regular_share >= LEAST_SHARE else Rhythm()


def _variation(features: pd.DataFrame) -> tuple[Array, Array]:
    """Return the number of waits of each customer, and their squared coefficient of variation."""
    waits = np.maximum(features["purchase_days"].to_numpy(float) - 1.0, 0.0)
    mean = features["gap_mean"].to_numpy(float)
    squared = (features["gap_std"].to_numpy(float) / mean) ** 2
    # Dates are whole days, so that a wait is known to half a day only.
    rounding = (0.5 / mean) ** 2
    return waits, np.where(waits >= 2, np.maximum(squared, rounding), np.nan)


def _log_density(waits: Array, squared: Array) -> Array:
    """Return the log-density of the squared variation of n waits under each of `SHAPES`, up to a constant per row."""
    n, k = waits[:, None], SHAPES[None, :]
    # Moments of the sum of squares of a Dirichlet(k, ..., k) vector.
    first = (k + 1) / (n * k + 1)
    second = ((k + 1) * (k + 2) * (k + 3) + (n - 1) * k * (k + 1) ** 2) / (
        (n * k + 1) * (n * k + 2) * (n * k + 3)
    )
    scale = n**2 / (n - 1)
    mean, variance = scale * (first - 1 / n), scale**2 * (second - first**2)
    shape, unit = mean**2 / variance, variance / mean
    log_density = (
        (shape - 1) * np.log(squared[:, None])
        - squared[:, None] / unit
        - shape * np.log(unit)
        - gammaln(shape)
    )
    return log_density - log_density.max(axis=1, keepdims=True)


class Due:
    """Next purchases of customers who buy regularly, one row each.

    The next wait is log-normal with the mean and the variation of the waits so far, widened for the standard error of
    their mean. The customer may have dropped out at the last purchase, and may drop out at each future one. The more
    days since the last purchase beyond the usual wait, the likelier the former.

    Parameters
    ----------
    mean, silent : array of shape (n,)
        Mean wait, and time since the last purchase day [days].
    variation : array of shape (n,)
        Squared coefficient of variation of the waits.
    waits : array of shape (n,)
        Number of waits so far.
    odds_of_leaving : array of shape (n,)
        Odds that a customer drops out at a purchase, from the history up to the last purchase.
    """

    def __init__(
        self, mean: Array, silent: Array, variation: Array, waits: Array, odds_of_leaving: Array
    ) -> None:
        self.mean, self.silent, self.odds = mean, silent, odds_of_leaving
        self.variation, self.waits = variation, waits
        self.spread = np.sqrt(np.log1p(variation * (1.0 + 1.0 / waits)))
        self.waited = self._log_survival(silent)
        self.alive = expit(self.waited - np.log(odds_of_leaving))

    def p_purchase(self, days: ArrayLike) -> Array:
        """Return P(a purchase day within so many days), shape (n,), or (n, k) of days of shape (k,)."""
        return self._of(self.alive, days) * self._next_by(days)

    def orders(self, days: ArrayLike) -> Array:
        """Return the expected purchase days within so many days, shape (n, k) of rising days of shape (k,).

        The first comes as in `p_purchase`. The sums of later waits are taken as normal. From the seventh purchase on,
        purchases come at the mean rate.
        """
        days = np.asarray(days, dtype=float)
        first = self._next_by(days)
        count = first.copy()
        mean, rest, squared = (self._of(column, days) for column in (self.mean, *self._rest()))
        variation, waits = self._of(self.variation, days), self._of(self.waits, days)
        for later in range(1, _WORKED_OUT):
            variance = squared + mean**2 * variation * (later + later**2 / waits)
            count += np.minimum(ndtr((days - rest - later * mean) / np.sqrt(variance)), first)
        cycles = (days - rest) / mean
        count = np.where(cycles > _WORKED_OUT - 1.0, first * (cycles + 0.5), count)
        count = np.maximum.accumulate(count, axis=1)
        stays = 1.0 / (1.0 + self.odds)[:, None]
        return self._of(self.alive, days) * -np.expm1(np.log(stays) * count) / (1.0 - stays)

    def wait_until(self, probability: Array) -> Array:
        """Return the days within which a purchase has this probability, shape (n,); infinite where none is enough."""
        given = probability / np.maximum(self.alive, 1e-12)
        days = np.full(len(given), np.inf)
        can = given < 1.0
        left = np.log1p(-given[can]) + self.waited[can]
        z = -ndtri_exp(left)
        days[can] = (
            self.mean[can] * np.exp(self.spread[can] * z - self.spread[can] ** 2 / 2.0) - self.silent[can]
        )
        return np.maximum(days, 0.0)

    def _next_by(self, days: ArrayLike) -> Array:
        """Return P(the next purchase day within so many days | not dropped out)."""
        until = self._of(self.silent, days) + np.asarray(days, dtype=float)
        # Rounding may make survival rise where it is constant.
        return -np.expm1(np.minimum(self._log_survival(until) - self._of(self.waited, days), 0.0))

    def _log_survival(self, wait: Array) -> Array:
        mean, spread = self._of(self.mean, wait[0]), self._of(self.spread, wait[0])
        return log_ndtr(-(np.log(np.maximum(wait, 0.5) / mean) / spread + spread / 2.0))

    def _rest(self) -> tuple[Array, Array]:
        """Return mean and variance of the rest of the current wait."""
        z = np.log(np.maximum(self.silent, 0.5) / self.mean) / self.spread + self.spread / 2.0
        first = self.mean * np.exp(log_ndtr(self.spread - z) - self.waited)
        second = self.mean**2 * np.exp(self.spread**2 + log_ndtr(2.0 * self.spread - z) - self.waited)
        return np.maximum(first - self.silent, 0.0), np.maximum(second - first**2, 1.0)

    @staticmethod
    def _of(column: Array, days: ArrayLike) -> Array:
        return column[:, None] if np.ndim(days) else column
