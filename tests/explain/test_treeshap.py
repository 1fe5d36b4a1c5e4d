"""SHAP values by look-up: those of XGBoost, for trees of any shape they are for."""

import re
import subprocess
import sys

import numpy as np
import pytest
import xgboost as xgb

from clvml.explain import shap_values, treeshap
from clvml.explain.treeshap import TreeTables


def trained(depth, rows=600, trees=12, seed=0, **settings):
    """Return a booster and a matrix with whole numbers, so that values lie on the thresholds, and gaps."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 6, (rows, 5)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    filled = np.nan_to_num(matrix, nan=2.5)
    target = filled[:, 0] * filled[:, 1] + np.where(np.isnan(matrix[:, 2]), 4, 0) + rng.normal(size=rows)
    settings = {"max_depth": depth, "learning_rate": 0.5, "nthread": 1, "seed": 0, **settings}
    return xgb.train(settings, xgb.DMatrix(matrix, target), trees), matrix


def contributions(booster, matrix):
    return booster.predict(xgb.DMatrix(matrix), pred_contribs=True)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 8])
def test_values_are_those_of_xgboost(depth):
    booster, matrix = trained(depth)
    np.testing.assert_allclose(TreeTables(booster).values(matrix), contributions(booster, matrix), atol=2e-5)


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:tweedie", "reg:gamma"])
def test_the_base_is_on_the_scale_of_the_trees(objective):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(300, 3)).astype(np.float32)
    target = (matrix[:, 0] > 0.5) + (0.1 if objective == "reg:gamma" else 0.0)
    booster = xgb.train(
        {"objective": objective, "max_depth": 2, "nthread": 1}, xgb.DMatrix(matrix, target), 4
    )
    np.testing.assert_allclose(TreeTables(booster).values(matrix), contributions(booster, matrix), atol=2e-5)


def test_contributions_equal_those_of_the_shap_package(example):
    from clvml.explain.driver_plots import shap

    explainer = shap.TreeExplainer(example.booster)
    expected = explainer.shap_values(example.features)
    np.testing.assert_allclose(example.contributions[:, :-1], expected, atol=1e-4)
    np.testing.assert_allclose(example.contributions[:, -1], explainer.expected_value, atol=1e-4)


def test_shap_values_of_a_stump_worked_out_by_hand():
    # 3 rows of 4 go left (0), 1 goes right (4): the base is the mean 1, and x adds the rest.
    x = np.array([[0.0], [0.0], [0.0], [1.0]], dtype=np.float32)
    settings = {"max_depth": 1, "learning_rate": 1, "reg_lambda": 0, "base_score": 0, "min_child_weight": 0}
    booster = xgb.train(settings, xgb.DMatrix(x, [0, 0, 0, 4]), 1)
    np.testing.assert_allclose(shap_values(booster, x), [[-1, 1], [-1, 1], [-1, 1], [3, 1]], atol=1e-6)


def test_missing_values_take_the_side_that_was_learnt_for_them():
    booster, _ = trained(3)
    missing = np.full((1, 5), np.nan, dtype=np.float32)
    np.testing.assert_allclose(
        TreeTables(booster).values(missing), contributions(booster, missing), atol=2e-5
    )
    learnt = {side for tree in booster.get_dump() for side in re.findall(r"missing=(\d+)", tree)}
    assert len(learnt) > 2


def test_an_ensemble_of_bare_leaves_has_its_base_alone():
    booster, matrix = trained(3, gamma=1e9)
    values = TreeTables(booster).values(matrix)
    assert not values[:, :-1].any()
    np.testing.assert_allclose(values[:, -1], contributions(booster, matrix)[:, -1], rtol=1e-6)


def test_a_row_has_the_same_values_in_any_block(monkeypatch):
    booster, matrix = trained(4)
    whole = TreeTables(booster).values(matrix)
    monkeypatch.setattr(treeshap, "BLOCK_ROWS", 7)
    np.testing.assert_array_equal(TreeTables(booster).values(matrix), whole)
    np.testing.assert_array_equal(TreeTables(booster).values(matrix[5:6]), whole[5:6])


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 10, "rows": 4000, "min_child_weight": 0},
        {"depth": 3, "booster": "dart"},
        {"depth": 3, "objective": "reg:logistic"},
    ],
)
def test_other_models_get_the_values_of_xgboost_itself(settings, monkeypatch):
    if settings.get("objective"):
        rng = np.random.default_rng(0)
        matrix = rng.normal(size=(200, 2)).astype(np.float32)
        target = (matrix[:, 0] > 0.5).astype(float)
        settings = {"max_depth": 3, "objective": "reg:logistic", "base_score": 0.2, "nthread": 1}
        booster = xgb.train(settings, xgb.DMatrix(matrix, target), 3)
    else:
        booster, matrix = trained(**settings)
    np.testing.assert_array_equal(shap_values(booster, matrix), contributions(booster, matrix))


def test_trees_too_deep_for_the_tables_are_refused():
    booster, _ = trained(10, rows=4000, min_child_weight=0)
    with pytest.raises(ValueError, match="at most 8 splits"):
        TreeTables(booster)


def test_tables_that_disagree_with_xgboost_are_not_used(monkeypatch):
    booster, matrix = trained(3)
    monkeypatch.setattr(TreeTables, "values", lambda self, rows: np.zeros((len(rows), 6), dtype=np.float32))
    np.testing.assert_array_equal(shap_values(booster, matrix), contributions(booster, matrix))
    assert treeshap._tables[booster] is None


def test_no_rows_have_no_values():
    booster, matrix = trained(2)
    assert shap_values(booster, matrix[:0]).shape == (0, 6)


def test_explaining_imports_neither_shap_nor_matplotlib():
    code = "import sys, clvml.explain; sys.exit(bool({'shap', 'matplotlib'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
