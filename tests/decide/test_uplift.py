"""Uplift: simulated experiments with known effects, by hand where that can be done."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvml.decide.uplift import build_experiment, learn, read_experiment
from clvml.decide.uplift.doubly_robust import OutcomeModels, deal_folds, design_matrix
from clvml.decide.uplift.gate import Gate, qini_weights
from clvml.decide.uplift.honest_tree import fit_tree, tree_inputs
from clvml.errors import InputError
from clvml.scores.rules import matches

FEATURES = ["recency", "channel", "noise"]


def simulated(n=6_000, seed=0, effect=lambda table: 0.2 * (table["channel"] == "Web"), **columns):
    """Return an experiment whose treatment moves a 0 or 1 outcome by what ``effect`` says of each row."""
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "recency": generator.integers(1, 13, n),
            "channel": generator.choice(["Web", "Phone", "Shop's"], n),
            "noise": generator.normal(size=n),
            "group": generator.choice(["mail", "control"], n),
        }
    )
    base = 0.3 - 0.01 * table["recency"]
    chance = base + np.where(table["group"] == "mail", effect(table), 0.0)
    return table.assign(bought=(generator.random(n) < chance).astype(int), **columns)


def experiment_of(table, outcomes=("bought",), features=tuple(FEATURES), **options):
    return build_experiment(table, "group", outcomes, features, **options)


def test_qini_weights_by_hand():
    # Ranks of the middles: 1/8 for the most moved, 1/2 for the two equal ones, 7/8 for the last.
    assert qini_weights(np.array([0.3, 0.1, 0.1, 0.0])).tolist() == [0.375, 0.0, 0.0, -0.375]
    assert qini_weights(np.zeros(5)).tolist() == pytest.approx([0.0] * 5)


def test_qini_area_is_that_of_the_curve():
    generator = np.random.default_rng(1)
    scores, predicted = generator.normal(size=50), generator.normal(size=50)
    ranked = scores[np.argsort(-predicted)]
    curve = np.r_[0.0, np.cumsum(ranked)] / 50
    area = np.trapezoid(curve, dx=1 / 50) - curve[-1] / 2
    assert np.mean(qini_weights(predicted) * scores) == pytest.approx(area)


def test_scores_without_anything_known_are_the_difference_of_means():
    table = simulated(n=4_000, seed=2)
    treated = (table["group"] == "mail").to_numpy()
    y = table["bought"].to_numpy(dtype=float)
    design = design_matrix(pd.DataFrame(index=table.index))
    fold = deal_folds(treated, 5, 0)
    scores = OutcomeModels(design, treated, np.full(4_000, treated.mean()), y, fold).scores()
    assert scores.mean() == pytest.approx(y[treated].mean() - y[~treated].mean(), abs=1e-4)


def test_scores_of_a_fold_know_nothing_of_it():
    """Whatever the outcomes of a fold are, what is learnt without it stays the same."""
    table = simulated(n=1_000, seed=3)
    treated = (table["group"] == "mail").to_numpy()
    y = table["bought"].to_numpy(dtype=float)
    design, fold = design_matrix(table[FEATURES]), deal_folds(treated, 5, 0)
    propensity = np.full(1_000, 0.5)
    changed = np.where(fold == 2, 1e6, y)
    one = OutcomeModels(design, treated, propensity, y, fold).scores(without=2)
    other = OutcomeModels(design, treated, propensity, changed, fold).scores(without=2)
    assert (one[fold != 2] == other[fold != 2]).all()


def test_folds_hold_as_many_of_each_group():
    treated = np.arange(1_000) < 300
    fold = deal_folds(treated, 5, 1)
    assert np.bincount(fold[treated]).tolist() == [60] * 5
    assert np.bincount(fold[~treated]).tolist() == [140] * 5


def test_who_is_moved_is_found():
    found = learn(experiment_of(simulated(n=12_000)), "mail", "bought")
    assert found.learnt
    assert found.gate.low > 0
    assert 0.7 < found.gate.slope < 1.3
    assert found.low < 0.2 / 3 < found.high
    for web, effect in ((True, 0.2), (False, 0.0)):
        own = [leaf for leaf in found.leaves if ("channel = 'Web'" in leaf.rule) == web]
        mean = np.average([leaf.effect for leaf in own], weights=[leaf.customers for leaf in own])
        assert mean == pytest.approx(effect, abs=0.04)
    assert sum(leaf.customers for leaf in found.leaves) == 12_000
    assert 2 <= len(found.leaves) <= 8


def test_the_same_effect_for_all_is_one_effect():
    found = learn(experiment_of(simulated(effect=lambda table: 0.15)), "mail", "bought")
    assert not found.gate.open
    rate = found.save_rate("past")
    assert rate.by == []
    assert rate.mean == pytest.approx(found.effect / (1 - found.mean_control), abs=1e-6)
    assert (rate.source, rate.campaign) == ("learnt", "past")


def test_save_rates_are_of_those_who_would_have_stayed_away():
    found = learn(experiment_of(simulated(n=12_000)), "mail", "bought")
    rate = found.save_rate("past")
    assert [group.where for group in rate.by] == [leaf.rule for leaf in found.leaves]
    leaf, group = found.leaves[0], rate.by[0]
    assert group.mean == pytest.approx(leaf.effect / (1 - leaf.without), abs=1e-6)
    assert group.sd == pytest.approx(leaf.spread / (1 - leaf.without), abs=1e-6)


def test_the_gate_is_closed_to_chance():
    opened = 0
    for seed in range(20):
        table = simulated(n=800, seed=seed, effect=lambda table: 0.1)
        opened += learn(experiment_of(table), "mail", "bought").gate.open
    assert opened <= 3


def test_what_the_gate_lets_through():
    assert Gate(0.01, 0.005, 0.015, 0.8).kept == 0.8
    assert Gate(0.01, 0.005, 0.015, 1.4).kept == 1.0
    assert Gate(0.01, -0.001, 0.02, 1.0).kept == 0.0
    assert Gate(0.01, 0.005, 0.015, -0.2).kept == 0.0
    assert not Gate(0.0, 0.0, 0.0, float("nan")).open


def test_rules_say_what_the_tree_does():
    """Also where a value is missing, a name is odd, and numbers have many digits."""
    generator = np.random.default_rng(4)
    n = 4_000
    features = pd.DataFrame(
        {
            "days since": np.where(generator.random(n) < 0.1, np.nan, generator.integers(0, 400, n)),
            'the "best"': generator.lognormal(10, 2, n),
            "zip": pd.array(generator.choice(["it's", "b", "c", None], n), dtype="string"),
        }
    )
    inputs, splits = tree_inputs(features)
    scores = (
        np.where(features["zip"].fillna("c") == "it's", 3.0, 0.0)
        + np.where(features["days since"].fillna(200) > 90, 2.0, 0.0)
        + np.where(features['the "best"'] > np.exp(10), 1.5, 0.0)
        + generator.normal(size=n)
    )
    tree = fit_tree(inputs, splits, scores, seed=0)
    places, rules = tree.places(inputs), tree.rules()
    assert len(rules) >= 6
    held = np.stack([matches(features, rule, "test") for rule in rules])
    assert (held.sum(axis=0) == 1).all()
    assert (held.argmax(axis=0) == places).all()


def test_leaves_are_measured_on_others_than_they_were_made_of():
    generator = np.random.default_rng(5)
    features = pd.DataFrame({f"x{k}": generator.normal(size=2_000) for k in range(10)})
    inputs, splits = tree_inputs(features)
    scores = generator.normal(size=2_000)
    tree = fit_tree(inputs, splits, scores, seed=0)
    # Nothing is there: effects are within chance, and drawn nearly together.
    assert np.abs(tree.effects / tree.errors).max() < 3.5
    assert np.ptp(tree.shrunk.mean) < 0.5 * np.ptp(tree.effects)


@pytest.mark.parametrize("changed", ["rows", "other arm"])
def test_what_must_not_matter_does_not(changed):
    table = simulated(n=3_000)
    before = learn(experiment_of(table), "mail", "bought")
    if changed == "other arm":
        more = simulated(n=1_000, seed=9).assign(group="call")
        after = learn(experiment_of(pd.concat([table, more], ignore_index=True)), "mail", "bought")
        assert after == before
    else:
        shuffled = table.sample(frac=1, random_state=1)
        assert learn(experiment_of(shuffled.reset_index(drop=True)), "mail", "bought") == before


def test_several_treatments_and_outcomes():
    table = simulated(n=3_000)
    more = simulated(n=1_500, seed=9).query("group == 'mail'").assign(group="call")
    both = pd.concat([table, more], ignore_index=True).assign(money=lambda t: 10.0 * t["bought"])
    experiment = experiment_of(both, ("bought", "money"))
    assert experiment.arms == ["call", "mail"]
    money = learn(experiment, "call", "money")
    assert money.save_rate("past") is None
    assert money.effect == pytest.approx(10 * learn(experiment, "call", "bought").effect)


def test_a_column_measured_afterwards_is_noticed():
    table = simulated(n=3_000)
    later = np.where(table["group"] == "mail", 1.0, 0.0) + np.random.default_rng(1).normal(size=3_000)
    found = learn(experiment_of(table.assign(later=later), features=[*FEATURES, "later"]), "mail", "bought")
    assert "most in 'later'" in found.doubt
    assert not found.learnt
    assert found.save_rate("past") is None


def test_treatment_that_was_likelier_for_some():
    generator = np.random.default_rng(6)
    table = simulated(n=8_000, effect=lambda table: 0.0)
    chance = np.where(table["channel"] == "Web", 0.8, 0.2)
    treated = generator.random(8_000) < chance
    table["bought"] = (
        generator.random(8_000) < np.where(table["channel"] == "Web", 0.6, 0.2) + 0.1 * treated
    ).astype(int)
    table["group"] = np.where(treated, "mail", "control")
    table["chance"] = chance
    naive = learn(experiment_of(table, features=("recency",)), "mail", "bought")
    assert naive.low > 0.2
    found = learn(experiment_of(table, features=("recency",), propensity="chance"), "mail", "bought")
    assert found.low < 0.1 < found.high


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda t: t.drop(columns="bought"), {}, "has no column 'bought'"),
        (
            lambda t: t.rename(columns={"recency": "recencyy"}),
            {},
            "no column 'recency' (did you mean 'recencyy'?)",
        ),
        (lambda t: t.assign(group="mail"), {}, "holds 'mail' alone"),
        (
            lambda t: t.assign(group=t["group"].replace("control", "B")),
            {},
            "name it with --control, one of 'B', 'mail'",
        ),
        (lambda t: t, {"control": "contrl"}, "is never 'contrl' (did you mean 'control'?)"),
        (lambda t: t.assign(group=t["group"].where(t.index > 5)), {}, "is empty in 6 rows"),
        (lambda t: t.head(300), {}, "too few customers"),
        (
            lambda t: t.assign(bought=t["bought"].astype(float).where(t.index > 5)),
            {},
            "'bought' is 'nan' for 6 customers",
        ),
        (lambda t: t.assign(bought="yes"), {}, "'bought' is 'yes'"),
        (
            lambda t: t.assign(channel=[f"id{k}" for k in t.index]),
            {},
            "holds 1,000 different texts, such as 'id0'",
        ),
        (lambda t: t.assign(recency=np.inf), {}, "'recency' is infinite"),
        (lambda t: t.assign(recency=pd.Timestamp("2024-01-01")), {}, "'recency' is a date"),
        (lambda t: t, {"outcomes": ("bought", "recency")}, "column 'recency' is named twice"),
        (lambda t: t, {"outcomes": ()}, "at least one outcome"),
        (lambda t: t.assign(chance=1.0), {"propensity": "chance"}, "a probability above 0 and below 1"),
        (
            lambda t: t.assign(group=np.resize(["mail", "call", "control"], len(t)), chance=0.5),
            {"propensity": "chance"},
            "has 2 treatments",
        ),
    ],
)
def test_what_is_no_experiment(change, options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        experiment_of(change(simulated(n=1_000)), **options)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", None, "does not exist"),
        ("e.pdf", "", "which is not supported"),
        ("e.csv", "", "is empty"),
        ("e.parquet", "x", "cannot be read"),
    ],
)
def test_what_is_no_file_of_one(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        read_experiment(tmp_path / name, "group", ["bought"], FEATURES)


def test_features_of_any_kind():
    table = simulated(n=1_000).assign(
        flag=lambda t: t["recency"] > 6,
        same=1.0,
        none=np.nan,
        few=pd.Categorical(["a", "b"] * 500),
        text=None,
    )
    found = learn(experiment_of(table, features=["flag", "same", "none", "few", "text"]), "mail", "bought")
    assert np.isfinite(found.effect)
    # Nothing to split at all.
    assert learn(experiment_of(table, features=["same"]), "mail", "bought").leaves[0].rule == "true"


HILLSTROM = os.environ.get("CLVML_HILLSTROM", "")


@pytest.mark.skipif(
    not Path(HILLSTROM).is_file(), reason="CLVML_HILLSTROM names no file of the Hillstrom e-mails"
)
def test_hillstrom_womens_email():
    features = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
    experiment = read_experiment(Path(HILLSTROM), "segment", ["visit", "spend"], features, "No E-Mail")
    visit = learn(experiment, "Womens E-Mail", "visit")
    assert visit.gate.qini >= 0.0065
    assert visit.gate.low > 0
    assert 0.8 <= visit.gate.slope <= 1.2
    assert not learn(experiment, "Womens E-Mail", "spend").gate.open


@pytest.mark.parametrize(
    ("outcome", "effect"),
    [
        (lambda t: 0, 0.0),
        (lambda t: 1, 0.0),
        (lambda t: 7.5, 0.0),
        (lambda t: (t["group"] == "mail").astype(int), 1.0),
        (lambda t: (t["group"] == "mail") * 1e12, 1e12),
        (lambda t: t["bought"] * 1e-9, 0.0),
    ],
)
def test_outcomes_that_hardly_vary(outcome, effect):
    table = simulated(n=1_000, effect=lambda table: 0.0)
    found = learn(experiment_of(table.assign(bought=outcome(table))), "mail", "bought")
    assert found.effect == pytest.approx(effect, rel=1e-2, abs=1e-3)
    assert not found.learnt
    rate = found.save_rate("past")
    assert rate is None or (rate.by == [] and -1 <= rate.mean <= 1)


@pytest.mark.parametrize(
    ("groups", "control"),
    [((0, 1), "0"), ((0.0, 1.0), "0"), ((False, True), "False"), (("Holdout ", "E-Mail"), "Holdout")],
)
def test_usual_names_of_the_control_group(groups, control):
    table = simulated(n=1_000)
    table["group"] = np.where(table["group"] == "mail", groups[1], groups[0])
    assert experiment_of(table).control == control


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_the_unit_of_money_does_not_matter(scale):
    table = simulated(n=2_000).assign(bought=lambda t: t["bought"] * 30.0 * scale)
    found = learn(experiment_of(table), "mail", "bought")
    plain = learn(experiment_of(table.assign(bought=table["bought"] / scale)), "mail", "bought")
    assert found.effect / scale == pytest.approx(plain.effect)
    assert found.gate.qini / scale == pytest.approx(plain.gate.qini)
    assert found.gate.open == plain.gate.open
    assert [leaf.rule for leaf in found.leaves] == [leaf.rule for leaf in plain.leaves]
