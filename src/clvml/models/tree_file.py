"""Tree files: XGBoost's JSON, checked before XGBoost or a look-up table uses an index in it.

XGBoost does not check what it loads: a child index outside the tree crashes the process, and a cycle never ends. So it
gets only the values that were checked here, serialised again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clvml.errors import InputError

Integers = NDArray[np.int64]

# The largest `model.max_depth`, and a file size far above that of any training.
DEEPEST = 16
LARGEST_FILE = 1 << 28
# Above the number of levels that an attribute may have.
MOST_CODES = 255
_ROOT = 2**31 - 1
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"

Count = Annotated[str, Field(pattern=r"^\d{1,9}$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
One = Literal["1"]
Nothing = Annotated[list[int], Field(max_length=0)]


class _Part(BaseModel):
    # Fields that newer releases of XGBoost add are ignored.
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class _TreeSize(_Part):
    num_deleted: Literal["0"]
    num_feature: Count
    num_nodes: Count
    size_leaf_vector: Literal["0", "1"]


class _Tree(_Part):
    id: int
    tree_param: _TreeSize
    left_children: list[int]
    right_children: list[int]
    parents: list[int]
    split_indices: list[int]
    split_type: list[Literal[0, 1]]
    default_left: list[Literal[0, 1]]
    split_conditions: list[float]
    base_weights: list[float]
    loss_changes: list[float]
    sum_hessian: list[float]
    # For splits by category: all codes that go right, the nodes, and the start and the number of each node's codes.
    categories: list[int]
    categories_nodes: list[int]
    categories_segments: list[int]
    categories_sizes: list[int]


class _Forest(_Part):
    class Size(_Part):
        num_parallel_tree: One = "1"
        num_trees: Count

    class Categories(_Part):
        enc: Nothing = []
        feature_segments: Nothing = []
        sorted_idx: Nothing = []

    gbtree_model_param: Size
    cats: Categories | None = None
    iteration_indptr: list[int]
    tree_info: list[Literal[0]]
    trees: list[_Tree]


class _Booster(_Part):
    name: Literal["gbtree"]
    model: _Forest


class _Objective(_Part):
    class Weight(_Part):
        scale_pos_weight: Annotated[str, Field(pattern=f"^{_NUMBER}$")]

    class Tweedie(_Part):
        tweedie_variance_power: Literal["1.5"]

    name: str
    reg_loss_param: Weight | None = None
    tweedie_regression_param: Tweedie | None = None


class _Learner(_Part):
    class Size(_Part):
        base_score: Annotated[str, Field(pattern=rf"^\[?{_NUMBER}\]?$")]
        boost_from_average: Literal["0", "1"]
        num_class: Literal["0"]
        num_feature: Count
        num_target: One

    attributes: dict[Name, str]
    feature_names: list[Name]
    feature_types: list[Literal["float", "c"]]
    learner_model_param: Size
    objective: _Objective
    gradient_booster: _Booster


class _File(_Part):
    learner: _Learner
    version: Annotated[list[Annotated[int, Field(ge=0, le=999)]], Field(min_length=3, max_length=3)]


def write_trees(booster: xgb.Booster, path: Path) -> None:
    """Write a tree model as XGBoost's JSON."""
    path.write_bytes(bytes(booster.save_raw("json")))


