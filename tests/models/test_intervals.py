"""Intervals of spend: coverage on data like those of the fit, order, and hard data."""

import json

import numpy as np
import pytest

from clvml.models.intervals import SpendIntervals, fit_intervals


def gamma(mean, rng):
    return mean * rng.gamma(2.0, 0.5, len(mean))


def half_gone(mean, rng):
    return np.where(rng.random(len(mean)) < 0.5, 0.0, 2 * gamma(mean, rng))


def small_ones_gone(mean, rng):
    gone = 1 / (1 + mean / 10)
    return np.where(rng.random(len(mean)) < gone, 0.0, gamma(mean, rng) / (1 - gone))


def draw(law, rows, seed):
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(3.0, 0.8, rows)
    return mean, law(mean, rng)


def held(intervals, expected, actual):
    low, high = intervals.interval(expected)
    return (actual >= low) & (actual <= high)


@pytest.mark.parametrize("law", [gamma, half_gone, small_ones_gone])
def test_coverage_overall_and_within_groups(law):
    # The promise is on average over fits: a single one can be a little off everywhere.
    fits = [fit_intervals(*draw(law, 8000, seed)) for seed in range(6)]
    expected, actual = draw(law, 40_000, seed=99)
    share = np.mean([held(intervals, expected, actual) for intervals in fits], axis=0)
    assert 0.78 <= share.mean() <= 0.82
    for group in np.array_split(np.argsort(expected), 5):
        assert 0.78 <= share[group].mean() <= 0.82


@pytest.mark.parametrize(("rows", "least"), [(9, 0.78), (40, 0.78), (100, 0.78)])
def test_small_samples_cover_as_promised_on_average(rows, least):
    # All expectations equal, so that the scale is exact: what is left is the finite-sample rank.
    rng = np.random.default_rng(1)
    share = []
    for _ in range(400):
        actual = rng.gamma(20.0, 0.05, rows + 50)
        intervals = fit_intervals(np.full(rows, actual[:rows].mean()), actual[:rows])
        share.append(held(intervals, np.full(50, actual[:rows].mean()), actual[rows:]).mean())
    assert least <= np.mean(share) <= 0.83 + 1 / rows


def test_market_as_a_whole_does_not_shift_the_intervals():
    expected, actual = draw(gamma, 4000, seed=1)
    plain, double = fit_intervals(expected, actual), fit_intervals(expected, 2 * actual)
    np.testing.assert_allclose(plain.high_ratio, double.high_ratio)
    np.testing.assert_allclose(plain.low_ratio, double.low_ratio)


def test_refunds_count_as_nothing_spent():
    expected, actual = draw(half_gone, 1000, seed=1)
    refunded = np.where(actual == 0, -1e6, actual)
    assert fit_intervals(expected, refunded) == fit_intervals(expected, actual)


def test_by_hand():
    # Nine customers, ratios 0.2 ... 1.8: of ten ranks the first and the ninth.
    intervals = fit_intervals(np.full(9, 10.0), np.arange(2.0, 20, 2))
    assert intervals.low_ratio == pytest.approx((0.2,))
    assert intervals.high_ratio == pytest.approx((1.8,))
    assert intervals.log_expected == pytest.approx((np.log(10.0),))
    low, high = intervals.interval([10.0, 20.0, 0.0])
    np.testing.assert_allclose(low, [2, 4, 0])
    np.testing.assert_allclose(high, [18, 36, 0])
    # A share of zeros above a tenth puts the low end at zero and all the room above: the eighth of ten ranks.
    zeros = fit_intervals(np.full(9, 10.0), [0, 0, 6, 8, 10, 12, 14, 16, 24])
    assert zeros.low_ratio == (0.0,)
    assert zeros.high_ratio == pytest.approx((1.6,))


def test_between_groups_is_interpolated_on_the_logarithm():
    intervals = SpendIntervals(0.8, (np.log(1.0), np.log(100.0)), (0.0, 0.5), (4.0, 2.0))
    low, high = intervals.interval([0.1, 1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_allclose(low, [0.0, 0.0, 2.5, 50.0, 500.0], atol=1e-12)
    np.testing.assert_allclose(high, [0.4, 4.0, 30.0, 200.0, 2000.0])


def test_expectation_is_within_whatever_the_ratios_say():
    low, high = SpendIntervals(0.8, (0.0,), (1.1,), (0.9,)).interval([0.0, 3.0])
    np.testing.assert_array_equal([low, high], [[0.0, 3.0], [0.0, 3.0]])


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([5.0] * 300, [0.0] * 300),
        ([5.0], [7.0]),
        ([5.0], [0.0]),
        ([5.0], [-3.0]),
        ([5.0] * 300, [5.0] * 300),
        ([5.0] * 150 + [9.0] * 150, np.arange(300.0)),
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
def test_degenerate_data_keep_the_order(expected, actual):
    intervals = fit_intervals(expected, actual)
    assert (np.diff(intervals.log_expected) > 0).all()
    asked = np.r_[0.0, 1e-12, expected, 1e6]
    low, high = intervals.interval(asked)
    assert np.isfinite(high).all()
    assert ((low >= 0) & (low <= asked) & (asked <= high)).all()
    assert SpendIntervals.from_dict(json.loads(json.dumps(intervals.to_dict(), allow_nan=False))) == intervals


def test_customers_of_equal_expectation_share_an_interval():
    rng = np.random.default_rng(3)
    expected = np.repeat([1.0, 5.0, 5.0, 5.0, 20.0], 100)
    actual = rng.gamma(2.0, expected / 2)
    order = rng.permutation(len(expected))
    one, other = fit_intervals(expected, actual), fit_intervals(expected[order], actual[order])
    assert len(one.log_expected) == 3
    assert one.log_expected == other.log_expected
    np.testing.assert_allclose([one.low_ratio, one.high_ratio], [other.low_ratio, other.high_ratio])
