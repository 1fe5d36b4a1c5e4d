"""Doubly robust scores: for each customer of an experiment, a noisy but unbiased reading of what the treatment did."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

# Numbers enter as they are and in so many bins, which is as bent as a few thousand customers can tell.
_BINS = 8
# Texts that fewer customers have are not told apart.
_LEAST_LEVEL = 20
_PENALTY = 10.0


def design_matrix(features: pd.DataFrame) -> Array:
    """Return the columns of a linear model of the outcome, shape (n, p): an intercept first, the others standardised.

    A number enters as it is, in eight bins of equal counts, and as missing or not; a text as one column for each of its
    values.
    """
    columns: list[Array] = [np.ones(len(features))]
    for name in features.columns:
        values = features[name]
        if pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            missing = np.isnan(numbers)
            known = np.where(missing, np.nanmedian(numbers) if (~missing).any() else 0.0, numbers)
            edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
            place = np.searchsorted(edges, known, side="left")
            # One extreme customer must not carry the line.
            low, high = np.quantile(known, [0.005, 0.995])
            columns += [np.clip(known, low, high), missing.astype(float)]
            columns += [(place == each).astype(float) for each in range(1, len(edges) + 1)]
        else:
            codes, levels = pd.factorize(values, sort=True, use_na_sentinel=False)
            counts = np.bincount(codes, minlength=len(levels))
            columns += [(codes == each).astype(float) for each in np.flatnonzero(counts >= _LEAST_LEVEL)]
    matrix = np.column_stack(columns)
    centred = matrix[:, 1:] - matrix[:, 1:].mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 1e-12
    return np.column_stack([matrix[:, 0], centred[:, varies] / spread[varies]])


def deal_folds(treated: NDArray[np.bool_], folds: int, seed: int) -> Codes:
    """Return a fold for each customer, shape (n,): each group is dealt out evenly."""
    generator = np.random.default_rng(seed)
    fold = np.empty(len(treated), dtype=np.intp)
    for group in (treated, ~treated):
        own = np.flatnonzero(group)
        fold[generator.permutation(own)] = np.arange(len(own)) % folds
    return fold


class OutcomeModels:
    """Ridge regressions of the outcome in each group, on any of the folds: what each fold adds is worked out once.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        See `design_matrix`.
    treated : ndarray of bool, shape (n,)
    propensity : ndarray, shape (n,)
        Probability with which each customer was treated, between 0 and 1.
    outcome : ndarray, shape (n,)
    fold : ndarray of int, shape (n,)
    """

    def __init__(
        self, design: Array, treated: NDArray[np.bool_], propensity: Array, outcome: Array, fold: Codes
    ) -> None:
        self.design, self.treated, self.propensity = design, treated, propensity
        self.outcome, self.fold = outcome, fold
        self.folds = int(fold.max()) + 1
        self.parts = [
            [self._sums(fold == k, group) for group in (~treated, treated)] for k in range(self.folds)
        ]
        self.penalty = np.full(design.shape[1], _PENALTY)
        self.penalty[0] = 1e-9

    def scores(self, without: int | None = None) -> Array:
        """Return the score of each customer, shape (n,).

        ``m1 - m0 + t (y - m1) / e - (1 - t) (y - m0) / (1 - e)``: augmented inverse probability weighting (Robins,
        Rotnitzky and Zhao 1994). The expected outcomes m1 and m0, with and without treatment, were fitted without the
        customer's own fold (Chernozhukov and others 2018), and without fold ``without``, of whose customers nothing is
        to be learnt.
        """
        expected = np.empty((2, len(self.outcome)))
        for k in range(self.folds):
            rows = self.fold == k
            left = [other for other in range(self.folds) if other not in (k, without)]
            for group in (0, 1):
                gram = sum(self.parts[other][group][0] for other in left)
                moment = sum(self.parts[other][group][1] for other in left)
                weights = np.linalg.solve(gram + np.diag(self.penalty), moment)
                expected[group, rows] = self.design[rows] @ weights
        m0, m1 = expected
        t, e, y = self.treated, self.propensity, self.outcome
        return np.asarray(m1 - m0 + np.where(t, (y - m1) / e, (m0 - y) / (1.0 - e)))

    def _sums(self, in_fold: NDArray[np.bool_], group: NDArray[np.bool_]) -> tuple[Array, Array]:
        own = self.design[in_fold & group]
        return own.T @ own, own.T @ self.outcome[in_fold & group]
