"""Tree files: the same trees after reading, and nothing that would lead XGBoost out of a tree or round in circles."""

import copy
import json

import numpy as np
import pytest
import xgboost as xgb

from clvml.errors import InputError
from clvml.models.tree_file import read_trees, write_trees

OBJECTIVE = "reg:squarederror"
NAMES = ["days", "orders", "spend"]


@pytest.fixture(scope="module")
def trees():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 3)).astype(np.float32)
    X[draw.random(X.shape) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1] * X[:, 2])
    parameters = {"objective": OBJECTIVE, "max_depth": 3, "tree_method": "hist", "nthread": 1}
    return xgb.train(parameters, xgb.DMatrix(X, y, feature_names=NAMES), 3)


@pytest.fixture
def altered(trees, tmp_path):
    """Return a function that writes the trees with something changed, and gives the message on reading them."""
    whole = json.loads(bytes(trees.save_raw("json")))

    def alter(change):
        content = copy.deepcopy(whole)
        learner = content["learner"]
        change(learner, learner["gradient_booster"]["model"]["trees"][1])
        path = tmp_path / "trees.json"
        path.write_text(json.dumps(content))
        with pytest.raises(InputError) as told:
            read_trees(path, OBJECTIVE, NAMES)
        assert str(told.value).startswith(f"'{path}' holds no trees that can be used (")
        assert "\n" not in str(told.value)
        return str(told.value)

    return alter


def test_what_is_read_is_what_was_written_to_the_last_bit(trees, tmp_path):
    write_trees(trees, tmp_path / "trees.json")
    again = read_trees(tmp_path / "trees.json", OBJECTIVE, NAMES)
    assert bytes(again.save_raw("ubj")) == bytes(trees.save_raw("ubj"))
    write_trees(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "trees.json").read_bytes()


@pytest.mark.parametrize(
    ("column", "node", "value", "problem"),
    [
        ("left_children", 0, 0, "a child is not a node after its parent"),
        ("left_children", 1, 0, "a child is not a node after its parent"),
        ("right_children", 0, 10**6, "a child is not a node after its parent"),
        ("left_children", 0, -2, "a child is not a node after its parent"),
        ("left_children", 0, 2**63, "a child is not a node after its parent"),
        ("left_children", 0, -1, "a child is not a node after its parent"),
        ("right_children", 0, 3, "a node has several parents or none"),
        ("parents", 1, 2, "its parents are not those of its children"),
        ("parents", 0, 0, "its parents are not those of its children"),
        ("split_indices", 0, 3, "a feature is not one of the model's"),
        ("split_indices", 0, -1, "a feature is not one of the model's"),
        ("split_conditions", 0, 1e39, "a number is beyond single precision"),
        ("split_conditions", 0, 1e400, "not a number|finite"),
        ("split_conditions", 0, float("nan"), "NaN, which is not a number"),
        ("base_weights", 0, -1e300, "a number is beyond single precision"),
        ("sum_hessian", 0, 0.0, "a node covers nothing"),
        ("sum_hessian", -1, -1.0, "a node covers nothing"),
        ("split_type", 0, 1, "a split by category is on a number"),
        ("split_type", 0, 2, "split_type"),
        ("default_left", 0, 7, "default_left"),
        ("left_children", 0, 1.5, "left_children"),
        ("left_children", 0, "1", "left_children"),
    ],
)
def test_a_node_that_leads_nowhere_is_said(altered, column, node, value, problem):
    def change(learner, tree):
        tree[column][node] = value

    message = altered(change)
    assert any(words in message for words in problem.split("|")), message


def test_columns_and_counts_that_do_not_agree_are_said(altered):
    for column in (
        "left_children",
        "split_conditions",
        "sum_hessian",
        "base_weights",
        "loss_changes",
        "split_type",
    ):
        assert "its columns do not all have" in altered(
            lambda learner, tree, column=column: tree[column].pop()
        )
    for change, problem in (
        (
            lambda learner, tree: tree["tree_param"].update(num_nodes="1"),
            "its columns do not all have 1 nodes",
        ),
        (lambda learner, tree: tree["tree_param"].update(num_nodes="99999999999"), "num_nodes"),
        (
            lambda learner, tree: tree["tree_param"].update(num_feature="4"),
            "its number of features differs",
        ),
        (lambda learner, tree: tree["tree_param"].update(num_deleted="1"), "num_deleted"),
        (lambda learner, tree: tree["tree_param"].update(size_leaf_vector="2"), "size_leaf_vector"),
        (lambda learner, tree: tree.update(id=7), "the number of its trees"),
        (lambda learner, tree: tree.update(categories=[1]), "categories"),
        (lambda learner, tree: learner["gradient_booster"].update(name="gblinear"), "name"),
        (
            lambda learner, tree: learner["gradient_booster"]["model"]["trees"].pop(),
            "the number of its trees",
        ),
        (
            lambda learner, tree: learner["gradient_booster"]["model"]["tree_info"].append(0),
            "the number of its trees",
        ),
        (
            lambda learner, tree: learner["gradient_booster"]["model"]["iteration_indptr"].reverse(),
            "the number of its trees",
        ),
        (lambda learner, tree: learner["learner_model_param"].update(num_target="2"), "num_target"),
        (
            lambda learner, tree: learner["learner_model_param"].update(num_feature="9"),
            "3 names of 9 features",
        ),
        (lambda learner, tree: learner["learner_model_param"].update(base_score="[nan]"), "base_score"),
        (lambda learner, tree: learner["objective"].update(name="rank:map"), "its objective is 'rank:map'"),
        (
            lambda learner, tree: learner["feature_names"].reverse(),
            "its features differ from those of the model, or in order",
        ),
        (lambda learner, tree: learner.pop("feature_names"), "feature_names"),
    ):
        assert problem in altered(change)


