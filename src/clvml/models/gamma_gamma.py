"""Spend per purchase from a customer's history: the Gamma-Gamma model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, psi
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.models.history import check_params, check_vector
from clvml.models.optimum import find_minimum

Array = NDArray[np.float64]

_PARAMS = ("p", "q", "v")
# (p, q - 1, v / mean spend): the prior mode, at which the population mean is the mean spend.
_PRIOR_MODE = np.array([6.0, 2.7, 0.45])
_STARTS = np.array([_PRIOR_MODE, [1.0, 1.0, 1.0], [30.0, 5.0, 1 / 6], [1.0, 10.0, 10.0]])
# q - 1 stays above 0.05: below, the population mean is 20 * p * v and more, no longer an estimate.
_LOG_BOUNDS = [
    (math.log(0.01), math.log(1e4)),
    (math.log(0.05), math.log(1e4)),
    (math.log(1e-6), math.log(1e6)),
]
_LARGEST_MEAN_RATIO = 1.25
_WARM_START_ROWS = 50_000


class GammaGamma(BaseEstimator):
    r"""Expected spend per purchase, from ``frequency`` and ``monetary_value``.

    A customer's purchases are gamma distributed with shape ``p`` and a rate of the customer's own, drawn from
    ``Gamma(q, v)``. The observed mean spend is shrunk towards the mean of all customers, the more so the fewer
    purchases it rests on. Spend and frequency are assumed independent.

    Parameters
    ----------
    penalizer : float, default=0.01
        Weight of ``sum((log params - log prior mode) ** 2)`` against the summed log-likelihood, prior mode
        ``p = 6, q - 1 = 2.7, v = 0.45 * mean spend`` (a shop like CDNOW). It matters only where the data hold
        little information (few customers, or equal spend of all).

    Attributes
    ----------
    params_ : dict of str to float
        ``p``, ``q`` (above 1.05), ``v`` [money].
    population_mean_ : float
        ``p * v / (q - 1)``, the expected spend per purchase of a customer without repeat purchases [money].
    mean_matched_ : bool
        Whether ``v`` was tied to the observed mean. Where spend has a heavier tail than the model, the fit
        wants ``q`` near or below 1, and the population mean would explode. When it comes out more than
        1.25 times the mean of ``monetary_value`` (each customer counted once), the model is fitted again
        with ``v = mean * (q - 1) / p``. A population mean below the observed one stays: it tells apart a few
        customers a thousand times larger, who keep their own mean, from everybody else.
    converged_ : bool
        Whether the gradient vanished. If False, the parameters are the best of all starts and still usable.
    n_customers_ : int
        Customers in the fit.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), RFM and CLV: Using Iso-Value Curves for Customer Base Analysis,
       J. of Marketing Research 42(4), 415-430.
    .. [2] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value,
       http://www.brucehardie.com/notes/025/.

    Examples
    --------
    >>> model = GammaGamma.from_dict({"params": {"p": 6.25, "q": 3.74, "v": 15.44}})
    >>> model.expected_spend_per_purchase([0, 1, 7], [0.0, 100.0, 100.0]).round(2)
    array([35.22, 80.26, 96.18])
    """

    params_: dict[str, float]
    population_mean_: float
    mean_matched_: bool
    converged_: bool
    n_customers_: int

    def __init__(self, penalizer: float = 0.01) -> None:
        self.penalizer = penalizer

    def fit(
        self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None = None
    ) -> GammaGamma:
        """Estimate ``p``, ``q`` and ``v`` by (weakly penalised) maximum likelihood.

        Only customers with ``frequency >= 1`` and ``monetary_value > 0`` count: without a repeat purchase there is no
        mean to learn from, and a gamma distribution has no mean of 0 or less, which refunds can bring about.

        Parameters
        ----------
        frequency, monetary_value : array-like of shape (n_customers,)
            Repeat purchase days, and mean spend per repeat purchase day [money] (not read where
            ``frequency`` is 0). One row per customer.
        weights : array-like of shape (n_customers,), optional
            How many customers a row stands for.

        Returns
        -------
        GammaGamma
            The fitted model itself.

        Raises
        ------
        ValueError
            If ``penalizer`` is negative, lengths differ, or values are missing.
        InputError
            If no customer counts.
        """
        self._check_arguments()
        x, money = _check_spend(frequency, monetary_value)
        weight = np.ones(len(x)) if weights is None else check_vector("weights", weights, len(x))
        counts = (x >= 1) & (money > 0) & (weight > 0)
        if not counts.any():
            raise InputError(
                f"a spend model needs a customer with frequency >= 1 and monetary_value > 0, and none of "
                f"{len(x)} is one; use the mean of first purchases instead, or a longer history"
            )
        x, money, weight = x[counts], money[counts], weight[counts]
        # Mean spend is the unit of money in the fit, so that start points and bounds mean the same for any data.
        unit = float(weight @ money / weight.sum())
        theta, self.converged_ = _maximise(x, money / unit, weight, self.penalizer, n_free=3)
        self.mean_matched_ = bool(theta[0] * theta[2] / theta[1] > _LARGEST_MEAN_RATIO)
        if self.mean_matched_:
            theta, self.converged_ = _maximise(x, money / unit, weight, self.penalizer, n_free=2)
        self._set_params({"p": float(theta[0]), "q": 1 + float(theta[1]), "v": float(theta[2]) * unit})
        self.n_customers_ = int(counts.sum())
        return self

    def expected_spend_per_purchase(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Array:
        """Expected spend per purchase day from now on, given the history.

        ``weight * monetary_value + (1 - weight) * population mean``, with
        ``weight = p * x / (p * x + q - 1)`` [2]_.

        Parameters
        ----------
        frequency, monetary_value : array-like of shape (n_customers,)
            As in `fit`. A negative mean counts as 0.

        Returns
        -------
        ndarray of shape (n_customers,)
            [money], above 0; the population mean where ``frequency`` is 0.

        Raises
        ------
        NotFittedError, ValueError
            Before `fit`; if lengths differ or values are missing.
        """
        self._check_fitted()
        x, money = _check_spend(frequency, monetary_value)
        own = self.params_["p"] * x / (self.params_["p"] * x + self.params_["q"] - 1)
        return own * np.maximum(money, 0.0) + (1 - own) * self.population_mean_

    def to_dict(self) -> dict[str, Any]:
        """The fitted model as plain JSON values; `from_dict` reads it back.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        self._check_fitted()
        return {
            "penalizer": float(self.penalizer),
            "params": dict(self.params_),
            "mean_matched": self.mean_matched_,
            "converged": self.converged_,
            "n_customers": self.n_customers_,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> GammaGamma:
        """A fitted model from `to_dict`, or from ``params`` alone (published values, say).

        Raises
        ------
        ValueError
            If a parameter is missing or not a positive number, or ``q`` is not above 1.
        """
        model = cls(penalizer=state.get("penalizer", 0.01))
        model._check_arguments()
        params = check_params(state.get("params", {}), _PARAMS)
        if params["q"] <= 1:
            raise ValueError(f"q must be above 1 for the mean spend to be finite, got {params['q']:g}")
        model._set_params(params)
        model.mean_matched_ = bool(state.get("mean_matched", False))
        model.converged_ = bool(state.get("converged", True))
        model.n_customers_ = int(state.get("n_customers", 0))
        return model

    def _set_params(self, params: dict[str, float]) -> None:
        self.params_ = params
        self.population_mean_ = params["p"] * params["v"] / (params["q"] - 1)

    def _check_arguments(self) -> None:
        if not (math.isfinite(self.penalizer) and self.penalizer >= 0):
            raise ValueError(f"penalizer must be at least 0, currently set to {self.penalizer!r}")

    def _check_fitted(self) -> None:
        if not hasattr(self, "params_"):
            raise NotFittedError("this GammaGamma has no parameters yet; call fit, or from_dict, first")


def _check_spend(frequency: ArrayLike, monetary_value: ArrayLike) -> tuple[Array, Array]:
    x = check_vector("frequency", frequency)
    money = np.array(monetary_value)
    if money.shape == x.shape:
        # Without a repeat purchase there is no mean; its value is not used.
        money[x == 0] = 0
    return x, check_vector("monetary_value", money, len(x), least=-math.inf)


class _Spend(NamedTuple):
    """Purchases and total spend (in units of mean spend) per customer; weights summed by purchases."""

    weight: Array
    x: Array
    total: Array
    row_x: NDArray[np.intp]
    x_values: Array
    of_x: Array
    log_mean: float


def _tabulate(x: Array, mean_spend: Array, weight: Array) -> _Spend:
    x_values, row_x = np.unique(x, return_inverse=True)
    of_x = np.bincount(row_x, weights=weight).astype(np.float64, copy=False)
    return _Spend(weight, x, x * mean_spend, row_x, x_values, of_x, float(weight @ np.log(mean_spend)))


def _maximise(
    x: Array, mean_spend: Array, weight: Array, penalizer: float, n_free: int
) -> tuple[Array, bool]:
    """Return (p, q - 1, v), and whether the gradient vanished; with two free parameters, ``v`` keeps the mean at 1."""
    starts, bounds = np.log(_STARTS[:, :n_free]), _LOG_BOUNDS[:n_free]
    every = math.ceil(len(x) / _WARM_START_ROWS)
    if every > 1:
        sample = _tabulate(x[::every], mean_spend[::every], weight[::every])
        near, _ = find_minimum(_loss, starts, bounds, (sample, penalizer))
        starts = np.vstack([near, starts])
    spend = _tabulate(x, mean_spend, weight)
    log_theta, converged = find_minimum(_loss, starts, bounds, (spend, penalizer))
    theta = np.exp(log_theta)
    return (theta if n_free == 3 else np.append(theta, theta[1] / theta[0])), converged


def _loss(log_theta: Array, spend: _Spend, penalizer: float) -> tuple[float, Array]:
    """Penalised negative log-likelihood per customer and its gradient, both in logs of (p, q - 1[, v]).

    Without ``v``, the population mean is held at 1. Eq. 1a of Fader & Hardie (2013), regrouped in terms of
    the share ``x * z / (x * z + v)`` so that large parameters do not cancel.
    """
    p, above_one = np.exp(log_theta[:2])
    q = 1 + above_one
    free = len(log_theta) == 3
    v = math.exp(log_theta[2]) if free else above_one / p
    weight, x, total, row_x, x_values, of_x, log_mean = spend
    customers = weight.sum()

    px = p * x_values
    log_share, log_rest = -np.log1p(v / total), -np.log1p(total / v)
    weight_x = weight * x
    value = of_x @ (gammaln(px + q) - gammaln(px) - gammaln(q)) - log_mean
    value += p * (weight_x @ log_share) + q * (weight @ log_rest)
    by_p = (of_x * x_values) @ (psi(px + q) - psi(px)) + weight_x @ log_share
    by_q = of_x @ (psi(px + q) - psi(q)) + weight @ log_rest
    by_v = customers * q / v - weight @ ((px[row_x] + q) / (total + v))
    if free:
        slope = np.array([by_p * p, by_q * above_one, by_v * v])
    else:
        slope = np.array([by_p * p - by_v * v, by_q * above_one + by_v * v])

    pull = log_theta - np.log(_PRIOR_MODE[: len(log_theta)])
    penalised = penalizer * (pull @ pull) - value
    return float(penalised / customers), (2 * penalizer * pull - slope) / customers
