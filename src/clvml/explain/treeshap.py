"""Exact SHAP values of shallow trees by look-up.

A leaf of a tree is reached through at most ``depth`` conditions, and its contribution to the SHAP values of a row
depends only on which of them the row meets. So the contributions of a branch of up to eight splits are computed once,
for each of its 256 outcomes. A row then costs one comparison per split and one look-up per feature of a branch,
vectorised over the rows of a block. XGBoost walks every tree for every row instead (docs/benchmarks.md has the ratio).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import factorial, log, prod
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.special import logit

Array = NDArray[np.float64]
SinglePrecision = NDArray[np.float32]

# The number of an outcome of a branch has to fit into a byte.
SPLITS = 8
# Rows of a block: enough to hide the overhead of a call to NumPy, few enough for the processor's cache.
BLOCK_ROWS = 16_384
# The look-up tables have to agree with XGBoost on so many rows, to this much of the largest value.
CHECKED_ROWS = 8
TOLERANCE = 1e-4
# XGBoost keeps the base score as a mean of the target; the link turns it into a margin.
_LINKS: dict[str, Callable[[float], float]] = {
    "reg:squarederror": float,
    "binary:logistic": logit,
    "reg:tweedie": log,
    "reg:gamma": log,
}


class _Split(NamedTuple):
    feature: int
    threshold: np.float32
    missing_left: bool


class _Step(NamedTuple):
    """One condition on the way to a leaf: the split by its node, the side taken, and the share that took it."""

    node: int
    feature: int
    left: bool
    share: float


class _Leaf(NamedTuple):
    """A leaf, the way to it, and the features on the way with the shares that met all conditions on each."""

    value: float
    path: tuple[_Step, ...]
    features: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class _Branch:
    """Leaves that depend on the same few splits.

    Attributes
    ----------
    splits : tuple of _Split
        The first is the lowest bit of an outcome; a bit is 1 where a row goes left.
    features : array of shape (k,)
    table : array of shape (k, 2 ** len(splits))
        What the branch adds to the SHAP value of each feature, by outcome.
    """

    splits: tuple[_Split, ...]
    features: NDArray[np.intp]
    table: SinglePrecision


class TreeTables:
    """The look-up tables of a tree model with one output.

    Parameters
    ----------
    booster : xgboost.Booster
        Trees with numeric splits; at most eight splits deep.

    Attributes
    ----------
    base : float
        The mean prediction over the rows the trees were learnt from [unit of the prediction].

    Raises
    ------
    ValueError
        The model is of another kind.

    References
    ----------
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees, Nature
    Machine Intelligence 2, 56-67 (path-dependent TreeSHAP); Nadel and Wettenstein (2025), From Decision Trees to
    Boolean Logic: A Fast and Unified SHAP Algorithm, arXiv:2511.09376 (outcomes of a path as bits).
    """

    def __init__(self, booster: xgb.Booster) -> None:
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        model = learner["gradient_booster"]
        parameters = learner["learner_model_param"]
        trees = model.get("model", {}).get("trees", [])
        if model["name"] != "gbtree" or int(parameters["num_target"]) > 1 or int(parameters["num_class"]) > 1:
            raise ValueError("look-up tables are for boosted trees with one output")
        if any(tree["categories"] for tree in trees):
            raise ValueError("look-up tables are for numeric splits")
        link = _LINKS.get(learner["objective"]["name"])
        if link is None:
            raise ValueError(f"look-up tables are for {', '.join(_LINKS)}")
        self.width = int(parameters["num_feature"])
        # It is written "[5E-1]".
        self.base = float(link(float(parameters["base_score"].strip("[]"))))
        self._branches: list[_Branch] = []
        read = [_read_tree(tree) for tree in trees]
        shapley = _shapley_by_shares({leaf.shares for _, leaves in read for leaf in leaves})
        for splits, leaves in read:
            self.base += sum(leaf.value * prod(leaf.shares) for leaf in leaves)
            self._branches += [_branch(splits, part, shapley) for part in _parts(leaves)]

    def values(self, matrix: SinglePrecision) -> SinglePrecision:
        """Return SHAP values, shape (rows, features + 1), the base last; NaN in ``matrix`` is missing.

        Every row is computed by itself, on all cores: its values do not depend on the other rows.
        """
        values = np.empty((len(matrix), self.width + 1), dtype=np.float32)
        blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(matrix), BLOCK_ROWS)]

        def work(rows: slice) -> None:
            values[rows] = self._block(matrix[rows])

        if len(blocks) < 2:
            for rows in blocks:
                work(rows)
            return values
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            for _ in pool.map(work, blocks):
                pass
        finally:
            # An interrupt waits only for the blocks that have started.
            pool.shutdown(cancel_futures=True)
        return values

    def _block(self, matrix: SinglePrecision) -> SinglePrecision:
        columns = np.ascontiguousarray(matrix.T)
        values = np.zeros((self.width + 1, len(matrix)), dtype=np.float32)
        values[-1] = self.base
        code = np.empty(len(matrix), dtype=np.uint8)
        left = np.empty(len(matrix), dtype=bool)
        share = np.empty(len(matrix), dtype=np.float32)
        for branch in self._branches:
            code[:] = 0
            for split in reversed(branch.splits):
                if split.missing_left:
                    np.greater_equal(columns[split.feature], split.threshold, out=left)
                    np.logical_not(left, out=left)
                else:
                    np.less(columns[split.feature], split.threshold, out=left)
                np.add(code, code, out=code)
                np.bitwise_or(code, left.view(np.uint8), out=code)
            outcome = code.astype(np.intp)
            for feature, table in zip(branch.features, branch.table, strict=True):
                # "wrap" only because the default checks and copies; no outcome lies outside.
                np.take(table, outcome, out=share, mode="wrap")
                values[feature] += share
        return values.T


_tables: WeakKeyDictionary[xgb.Booster, TreeTables | None] = WeakKeyDictionary()


def shap_values(booster: xgb.Booster, matrix: SinglePrecision) -> SinglePrecision:
    """Return exact SHAP values of a tree model: path-dependent TreeSHAP [1]_.

    They come from look-up tables (`TreeTables`); from XGBoost's own contributions where the tables do not support the
    model or differ from them.

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
    for start in range(0, len(matrix), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        batch = xgb.DMatrix(
            matrix[rows], feature_names=booster.feature_names, feature_types=booster.feature_types
        )
        values[rows] = booster.predict(batch, pred_contribs=True)
    return values


def _read_tree(tree: dict[str, Any]) -> tuple[dict[int, _Split], list[_Leaf]]:
    """Return the splits by node and the leaves, from left to right, of a tree in XGBoost's JSON."""
    lefts, rights = tree["left_children"], tree["right_children"]
    cover = tree["sum_hessian"]
    features, conditions = tree["split_indices"], np.asarray(tree["split_conditions"], dtype=np.float32)
    splits: dict[int, _Split] = {}
    leaves: list[_Leaf] = []
    waiting: list[tuple[int, tuple[_Step, ...]]] = [(0, ())]
    while waiting:
        node, path = waiting.pop()
        if lefts[node] < 0:
            share: dict[int, float] = {}
            for step in path:
                share[step.feature] = share.get(step.feature, 1.0) * step.share
            leaves.append(_Leaf(float(conditions[node]), path, tuple(share), tuple(share.values())))
            continue
        splits[node] = _Split(features[node], conditions[node], bool(tree["default_left"][node]))
        for child, left in ((rights[node], False), (lefts[node], True)):
            step = _Step(node, features[node], left, cover[child] / cover[node])
            waiting.append((child, (*path, step)))
    return splits, leaves


def _parts(leaves: list[_Leaf], depth: int = 0) -> list[list[_Leaf]]:
    """Return the leaves of a subtree in groups that depend on at most eight splits each."""
    if len({step.node for leaf in leaves for step in leaf.path}) <= SPLITS:
        return [leaves]
    if len(leaves) == 1:
        raise ValueError(f"look-up tables are for trees of at most {SPLITS} splits in a row")
    sides = [[leaf for leaf in leaves if leaf.path[depth].left == left] for left in (True, False)]
    return [part for side in sides for part in _parts(side, depth + 1)]


def _branch(
    splits: dict[int, _Split], leaves: list[_Leaf], shapley: dict[tuple[float, ...], Array]
) -> _Branch:
    nodes = sorted({step.node for leaf in leaves for step in leaf.path})
    features = sorted({feature for leaf in leaves for feature in leaf.features})
    outcomes = np.arange(2 ** len(nodes))
    goes_left = {node: (outcomes >> bit & 1).astype(bool) for bit, node in enumerate(nodes)}
    table = np.zeros((len(features), len(outcomes)))
    for leaf in leaves:
        meets = {feature: np.ones(len(outcomes), dtype=bool) for feature in leaf.features}
        for step in leaf.path:
            meets[step.feature] &= goes_left[step.node] == step.left
        pattern = np.zeros(len(outcomes), dtype=np.intp)
        for place, feature in enumerate(leaf.features):
            pattern += meets[feature] << place
        for feature, values in zip(leaf.features, shapley[leaf.shares], strict=True):
            table[features.index(feature)] += leaf.value * values[pattern]
    chosen = tuple(splits[node] for node in nodes)
    return _Branch(chosen, np.asarray(features, dtype=np.intp), table.astype(np.float32))


def _shapley_by_shares(asked: set[tuple[float, ...]]) -> dict[tuple[float, ...], Array]:
    """Return the Shapley values of leaves worth 1, shape (features on the path, 2 ** features), by their shares.

    The game: a set of known features is worth the product, over the path, of 1 or 0 for known features whose
    conditions are met or not, and of the share of rows that met them for the others. Columns are patterns: bit i is
    whether the conditions on feature i are met.
    """
    found: dict[tuple[float, ...], Array] = {}
    for k in {len(shares) for shares in asked}:
        same = sorted(shares for shares in asked if len(shares) == k)
        share = np.asarray(same, dtype=float).reshape(len(same), k, 1)
        met = (np.arange(2**k) >> np.arange(k)[:, None] & 1).astype(float)
        weights = [factorial(size) * factorial(k - size - 1) / factorial(k) for size in range(k)]
        shapley = np.empty((len(same), k, 2**k))
        for own in range(k):
            # Position s: the sum of the worths of the sets of s other features.
            sets = np.zeros((k, len(same), 2**k))
            sets[0] = 1.0
            for other in (place for place in range(k) if place != own):
                sets[1:] = sets[1:] * share[:, other] + sets[:-1] * met[other]
                sets[0] *= share[:, other]
            worth = sum(weight * part for weight, part in zip(weights, sets, strict=True))
            shapley[:, own] = (met[own] - share[:, own]) * worth
        found |= dict(zip(same, shapley, strict=True))
    return found
