"""Experiment files: what they define, and every mistake named before anything runs."""

import re

import pytest

from clvml.errors import InputError
from clvml.experiments.definition import Range, config_key, read_experiment

from .conftest import TWO


def refused(message: str):
    """Expect an InputError that contains this text."""
    return pytest.raises(InputError, match=re.escape(message))


def test_variants_in_the_order_of_the_file(write):
    found = read_experiment(write(variants=TWO))
    assert (found.name, found.question, found.metric, found.folds) == (
        "001-depth",
        "Deeper trees?",
        "wape",
        3,
    )
    assert [variant.name for variant in found.variants] == ["as it is", "deep"]
    assert [variant.config.model.max_depth for variant in found.variants] == [3, 6]
    assert found.variants[0].config == found.base


def test_a_grid_is_the_product_of_its_values(write):
    grid = {"model.max_depth": [2, 4], "model.leave_out": [[], ["trend"]]}
    found = read_experiment(write(grid=grid))
    assert [variant.name for variant in found.variants] == [
        "max_depth 2, leave_out []",
        "max_depth 2, leave_out [trend]",
        "max_depth 4, leave_out []",
        "max_depth 4, leave_out [trend]",
    ]
    assert found.variants[3].config.model.leave_out == ["trend"]


def test_a_search_begins_with_the_configuration_as_it_is(write):
    span = {"low": 0.01, "high": 0.3, "log": True}
    search = {"trials": 5, "parameters": {"model.learning_rate": span, "model.base": ["blend", "none"]}}
    found = read_experiment(write(search=search))
    assert [variant.changes for variant in found.variants] == [{}]
    assert found.search.parameters == {
        "model.learning_rate": Range(low=0.01, high=0.3, log=True),
        "model.base": ["blend", "none"],
    }


def test_data_and_overrides_hold_for_all_variants(write):
    path = write(variants=TWO, data="other.csv")
    found = read_experiment(path, ["model.n_estimators=7"])
    assert {v.config.data.source for v in found.variants} == {"other.csv"}
    assert {v.config.model.n_estimators for v in found.variants} == {7}
    assert read_experiment(path, source="third.csv").base.data.source == "third.csv"


def test_what_cannot_change_a_forecast_does_not_count(write):
    base = read_experiment(write(variants=TWO)).base
    same = read_experiment(
        write(variants=TWO), ["model.n_jobs=1", "value.margin=0.9", "evaluation.folds=9", "data.source=x.csv"]
    ).base
    other = read_experiment(write(variants=TWO), ["model.season=false"]).base
    assert config_key(base) == config_key(same) != config_key(other)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "has no variants; give one of variants, grid and search"),
        ({"variants": TWO, "grid": {"model.max_depth": [2, 3]}}, "has both variants and grid; give one of"),
        ({"variants": {"one": None}}, "has one variant: nothing to compare"),
        ({"variants": {}}, "'variants': Dictionary should have at least 1 item"),
        ({"grid": {"model.max_depth": [3]}}, "has a grid of one point: nothing to compare"),
        ({"variants": TWO, "metrik": "wape"}, "unknown key 'metrik' (did you mean 'metric'?)"),
        ({"variants": TWO, "metric": "wap"}, "unknown metric 'wap' (did you mean 'wape'?)"),
        ({"variants": TWO, "folds": 1}, "'folds' must be at least 2"),
        ({"variants": TWO, "config": "shops.yaml"}, "the configuration 'shops.yaml' does not exist"),
        (
            {"variants": {"a": None, "b": {"model.max_dept": 4}}},
            "variant 'b' of experiment '001-depth.yaml' has 1 problem:\n"
            "  - unknown key 'model.max_dept' (did you mean 'max_depth'?)",
        ),
        (
            {"variants": {"a": None, "b": {"model.leave_out": ["trends"]}}},
            "unknown group 'trends' (did you mean 'trend'?)",
        ),
        ({"variants": {"a": None, "b": {"model.max_depth": 3}}}, "'a' and 'b' are the same configuration"),
        ({"variants": {"a": None, "b": {"value.margin": 0.5}}}, "'value.margin' cannot be compared"),
        ({"variants": {"a": None, "b": {"data.source": "x"}}}, "'data.source' cannot be compared"),
        ({"variants": {"a": None, "b": {"model..x": 1}}}, "'model..x' is not a key of the form a.b"),
        ({"search": {"trials": 3}}, "'search.parameters' is required"),
        ({"search": {"trial": 3, "parameters": {"a": [1, 2]}}}, "unknown key 'search.trial' (did you mean"),
        (
            {"search": {"trials": 3, "parameters": {"model.max_depth": 4}}},
            "must be a list of two or more choices, or {low: 1, high: 9, log: false, int: false}",
        ),
        (
            {"search": {"trials": 3, "parameters": {"model.max_depth": {"low": 4, "high": 2, "int": True}}}},
            "low must be below high",
        ),
        (
            {"search": {"trials": 3, "parameters": {"model.max_depth": {"low": 2, "high": 99, "int": True}}}},
            "'model.max_depth' must be at most 16; currently set to 99",
        ),
        # Both ends are whole numbers; what lies between is not.
        (
            {"search": {"trials": 3, "parameters": {"model.max_depth": {"low": 2, "high": 6}}}},
            "the key takes whole numbers only; add int: true",
        ),
    ],
)
def test_mistakes_are_named(write, keys, message):
    with refused(message):
        read_experiment(write(**keys))


def test_files_that_are_none(folder, write):
    (folder / "broken.yaml").write_text("question: [", encoding="utf-8")
    (folder / "twice.yaml").write_text("question: q\nvariants:\n  a:\n  b: {}\n  a: {}\n", encoding="utf-8")
    (folder / "empty.yaml").write_text("", encoding="utf-8")
    for name, message in (
        ("missing.yaml", "experiment 'missing.yaml' does not exist; give an existing YAML file"),
        ("broken.yaml", "experiment 'broken.yaml' is not valid YAML"),
        ("twice.yaml", "experiment 'twice.yaml': 'a' comes twice (lines 3 and 5); rename or drop one"),
        ("empty.yaml", "experiment 'empty.yaml' holds no keys; see docs/experiments.md"),
        ("orders.csv", "must end in .yaml"),
    ):
        with refused(message):
            read_experiment(name)
