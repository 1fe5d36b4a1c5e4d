"""Intervals of spend: coverage on data like those of the fit, groups, order, and hard data."""

import json

import numpy as np
import pytest

from clvml.models.intervals import LEVEL_SPREAD, SpendIntervals, fit_intervals


def gamma(given_purchase, rng):
    return given_purchase * rng.gamma(2.0, 0.5, len(given_purchase))


def lognormal(given_purchase, rng):
    return given_purchase * rng.lognormal(-0.5, 1.0, len(given_purchase))


def draw(law, rows, seed, level=1.0):
    """Customers with their expected spend, P(churn), and spend, which as a whole is off by ``level``."""
    rng = np.random.default_rng(seed)
    p_churn = rng.beta(1.0, 1.0, rows)
    given_purchase = rng.lognormal(3.0, 0.8, rows)
    actual = np.where(rng.random(rows) < p_churn, 0.0, level * law(given_purchase, rng))
    return given_purchase * (1 - p_churn), p_churn, actual


def held(intervals, expected, p_churn, actual):
    low, high = intervals.interval(expected, p_churn)
    return (actual >= low) & (actual <= high)


@pytest.mark.parametrize("law", [gamma, lognormal])
def test_coverage_overall_and_by_risk(law):
    # What was learnt is tried on windows that come in higher or lower, as windows do.
    intervals = fit_intervals(*draw(law, 20_000, seed=1))
    levels = np.exp(0.1 * np.random.default_rng(2).standard_normal(12))
    shares = []
    for seed, level in enumerate(levels, start=10):
        expected, p_churn, actual = draw(law, 4000, seed, level)
        inside = held(intervals, expected, p_churn, actual)
        below = np.minimum((p_churn * 10).astype(int), 9)
        shares.append([inside[below == k].mean() for k in range(10)])
    by_risk = np.mean(shares, axis=0)
    # From P(churn) = .8 on zero alone is held often enough, and the expectation is above it.
    assert (by_risk[:8] > 0.77).all()
    assert (by_risk[:8] < 0.84).all()
    assert (by_risk[8:] >= 0.8).all()


@pytest.mark.parametrize("law", [gamma, lognormal])
def test_a_window_that_came_in_high_or_low_is_taken_for_a_passing_surprise_in_the_main(law):
    tried = draw(law, 20_000, seed=2)
    for level in (0.6, 1.6):
        intervals = fit_intervals(*draw(law, 20_000, seed=1, level=level))
        assert 0.72 < held(intervals, *tried)[tried[1] < 0.6].mean() < 0.88
        # The third of it that is expected to last shows in the ends.
        high = intervals.interval([100.0], [0.3])[1][0]
        usual = fit_intervals(*draw(law, 20_000, seed=1)).interval([100.0], [0.3])[1][0]
        assert high / usual == pytest.approx(level ** (1 / 3), rel=0.02)


def test_big_buyers_have_ratios_of_their_own():
    rng = np.random.default_rng(4)
    expected = np.repeat([10.0, 1000.0], 4000)
    actual = expected * np.where(expected > 100, rng.uniform(0.9, 1.1, 8000), rng.uniform(0.1, 1.9, 8000))
    intervals = fit_intervals(expected, np.zeros(8000), actual)
    assert intervals.expected == (10.0, 1000.0)
    for size in (10.0, 1000.0):
        own = expected == size
        assert held(intervals, expected[own], np.zeros(4000), actual[own]).mean() > 0.78
    low, high = intervals.interval([10.0, 1000.0], [0.0, 0.0])
    assert low[0] / 10 < 0.3 < 0.8 < low[1] / 1000
    assert high[1] / 1000 < 1.2 < 1.6 < high[0] / 10


def test_a_more_active_base_is_held_as_well():
    expected, p_churn, actual = draw(gamma, 20_000, seed=1)
    intervals = fit_intervals(expected, p_churn, actual)
    rng = np.random.default_rng(5)
    p_churn = rng.uniform(0.1, 0.4, 20_000)
    given_purchase = rng.lognormal(3.0, 0.8, 20_000)
    actual = np.where(rng.random(20_000) < p_churn, 0.0, gamma(given_purchase, rng))
    assert 0.78 < held(intervals, given_purchase * (1 - p_churn), p_churn, actual).mean() < 0.83


