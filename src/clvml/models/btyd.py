"""Purchases to come and churn from a customer's history: the MBG/NBD and BG/NBD models.

"Buy till you die": while active, a customer buys at a constant rate, and after a purchase drops out for good
with a constant probability. Rates vary between customers by a gamma law, probabilities by a beta law.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.models.btyd_likelihood import collapse, maximise
from clvml.models.history import check_history, check_params, check_vector

Array = NDArray[np.float64]

_PARAMS = ("r", "alpha", "a", "b")
_NODES = 200
_LONGEST_HORIZON = 1e5
_CHUNK_ROWS = 4096
# Width of a panel of the logarithm of time, and points in it.
_PANEL = 0.5
_POINTS = 12
_SHORTEST_WINDOW = 1e-12


class BetaGeometric(BaseEstimator):
    r"""Purchase days to come and P(no purchase), from ``frequency``, ``recency`` and ``T``.

    A customer buys as a Poisson process of rate ``lambda ~ Gamma(r, alpha)`` and drops out after a purchase
    with probability ``p ~ Beta(a, b)``. In the MBG/NBD this can happen after the first purchase as well; the
    BG/NBD takes every one-time buyer for active for ever, which makes its churn of them too low.

    Parameters
    ----------
    variant : {"mbg", "bg"}, default="mbg"
        MBG/NBD [2]_ or BG/NBD [1]_.
    penalizer : float, default=0.01
        Weight of ``sum((log params - log prior mode) ** 2)`` against the summed log-likelihood, prior mode
        ``r = 0.5, alpha = 0.3 * mean T, a = 0.8, b = 2``. It equals a normal prior on each log-parameter of
        standard deviation ``sqrt(1 / (2 * penalizer))``, 7 by default: nothing beside a hundred customers who
        come back, but it keeps the parameters finite where the likelihood is flat (nobody came back).

    Attributes
    ----------
    params_ : dict of str to float
        ``r``, ``alpha`` [days], ``a``, ``b``. ``alpha`` is in the unit of ``T``: days wherever clvml calls.
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
        # Mean T sets the unit of time inside, so that start points and bounds mean the same for any data.
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
            Between 0 and ``horizon * (r + frequency) / (alpha + T)``, the purchases of who never drops out.

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
        p, density = _dropout_nodes(a, b + x_values + self._offset, alpha / (r + x_values))
        while_alive = _expected_per_p(r + x_values, p, density, row_x, windows, alpha + age)
        order = np.argsort(windows, kind="stable")
        # The terms rise with the horizon, but only to within their last bits.
        while_alive[:, order] = np.maximum.accumulate(while_alive[:, order], axis=1)
        return while_alive * self._p_alive(x, t_x, age)[:, None]

    def p_no_purchase(
        self, horizon_days: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> Array:
        """P(no purchase day in ``(T, T + horizon]``), given the history: churn over a window, exactly.

        A customer buys nothing if dropped out, or alive and waiting:
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
        """The window at whose end a purchase has this probability [days]; infinite where none is long enough.

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
        """P(not dropped out by the cutoff), given the history; of one-time buyers, 1 in the BG/NBD.

        No measure of churn: use `p_no_purchase`.

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


def _expected_per_p(
    shapes: Array, p: Array, density: Array, row: NDArray[np.intp], windows: Array, days: Array
) -> Array:
    """``E_p[(1 - (1 + p u) ** -shape) / p]`` of ``u`` = window / days, shape (len(row), len(windows)).

    Of one shape this is a smooth curve of ``log u``. It is averaged over the nodes at a few Chebyshev points of each
    panel of that axis, and interpolated between them to 1e-12. Panels are the same whatever is asked, so that nobody's
    value depends on the others.

    Parameters
    ----------
    shapes : array of shape (k,)
    p, density : arrays of shape (k, nodes)
        Of `_dropout_nodes`.
    row : array of shape (n,)
        Which of the shapes a customer has.
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
        place = log_windows - log_days[chunk, None] - first
        panel = place.astype(np.intp)
        return place - panel, panel * len(shapes) + row[chunk, None]

    asked = np.zeros(panels * len(shapes), dtype=bool)
    for chunk in chunks:
        asked[places(chunk)[1]] = True
    number = np.cumsum(asked) - 1
    panel, shape = np.divmod(np.flatnonzero(asked), len(shapes))
    series = _chebyshev_series(shapes[shape], p[shape], density[shape], first + panel)
    for chunk in chunks:
        place, cell = places(chunk)
        cell = number[cell]
        # Clenshaw's sum.
        twice = 4.0 * place - 2.0
        now, before = np.zeros_like(place), np.zeros_like(place)
        for coefficient in series[:0:-1]:
            now, before = coefficient[cell] + twice * now - before, now
        # No more than who never drops out.
        most = shapes[row[chunk], None] * windows / days[chunk, None]
        expected[chunk] = np.minimum(series[0][cell] + twice / 2.0 * now - before, most)
    return expected


def _chebyshev_series(shapes: Array, p: Array, density: Array, panels: Array) -> Array:
    """Return the coefficients of `_expected_per_p` in each panel of one shape, shape (points, len(panels))."""
    angles = (np.arange(_POINTS) + 0.5) * np.pi / _POINTS
    series = np.zeros((_POINTS, len(panels)))
    for angle in angles:
        u = np.exp((panels + (np.cos(angle) + 1.0) / 2.0) * _PANEL)
        died = -np.expm1(-shapes[:, None] * np.log1p(p * u[:, None]))
        # No matrix product: its last bits depend on how many panels are in it.
        cosines = np.cos(np.arange(_POINTS) * angle) * (2.0 / _POINTS)
        series += cosines[:, None] * (died * (density / p)).sum(axis=1)
    series[0] /= 2.0
    return series


def _dropout_nodes(a: float, b: Array, days_per_purchase: Array) -> tuple[Array, Array]:
    """Nodes and weights, shape (len(b), nodes), that average over ``p ~ Beta(a, b)``.

    The trapezoid rule in ``y = logit(p)``: the densities are analytic for ``abs(Im y) < pi / 2`` and fall
    exponentially, where that rule converges geometrically (Trefethen & Weideman 2014, SIAM Review 56(3)). A
    power law at either end (a or b far below 1) is a geometric series of the last node, and is summed as one.
    """
    mode = np.log(a / b)
    peak = _log_beta(mode, a, b)
    # What is averaged is at most 1 / p, and flat below the p that matters in no horizon.
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
    """Where ``fall`` (convex, 0 at 0) has grown to 40, that is, the density to e-40; at most ``longest``."""
    low, high = np.zeros_like(longest), longest
    for _ in range(30):
        middle = (low + high) / 2
        enough = fall(middle) >= 40.0
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
