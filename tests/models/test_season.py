"""The season: what it finds, and what it must not take for one."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.models.prior import fit_prior
from clvml.models.season import DAYS_OF_YEAR, TRUST_IN_ONE_YEAR, Season, fit_season, running_share

from .test_customer_model import customer_days, simulate_log

YEAR = np.arange(DAYS_OF_YEAR)
# 49 % above the usual in early December, 33 % below in early June.
TRUTH = np.exp(0.4 * np.cos(2 * np.pi * (YEAR - 340) / DAYS_OF_YEAR))


def totals(start, values):
    return pd.Series(values, index=pd.date_range(start, periods=len(values)))


def windows(start, ratios):
    """Consecutive surprises of 30 days, oldest first."""
    return [(start + timedelta(days=30 * k), 30, float(ratio)) for k, ratio in enumerate(ratios)]


def waves(years, first=date(2022, 1, 1)):
    """Daily sales and 30-day surprises that both follow `TRUTH`, on the calendar."""
    days = pd.date_range(first, periods=round(365.25 * years))
    sales = 100 * TRUTH[np.minimum(days.day_of_year - 1, DAYS_OF_YEAR - 1)]
    means = [sales[k : k + 30].mean() / 100 for k in range(0, len(sales) - 29, 30)]
    return totals(first, sales), windows(first, means)


# --- by itself ---


def test_a_log_that_begins_amid_a_running_business_shows_its_season_in_sales_alone():
    sales, _ = waves(1.1)
    # All customers are met in the first months: half of them at once, the others later and later.
    ages = len(sales) - np.concatenate([np.zeros(500), np.linspace(0, 170, 500)])
    # Not 1: the first winter sold more than the summer after it.
    assert 0.75 < running_share(sales, ages) < 1
    index = np.asarray(fit_season(sales, [], ages).index)
    assert np.corrcoef(np.log(index), np.log(TRUTH))[0, 1] > 0.98
    assert np.log(index).std() < TRUST_IN_ONE_YEAR * np.log(TRUTH).std()
    # A young business meets customers all the time, and what a cohort buys fades.
    young = len(sales) - np.linspace(0, len(sales), 1000)
    assert np.allclose(fit_season(sales, [], young).index, 1.0, atol=0.01)
    fading = sales * np.exp(-np.arange(len(sales)) / 60)
    assert fit_season(fading, [], ages) == Season.flat()
    assert running_share(sales.iloc[:300], ages) == 0.0
    assert running_share(sales, []) == 0.0


def test_flat_below_a_year():
    sales, surprises = waves(0.99)
    assert fit_season(sales, surprises) == Season.flat()
    long, _ = waves(2)
    assert fit_season(long, surprises[:11]) == Season.flat()
    assert fit_season(long, []) == Season.flat()


def test_flat_where_a_year_sold_nothing():
    sales, surprises = waves(2)
    sales.iloc[:365] = 0.0
    assert fit_season(sales, surprises) == Season.flat()
    assert fit_season(-sales, surprises) == Season.flat()


def test_three_years_of_a_season_are_found_and_shrunk():
    season = fit_season(*waves(3))
    index = np.asarray(season.index)
    assert season.years == 3
    assert np.corrcoef(np.log(index), np.log(TRUTH))[0, 1] > 0.99
    assert 0.8 < np.polyfit(np.log(TRUTH), np.log(index), 1)[0] < 1


@pytest.mark.parametrize("sharpness", [0.5, 2.0], ids=["surprises show less", "surprises show more"])
def test_a_season_seen_once_counts_for_less(sharpness):
    slopes = []
    for years in (1.1, 2.1, 3.1):
        sales, surprises = waves(years)
        sharpened = [(start, days, ratio**sharpness) for start, days, ratio in surprises]
        index = fit_season(sales, sharpened).index
        slopes.append(np.polyfit(np.log(TRUTH), np.log(index), 1)[0])
    trust = 1 - (1 - TRUST_IN_ONE_YEAR) ** np.array([1, 2, 3])
    np.testing.assert_allclose(slopes / trust, slopes[-1] / trust[-1], rtol=0.05)


def test_only_what_both_views_show_is_season():
    sales, surprises = waves(2)
    even = [(start, days, 1.0) for start, days, _ in surprises]
    np.testing.assert_allclose(fit_season(sales, even).index, 1.0)
    np.testing.assert_allclose(fit_season(totals(date(2022, 1, 1), np.full(730, 9.0)), surprises).index, 1.0)
    against = [(start, days, 1 / ratio) for start, days, ratio in surprises]
    index = np.asarray(fit_season(sales, against).index)
    assert np.abs(np.log(index)).max() < 0.1


def test_windows_without_a_purchase_are_passed_over():
    sales, surprises = waves(3)
    holed = [(start, days, 0.0 if k == 5 else ratio) for k, (start, days, ratio) in enumerate(surprises)]
    index = np.asarray(fit_season(sales, holed).index)
    assert np.isfinite(index).all()
    assert np.corrcoef(np.log(index), np.log(TRUTH))[0, 1] > 0.98


def test_all_indexes_are_positive_even_where_nothing_is_sold_for_months():
    sales, surprises = waves(2)
    sales[sales.index.month < 6] = 0.0
    sales.iloc[200] = -1e6
    index = np.asarray(fit_season(sales, [(s, d, max(r - 0.9, 1e-6)) for s, d, r in surprises]).index)
    assert (index > 0).all()
    assert np.isfinite(index).all()


# --- the calendar ---


def test_leap_day_counts_as_the_day_before():
    season = Season(tuple(np.arange(1.0, DAYS_OF_YEAR + 1)), 1)
    np.testing.assert_array_equal(season.curve(date(2024, 2, 27), 4), [58, 59, 59, 60])
    np.testing.assert_array_equal(season.curve(date(2023, 2, 27), 3), [58, 59, 60])
    np.testing.assert_array_equal(season.curve(date(2024, 12, 31), 2), [365, 1])
    assert season.curve(date(2024, 1, 1), 366).sum() == season.curve(date(2023, 1, 1), 365).sum() + 59


def test_leap_years_do_not_move_the_season():
    leap, usual = (fit_season(*waves(1.1, first=date(year, 1, 1))).index for year in (2024, 2022))
    np.testing.assert_allclose(leap, usual, rtol=0.03)


def test_factor_is_the_mean_of_the_curve():
    season = Season(tuple(TRUTH.tolist()), 2)
    by_hand = np.mean(
        [TRUTH[(date(2023, 11, 1) + timedelta(days=k)).timetuple().tm_yday - 1] for k in range(60)]
    )
    assert season.factor(date(2023, 11, 1), 60) == pytest.approx(by_hand)
    assert season.factor(date(2023, 3, 1), 365) == pytest.approx(TRUTH.mean())


def history(recency, T, frequency=1):
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": T})


def test_the_history_in_usual_days_is_the_sum_of_their_indexes():
    season, cutoff = Season(tuple(TRUTH.tolist()), 1), date(2024, 3, 1)
    _, recency, T = season.history(history([100, 800, 0.5], [100, 801, 80_000]), cutoff)
    by_hand = [season.curve(cutoff - timedelta(days=days), days).sum() for days in (100, 801)]
    np.testing.assert_allclose(T[:2], by_hand)
    np.testing.assert_allclose(recency[0], by_hand[0])
    np.testing.assert_allclose(T[1] - recency[1], season.curve(date(2024, 2, 29), 1))
    # Two hundred years are of the season, the rest is usual.
    assert T[2] == pytest.approx(73_000 * TRUTH.mean() + 7_000, rel=1e-3)
    alone = season.history(history([100], [100]), cutoff)
    assert (alone[1][0], alone[2][0]) == (recency[0], T[0])


@pytest.mark.parametrize(
    ("seen", "rule"),
    [
        (history([5.0], [4.0]), "recency .first number. must be <= T"),
        (history([0.0], [-3.0], 0), "T must be >= 0"),
        (history([np.nan], [4.0]), "recency must be >= 0"),
        (history([2.0], [np.nan]), "T must be >= 0"),
    ],
)
def test_an_impossible_history_is_refused(seen, rule):
    with pytest.raises(ValueError, match=rule):
        Season((1.0,) * DAYS_OF_YEAR, 1).history(seen, date(2024, 3, 1))


def test_saved_and_loaded_is_the_same():
    season = fit_season(*waves(2))
    assert Season.from_dict(json.loads(json.dumps(season.to_dict(), allow_nan=False))) == season


# --- through a whole purchase log ---


def index_of(log, end):
    season = fit_prior(customer_days(log), end, 90).season
    return season, np.asarray(season.index)


def test_season_of_a_simulated_shop_is_found():
    log = simulate_log(2500, 730, seed=2, season=TRUTH)
    season, index = index_of(log, date(2024, 1, 1))
    assert season.years == 2
    assert np.corrcoef(np.log(index), np.log(TRUTH))[0, 1] > 0.8
    assert index.max() > 1.15
    assert index.min() < 0.85


def test_a_shop_that_sells_in_one_quarter_only_is_not_taken_for_dead_in_the_others():
    days = customer_days(simulate_log(4000, 1461, seed=3, season=(YEAR >= 273).astype(float)))
    for cutoff in (date(2025, 2, 1), date(2025, 9, 15)):
        test = days.snapshots([cutoff], 90)
        usual, seasonal = (
            fit_prior(days, cutoff, 90, season).forecast(test, cutoff, 90) for season in (False, True)
        )
        bought = 1 - test["churned"].mean()
        assert abs(1 - seasonal["btyd_p_churn"].mean() - bought) < abs(
            1 - usual["btyd_p_churn"].mean() - bought
        )
        misses = [abs(p["btyd_orders"].sum() - test["purchases"].sum()) for p in (seasonal, usual)]
        assert misses[0] < misses[1] / 1.5


def test_chance_in_a_small_shop_is_no_season():
    spreads = []
    for seed in range(8):
        log = simulate_log(15, 920, seed=seed)
        _, index = index_of(log, date(2024, 4, 1))
        spreads.append(np.log(index).std())
    assert np.mean(spreads) < 0.2


def test_a_fading_cohort_is_no_season():
    # As in CDNOW: all customers arrive in the first twelve weeks, and sales fall from then on.
    log = simulate_log(2500, 546, seed=7, joined=lambda uniform: 84 * uniform)
    season, index = index_of(log, date(2023, 7, 1))
    assert season.years == 1
    assert np.abs(index - 1).max() < 0.08


def test_growth_is_no_season():
    # Three times as many arrivals every year.
    log = simulate_log(2500, 740, seed=9, joined=lambda uniform: 740 * np.log1p(8 * uniform) / np.log(9))
    season, index = index_of(log, date(2024, 1, 11))
    assert season.years == 2
    assert np.abs(index - 1).max() < 0.12