def read_trees(path: Path, objective: str, features: Sequence[str] | None = None) -> xgb.Booster:
    """Return the tree model in a file that `write_trees` wrote.

    Parameters
    ----------
    path : Path
    objective : str
        What the trees were trained for, as XGBoost calls it.
    features : sequence of str, optional
        The names of the features, in the order of the columns.

    Raises
    ------
    InputError
        The file cannot be read or holds no such trees: a node outside its tree, numbers that are not finite,
        other features, or another objective.
    """
    try:
        checked = _File.model_validate(read_json(path))
        _check_learner(checked.learner, objective, features)
        text = json.dumps(checked.model_dump(exclude_none=True), ensure_ascii=False, allow_nan=False)
        return xgb.Booster(model_file=bytearray(text, "utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"'{path}' holds no trees that can be used ({first_problem(error)}); give the model as the training "
            "wrote it, or train it again"
        ) from None


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is not a file or not JSON, is too large or nested too deep, or holds numbers that are not finite.
    """
    if not path.is_file():
        raise ValueError("it is not there" if not path.exists() else "it is not a file")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"it has {path.stat().st_size:,} bytes")
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def first_problem(error: Exception) -> str:
    """Return the first problem of an error and its place, in one line."""
    if not isinstance(error, ValidationError):
        return str(error).strip().partition("\n")[0][:300] or type(error).__name__
    first, *others = error.errors(include_url=False)
    place = ".".join(map(str, first["loc"]))[:100]
    more = f", and {len(others):,} more" if others else ""
    return f"{place}: {first['msg'].removeprefix('Value error, ')}{more}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is not a number")


def _check_learner(learner: _Learner, objective: str, features: Sequence[str] | None) -> None:
    width = int(learner.learner_model_param.num_feature)
    names = learner.feature_names
    if learner.objective.name != objective:
        raise ValueError(f"its objective is '{learner.objective.name}' where {objective} is needed")
    if names and (len(names) != width or len(set(names)) != width):
        raise ValueError(f"{len(names)} names of {width} features")
    if features is not None and list(features) != names:
        raise ValueError("its features differ from those of the model, or in order")
    if learner.feature_types and len(learner.feature_types) != width:
        raise ValueError(f"{len(learner.feature_types)} types of {width} features")
    categories = {place for place, kind in enumerate(learner.feature_types) if kind == "c"}
    forest = learner.gradient_booster.model
    trees = forest.trees
    if not (
        int(forest.gbtree_model_param.num_trees) == len(trees) == len(forest.tree_info)
        and forest.iteration_indptr == list(range(len(trees) + 1))
        and [tree.id for tree in trees] == list(range(len(trees)))
    ):
        raise ValueError("the number of its trees is not the number that it states")
    for tree in trees:
        problem = _problem_of(tree, width) or _problem_of_categories(tree, categories)
        if problem:
            raise ValueError(f"tree {tree.id}: {problem}")


def _problem_of(tree: _Tree, width: int) -> str:
    """Return why the nodes are not one tree with its root at node 0; empty where they are."""
    nodes = int(tree.tree_param.num_nodes)
    columns = (
        tree.left_children, tree.right_children, tree.parents, tree.split_indices, tree.split_type, tree.default_left,
        tree.split_conditions, tree.base_weights, tree.loss_changes, tree.sum_hessian,
    )  # fmt: skip
    if nodes < 1 or any(len(column) != nodes for column in columns):
        return f"its columns do not all have {nodes} nodes"
    if int(tree.tree_param.num_feature) != width:
        return "its number of features differs"
    left, right, parents, features = (_whole(column) for column in columns[:4])
    splits = np.flatnonzero(left != -1)
    children = np.concatenate([left[splits], right[splits]])
    if (
        ((right != -1) != (left != -1)).any()
        or (children <= np.tile(splits, 2)).any()
        or (children >= nodes).any()
    ):
        return "a child is not a node after its parent"
    if not np.array_equal(np.sort(children), np.arange(1, nodes)):
        return "a node has several parents or none"
    expected = np.full(nodes, _ROOT)
    expected[children] = np.tile(splits, 2)
    if not np.array_equal(parents, expected):
        return "its parents are not those of its children"
    if (features < 0).any() or (features[splits] >= width).any():
        return "a feature is not one of the model's"
    numbers = np.asarray(columns[6:], dtype=np.float64)
    if (np.abs(numbers) > np.finfo(np.float32).max).any():
        return "a number is beyond single precision"
    cover = np.asarray(tree.sum_hessian)
    if (cover < 0).any() or (cover[splits] <= 0).any():
        return "a node covers nothing"
    depth = np.zeros(nodes, dtype=np.int64)
    for node in range(1, nodes):
        depth[node] = depth[parents[node]] + 1
    return f"it is {depth.max()} splits deep" if depth.max() > DEEPEST else ""


def _problem_of_categories(tree: _Tree, categories: set[int]) -> str:
    """Return why the splits by category of a tree are invalid; empty where they are valid."""
    nodes = [node for node, kind in enumerate(tree.split_type) if kind]
    if any(tree.left_children[node] == -1 for node in nodes):
        return "a leaf is split by category"
    split = {node for node, left in enumerate(tree.left_children) if left != -1}
    if {node for node in split if tree.split_indices[node] in categories} != set(nodes):
        return "a split by category is on a number, or one by number on a category"
    sizes, starts = tree.categories_sizes, tree.categories_segments
    if not (
        tree.categories_nodes == nodes
        and len(sizes) == len(nodes)
        and all(size > 0 for size in sizes)
        and starts == list(accumulate(sizes[:-1], initial=0))[: len(nodes)]
        and sum(sizes) == len(tree.categories)
    ):
        return "the codes of its categories are not those of its splits"
    return "" if all(0 <= code <= MOST_CODES for code in tree.categories) else "a code is not a category"


def _whole(column: list[int]) -> Integers:
    # Numbers outside 32 bits are clipped: neither a node nor a feature has such an index.
    return np.asarray([min(max(number, -2), 2**31) for number in column], dtype=np.int64)
