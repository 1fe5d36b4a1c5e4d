"""Customers drawn with weights, and the sorts and sums along a prediction that the metrics share.

Weights, of shape (customers, resamples), say how often each customer was drawn. One sort serves all metrics of a
prediction, and one `Drawn` all models that are compared on the same draw.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Ranking:
    """Rows in ascending order of `values`, of shape (customers,), equal values in one tie group: one sort."""

    def __init__(self, values: Array) -> None:
        self.order = np.argsort(values, kind="stable")
        ascending = values[self.order]
        first = np.r_[True, ascending[1:] != ascending[:-1]]
        self.ends = np.flatnonzero(np.r_[first[1:], True])
        self.values = ascending[self.ends]
        self.group_of_row = np.empty(len(values), dtype=np.intp)
        self.group_of_row[self.order] = np.cumsum(first) - 1

    def ascending(self, rows: Array) -> Array:
        """Return `rows`, of shape (customers, ...), in ascending order of the values."""
        # All indices are valid; "clip" only spares numpy the check, a third of the time.
        return np.take(rows, self.order, axis=0, mode="clip")

    def running(self, ascending: Array) -> tuple[Array, Array]:
        """Return the sums over tie groups of rows in ascending order, and their running sums."""
        to_here = running_sums(ascending)
        if len(self.ends) == len(ascending):
            return ascending, to_here
        to_here = to_here[self.ends]
        return np.diff(to_here, axis=0, prepend=0.0), to_here

    def to_rows(self, groups: Array) -> Array:
        """Return for each row what `groups`, of shape (groups, resamples), has for its tie group."""
        return np.take(groups, self.group_of_row, axis=0, mode="clip")


class Drawn:
    """What happened to customers of shape (customers,), and how often each was drawn: (customers, resamples).

    Models compared on the same draw share it. Every sum and every rank is computed once, when it is needed.
    """

    def __init__(self, actual: Array, weights: Array, ranking: Ranking | None = None) -> None:
        self.actual = actual
        self.weights = weights
        self.ranking = Ranking(actual) if ranking is None else ranking

    def total(self, rows: Array) -> Array:
        """Return the weighted sum of `rows`, of shape (customers,): (resamples,)."""
        # Not `rows @ weights`: the bytes of its result depend on the number of threads of the BLAS.
        return np.einsum("i,ij->j", rows, self.weights)

    @cached_property
    def size(self) -> Array:
        return self.total(np.ones(self.actual.shape))

    @cached_property
    def money(self) -> Array:
        return self.total(self.actual)

    @cached_property
    def absolute(self) -> Array:
        return self.total(np.abs(self.actual))

    @cached_property
    def ranks(self) -> Array:
        return self.ranking.to_rows(
            _centred_ranks(*self.ranking.running(self.ranking.ascending(self.weights)))
        )

    @cached_property
    def weighted_ranks(self) -> Array:
        return self.weights * self.ranks

    @cached_property
    def rank_spread(self) -> Array:
        return dot(self.weighted_ranks, self.ranks)

    @cached_property
    def perfect_area(self) -> Array:
        return np.einsum("i,ij->j", self.actual, self.weighted_ranks)


class Sample:
    """Customers drawn, beside one prediction of shape (customers,): its order, and running sums along it."""

    def __init__(self, drawn: Drawn, predicted: Array, ranking: Ranking | None = None) -> None:
        self.drawn = drawn
        self.predicted = predicted
        self.ranking = Ranking(predicted) if ranking is None else ranking
        weights = self.ranking.ascending(drawn.weights)
        actuals = weights * self.ranking.ascending(drawn.actual)[:, None]
        self.sizes, self.sizes_to_here = self.ranking.running(weights)
        self.actuals, self.actuals_to_here = self.ranking.running(actuals)

    @cached_property
    def absolute_error(self) -> Array:
        return self.drawn.total(np.abs(self.drawn.actual - self.predicted))

    @cached_property
    def ranks(self) -> Array:
        return _centred_ranks(self.sizes, self.sizes_to_here)

    def up_to(self, shares: Array, groups: Array, to_here: Array) -> Array:
        """Return what the lowest `shares` of customers by prediction hold, of shape (shares, resamples).

        `groups` are the sums by tie group and `to_here` their running sums. Between two tie groups the curve
        is a straight line, which is the mean over all orders of the tied customers.
        """
        wanted = shares[:, None] * self.sizes_to_here[-1]
        at = _first_at_least(self.sizes_to_here, wanted)
        column = np.arange(wanted.shape[1])
        missing = self.sizes_to_here[at, column] - wanted
        return to_here[at, column] - ratio(missing, self.sizes[at, column], 0.0) * groups[at, column]


def _centred_ranks(groups: Array, to_here: Array) -> Array:
    # Average ranks are to_here - groups / 2 + 1/2, and their weighted mean is (size + 1) / 2.
    ranks = to_here - groups * 0.5
    ranks -= to_here[-1] * 0.5
    return ranks


def running_sums(rows: Array) -> Array:
    """Return the running sums of each column, of shape (rows, resamples)."""
    # Each step of a running sum waits for the one before: complex numbers do two resamples in one step.
    if rows.shape[1] % 2:
        return np.cumsum(rows, axis=0)
    return np.cumsum(rows.view(np.complex128), axis=0).view(np.float64)


def dot(left: Array, right: Array) -> Array:
    """Return the sums of products of each column, of shape (resamples,)."""
    return np.einsum("ij,ij->j", left, right)


def ratio(numerator: Array, denominator: Array, otherwise: float = np.nan) -> Array:
    """Return the quotient, and ``otherwise`` where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, otherwise), where=denominator > 0)


def _first_at_least(ascending: Array, wanted: Array) -> NDArray[np.intp]:
    # One binary search over all columns at once; numpy's own takes one column at a time.
    low = np.zeros(wanted.shape, dtype=np.intp)
    high = np.full(wanted.shape, len(ascending) - 1, dtype=np.intp)
    column = np.arange(ascending.shape[1])
    for _ in range(len(ascending).bit_length()):
        middle = (low + high) // 2
        enough = ascending[middle, column] >= wanted
        high = np.where(enough, middle, high)
        low = np.where(enough, low, np.minimum(middle + 1, high))
    return low
