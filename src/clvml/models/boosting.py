"""Gradient-boosted trees that start from a prior forecast instead of from nothing.

Both estimators keep the scikit-learn contract and save to XGBoost's own JSON. The prior enters as
``base_margin``: with no evidence against it in the data, the prior is the prediction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xgboost as xgb
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from clvml.config import ModelConfig
from clvml.models.history import check_vector
from clvml.models.tree_file import read_trees, write_trees

Array = NDArray[np.float64]
Loss = Literal["tweedie", "gamma"]

# Probabilities are clipped this far from 0 and 1: with larger logits, trees could hardly change the prior.
PROBABILITY_MARGIN = 1e-4
# A prior spend below this share of the mean spend is raised to it, so that its logarithm is finite.
LEAST_PRIOR_SHARE = 1e-3
TWEEDIE_POWER = 1.5


def logit_of(probability: ArrayLike) -> Array:
    """Return the log-odds of probabilities, finite also at 0 and 1."""
    return logit(np.clip(np.asarray(probability), PROBABILITY_MARGIN, 1.0 - PROBABILITY_MARGIN))


def feature_types(names: Iterable[str], categories: Collection[str]) -> list[str] | None:
    """Return XGBoost's names of the types of the columns; None where all are numbers."""
    return ["c" if name in categories else "float" for name in names] if categories else None


_DEFAULTS = ModelConfig()


