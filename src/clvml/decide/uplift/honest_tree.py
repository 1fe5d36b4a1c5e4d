"""An honest tree of a few leaves: who is moved how much, as rules over columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from clvml.decide.shrinkage import Shrunk, shrink

Array = NDArray[np.float64]

LEAVES = 8
# Customers of the estimating half in a leaf: a thousand, or a twentieth of a small experiment.
_LEAST_LEAF, _SHARE_OF_LEAF, _FEWEST = 1_000, 20, 25
# A number can be split at so many quantiles.
_EDGES = 64


@dataclass(frozen=True)
class Split:
    """One column of the tree's input, and what it is in words of a rule.

    Attributes
    ----------
    name : str
        Column of the experiment.
    level : str or None
        The text it is compared with; None for numbers.
    edges : tuple of float
        Numbers at which it may be split: the input counts those that are below the customer's.
    missing : float or None
        The input of customers of whom the column is not known; None: it is known of all.
    """

    name: str
    level: str | None = None
    edges: tuple[float, ...] = ()
    missing: float | None = None

    def rule(self, below: bool, threshold: float) -> str:
        """Return the condition of a branch: of inputs up to the threshold, or above it."""
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name)
        name = self.name if plain else '"' + self.name.replace('"', '""') + '"'
        if self.level is not None:
            quoted = "'" + self.level.replace("'", "''") + "'"
            said = f"{name} {'<>' if below else '='} {quoted}"
        else:
            edge = self.edges[int(threshold)]
            said = f"{name} {'<=' if below else '>'} {int(edge) if edge.is_integer() else edge!r}"
        if self.missing is not None and (self.missing <= threshold) == below:
            return f"({said} or {name} is null)"
        return said


@dataclass(frozen=True)
class EffectTree:
    """A fitted tree.

    Attributes
    ----------
    splits : tuple of Split
        What its columns are.
    leaves : ndarray of int, shape (k,)
        Nodes of the tree that are leaves.
    effects, errors : ndarray, shape (k,)
        Mean score of each leaf among customers whom the splits have not seen, and its standard error.
    shrunk : Shrunk
        Effects drawn towards their mean.
    counts : ndarray of int, shape (k,)
        Customers of the estimating half.
    """

    tree: DecisionTreeRegressor
    splits: tuple[Split, ...]
    leaves: NDArray[np.intp]
    effects: Array
    errors: Array
    shrunk: Shrunk
    counts: NDArray[np.intp]

    def places(self, inputs: Array) -> NDArray[np.intp]:
        """Return the place in ``leaves`` of each row, shape (n,)."""
        places: NDArray[np.intp] = np.searchsorted(self.leaves, self.tree.apply(inputs))
        return places

    def predict(self, inputs: Array) -> Array:
        """Return the effect of each row, drawn towards the mean, shape (n,)."""
        return self.shrunk.mean[self.places(inputs)]

    def rules(self) -> list[str]:
        """Return the rule of each leaf; they are disjoint, and together hold for everybody."""
        nodes = self.tree.tree_
        found: dict[int, list[str]] = {}
        open_: list[tuple[int, dict[tuple[int, bool], float]]] = [(0, {})]
        while open_:
            node, path = open_.pop()
            left, right = nodes.children_left[node], nodes.children_right[node]
            if left == right:
                found[node] = self._conditions(path)
                continue
            column, at = int(nodes.feature[node]), float(nodes.threshold[node])
            # Of several limits on the same side the tightest counts, which is the last on the way down.
            open_ += [(int(left), {**path, (column, True): at}), (int(right), {**path, (column, False): at})]
        return [" and ".join(found[int(leaf)]) or "true" for leaf in self.leaves]

    def _conditions(self, path: Mapping[tuple[int, bool], float]) -> list[str]:
        # Where a column equals one text, it need not be said that it differs from others.
        equal = {
            self.splits[column].name for column, below in path if self.splits[column].level and not below
        }
        return [
            self.splits[column].rule(below, at)
            for (column, below), at in path.items()
            if not (below and self.splits[column].level and self.splits[column].name in equal)
        ]


def tree_inputs(features: pd.DataFrame) -> tuple[Array, tuple[Split, ...]]:
    """Return the columns that a tree can split, shape (n, p), and what they are.

    Numbers are split at values that occur, so that the rules say exactly what the tree does.
    """
    columns: list[NDArray[Any]] = []
    splits: list[Split] = []
    for name in features.columns:
        values = features[name]
        missing = values.isna().to_numpy(dtype=bool)
        if pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            known = numbers[~missing]
            if not len(known):
                continue
            inner = np.linspace(0, 1, _EDGES + 1)[1:-1]
            edges = np.unique(np.quantile(known, inner, method="lower"))
            typical = float(np.searchsorted(edges, np.median(known), side="left"))
            columns.append(np.where(missing, typical, np.searchsorted(edges, numbers, side="left")))
            splits.append(Split(str(name), None, tuple(edges.tolist()), typical if missing.any() else None))
        else:
            levels = values.value_counts()
            for level in sorted(str(level) for level in levels.index[levels >= _FEWEST]):
                columns.append((values == level).fillna(False).to_numpy(dtype=float))
                splits.append(Split(str(name), level, missing=0.0 if missing.any() else None))
    return (np.column_stack(columns) if columns else np.zeros((len(features), 1))), tuple(splits)


def fit_tree(inputs: Array, splits: tuple[Split, ...], scores: Array, seed: int) -> EffectTree:
    """Grow a tree on half of the customers and measure its leaves on the other (Athey and Imbens 2016).

    Parameters
    ----------
    inputs, splits
        See `tree_inputs`.
    scores : ndarray, shape (n,)
        Doubly robust scores.
    seed : int
        Decides the halves.
    """
    n = len(scores)
    order = np.random.default_rng(seed).permutation(n)
    grown, measured = order[: n // 2], order[n // 2 :]
    least = max(_FEWEST, min(_LEAST_LEAF, len(grown) // _SHARE_OF_LEAF))
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=least, random_state=seed)
    tree.fit(inputs[grown], scores[grown])
    leaves, place = np.unique(tree.apply(inputs[measured]), return_inverse=True)
    own = scores[measured]
    counts = np.bincount(place)
    effects = np.bincount(place, own) / counts
    # One variance for all: that of a leaf with few buyers would look surer than it is.
    variance = float(((own - effects[place]) ** 2).sum() / max(len(own) - len(leaves), 1))
    # Where nothing varies, rounding does.
    errors = np.sqrt(max(variance, 1e-20 * float((own**2).mean()), 1e-60) / counts)
    return EffectTree(tree, splits, leaves, effects, errors, shrink(effects, errors**2), counts)
