"""Shapley values through a series of models: functions of a few inputs, links, and features that are forecasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Between values that are closer than this, rounding errors spoil the slope of the secant.
_NEAR = 1e-5


def shapley(
    own: pd.DataFrame,
    reference: Mapping[str, float | str],
    players: Sequence[Sequence[str]],
    worth: Callable[[pd.DataFrame, frozenset[str]], dict[str, Array]],
) -> dict[str, Array]:
    """Return exact Shapley values of functions of a few inputs, relative to a reference [1]_.

    Parameters
    ----------
    own : DataFrame
        The inputs of each customer.
    reference : mapping of str to value
        The inputs of the customer that all are compared with.
    players : sequence of sequences of str
        Columns of ``own``; the columns of one player change together. All sets of players are evaluated.
    worth : callable
        Returns the functions of such a table, each of shape (n,); it is told which columns are the reference's.

    Returns
    -------
    dict of str to array of shape (len(players), n)
        A column adds up to the function of the customer less that of the reference.

    References
    ----------
    .. [1] Shapley (1953), A value for n-person games; one reference as in Sundararajan and Najmi (2020), The many
       Shapley values for model explanation (baseline Shapley).

    Examples
    --------
    >>> table = pd.DataFrame({"a": [3.0], "b": [5.0]})
    >>> shapley(table, {"a": 1.0, "b": 1.0}, [("a",), ("b",)], lambda t, _: {"product": (t["a"] * t["b"]).to_numpy()})
    {'product': array([[6.],
           [8.]])}
    """
    k = len(players)
    found: dict[str, Array] = {}
    for members in range(2**k):
        absent = frozenset(name for place in range(k) if not members >> place & 1 for name in players[place])
        size = members.bit_count()
        mix = own.assign(**{column: reference[column] for column in absent})
        for name, values in worth(mix, absent).items():
            phi = found.setdefault(name, np.zeros((k, len(own))))
            for place in range(k):
                if members >> place & 1:
                    phi[place] += factorial(size - 1) * factorial(k - size) / factorial(k) * values
                else:
                    phi[place] -= factorial(size) * factorial(k - size - 1) / factorial(k) * values
    return found


def pushed(phi: Array) -> Array:
    """Return the share of each input in the change of a forecast, shape (inputs, n); a column adds up to 1.

    Inputs that changed it in the opposite direction get 0 (the alpha-1-beta-0 rule of Bach et al. 2015), so that no
    share is larger than 1 where inputs nearly cancel out.

    >>> pushed(np.array([[3.0], [1.0], [-2.0]])).T
    array([[0.75, 0.25, 0.  ]])
    """
    forward = np.maximum(phi * np.sign(phi.sum(axis=0)), 0.0)
    total = forward.sum(axis=0)
    return np.where(total > 0, forward / np.where(total > 0, total, 1.0), 1.0 / len(phi))


def through(link: Callable[[Array], Array], phi: Array, value: Array) -> Array:
    """Return the contributions to ``link(value)`` from those to the value, shape (features, n).

    Each is multiplied by the slope of the link between the base and the value, so that they add up to the difference
    of the link at the two (the rescale rule: Chen, Lundberg and Lee 2022, Explaining a series of models by propagating
    Shapley values, Nature Communications 13).

    >>> through(np.square, np.array([[1.0], [2.0]]), np.array([3.0]))
    array([[3.],
           [6.]])
    """
    base = value - phi.sum(axis=0)
    to = np.where(np.abs(value - base) < _NEAR, base + _NEAR, value)
    return phi * ((link(to) - link(base)) / (to - base))


def mixed(share: float, one: Array, phi: Array, other: Array, other_phi: Array) -> Array:
    """Return the contributions to ``log(share * exp(one) + (1 - share) * exp(other))`` from those to both.

    >>> half = np.array([[1.0]]), np.array([[-1.0]])
    >>> mixed(0.5, np.zeros(1), half[0], np.zeros(1), half[1]).round(6)
    array([[-0.433781]])
    """
    if share == 1.0:
        return phi

    def together(a: Array, b: Array) -> Array:
        return np.logaddexp(np.log(share) + a, np.log1p(-share) + b)

    base, other_base = one - phi.sum(axis=0), other - other_phi.sum(axis=0)
    # The Shapley values of two players, each distributed over its own inputs.
    return through(lambda a: (together(a, other) + together(a, other_base)) / 2.0, phi, one) + through(
        lambda b: (together(one, b) + together(base, b)) / 2.0, other_phi, other
    )
