"""Differences by hand, and intervals that hold what is true of simulated campaigns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from clvml.outcomes.effects import capped, compare, holm, sample_ratio

from .campaigns import heavy_tailed, treat

X = [10, 20, 30]
TREATED, CONTROL = [12, 18, 30], [8, 20, 26]
BOTH = [True] * 3 + [False] * 3


def test_cuped_by_hand():
    found = compare(TREATED + CONTROL, BOTH, X + X)
    assert found.difference == pytest.approx(2.0)
    assert found.standard_error == pytest.approx(1.4142, abs=1e-4)
    # The variance falls from 84 to 3.
    assert found.variance_removed == pytest.approx(1 - 3 / 84)
    assert (found.mean_treated, found.mean_control) == (20.0, 18.0)
    raw = compare(TREATED + CONTROL, BOTH)
    assert raw.standard_error**2 == pytest.approx(84 * 2 / 3)


def test_groups_that_differ_beforehand():
    y, group, x = [*TREATED, 44, *CONTROL], [True] * 4 + [False] * 3, [*X, 40, *X]
    assert compare(y, group).difference == pytest.approx(8.0)
    assert compare(y, group, x).difference == pytest.approx(8.0 - 1.028571 * 5.0, abs=1e-5)
    assert compare(y, group, x).difference == pytest.approx(2.857143, abs=1e-6)


def test_without_covariates_it_is_students_test():
    generator = np.random.default_rng(3)
    y, group = generator.normal(size=50), np.arange(50) < 30
    found, theirs = compare(y, group), ttest_ind(y[group], y[~group])
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_covariates_of_any_size_or_without_any_use():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(60, 2))
    y, group = x @ [1.0, 2.0] + generator.normal(size=60), np.arange(60) < 20
    plain = compare(y, group, x)
    constant = np.full(60, 7.0)
    odd = compare(y, group, np.column_stack([x[:, 0] * 1e9 + 5, x[:, 1] * 1e-6, x[:, 0], constant]))
    assert odd.difference == pytest.approx(plain.difference)
    assert odd.standard_error == pytest.approx(plain.standard_error)


def test_units_that_are_customers_change_nothing():
    generator = np.random.default_rng(5)
    y, group = generator.normal(size=40), np.arange(40) < 20
    by_unit = compare(y, group, units=[f"c{k}" for k in range(40)])
    assert by_unit.standard_error == pytest.approx(compare(y, group).standard_error)


def test_a_customer_counted_twice_tells_nothing_new():
    generator = np.random.default_rng(6)
    y, group = generator.normal(size=200), np.arange(200) < 100
    once = compare(y, group)
    twice = compare(np.tile(y, 2), np.tile(group, 2), units=np.tile(np.arange(200), 2))
    assert twice.difference == pytest.approx(once.difference)
    assert twice.standard_error == pytest.approx(once.standard_error)


def test_nothing_varies():
    found = compare([1.0] * 6, BOTH, X + X)
    assert (found.difference, found.standard_error, found.p_value, found.variance_removed) == (
        0.0,
        0.0,
        1.0,
        0.0,
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_a_test_surer(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= np.asarray(p_values)).all() and (adjusted <= 1).all()
    # The order of the tests stays, and all hold together: the surest is multiplied by their number.
    assert adjusted.min() == pytest.approx(min(1.0, min(p_values) * len(p_values)))


def test_missing_tests_do_not_count():
    assert holm([0.01, np.nan, 0.03])[[0, 2]] == pytest.approx([0.02, 0.03])
    assert np.isnan(holm([0.01, np.nan])[1])


def test_sample_ratio():
    assert sample_ratio(900, 100, 0.1) == 1.0
    # 30 customers from 100 in 1,000: 900 / (100 x .9) = 10.
    assert sample_ratio(930, 70, 0.1) == pytest.approx(0.00157, abs=1e-5)
    assert sample_ratio(0, 0, 0.1) == 1.0


def test_capped():
    assert capped(np.arange(101.0)).max() == 99.0
    assert capped([]).tolist() == []


# Customers, share held out, save rate, noise of the money beside what was expected.
SETTINGS = [
    (5_000, 0.1, 0.0, 0.5),
    (5_000, 0.1, 0.1, 0.5),
    (5_000, 0.1, 0.1, 0.9),
    (2_000, 0.1, 0.1, 0.5),
    (2_000, 0.5, 0.1, 0.5),
    (2_000, 0.3, 0.05, 0.7),
]
RUNS = 1_000


@pytest.fixture(scope="module")
def coverage():
    """Return ``{(setting, measure): share of intervals that hold the truth}`` of random assignments."""
    found = {}
    for place, (n, share, save_rate, noise) in enumerate(SETTINGS):
        generator = np.random.default_rng(place)
        customers = heavy_tailed(generator, n, noise)
        stays, spends = customers["stays"].to_numpy(dtype=float), customers["spends"].to_numpy()
        stayed, spent = treat(customers, save_rate, generator)
        known = customers[["expected_spend", "p_churn"]].to_numpy()
        calm = np.column_stack([capped(known[:, 0]), known[:, 1]])
        hits = dict.fromkeys(("retention", "money", "money_capped", "welch"), 0)
        for _ in range(RUNS):
            group = generator.random(n) >= share
            money = np.where(group, spent, spends)
            most = np.quantile(money, 0.99)
            truths = {
                "retention": (compare(np.where(group, stayed, stays), group, known), stayed - stays),
                "money": (compare(money, group, known), spent - spends),
                "money_capped": (
                    compare(np.minimum(money, most), group, calm),
                    np.minimum(spent, most) - np.minimum(spends, most),
                ),
            }
            for measure, (difference, effect) in truths.items():
                hits[measure] += difference.low <= effect.mean() <= difference.high
            hits["welch"] += _welch_holds(money, group, (spent - spends).mean())
        found |= {(place, measure): count / RUNS for measure, count in hits.items()}
    return found


def _welch_holds(money, group, truth):
    one, other = money[group], money[~group]
    error = np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
    # With 100 customers and more, Student's quantile is the normal one within 1 %.
    return abs(one.mean() - other.mean() - truth) <= 1.98 * error


@pytest.mark.parametrize("measure", ["retention", "money", "money_capped"])
@pytest.mark.parametrize("setting", range(len(SETTINGS)))
def test_intervals_hold_the_truth_as_often_as_they_say(coverage, setting, measure):
    assert 0.93 <= coverage[setting, measure] <= 0.97


def test_welch_does_not_where_few_are_held_out(coverage):
    few = [coverage[place, "welch"] for place, (_, share, _, _) in enumerate(SETTINGS) if share == 0.1]
    assert max(few) < 0.93
    assert min(few) < 0.88
