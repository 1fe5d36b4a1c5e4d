"""P(churn): trees boosted from BTYD or from nothing, stacked with BTYD on the logit scale.

    logit P = share * logit(trees) + (1 - share) * logit(prior)
    logit(prior) = slope * logit(BTYD's P(no purchase))

docs/model.md explains the slope and the share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from clvml.config import ModelConfig
from clvml.models.boosting import PROBABILITY_MARGIN, ChurnClassifier, logit_of
from clvml.models.model_file import State

Array = NDArray[np.float64]
Rows = NDArray[np.float32]

# Stacking weights of the trees to choose from, on the logit scale; BTYD has the rest. The first is used where the log
# is too short to hold out a window: trees trained on few windows are overconfident, most of all with few customers.
SHARES = (0.75, 1.0, 0.5, 0.25, 0.0)
_LARGEST_LOGIT = float(logit_of(1.0))
_FILE = "churn.json"


class ChurnChoice(NamedTuple):
    """Stacking weight of the trees, from 0 to 1, and whether they are boosted from BTYD."""

    share: float = SHARES[0]
    boosted: bool = True


@dataclass(frozen=True)
class Churn:
    """P(no purchase), before it is brought to the level of the anchor.

    Attributes
    ----------
    trees : ChurnClassifier or None
        None where there was nothing to learn from: BTYD stands alone.
    choice : ChurnChoice
        Trees are boosted from BTYD where the choice says so and ``base`` lets them; they start from nothing otherwise.
    slope : float
        Factor of the logits of BTYD's P(no purchase), from 0 to 1.
    base : {"blend", "btyd", "trailing", "none"}
        What trees were boosted from; "trailing" holds no forecast of churn.
    rival : ChurnClassifier or None
        Trees that start from nothing, where they are to be compared (`best`).
    """

    trees: ChurnClassifier | None = None
    choice: ChurnChoice = ChurnChoice()  # noqa: RUF009 - a tuple
    slope: float = 1.0
    base: str = "blend"
    rival: ChurnClassifier | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        X: pd.DataFrame,
        weights: Array,
        base: str,
        boosting: Mapping[str, Any],
        choice: ChurnChoice | None,
    ) -> Churn:
        """Fit on snapshots with the prior's columns, what the trees read of them, and a weight for each, shape (n,).

        ``choice`` says which trees to train; without one, both kinds are trained, for `best`. ``boosting`` are the
        parameters of `ChurnClassifier`.
        """
        churned = frame["churned"].to_numpy()
        slope = _calibration_slope(frame, churned, weights)
        if not churned.any():
            return cls(None, choice or ChurnChoice(), slope, base)
        prior = _calibrated(frame, base, slope)

        def grown(start: Array | None) -> ChurnClassifier:
            return ChurnClassifier(**boosting).fit(X, churned, weights, start)

        return cls(
            grown(prior if choice is None or choice.boosted else None),
            choice or ChurnChoice(),
            slope,
            base,
            grown(None) if choice is None and prior is not None else None,
        )

    def logits(self, frame: pd.DataFrame, rows: Rows) -> Array:
        """Return the log-odds of no purchase, shape (n,): a mean of trees and BTYD.

        ``frame`` holds the prior's columns, ``rows`` what the trees read. Where ``base`` holds no BTYD, trees stand
        alone.
        """
        if self.trees is None:
            return logit_of(frame["btyd_p_churn"])
        trees, prior = self._parts(frame, rows, self.trees, self.choice.boosted)
        return self.choice.share * trees + (1.0 - self.choice.share) * prior

    def prior(self, frame: pd.DataFrame) -> Array | None:
        """Return the prior P(no purchase), shape (n,), or None where ``base`` holds no BTYD."""
        return _calibrated(frame, self.base, self.slope)

    def best(self, frame: pd.DataFrame, rows: Rows, churned: ArrayLike) -> ChurnChoice:
        """Return the trees and the share with the least log loss on unseen customers, whatever their level.

        Forecasts are first shifted to the observed churn rate, since the level of one window is a single draw. Trees
        that start from nothing have to be better by more than the standard error of the difference (Breiman et al.
        1984, section 3.4.3), so that the choice does not change with every training.
        """
        y = np.asarray(churned, dtype=float)
        if self.trees is None or not 0.0 < y.mean() < 1.0:
            return ChurnChoice()

        def best(trees: ChurnClassifier, boosted: bool) -> tuple[ChurnChoice, Array]:
            share, losses = best_share(*self._parts(frame, rows, trees, boosted), y)
            return ChurnChoice(share, boosted), losses

        choice, losses = best(self.trees, True)
        if self.rival is None:
            return choice
        other, other_losses = best(self.rival, False)
        gain = losses - other_losses
        return other if gain.mean() > gain.std() / np.sqrt(len(gain)) else choice

    def chosen(self, choice: ChurnChoice) -> Churn:
        """Return this forecast with the chosen trees (`best`)."""
        trees = self.trees if choice.boosted or self.rival is None else self.rival
        return replace(self, trees=trees, choice=choice)

    def _parts(
        self, frame: pd.DataFrame, rows: Rows, trees: ChurnClassifier, boosted: bool
    ) -> tuple[Array, Array]:
        """Return the logits of the trees and of the prior; trees without a prior stand in for it."""
        prior = self.prior(frame)
        logits = trees.margin(rows, prior if boosted else None)
        logits = np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)
        return logits, logits if prior is None else logit_of(prior)

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the trees into a directory, and return the other values for ``model.json``."""
        if self.trees is not None:
            self.trees.save(directory / _FILE)
        return {
            "churn_trees": self.trees is not None,
            "churn_share": self.choice.share,
            "churn_boosted": self.choice.boosted,
            "churn_slope": self.slope,
        }

    @classmethod
    def load(cls, state: State, directory: Path, model: ModelConfig) -> Churn:
        """Return what `save` wrote and described."""
        trees = None
        if state.churn_trees:
            trees = ChurnClassifier(n_jobs=model.n_jobs).load(directory / _FILE, state.predictors)
        return cls(trees, ChurnChoice(state.churn_share, state.churn_boosted), state.churn_slope, model.base)