def test_a_tree_that_is_too_deep_is_said(trees, tmp_path):
    content = json.loads(bytes(trees.save_raw("json")))
    depth = 40
    nodes = 2 * depth + 1
    inner = [2 * (node // 2) == node and node < nodes - 1 for node in range(nodes)]
    left = [node + 1 if splits else -1 for node, splits in enumerate(inner)]
    right = [node + 2 if splits else -1 for node, splits in enumerate(inner)]
    parents = [2**31 - 1, *((node - 1) // 2 * 2 for node in range(1, nodes))]
    tree = content["learner"]["gradient_booster"]["model"]["trees"][0]
    tree |= {"left_children": left, "right_children": right, "parents": parents}
    tree |= {name: [0] * nodes for name in ("split_indices", "split_type", "default_left")}
    numbers = ("split_conditions", "base_weights", "loss_changes", "sum_hessian")
    tree |= {name: [1.0] * nodes for name in numbers}
    tree["tree_param"]["num_nodes"] = str(nodes)
    (tmp_path / "deep.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="tree 0: it is 40 splits deep"):
        read_trees(tmp_path / "deep.json", OBJECTIVE, NAMES)


@pytest.mark.parametrize(
    "content", ["", "{", "[" * 100_000, "{}", "null", '{"learner": 1, "version": [3, 2, 0]}', "\udcff"]
)
def test_what_is_no_tree_file_is_said(content, tmp_path):
    path = tmp_path / "trees.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="holds no trees that can be used"):
        read_trees(path, OBJECTIVE)
    path.unlink()
    for make in (path.mkdir, lambda: None):
        make()
        with pytest.raises(InputError, match="holds no trees that can be used"):
            read_trees(path, OBJECTIVE)
        if path.exists():
            path.rmdir()


def with_categories():
    draw = np.random.default_rng(1)
    X = np.column_stack([draw.normal(size=400), draw.integers(0, 8, 400)]).astype(np.float32)
    X[draw.random(400) < 0.1, 1] = np.nan
    y = X[:, 0] + 3.0 * np.isin(X[:, 1], [1, 4, 6])
    matrix = xgb.DMatrix(X, y, feature_names=["days", "plan"], feature_types=["float", "c"])
    return xgb.train({"objective": OBJECTIVE, "max_depth": 3, "nthread": 1}, matrix, 3), X


def test_splits_by_category_are_read_as_they_were_written(tmp_path):
    trees, X = with_categories()
    write_trees(trees, tmp_path / "trees.json")
    again = read_trees(tmp_path / "trees.json", OBJECTIVE, ["days", "plan"])
    assert again.feature_types == ["float", "c"]
    np.testing.assert_array_equal(again.inplace_predict(X), trees.inplace_predict(X))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda learner, tree: tree["categories"].append(3), "codes of its categories"),
        (lambda learner, tree: tree["categories"].__setitem__(0, 10**9), "a code is not a category"),
        (lambda learner, tree: tree["categories"].__setitem__(0, -1), "a code is not a category"),
        (lambda learner, tree: tree["categories_sizes"].__setitem__(0, 10**6), "codes of its categories"),
        (lambda learner, tree: tree["categories_segments"].__setitem__(0, 5), "codes of its categories"),
        (lambda learner, tree: tree["categories_nodes"].clear(), "codes of its categories"),
        (lambda learner, tree: learner.update(feature_types=["float", "float"]), "split by category is on"),
        (lambda learner, tree: learner.update(feature_types=["c"]), "1 types of 2 features"),
        (lambda learner, tree: learner.update(feature_types=[]), "split by category is on"),
        (lambda learner, tree: learner.update(feature_types=["float", "int"]), "feature_types"),
    ],
)
def test_splits_by_category_that_lead_nowhere_are_said(tmp_path, change, problem):
    trees, _ = with_categories()
    content = json.loads(bytes(trees.save_raw("json")))
    tree = next(one for one in content["learner"]["gradient_booster"]["model"]["trees"] if one["categories"])
    change(content["learner"], tree)
    (tmp_path / "trees.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=problem):
        read_trees(tmp_path / "trees.json", OBJECTIVE, ["days", "plan"])
