"""One tree model that mimics a final forecast, so that one exact SHAP run explains it.

The churn probability is a blend of a BTYD model and trees, averaged on the logit scale and calibrated, and the
expected spend a product of trees, priors and P(buy): the SHAP values of any one part would explain that part. The
surrogate is learnt from what comes out of the whole, and its fidelity says how much of that it reproduces.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.explain.treeshap import TreeTables
from clvml.explain.wording import Typical, direction_of
from clvml.models.boosting import feature_types
from clvml.models.tree_file import read_trees, write_trees

Array = NDArray[np.float64]
SinglePrecision = NDArray[np.float32]

TREES = 250
OBJECTIVE = "reg:squarederror"
PARAMS = {"objective": OBJECTIVE, "tree_method": "hist", "max_depth": 4, "learning_rate": 0.15}
HELD_OUT = 0.2
FEWEST_HELD_OUT = 20
# Mimicking needs no more, and the time of a fit grows with its rows.
MOST_ROWS = 50_000
# Medians and directions of 10,000 customers are precise enough for sentences.
TYPICAL_ROWS = 10_000
# Below this share of all influence, a direction is an accident of the few trees that use the feature.
NEGLIGIBLE = 0.01
BATCH_ROWS = 16_384
# The look-up tables have to agree with XGBoost on so many rows, to this much of the largest value.
CHECKED_ROWS = 8
TOLERANCE = 1e-4

_tables: WeakKeyDictionary[xgb.Booster, TreeTables | None] = WeakKeyDictionary()


def log_odds(p_churn: ArrayLike, clip: float = 1e-3) -> Array:
    """Return ``log(p / (1 - p))`` of probabilities kept within ``[clip, 1 - clip]``: the surrogate's target.

    Without the clip, the few customers of nearly certain churn would draw all the trees to themselves.

    Parameters
    ----------
    p_churn : array-like of shape (customers,)
    clip : float
        Distance kept from 0 and 1.

    Raises
    ------
    ValueError
        If a value is missing or outside [0, 1].

    Examples
    --------
    >>> log_odds([0.5, 0.9, 1.0]).round(3)
    array([0.   , 2.197, 6.907])
    """
    p = np.asarray(p_churn, dtype=float)
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(
            f"p_churn must lie in [0, 1]: {bad.sum()} value(s) do not, such as {p[bad][0]}; clip or drop them"
        )
    p = np.clip(p, clip, 1 - clip)
    return np.log(p) - np.log1p(-p)


def log_spend(expected_spend: ArrayLike, least_share: float = 1e-2) -> Array:
    """Return the logarithm of forecasts of spend, each at least ``least_share`` of their mean.

    On this scale influences multiply, as those of the model's priors and trees do. Without the limit, what parts
    nothing from almost nothing would be the reason of those who are lost.

    Parameters
    ----------
    expected_spend : array-like of shape (customers,)
        [currency; not negative]
    least_share : float
        The least that counts, as a share of the mean.

    Examples
    --------
    >>> log_spend([0.0, 20.0, 100.0]).round(3)
    array([-0.916,  2.996,  4.605])
    """
    spend = np.asarray(expected_spend, dtype=float)
    return np.log(np.maximum(spend, max(least_share * spend.mean(), np.finfo(float).tiny)))


def shap_values(booster: xgb.Booster, matrix: SinglePrecision) -> SinglePrecision:
    """Return exact SHAP values of a tree model: path-dependent TreeSHAP [1]_.

    By look-up tables (`clvml.explain.treeshap`) on all cores, in which every row is worked out by itself; by
    XGBoost's own contributions where the tables are not for such a model or differ from them.

    Parameters
    ----------
    booster : xgboost.Booster
        A trained model; its tables are kept for the next call, so it must not be trained further.
    matrix : array of shape (rows, features)
        NaN where a feature is missing.

    Returns
    -------
    array of shape (rows, features + 1)
        What each feature adds to the prediction [unit of the prediction] and, last, the base: the mean
        prediction. A row sums to its prediction.

    References
    ----------
    .. [1] Lundberg et al. (2020), From local explanations to global understanding with explainable AI for
       trees, Nature Machine Intelligence 2, 56-67.
    """
    if not len(matrix):
        return np.empty((0, matrix.shape[1] + 1), dtype=np.float32)
    if booster not in _tables:
        _tables[booster] = _checked_tables(booster, matrix[:CHECKED_ROWS])
    tables = _tables[booster]
    return _xgboost_values(booster, matrix) if tables is None else tables.values(matrix)


def _checked_tables(booster: xgb.Booster, matrix: SinglePrecision) -> TreeTables | None:
    try:
        tables = TreeTables(booster)
    except ValueError:
        return None
    expected, found = _xgboost_values(booster, matrix), tables.values(matrix)
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0)))
    return tables if np.abs(found - expected).max(initial=0.0) <= limit else None


def _xgboost_values(booster: xgb.Booster, matrix: SinglePrecision) -> SinglePrecision:
    values = np.empty((len(matrix), matrix.shape[1] + 1), dtype=np.float32)
    for start in range(0, len(matrix), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        batch = xgb.DMatrix(
            matrix[rows], feature_names=booster.feature_names, feature_types=booster.feature_types
        )
        values[rows] = booster.predict(batch, pred_contribs=True)
    return values


class Surrogate:
    """Trees that reproduce a forecast of a model from features a person can read.

    Attributes
    ----------
    features_ : tuple of str
        Columns in the order of the contributions.
    fidelity_ : float
        R² on a fifth of the rows, held out from the fit; 1 is a perfect copy. NaN where it cannot be measured: fewer
        than 100 rows, or a target without variation.
    typical_ : dict of str to Typical
        Median of each feature and the direction in which it moves the forecast, for `reasons`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"days_since_last_order": rng.uniform(1, 400, 500), "T": rng.normal(size=500)})
    >>> surrogate = Surrogate().fit(frame, frame["days_since_last_order"] / 100 - 2, seed=0)
    >>> surrogate.fidelity_ > 0.99
    True
    >>> contributions = surrogate.contributions(frame.head(1))
    >>> contributions.shape
    (1, 3)
    >>> np.allclose(contributions.sum(axis=1), surrogate.predict(frame.head(1)), atol=1e-4)
    True
    """

    booster_: xgb.Booster
    fidelity_: float
    typical_: dict[str, Typical]

    def fit(
        self, features: pd.DataFrame, target: ArrayLike, seed: int, categories: Collection[str] = ()
    ) -> Surrogate:
        """Learn to reproduce the target.

        Parameters
        ----------
        features : DataFrame
            Only the feature columns, numeric, NaN where missing; one row per customer and cutoff. Of more
            than 50,000 rows a random 50,000 are used.
        target : array-like of shape (rows,)
            The model's final forecast, as `log_odds` or `log_spend` gives it.
        seed : int
            Of the sample and the held-out rows.
        categories : collection of str
            Columns that hold codes of categories.

        Raises
        ------
        ValueError
            If there is no row or no column, the lengths differ, a value is infinite, or a target is missing.
        TypeError
            If a column is not numeric.
        """
        y = np.asarray(target, dtype=float)
        if not features.size or y.shape != (len(features),):
            raise ValueError(
                "features must have rows and columns, and target one value per row"
                f" (currently {features.shape} and {y.shape})"
            )
        if not np.isfinite(y).all():
            raise ValueError(
                f"target must be finite: {(~np.isfinite(y)).sum()} value(s) are not; make it with log_odds or log_spend"
            )
        names = [str(name) for name in features.columns]
        matrix = _matrix(features, names)
        order = np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS]
        matrix, y = matrix[order], y[order]
        # The rows are in random order: the first fifth is a random fifth.
        held_out = int(HELD_OUT * len(y))
        self.fidelity_ = math.nan
        if held_out >= FEWEST_HELD_OUT and np.ptp(y[:held_out]) > 0:
            self.booster_ = _train(matrix[held_out:], y[held_out:], names, categories)
            errors = y[:held_out] - self.booster_.inplace_predict(matrix[:held_out])
            self.fidelity_ = float(1 - np.mean(errors**2) / np.var(y[:held_out]))
        else:
            self.booster_ = _train(matrix, y, names, categories)
        self.typical_ = self._find_typical(matrix[:TYPICAL_ROWS], categories)
        self.booster_.set_attr(
            fidelity=repr(self.fidelity_),
            typical=json.dumps({name: tuple(values) for name, values in self.typical_.items()}),
        )
        return self

    @classmethod
    def mute(cls, names: Sequence[str]) -> Surrogate:
        """Return a surrogate that finds no influence in any feature, for a model that could not be explained."""
        surrogate = cls()
        return surrogate.fit(pd.DataFrame(np.zeros((1, len(names))), columns=list(names)), [0.0], seed=0)

    @property
    def features_(self) -> tuple[str, ...]:
        """The columns read, in the order of the contributions."""
        return tuple(self._fitted().feature_names or ())

    def predict(self, features: pd.DataFrame) -> SinglePrecision:
        """Return the target, shape (rows,); columns other than the fitted ones are ignored.

        Raises
        ------
        ValueError
            If a fitted column is missing or a value infinite.
        NotFittedError
            Before `fit`.
        """
        booster = self._fitted()
        return np.asarray(booster.inplace_predict(_matrix(features, self.features_)), dtype=np.float32)

    def contributions(self, features: pd.DataFrame) -> SinglePrecision:
        """Return SHAP values: by how much each feature moves the target.

        Raises as `predict` does.

        Returns
        -------
        array of shape (rows, features + 1)
            In the order of ``features_`` [unit of the target; positive raises it], then the base.
        """
        return shap_values(self._fitted(), _matrix(features, self.features_))

    def save(self, path: Path) -> None:
        """Write a file in XGBoost's own format, with the fidelity as an attribute."""
        write_trees(self._fitted(), path)

    @classmethod
    def load(cls, path: Path) -> Surrogate:
        """Return the surrogate that `save` wrote. No code that came with the file runs.

        Raises
        ------
        InputError
            If there is no such file, or that is another model.
        """
        surrogate = cls()
        surrogate.booster_ = read_trees(path, OBJECTIVE)
        try:
            surrogate.fidelity_ = float(surrogate.booster_.attr("fidelity") or "")
            typical = json.loads(surrogate.booster_.attr("typical") or "")
            surrogate.typical_ = {name: Typical(float(m), int(d)) for name, (m, d) in typical.items()}
            is_whole = list(surrogate.typical_) == list(surrogate.features_) and all(
                abs(one.direction) <= 1 and not math.isinf(one.median) for one in surrogate.typical_.values()
            )
        # XGBoost takes an empty attribute for a defect of its own.
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, AssertionError):
            is_whole = False
        if not is_whole or not surrogate.features_ or surrogate.fidelity_ > 1:
            raise InputError(f"'{path}' is not a surrogate that save wrote; train the model again")
        return surrogate

    def _find_typical(self, matrix: SinglePrecision, categories: Collection[str]) -> dict[str, Typical]:
        phi = shap_values(self._fitted(), matrix)
        strength = np.abs(phi[:, :-1]).mean(axis=0)
        clear = strength >= NEGLIGIBLE * strength.sum()
        typical = {}
        for index, name in enumerate(self.features_):
            values = matrix[:, index].astype(float)
            present = values[~np.isnan(values)]
            median = float(np.median(present)) if len(present) else math.nan
            # Codes have no order.
            has_one = clear[index] and name not in categories
            direction = direction_of(values, phi[:, index].astype(float)) if has_one else 0
            typical[name] = Typical(median, direction)
        return typical

    def _fitted(self) -> xgb.Booster:
        if not hasattr(self, "booster_"):
            raise NotFittedError("this Surrogate is not fitted yet: call fit or load first")
        return self.booster_


def _train(
    matrix: SinglePrecision, target: Array, names: list[str], categories: Collection[str]
) -> xgb.Booster:
    kinds = feature_types(names, categories)
    return xgb.train(PARAMS, xgb.DMatrix(matrix, target, feature_names=names, feature_types=kinds), TREES)


def _matrix(features: pd.DataFrame, names: list[str] | tuple[str, ...]) -> SinglePrecision:
    missing = [name for name in names if name not in features.columns]
    if missing:
        raise ValueError(
            f"features lack {len(missing)} column(s) the surrogate was fitted on: {sorted(missing)[:5]};"
            " give it the feature table the model was given"
        )
    chosen = features[list(names)]
    text = [name for name, kind in chosen.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise TypeError(f"features must be numeric; these are not: {text[:5]}; keep the feature columns only")
    with np.errstate(over="ignore"):
        matrix = chosen.to_numpy(dtype=np.float32, na_value=np.nan)
    infinite = np.isinf(matrix).any(axis=0)
    if infinite.any():
        raise ValueError(
            "features must be finite in single precision, or NaN; infinite values in"
            f" {list(chosen.columns[infinite])[:5]}"
        )
    return matrix
