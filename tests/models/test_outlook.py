"""Other horizons, the next order and lifetime value: by hand, and what holds for every customer."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.config import ValueConfig
from clvml.models.btyd import BetaGeometric
from clvml.models.outlook import (
    HORIZONS,
    growth,
    lifetime_value,
    next_order_days,
    spend_by_days,
    value_days,
)
from clvml.models.prior import Prior
from clvml.models.rhythm import SHAPES, Rhythm
from clvml.models.season import DAYS_OF_YEAR, Season

TODAY = date(2024, 10, 1)
PARAMS = {"r": 0.5, "alpha": 20.0, "a": 0.6, "b": 2.0}
# A one-time buyer of yesterday and of long ago, a heavy buyer active and gone, one in between.
CUSTOMERS = pd.DataFrame(
    {
        "frequency": [0, 0, 300, 300, 4],
        "recency": [0, 0, 699, 300, 100],
        "T": [1, 700, 700, 700, 200],
    }
)
WAVE = Season(tuple(np.exp(0.7 * np.cos(2 * np.pi * np.arange(DAYS_OF_YEAR) / DAYS_OF_YEAR)).tolist()), 2)


def prior(season=None):
    btyd = BetaGeometric.from_dict({"variant": "mbg", "params": PARAMS})
    return Prior(btyd, None, 30.0, season or Season.flat(), date(2022, 1, 1))


# --- growth ---


@pytest.mark.parametrize("season", [Season.flat(), WAVE], ids=["flat", "wave"])
@pytest.mark.parametrize("horizon", [1, 30, 90, 200, 365, 1000])
def test_growth_is_one_at_the_horizon_and_never_falls(season, horizon):
    asked = [1, *HORIZONS, horizon, 3650]
    shape = growth(prior(season), CUSTOMERS, TODAY, horizon, asked)
    assert shape.shape == (5, len(asked))
    assert (shape[:, asked.index(horizon)] == 1).all()
    rising = shape[:, np.argsort(asked, kind="stable")]
    assert (np.diff(rising, axis=1) >= 0).all()
    assert (rising > 0).all()
    assert np.isfinite(rising).all()


def test_growth_is_that_of_the_expected_purchases():
    model = prior()
    history = (CUSTOMERS["frequency"], CUSTOMERS["recency"], CUSTOMERS["T"])
    expected = model.btyd.expected_purchases(365, *history) / model.btyd.expected_purchases(90, *history)
    np.testing.assert_allclose(growth(model, CUSTOMERS, TODAY, 90, [365])[:, 0], expected)


def test_growth_slows_and_follows_the_season():
    flat = growth(prior(), CUSTOMERS, TODAY, 30, [60, 365])
    # Never more than in proportion to time: customers only ever drop out.
    assert (flat <= np.array([2, 365 / 30])).all()
    # October and November are before the peak of January, April and May after it.
    autumn = growth(prior(WAVE), CUSTOMERS, date(2024, 10, 1), 30, [60])
    spring = growth(prior(WAVE), CUSTOMERS, date(2024, 4, 1), 30, [60])
    assert (autumn > spring).all()


def test_customers_of_whom_nothing_is_expected_grow_with_time():
    gone = pd.DataFrame({"frequency": [40_000], "recency": [40_000], "T": [10_000_000]})
    assert prior().btyd.expected_purchases(90, **gone)[0] == 0
    np.testing.assert_allclose(growth(prior(), gone, TODAY, 90, [45, 90, 360]), [[0.5, 1, 4]])


# --- next order ---


def test_an_order_that_is_long_not_due_grows_without_a_warning():
    """Of a clockwork buyer once a year next to nothing is expected soon, to divide by which is beyond a double."""
    clockwork = replace(prior(), rhythm=Rhythm((*[0.0] * (len(SHAPES) - 1), 1.0)))
    silent = np.arange(1.0, 120.0)
    years = {"frequency": 3.0, "purchase_days": 4.0, "recency": 1095.0, "gap_mean": 365.0, "gap_std": 0.5}
    customers = pd.DataFrame(
        {"days_since_last_order": silent, "T": 1095.0 + silent, "monetary_value": 10.0} | years
    )
    by = spend_by_days(clockwork, customers, TODAY, 20, [20, 365], np.ones(len(silent)))
    assert (by[:, 0] == 1.0).all()
    assert (by[:, 1] > 10.0).all()


def test_next_order_waits_longer_the_likelier_the_churn():
    churn = np.linspace(0, 1, 201)
    for i in range(len(CUSTOMERS)):
        same = pd.DataFrame([CUSTOMERS.iloc[i]] * len(churn))
        days = pd.Series(next_order_days(prior(WAVE), same, TODAY, 90, churn)).fillna(np.inf)
        assert (days.diff().dropna() >= 0).all()
        assert days.iloc[0] >= 1
        assert days.iloc[-1] == np.inf


def test_next_order_is_when_half_of_those_who_come_back_within_half_a_year_are_back():
    some = CUSTOMERS.drop(index=3)
    for shape in (prior(), prior(WAVE)):
        clock = np.cumsum(shape.season.curve(TODAY, 365))
        history = shape.season.history(some, TODAY)
        days = next_order_days(shape, some, TODAY, 90, np.zeros(len(some))).astype(int)

        def by(ticks):
            return 1.0 - shape.btyd.p_no_purchase(ticks, *history)  # noqa: B023

        half = 0.5 * by(clock[179])
        # The first day by which it is half, within what straight lines between five days leave open.
        assert (by(clock[np.minimum(days + 1, 365) - 1]) >= half).all()
        assert (by(np.where(days > 2, clock[np.maximum(days - 3, 0)], 0.0)) < half).all()


def test_next_order_beyond_a_year_is_missing():
    days = next_order_days(prior(), CUSTOMERS, TODAY, 90, np.array([0.999, 1.0, 0.01, 0.99, 0.3]))
    assert np.isnan(days[[0, 1, 3]]).all()
    assert (days[[2, 4]] <= 90).all()
    long = next_order_days(prior(), CUSTOMERS, TODAY, 1000, np.full(5, 0.5))
    assert (np.isnan(long) | (long <= 365)).all()


def test_next_order_of_daily_buyers_is_soon():
    days = next_order_days(prior(), CUSTOMERS.iloc[[2]], TODAY, 90, np.array([1e-4]))
    assert 1 <= days[0] <= 5


# --- value ---


def test_lifetime_value_by_hand():
    # 30 days of 100 and 40 days of 50, from the middle of each: days 15 and 50.
    value = ValueConfig(margin=0.3, discount_rate=0.1, horizon_days=70, retention_cost=5)
    assert value_days(value) == [30, 60, 70]
    spend_by = np.array([[100.0, 130.0, 150.0], [0.0, 0.0, 0.0]])
    worth = 0.3 * (100 / 1.1 ** (15 / 365) + 30 / 1.1 ** (45 / 365) + 20 / 1.1 ** (65 / 365)) - 5
    np.testing.assert_allclose(lifetime_value(spend_by, value), [worth, -5])


def test_lifetime_value_follows_margin_discount_and_cost():
    # The same on every day of a year.
    spend_by = np.array([value_days(ValueConfig())], dtype=float)
    total = spend_by[0, -1]

    def of(**changes):
        return lifetime_value(spend_by, ValueConfig(**changes))[0]

    assert of(margin=1.0, discount_rate=0.0) == pytest.approx(total)
    assert of(margin=0.5) == pytest.approx(of(margin=0.25) * 2)
    assert of(discount_rate=0.5) < of(discount_rate=0.1) < of(discount_rate=0.0)
    assert of(retention_cost=3) == pytest.approx(of() - 3)
    # Discounting a year of even spend by 10 % takes half a year's discount off it.
    assert of(margin=1.0) == pytest.approx(total / 1.1**0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("horizon", "days"),
    [(1, [1]), (30, [30]), (31, [30, 31]), (60, [30, 60]), (365, [*range(30, 361, 30), 365])],
)
def test_value_days_end_at_the_horizon(horizon, days):
    assert value_days(ValueConfig(horizon_days=horizon)) == days


def test_one_customer_is_valued_as_in_the_batch():
    value = ValueConfig(horizon_days=3650)
    spend_by = np.cumsum(np.random.default_rng(0).gamma(1, 9, (300, len(value_days(value)))), axis=1)
    batch = lifetime_value(spend_by, value)
    assert all(lifetime_value(spend_by[[i]], value)[0] == batch[i] for i in range(300))


def test_impossible_histories_are_refused():
    wrong = CUSTOMERS.assign(recency=900)
    with pytest.raises(ValueError, match=re.escape("recency (first number) must be <= T (second)")):
        growth(prior(), wrong, TODAY, 90, [30])
