"""Future purchases and churn from a customer's history: the MBG/NBD and BG/NBD models.

"Buy till you die": while active, a customer buys at a constant rate, and after a purchase drops out for good
with a constant probability. Rates vary between customers by a gamma law, probabilities by a beta law.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.models.btyd_expectation import dropout_nodes, expected_per_p
from clvml.models.btyd_likelihood import collapse, maximise
from clvml.models.history import check_history, check_params, check_vector

Array = NDArray[np.float64]

_PARAMS = ("r", "alpha", "a", "b")


class BetaGeometric(BaseEstimator):
    r"""Future purchase days and P(no purchase), from ``frequency``, ``recency`` and ``T``.

    A customer buys as a Poisson process of rate ``lambda ~ Gamma(r, alpha)`` and drops out after a purchase
    with probability ``p ~ Beta(a, b)``. In the MBG/NBD this can happen after the first purchase as well; the
    BG/NBD takes every one-time buyer as active for ever, so that it predicts too little churn for them.

    Parameters
    ----------
    variant : {"mbg", "bg"}, default="mbg"
        MBG/NBD [2]_ or BG/NBD [1]_.
    penalizer : float, default=0.01
        Weight of ``sum((log params - log prior mode) ** 2)`` against the summed log-likelihood, prior mode
        ``r = 0.5, alpha = 0.3 * mean T, a = 0.8, b = 2``. It equals a normal prior on each log-parameter of
        standard deviation ``sqrt(1 / (2 * penalizer))``, 7 by default: negligible with a hundred customers who
        come back, but it keeps the parameters finite where the likelihood is flat (nobody came back).

    Attributes
    ----------
    params_ : dict of str to float
        ``r``, ``alpha`` [days], ``a``, ``b``. ``alpha`` is in the unit of ``T``: days,
        or usual days where there is a season.
    log_likelihood_ : float
        Summed over the customers of the fit, without the prior.
    converged_ : bool
        Whether the gradient vanished. If False, the parameters are the best of all starts and still usable.
    n_customers_ : int
        Customers in the fit.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the
       Pareto/NBD Model, Marketing Science 24(2), 275-284.
    .. [2] Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer
       base analysis, Int. J. of Research in Marketing 24(3), 201-209; Wagner & Hoppe (2008), Erratum on the
       MBG/NBD Model, ibid. 25(3), 225-226.

    Examples
    --------
    >>> import numpy as np
    >>> frequency, recency = np.array([0, 1, 4, 9]), np.array([0, 30, 200, 290])
    >>> model = BetaGeometric().fit(frequency, recency, T=np.array([300, 300, 300, 300]))
    >>> sorted(model.params_)
    ['a', 'alpha', 'b', 'r']
    >>> known = BetaGeometric.from_dict(
    ...     {"variant": "mbg", "params": {"r": 0.525, "alpha": 43.3, "a": 0.891, "b": 1.614}}
    ... )
    >>> known.expected_purchases(90, frequency, recency, T=np.full(4, 300)).round(3)
    array([0.05 , 0.082, 0.625, 2.053])
    >>> known.p_no_purchase(90, frequency, recency, T=np.full(4, 300)).round(3)
    array([0.956, 0.935, 0.629, 0.198])
    """

    params_: dict[str, float]
    log_likelihood_: float
    converged_: bool
    n_customers_: int

    def __init__(self, variant: Literal["mbg", "bg"] = "mbg", penalizer: float = 0.01) -> None:
        self.variant = variant
        self.penalizer = penalizer

    def fit(
        self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
    ) -> BetaGeometric:
        """Estimate ``r``, ``alpha``, ``a`` and ``b`` by (weakly penalised) maximum likelihood.

        Equal histories are counted once with their weight, and the gradient is analytical. Above 50,000
        distinct histories a fit of every k-th of them (in sorted order) gives the start for the fit of all,
        so that even a million customers are all used, and nothing is random.

        Parameters
        ----------
        frequency, recency, T : array-like of shape (n_customers,)
            Repeat purchase days, days from first to last purchase [days], days from first purchase to the
            cutoff [days]. One row per customer.
        weights : array-like of shape (n_customers,), optional
            How many customers a row stands for.

        Returns
        -------
        BetaGeometric
            The fitted model itself.

        Raises
        ------
        ValueError
            If ``variant`` is unknown, ``penalizer`` negative, lengths differ, values are missing, or a
            history is impossible (recency beyond ``T``, say).
        InputError
            If there is no customer, or none was observed for any time at all (every ``T`` is 0).
        """
        self._check_arguments()
        x, t_x, age = check_history(frequency, recency, T)
        weight = np.ones(len(x)) if weights is None else check_vector("weights", weights, len(x))
        if weight.sum() <= 0:
            raise InputError(
                f"a purchase model needs at least one customer, got {len(x)} with total weight "
                f"{weight.sum():g}; widen the history or loosen its filters"
            )
        # Mean T is the unit of time in the fit, so that start points and bounds mean the same for any data.
        unit = float(weight @ age / weight.sum())
        if unit == 0:
            raise InputError(
                f"T is 0 for all {len(x)} customers: every first purchase lies on the last day of history, "
                "so there is nothing to learn from; choose a later cutoff or a longer history"
            )
        histories = collapse(x, t_x / unit, age / unit, weight)
        theta, self.converged_ = maximise(histories, self._offset, self.penalizer)
        self.params_ = dict(zip(_PARAMS, map(float, theta * [1.0, unit, 1.0, 1.0]), strict=True))
        self.n_customers_ = len(x)
        self.log_likelihood_ = float(weight @ self.log_likelihood(x, t_x, age))
        return self

    def expected_purchases(
        self, horizon_days: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> Array:
        r"""Expected number of purchase days in ``(T, T + horizon]``, given the history.

        Parameters
        ----------
        horizon_days : float
            Length of the window [days], at least 0.
        frequency, recency, T : array-like of shape (n_customers,)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_customers,)
            Between 0 and ``horizon * (r + frequency) / (alpha + T)``, the purchases of a customer who never drops out.

        Raises
        ------
        NotFittedError, ValueError
            Before `fit`; if the history or the horizon is impossible.

        Notes
        -----
        The published form [1]_ holds ``2F1`` over ``a - 1``: it breaks at ``a = 1``, and overflows or cancels
        for eager customers. Here the same expectation is taken over the posterior ``p ~ Beta(a, b + n)`` of
        the dropout probability (n: chances to drop out that the customer survived),

        .. math:: P(alive) \cdot E_p\left[\frac{1 - (1 + p h / (\alpha + T))^{-(r + x)}}{p}\right],

        by one quadrature whose terms are all positive, bounded and rising in ``h``.
        """
        return self.expected_purchases_curve([horizon_days], frequency, recency, T)[:, 0]

    def expected_purchases_curve(
        self, horizons: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> Array:
        """Like `expected_purchases`, for several horizons at once.

        Parameters
        ----------
        horizons : array-like of shape (n_horizons,)
            Lengths of the windows [days], at least 0, in any order.
        frequency, recency, T : array-like of shape (n_customers,)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_customers, n_horizons)
            Never falls as the horizon grows.

        Raises
        ------
        NotFittedError, ValueError
            As in `expected_purchases`.
        """
        r, alpha, a, b = self._theta()
        windows = check_vector("horizons", horizons)
        x, t_x, age = check_history(frequency, recency, T)
        x_values, row_x = np.unique(x, return_inverse=True)
        p, density = dropout_nodes(a, b + x_values + self._offset, alpha / (r + x_values))
        while_alive = expected_per_p(r + x_values, p, density, row_x, windows, alpha + age)
        order = np.argsort(windows, kind="stable")
        # The terms rise with the horizon, except for rounding errors.
        while_alive[:, order] = np.maximum.accumulate(while_alive[:, order], axis=1)
        return while_alive * self._p_alive(x, t_x, age)[:, None]

    def p_no_purchase(
        self, horizon_days: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> Array:
        """P(no purchase day in ``(T, T + horizon]``), given the history: churn over a window, exactly.

        A customer buys nothing after dropping out, or while waiting for the next purchase:
        ``1 - P(alive) * (1 - ((alpha + T) / (alpha + T + h)) ** (r + x))``.

        Parameters
        ----------
        horizon_days : float or array-like of shape (n_customers,)
            Length of the window [days], at least 0.
        frequency, recency, T : array-like of shape (n_customers,)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_customers,)
            Between 0 and 1; never rises as the horizon grows.

        Raises
        ------
        NotFittedError, ValueError
            As in `expected_purchases`.
        """
        r, alpha, _, _ = self._theta()
        windows = check_vector("horizon_days", np.atleast_1d(horizon_days))
        x, t_x, age = check_history(frequency, recency, T)
        p_next = -np.expm1(-(r + x) * np.log1p(windows / (alpha + age)))
        return 1.0 - self._p_alive(x, t_x, age) * p_next

    def days_to_purchase(
        self, probability: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> Array:
        """Length of the window within which a purchase has this probability [days]; infinite where none is long enough.

        Parameters
        ----------
        probability : array-like of shape (n_customers,)
            From 0 to 1.
        frequency, recency, T : array-like of shape (n_customers,)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_customers,)

        Raises
        ------
        NotFittedError, ValueError
            As in `expected_purchases`.
        """
        r, alpha, _, _ = self._theta()
        x, t_x, age = check_history(frequency, recency, T)
        alive = np.maximum(self._p_alive(x, t_x, age), np.finfo(float).tiny)
        wanted = check_vector("probability", probability, len(x)) / alive
        days = np.full(len(x), np.inf)
        can = wanted < 1.0
        days[can] = (alpha + age[can]) * np.expm1(-np.log1p(-wanted[can]) / (r + x[can]))
        return days

    def p_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:
        """P(not dropped out by the cutoff), given the history; 1 for one-time buyers in the BG/NBD.

        It is no measure of churn: use `p_no_purchase`.

        Parameters
        ----------
        frequency, recency, T : array-like of shape (n_customers,)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_customers,)

        Raises
        ------
        NotFittedError, ValueError
            Before `fit`; if the history is impossible.
        """
        self._theta()
        return self._p_alive(*check_history(frequency, recency, T))

    def odds_of_leaving(self, frequency: ArrayLike) -> Array:
        """Odds that the customer dropped out at the last purchase, before the days since then are considered.

        Raises
        ------
        NotFittedError, ValueError
            Before `fit`; if a frequency is below 1.
        """
        _, _, a, b = self._theta()
        return a / (b + check_vector("frequency", frequency, least=1.0) + self._offset - 1.0)

    def log_likelihood(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:
        """Log-likelihood of each customer's history [log density per days ** frequency].

        Parameters
        ----------
        frequency, recency, T : array-like of shape (n_customers,)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_customers,)

        Raises
        ------
        NotFittedError, ValueError
            Before `fit`; if the history is impossible.
        """
        r, alpha, a, b = self._theta()
        x, t_x, age = check_history(frequency, recency, T)
        n = x + self._offset
        buying = gammaln(r + x) - gammaln(r) + r * math.log(alpha) - (r + x) * np.log(alpha + age)
        staying = gammaln(a + b) - gammaln(b) + gammaln(b + n) - gammaln(a + b + n)
        # P(alive) is the share of the likelihood that belongs to staying alive until T.
        return buying + staying + np.logaddexp(0.0, self._log_odds_dead(x, t_x, age))

    def to_dict(self) -> dict[str, Any]:
        """The fitted model as plain JSON values; `from_dict` reads it back.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        self._theta()
        return {
            "variant": self.variant,
            "penalizer": float(self.penalizer),
            "params": dict(self.params_),
            "log_likelihood": self.log_likelihood_,
            "converged": self.converged_,
            "n_customers": self.n_customers_,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> BetaGeometric:
        """A fitted model from `to_dict`, or from ``variant`` and ``params`` alone (published values, say).

        Raises
        ------
        ValueError
            If the variant is unknown, or a parameter is missing or not a positive number.
        """
        model = cls(variant=state.get("variant", "mbg"), penalizer=state.get("penalizer", 0.01))
        model._check_arguments()
        model.params_ = check_params(state.get("params", {}), _PARAMS)
        model.log_likelihood_ = float(state.get("log_likelihood", math.nan))
        model.converged_ = bool(state.get("converged", True))
        model.n_customers_ = int(state.get("n_customers", 0))
        return model

    def _check_arguments(self) -> None:
        if self.variant not in ("mbg", "bg"):
            raise ValueError(f"variant must be 'mbg' or 'bg', currently set to {self.variant!r}")
        if not (math.isfinite(self.penalizer) and self.penalizer >= 0):
            raise ValueError(f"penalizer must be at least 0, currently set to {self.penalizer!r}")

    @property
    def _offset(self) -> int:
        """Chances to drop out before the first repeat purchase."""
        return int(self.variant == "mbg")

    def _theta(self) -> tuple[float, float, float, float]:
        if not hasattr(self, "params_"):
            raise NotFittedError("this BetaGeometric has no parameters yet; call fit, or from_dict, first")
        return (self.params_["r"], self.params_["alpha"], self.params_["a"], self.params_["b"])

    def _log_odds_dead(self, x: Array, t_x: Array, age: Array) -> Array:
        r, alpha, a, b = self._theta()
        n = x + self._offset
        log_odds = np.full(len(x), -np.inf)
        could = n > 0
        silence = np.log1p((age - t_x)[could] / (alpha + t_x[could]))
        log_odds[could] = math.log(a) - np.log(b + n[could] - 1) + (r + x[could]) * silence
        return log_odds

    def _p_alive(self, x: Array, t_x: Array, age: Array) -> Array:
        return np.asarray(expit(-self._log_odds_dead(x, t_x, age)), dtype=np.float64)