@dataclass(kw_only=True, eq=False, repr=False)
class _Boosted(BaseEstimator):
    """Parameters, fitting and storage that the two estimators share."""

    n_estimators: int = _DEFAULTS.n_estimators
    max_depth: int = _DEFAULTS.max_depth
    learning_rate: float = _DEFAULTS.learning_rate
    min_child_weight: float = _DEFAULTS.min_child_weight
    subsample: float = _DEFAULTS.subsample
    colsample_bytree: float = _DEFAULTS.colsample_bytree
    reg_lambda: float = _DEFAULTS.reg_lambda
    n_jobs: int = _DEFAULTS.n_jobs
    random_state: int = 0
    categorical_features: Sequence[str] = ()

    def _boost(
        self, X: Array, y: NDArray[Any], weights: Array, prior: ArrayLike | None, objective: dict[str, Any]
    ) -> None:
        names = getattr(self, "feature_names_in_", None)
        matrix = xgb.DMatrix(
            X,
            y,
            weight=weights,
            base_margin=self._prior_margin(prior, len(X)),
            feature_names=None if names is None else list(names),
            feature_types=feature_types(() if names is None else names, self.categorical_features),
            nthread=self.n_jobs,
        )
        parameters = {
            "tree_method": "hist",
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_lambda": self.reg_lambda,
            "nthread": self.n_jobs,
            "seed": self.random_state,
            **objective,
        }
        self.booster_ = xgb.train(parameters, matrix, self.n_estimators)

    def _margin(self, X: ArrayLike, prior: ArrayLike | None) -> Array:
        check_is_fitted(self, "booster_")
        # The precision that XGBoost compares in.
        rows = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float32)
        return self.margin(rows, prior)

    def margin(self, rows: NDArray[np.float32], prior: ArrayLike | None = None) -> Array:
        """Return the sum of trees and prior on their scale, shape (n,), for rows (n, k) that need no check."""
        # Straight from the array: a DMatrix would cost as much as the trees.
        margin = self.booster_.inplace_predict(
            rows, predict_type="margin", base_margin=self._prior_margin(prior, len(rows))
        )
        return np.asarray(margin, dtype=float)

    def _prior_margin(self, prior: ArrayLike | None, rows: int) -> Array | None:
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write the trees to a JSON file."""
        check_is_fitted(self, "booster_")
        write_trees(self.booster_, path)

    def _load(self, path: Path, objective: str, features: Sequence[str] | None) -> None:
        self.booster_ = read_trees(path, objective, features)
        self.n_features_in_ = self.booster_.num_features()
        if self.booster_.feature_names:
            self.feature_names_in_ = np.asarray(self.booster_.feature_names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class ChurnClassifier(ClassifierMixin, _Boosted):
    """P(class 1), boosted from a prior probability.

    Parameters
    ----------
    n_estimators, max_depth, learning_rate, min_child_weight, subsample, colsample_bytree, reg_lambda
        As in XGBoost.
    n_jobs : int
        Threads; 0 takes all cores.
    random_state : int
        Seed of the row and column sampling.
    categorical_features : sequence of str
        Columns of a frame that hold codes of categories, from 0 on.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two classes, sorted; probabilities are of the second.
    booster_ : xgboost.Booster
        The trees.
    """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        prior: ArrayLike | None = None,
    ) -> ChurnClassifier:
        """Fit on features (n, k), which may be missing, and two classes (n,).

        Parameters
        ----------
        X, y, sample_weight
            As in scikit-learn.
        prior : array of shape (n,), optional
            Prior P(class 1) of each row; without it, boosting starts from the share of class 1.

        Raises
        ------
        ValueError
            ``y`` does not hold exactly two classes; weights are negative or all zero; the prior is not a vector of
            one finite number >= 0 per row.
        """
        rows, classes = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        check_classification_targets(classes)
        self.classes_, codes = np.unique(classes, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"Only binary classification is supported: y holds {len(self.classes_)} class(es), and two are"
                " needed; use a history in which some customers bought again and some did not"
            )
        weights = _weights(sample_weight, len(rows))
        self._boost(rows, codes, weights, prior, {"objective": "binary:logistic"})
        return self

    def predict_proba(self, X: ArrayLike, prior: ArrayLike | None = None) -> Array:
        """Return P(class 0) and P(class 1), shape (n, 2)."""
        p = expit(self._margin(X, prior))
        return np.column_stack([1.0 - p, p])

    def predict(self, X: ArrayLike, prior: ArrayLike | None = None) -> NDArray[Any]:
        """Return the likelier class of each row, shape (n,)."""
        chosen = (self.predict_proba(X, prior)[:, 1] >= 0.5).astype(int)
        return self.classes_[chosen]

    def load(self, path: Path, features: Sequence[str] | None = None) -> ChurnClassifier:
        """Read the trees that `save` wrote, of these features where they are given; the classes are 0 and 1.

        Raises
        ------
        InputError
            The file holds no such trees (`clvml.models.tree_file.read_trees`).
        """
        self._load(path, "binary:logistic", features)
        self.classes_ = np.array([0, 1])
        return self

    def _prior_margin(self, prior: ArrayLike | None, rows: int) -> Array | None:
        return None if prior is None else logit_of(check_vector("prior", prior, rows))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


@dataclass(eq=False, repr=False)
class SpendRegressor(RegressorMixin, _Boosted):
    """E[spend], non-negative, boosted from a prior expectation.

    Parameters
    ----------
    loss : {"tweedie", "gamma"}
        Tweedie of power 1.5 for spend with many zeros; gamma for spend known to be positive.
    n_estimators, max_depth, learning_rate, min_child_weight, subsample, colsample_bytree, reg_lambda
        As in XGBoost.
    n_jobs : int
        Threads; 0 takes all cores.
    random_state : int
        Seed of the row and column sampling.
    categorical_features : sequence of str
        Columns of a frame that hold codes of categories, from 0 on.

    Attributes
    ----------
    scale_ : float
        Weighted mean of the positive part of ``y``; the trees see spend divided by it, so that the unit of money does
        not matter.
    booster_ : xgboost.Booster
        The trees.
    """

    loss: Loss = "tweedie"

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        prior: ArrayLike | None = None,
    ) -> SpendRegressor:
        """Fit on features (n, k), which may be missing, and net spend (n,).

        Parameters
        ----------
        X, sample_weight
            As in scikit-learn.
        y : array of shape (n,)
            Net spend. Negative values (more refunded than bought) count as zero: neither loss has mass there.
        prior : array of shape (n,), optional
            Prior E[spend] of each row, in the unit of ``y``; without it, boosting starts from the mean.

        Raises
        ------
        ValueError
            The loss is unknown; weights are negative or all zero; the prior is not a vector of one finite number
            >= 0 per row.
        """
        if self.loss not in ("tweedie", "gamma"):
            raise ValueError(f"loss must be 'tweedie' or 'gamma', currently set to {self.loss!r}")
        rows, spend = validate_data(
            self, X, y, ensure_all_finite="allow-nan", dtype=np.float64, y_numeric=True
        )
        spend = np.clip(np.asarray(spend, dtype=float), 0.0, None)
        weights = _weights(sample_weight, len(rows))
        self.scale_ = float(np.average(spend, weights=weights)) or 1.0
        spend = spend / self.scale_
        objective: dict[str, Any] = {
            "objective": "reg:tweedie",
            "tweedie_variance_power": TWEEDIE_POWER,
            "base_score": 1.0,
        }
        if self.loss == "gamma":
            objective = {"objective": "reg:gamma", "base_score": 1.0}
            spend = np.maximum(spend, LEAST_PRIOR_SHARE)
        self._boost(rows, spend, weights, prior, objective)
        return self

    def predict(self, X: ArrayLike, prior: ArrayLike | None = None) -> Array:
        """Return E[spend] in the unit of the fit, shape (n,)."""
        return self.expected(self._margin(X, prior))

    def expected(self, margin: Array) -> Array:
        """Return E[spend] for the values of `margin`, shape (n,)."""
        return np.exp(margin) * self.scale_

    def load(self, path: Path, scale: float, features: Sequence[str] | None = None) -> SpendRegressor:
        """Read the trees that `save` wrote, of these features where they are given.

        ``scale`` is the fitted ``scale_``.

        Raises
        ------
        InputError
            The file holds no such trees (`clvml.models.tree_file.read_trees`).
        """
        self._load(path, f"reg:{self.loss}", features)
        self.scale_ = scale
        return self

    def starting_margin(self, prior: ArrayLike) -> Array:
        """Return the logarithm that trees start from, shape (n,), where the prior E[spend] is given."""
        return np.log(np.maximum(check_vector("prior", prior) / self.scale_, LEAST_PRIOR_SHARE))

    def _prior_margin(self, prior: ArrayLike | None, rows: int) -> Array | None:
        return None if prior is None else self.starting_margin(check_vector("prior", prior, rows))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


def _weights(sample_weight: ArrayLike | None, rows: int) -> Array:
    if sample_weight is None:
        return np.ones(rows)
    weights = check_vector("sample_weight", sample_weight, rows)
    if not weights.any():
        raise ValueError(f"sample_weight is zero for all {rows} rows: there is nothing to learn from")
    return weights