def best_share(trees: Array, prior: Array, churned: Array) -> tuple[float, Array]:
    """Return the stacking weight of the trees' logits, and each customer's log loss with it, shape (n,).

    It is the one of `SHARES` with the least mean log loss at the observed churn rate. The customers must be unseen by
    the trees, and some but not all of them must have churned.
    """
    losses = {
        share: _losses_at_true_level(share * trees + (1.0 - share) * prior, churned) for share in SHARES
    }
    share = min(losses, key=lambda share: float(losses[share].mean()))
    return share, losses[share]


def _calibrated(frame: pd.DataFrame, base: str, slope: float) -> Array | None:
    return expit(slope * logit_of(frame["btyd_p_churn"])) if base in ("blend", "btyd") else None


def _calibration_slope(frame: pd.DataFrame, churned: Array, weights: Array) -> float:
    """Return the calibration slope of the logits of BTYD's P(no purchase), from 0 to 1, by logistic regression.

    Where nearly everybody buys again, BTYD is overconfident, and trees that start from it do not correct that.
    """
    if churned.min() == churned.max():
        return 1.0
    logits = logit_of(frame[["btyd_p_churn"]])
    slope = LogisticRegression(C=np.inf).fit(logits, churned, weights).coef_[0, 0]
    return float(np.clip(slope, 0.0, 1.0))


def _losses_at_true_level(logits: Array, churned: Array) -> Array:
    """Return each customer's log loss, shape (n,), with the logits shifted to the observed churn rate."""
    shift = brentq(lambda by: float(expit(logits + by).mean() - churned.mean()), -50.0, 50.0)
    p = np.clip(expit(logits + shift), PROBABILITY_MARGIN, 1.0 - PROBABILITY_MARGIN)
    return -(churned * np.log(p) + (1.0 - churned) * np.log1p(-p))
