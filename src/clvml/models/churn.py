"""P(churn): trees and BTYD, stacked on the logit scale.

    logit P = share * logit(trees) + (1 - share) * logit(BTYD's P(no purchase))

The trees start from nothing, and read BTYD's forecasts among their features (docs/model.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from clvml.config import ModelConfig
from clvml.models.boosting import ChurnClassifier, logit_of
from clvml.models.model_file import State
from clvml.models.optimum import find_minimum

Array = NDArray[np.float64]
Rows = NDArray[np.float32]

_LARGEST_LOGIT = float(logit_of(1.0))
_FILE = "churn.json"


@dataclass(frozen=True)
class Churn:
    """P(no purchase), before it is brought to the level of the anchor.

    Attributes
    ----------
    trees : ChurnClassifier or None
        None where there was nothing to learn from: BTYD stands alone.
    share : float
        Stacking weight of the trees, from 0 to 1; BTYD has the rest.
    base : {"blend", "btyd", "trailing", "none"}
        The prior; the last two hold no forecast of churn, so that trees stand alone.
    """

    trees: ChurnClassifier | None = None
    share: float = 1.0
    base: str = "blend"

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        X: pd.DataFrame,
        weights: Array,
        base: str,
        boosting: Mapping[str, Any],
        share: float,
    ) -> Churn:
        """Fit on snapshots, what the trees read of them, and a weight for each, shape (n,).

        ``share`` is the weight of the trees, ``boosting`` are the parameters of `ChurnClassifier`.
        """
        churned = frame["churned"].to_numpy()
        if not churned.any():
            return cls(None, share, base)
        return cls(ChurnClassifier(**boosting).fit(X, churned, weights), share, base)

    def prior(self, frame: pd.DataFrame) -> Array | None:
        """Return the logits of BTYD's P(no purchase), shape (n,), or None where trees stand alone."""
        return logit_of(frame["btyd_p_churn"]) if self.base in ("blend", "btyd") else None

    def logits(self, frame: pd.DataFrame, rows: Rows) -> Array:
        """Return the log-odds of no purchase, shape (n,): a mean of trees and BTYD.

        ``frame`` holds the prior's columns, ``rows`` what the trees read.
        """
        if self.trees is None:
            return logit_of(frame["btyd_p_churn"])
        trees, prior = self._of_trees(self.trees, rows), self.prior(frame)
        return trees if prior is None else self.share * trees + (1.0 - self.share) * prior

    def stacked(self, frame: pd.DataFrame, rows: Rows, churned: ArrayLike) -> Churn:
        """Return this forecast with the share that predicts best (`best_share`).

        ``frame`` holds the prior's columns, ``rows`` what the trees read, ``churned`` 0 or 1, shape (n,), of customers
        whom the trees have not seen.
        """
        y, prior = np.asarray(churned, dtype=float), self.prior(frame)
        if self.trees is None or prior is None or not 0.0 < y.mean() < 1.0:
            return self
        return replace(self, share=best_share(self._of_trees(self.trees, rows), prior, y))

    @staticmethod
    def _of_trees(trees: ChurnClassifier, rows: Rows) -> Array:
        return np.clip(trees.margin(rows), -_LARGEST_LOGIT, _LARGEST_LOGIT)

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the trees into a directory, and return the other values for ``model.json``."""
        if self.trees is not None:
            self.trees.save(directory / _FILE)
        return {"churn_trees": self.trees is not None, "churn_share": self.share}

    @classmethod
    def load(cls, state: State, directory: Path, model: ModelConfig) -> Churn:
        """Return what `save` wrote and described."""
        trees = None
        if state.churn_trees:
            trees = ChurnClassifier(n_jobs=model.n_jobs).load(directory / _FILE, state.predictors)
        return cls(trees, state.churn_share, model.base)


def best_share(trees: Array, prior: Array, churned: Array) -> float:
    """Return the stacking weight, from 0 to 1, of the trees' logits beside the prior's, shape (n,) each.

    It has the least log loss where the level is right: logistic regression with an intercept. The customers must be
    unseen by the trees, and some but not all of them must have churned.
    """

    def loss(theta: Array) -> tuple[float, Array]:
        logits = prior + theta[0] * (trees - prior) + theta[1]
        missed = expit(logits) - churned
        slope = np.array([np.mean(missed * (trees - prior)), missed.mean()])
        return float(np.mean(np.logaddexp(0.0, logits) - churned * logits)), slope

    (share, _), _ = find_minimum(loss, np.array([[0.5, 0.0]]), [(0.0, 1.0), (-50.0, 50.0)], ())
    return float(share)
