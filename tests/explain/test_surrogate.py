"""The surrogate: true to what it mimics, its SHAP values exact, and nothing lost between save and load."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.explain import Surrogate, log_odds, log_spend, shap_values
from clvml.explain import surrogate as module
from clvml.models.tree_file import write_trees


def small(rows, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.normal(size=rows), "gaps": rng.normal(size=rows), "same": 7.0, "none": np.nan}
    )
    frame.loc[frame.index % 3 == 0, "gaps"] = np.nan
    return frame, (frame["x"] + frame["gaps"].fillna(2)).to_numpy()


def test_the_surrogate_reproduces_a_churn_model_of_real_customers(example):
    assert example.surrogate.fidelity_ > 0.97


def test_fidelity_is_measured_on_rows_held_out():
    frame, _ = small(1000)
    noise = np.random.default_rng(1).normal(size=1000)
    assert Surrogate().fit(frame, noise, seed=0).fidelity_ < 0.1


def test_contributions_and_base_sum_to_the_prediction(example):
    predicted = example.surrogate.predict(example.features)
    np.testing.assert_allclose(example.contributions.sum(axis=1), predicted, atol=1e-4)
    matrix = xgb.DMatrix(example.features)
    np.testing.assert_allclose(predicted, example.surrogate.booster_.predict(matrix), atol=1e-5)


def test_contributions_equal_those_of_the_shap_package(example):
    from clvml.explain.driver_plots import shap

    explainer = shap.TreeExplainer(example.surrogate.booster_)
    expected = explainer.shap_values(example.features)
    np.testing.assert_allclose(example.contributions[:, :-1], expected, atol=1e-4)
    np.testing.assert_allclose(example.contributions[:, -1], explainer.expected_value, atol=1e-4)


def test_shap_values_of_a_stump_worked_out_by_hand():
    # 3 rows of 4 go left (0), 1 goes right (4): the base is the mean 1, and x adds the rest.
    x = np.array([[0.0], [0.0], [0.0], [1.0]], dtype=np.float32)
    settings = {"max_depth": 1, "learning_rate": 1, "reg_lambda": 0, "base_score": 0, "min_child_weight": 0}
    booster = xgb.train(settings, xgb.DMatrix(x, [0, 0, 0, 4]), 1)
    np.testing.assert_allclose(shap_values(booster, x), [[-1, 1], [-1, 1], [-1, 1], [3, 1]], atol=1e-6)


def test_a_batch_boundary_changes_nothing(example, monkeypatch):
    monkeypatch.setattr(module, "BATCH_ROWS", 7)
    few = example.features.head(20)
    np.testing.assert_array_equal(example.surrogate.contributions(few), example.contributions[:20])


@pytest.mark.parametrize("rows", [0, 1])
def test_explaining_no_or_one_customer(example, rows):
    contributions = example.surrogate.contributions(example.features.head(rows))
    np.testing.assert_array_equal(contributions, example.contributions[:rows])
    assert example.surrogate.predict(example.features.head(rows)).shape == (rows,)


def test_columns_are_found_by_name_and_others_ignored(example):
    shuffled = example.features[example.features.columns[::-1]].assign(customer_id="x")
    np.testing.assert_array_equal(example.surrogate.contributions(shuffled), example.contributions)
    assert example.surrogate.features_ == tuple(example.features.columns)


def test_a_feature_always_missing_or_always_the_same_has_no_influence():
    frame, target = small(500)
    contributions = Surrogate().fit(frame, target, seed=0).contributions(frame)
    assert not contributions[:, 2:4].any()
    assert np.abs(contributions[:, :2]).mean(axis=0).min() > 0.1


@pytest.mark.parametrize("rows", [1, 5, 99])
def test_tiny_data_is_learnt_but_its_fidelity_not_measured(rows):
    frame, target = small(rows)
    surrogate = Surrogate().fit(frame, target, seed=0)
    assert math.isnan(surrogate.fidelity_)
    assert np.isfinite(surrogate.contributions(frame)).all()


def test_a_target_without_variation_has_no_fidelity_and_no_influence():
    frame, _ = small(300)
    surrogate = Surrogate().fit(frame, np.full(300, 1.5), seed=0)
    assert math.isnan(surrogate.fidelity_)
    assert not surrogate.contributions(frame)[:, :-1].any()
    np.testing.assert_allclose(surrogate.predict(frame), 1.5, atol=1e-5)


def test_same_seed_same_bytes(tmp_path):
    frame, target = small(300)
    before = frame.copy()
    saved = []
    for name in ("a", "b"):
        Surrogate().fit(frame, target, seed=3).save(tmp_path / name)
        saved.append((tmp_path / name).read_bytes())
    assert saved[0] == saved[1]
    pd.testing.assert_frame_equal(frame, before)


def test_of_many_rows_a_sample_is_learnt(monkeypatch):
    frame, target = small(400)
    monkeypatch.setattr(module, "MOST_ROWS", 200)
    sampled = Surrogate().fit(frame, target, seed=0).predict(frame)
    monkeypatch.undo()
    assert not np.array_equal(sampled, Surrogate().fit(frame, target, seed=0).predict(frame))
    assert np.corrcoef(sampled, target)[0, 1] > 0.9


def test_save_and_load(example, tmp_path):
    example.surrogate.save(tmp_path / "trees.json")
    assert [path.name for path in tmp_path.iterdir()] == ["trees.json"]
    loaded = Surrogate.load(tmp_path / "trees.json")
    np.testing.assert_array_equal(loaded.contributions(example.features), example.contributions)
    assert loaded.fidelity_ == example.surrogate.fidelity_
    assert repr(loaded.typical_) == repr(example.surrogate.typical_)


def test_load_says_what_is_wrong(tmp_path):
    path = tmp_path / "surrogate.json"
    with pytest.raises(
        InputError, match=re.escape(f"'{path}' holds no trees that can be used (it is not there)")
    ):
        Surrogate.load(path)
    frame, target = small(20)
    trees = xgb.train({}, xgb.DMatrix(frame.to_numpy(), target, feature_names=list(frame)), 1)
    typical = dict.fromkeys(frame, (0.0, 1))
    for attributes in (
        {},
        {"fidelity": "", "typical": json.dumps(typical)},
        {"fidelity": "1", "typical": "{"},
        {"fidelity": "high", "typical": json.dumps(typical)},
        {"fidelity": "1", "typical": json.dumps(dict(list(typical.items())[1:]))},
        {"fidelity": "1", "typical": json.dumps(typical | {next(iter(typical)): (0.0, 2)})},
        {"fidelity": "1", "typical": json.dumps(typical | {next(iter(typical)): (0.0, math.inf)})},
        {"fidelity": "1", "typical": "[" * 100_000},
    ):
        trees.set_attr(**{"fidelity": None, "typical": None, **attributes})
        write_trees(trees, path)
        with pytest.raises(
            InputError, match=re.escape(f"'{path}' is not a surrogate that save wrote; train the model again")
        ):
            Surrogate.load(path)
    trees.set_attr(fidelity="1", typical=json.dumps(typical))
    write_trees(trees, path)
    assert Surrogate.load(path).fidelity_ == 1.0


def test_typical_values():
    frame, target = small(1000)
    typical = Surrogate().fit(frame.assign(none=np.nan), -target, seed=0).typical_
    assert typical["x"].median == pytest.approx(frame["x"].median(), abs=1e-6)
    assert typical["x"].direction == typical["gaps"].direction == -1
    assert typical["same"] == (7.0, 0)
    assert math.isnan(typical["none"].median)
    assert typical["none"].direction == 0


def test_errors_say_what_to_do(example):
    frame, target = small(10)
    fit = Surrogate().fit
    with pytest.raises(ValueError, match=re.escape("(currently (10, 4) and (9,))")):
        fit(frame, target[:9], seed=0)
    with pytest.raises(ValueError, match=re.escape("(currently (0, 4) and (0,))")):
        fit(frame.head(0), target[:0], seed=0)
    with pytest.raises(ValueError, match=re.escape("1 value(s) are not; make it with log_odds")):
        fit(frame, np.r_[np.inf, target[1:]], seed=0)
    with pytest.raises(ValueError, match=re.escape("infinite values in ['x']")):
        fit(frame.assign(x=1e300), target, seed=0)
    with pytest.raises(TypeError, match=re.escape("these are not: ['x']")):
        fit(frame.assign(x="a"), target, seed=0)
    with pytest.raises(ValueError, match=re.escape("features lack 1 column(s)") + ".*'T'"):
        example.surrogate.predict(example.features.drop(columns="T"))
    for call in (Surrogate().predict, Surrogate().contributions):
        with pytest.raises(NotFittedError, match="call fit or load first"):
            call(frame)


def test_log_spend_of_nobody_who_spends_is_one_number():
    np.testing.assert_allclose(log_spend([1.0, 10.0, 1000.0])[1:], np.log([10.0, 1000.0]))
    assert len({*log_spend([0.0, 0.0])}) == 1 and np.isfinite(log_spend([0.0, 0.0])).all()


def test_log_odds():
    np.testing.assert_allclose(log_odds([0, 1], clip=0.01), [-np.log(99), np.log(99)])
    p = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds(p))), p)
    with pytest.raises(ValueError, match=re.escape("2 value(s) do not, such as 1.1; clip or drop them")):
        log_odds([1.1, np.nan, 0.5])


def test_explaining_imports_neither_shap_nor_matplotlib():
    code = "import sys, clvml.explain; sys.exit(bool({'shap', 'matplotlib'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
