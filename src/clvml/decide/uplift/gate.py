"""The gate: whether what was learnt about who is moved holds for customers that the learning has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clvml.decide.power import Z
from clvml.decide.uplift.doubly_robust import OutcomeModels, deal_folds
from clvml.decide.uplift.honest_tree import Split, fit_tree

Array = NDArray[np.float64]

FOLDS = 5
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Gate:
    """What the learnt effects are worth out of fold.

    Attributes
    ----------
    qini, low, high : float
        Qini area per customer [unit of the outcome], with its 95 % interval: what treating the most moved first gains
        over treating in any order, on average over all shares treated. 0: nothing is learnt.
    slope : float
        How far scores rise where the learnt effect rises by one: 1 where differences are as large as predicted. Missing
        where the same is predicted for everybody.
    """

    qini: float
    low: float
    high: float
    slope: float

    @property
    def open(self) -> bool:
        """Whether learnt effects may be used."""
        return self.low > 0.0 and self.slope > 0.0

    @property
    def kept(self) -> float:
        """The share of the learnt differences that may be believed, from 0 to 1."""
        return min(self.slope, 1.0) if self.open else 0.0


def check_out_of_fold(
    design: Array,
    inputs: Array,
    splits: tuple[Split, ...],
    treated: NDArray[np.bool_],
    propensity: Array,
    outcome: Array,
) -> Gate:
    """Learn on four fifths and judge on the last, five times over and with three ways to deal.

    Customers are ranked within their fold: ranks pooled over folds would tell the folds' means apart.
    """
    n = len(outcome)
    gained = np.zeros(n)
    product = square = seen_square = 0.0
    for seed in SEEDS:
        fold = deal_folds(treated, FOLDS, seed)
        models = OutcomeModels(design, treated, propensity, outcome, fold)
        for k in range(FOLDS):
            scores, judged = models.scores(without=k), fold == k
            tree = fit_tree(inputs[~judged], splits, scores[~judged], seed * FOLDS + k)
            predicted = tree.predict(inputs[judged])
            seen = scores[judged] - scores[judged].mean()
            gained[judged] += qini_weights(predicted) * seen / len(SEEDS)
            away = predicted - predicted.mean()
            product += float(away @ seen)
            square += float(away @ away)
            seen_square += float(seen @ seen)
    half_width = Z * float(gained.std(ddof=1)) / np.sqrt(n)
    qini = float(gained.mean())
    # What differs by rounding alone is the same for everybody.
    slope = product / square if square > 1e-18 * seen_square else float("nan")
    return Gate(qini, qini - half_width, qini + half_width, slope)


def qini_weights(predicted: Array) -> Array:
    """Return what each customer's score counts in the Qini area, shape (n,); they add up to 0.

    The area between the curve of the gain, ``sum of scores of the share q that ranks first / n``, and the straight line
    to its end is ``mean((1/2 - rank) * score)``, the rank running from 0 for the most moved to 1; equal predictions
    share a rank (Radcliffe 2007; as a mean, it has a plain standard error).

    >>> qini_weights(np.array([0.3, 0.1, 0.1, 0.0])).tolist()
    [0.375, 0.0, 0.0, -0.375]
    """
    _, place, counts = np.unique(-predicted, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2.0) / len(predicted)
    return np.asarray(0.5 - ranks[place])