def test_totals_of_groups_are_held():
    expected, p_churn, actual = draw(lognormal, 20_000, seed=1)
    intervals = fit_intervals(expected, p_churn, actual)
    rng, inside = np.random.default_rng(3), {5: [], 50: [], 500: []}
    for seed in range(60):
        level = float(np.exp(LEVEL_SPREAD * rng.standard_normal() - LEVEL_SPREAD**2 / 2))
        expected, p_churn, actual = draw(lognormal, 2000, 100 + seed, level)
        variance = intervals.variance(expected, p_churn)
        for size, hits in inside.items():
            for group in np.array_split(rng.permutation(2000), 2000 // size)[:4]:
                low, high = intervals.total_interval(expected[group].sum(), variance[group].sum())
                hits.append(low <= actual[group].sum() <= high)
    assert all(0.7 < np.mean(hits) < 0.9 for hits in inside.values())


def test_interval_of_a_group_is_narrower_than_the_sum_of_its_intervals():
    intervals = SpendIntervals.assumed()
    expected, p_churn = np.full(100, 10.0), np.full(100, 0.05)
    low, high = intervals.interval(expected, p_churn)
    total = intervals.total_interval(expected.sum(), intervals.variance(expected, p_churn).sum())
    assert low.sum() < total[0] < expected.sum() < total[1] < high.sum()


def test_a_wider_spread_of_the_level_widens_totals_alone():
    data = draw(gamma, 1000, seed=1)
    near, far = fit_intervals(*data), fit_intervals(*data, level_spread=2 * LEVEL_SPREAD)
    assert far.ratios == near.ratios
    low, high = near.total_interval(100.0, 1.0)
    assert far.total_interval(100.0, 1.0)[0] < low < 100 < high < far.total_interval(100.0, 1.0)[1]
    assert SpendIntervals.from_dict(far.to_dict()) == far


def test_refunds_count_as_nothing_spent():
    expected, p_churn, actual = draw(gamma, 1000, seed=1)
    refunded = np.where(actual == 0, -1e6, actual)
    assert fit_intervals(expected, p_churn, refunded) == fit_intervals(expected, p_churn, actual)


def test_by_hand():
    # Quantiles of the ratio that are the share itself: below half of the buyers lies half of the expectation.
    uniform = SpendIntervals(0.8, (0.5,), (tuple(np.linspace(0, 1, 101)),), (0.1,))
    low, high = uniform.interval(np.full(4, 6.0), [0.0, 0.1, 0.5, 0.9])
    # 0: from the first to the last tenth. 0.1: of buyers, 8 / 9 lie below the last tenth of all. 0.5: as many
    # lie below as are missing to eight tenths. All are at most, or at least, the expectation.
    np.testing.assert_allclose(low, [0.6, 0.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(high, [6.0, 6.0, 12 * 0.6, 6.0])


def test_between_groups_is_interpolated():
    flat = SpendIntervals(0.8, (4.0, 16.0), ((2.0,) * 101, (4.0,) * 101), (0.0, 1.0))
    # Halfway between 4 and 16 is 8, since it goes by the logarithm.
    spends = np.array([1.0, 4.0, 8.0, 99.0])
    np.testing.assert_allclose(flat.interval(spends, np.full(4, 0.5))[1], spends / 0.5 * [2, 2, 3, 4])
    np.testing.assert_allclose(flat.variance([8.0, 99.0], [0.3, 0.5]), [64 * (1.5 / 0.7 - 1), 99**2 * 3.0])


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([5.0] * 300, [0.0] * 300),
        ([5.0], [7.0]),
        ([5.0], [0.0]),
        ([5.0], [-3.0]),
        ([5.0] * 300, [5.0] * 300),
        ([5.0] * 250 + [9.0] * 250, np.arange(500.0)),
        (np.arange(1.0, 31), np.arange(30.0, 0, -1)),
        ([0.0] * 250, np.arange(250.0)),
        (np.r_[np.zeros(200), 1e9], np.r_[np.ones(200), 0.0]),
        (np.geomspace(1e-12, 1e12, 500), np.full(500, 3.0)),
        (np.full(250, 7.0), np.r_[np.full(249, -1.0), 1e-6]),
    ],
    ids=[
        "none spent",
        "one",
        "one, gone",
        "one, refunded",
        "all equal",
        "two kinds",
        "less than a group",
        "none expected",
        "one whale",
        "wide",
        "refunds",
    ],
)
@pytest.mark.parametrize("p_churn", [0.0, 0.4, 1.0])
def test_degenerate_data_keep_the_order(expected, actual, p_churn):
    intervals = fit_intervals(expected, np.full(len(expected), p_churn), actual)
    asked = np.r_[0.0, 1e-12, expected, 1e6]
    for risk in (0.0, 0.1, 0.5, 1.0):
        low, high = intervals.interval(asked, np.full(len(asked), risk))
        assert np.isfinite(high).all()
        assert ((low >= 0) & (low <= asked) & (asked <= high)).all()
        assert np.isfinite(intervals.variance(asked, np.full(len(asked), risk))).all()
    assert SpendIntervals.from_dict(json.loads(json.dumps(intervals.to_dict(), allow_nan=False))) == intervals


def test_customers_of_equal_expectation_share_an_interval():
    rng = np.random.default_rng(3)
    expected = np.repeat([1.0, 5.0, 5.0, 5.0, 8.0], 300)
    p_churn = rng.uniform(0.1, 0.8, len(expected))
    actual = rng.gamma(2.0, expected / 2)
    order = rng.permutation(len(expected))
    one, other = (
        fit_intervals(expected, p_churn, actual),
        fit_intervals(expected[order], p_churn[order], actual[order]),
    )
    assert one.expected == other.expected == (1.0, 5.0, 8.0)
    np.testing.assert_allclose(one.ratios, other.ratios)
