"""The level: how far it is relied on, what moves it, and that it can be left out."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.models.anchor import ANCHORS, NO_CORRECTION, Level, deciding_spend, fit_level
from clvml.models.customer_model import fit_customer_model
from clvml.models.intervals import LEVEL_SPREAD
from clvml.models.season import Season

from .shops import END, FIRST, config, customer_days, log_of, simulate_log


def test_the_level_is_relied_on_as_far_as_past_windows_allow(model):
    frame = pd.DataFrame({"btyd_spend": [1.0, 1.0], "trailing_365d": [1.0, 1.0], "btyd_p_churn": [0.5, 0.5]})
    spends = dict.fromkeys(("tweedie", "hurdle", "alone"), np.ones(2))

    def spread(actual, step=30):
        cutoffs = [FIRST + timedelta(days=step * k) for k in range(len(actual))]
        totals = pd.DataFrame(
            {"actual_spend": actual, "btyd_spend": 1.0, "trailing_365d": 1.0}, index=cutoffs
        )
        return fit_level(frame, 0.0, spends, totals, 30).spread

    one, steady, wild = spread([1.0]), spread([1.0] * 12), spread([0.5, 2.0] * 6)
    assert steady == pytest.approx(np.sqrt(4 * LEVEL_SPREAD**2 / 16))
    assert one == pytest.approx(np.sqrt(4 * LEVEL_SPREAD**2 / 5))
    assert steady < one < LEVEL_SPREAD < wild < np.log(2)
    # Windows that overlap say less.
    assert steady < spread([1.0] * 12, step=10) < one
    # Of a miss that all windows share, a third is added to the level, and two thirds are left.
    left = np.log(2) * 2 / 3
    assert spread([2.0] * 12) == pytest.approx(np.sqrt((4 * LEVEL_SPREAD**2 + 12 * left**2) / 16))
    assert model.intervals.level_spread == model.trees.level.spread != LEVEL_SPREAD


def test_a_window_without_sales_or_with_a_great_refund_moves_the_level_little(days):
    lines = simulate_log(300, 400, seed=8)
    end = FIRST + timedelta(days=400)

    def total(log):
        shop = customer_days(log)
        fitted = fit_customer_model(shop, end, config(30, max_cutoffs=6))
        return float(fitted.predict(shop.features(end, 30), end)["expected_spend"].sum())

    usual = total(lines)
    refund = lines.iloc[[0]].assign(order_day=end - timedelta(days=5), amount=-1e6)
    assert total(pd.concat([lines, refund], ignore_index=True)) > usual / 2
    day = pd.to_datetime(lines["order_day"]).dt.date
    closed = (day >= end - timedelta(days=90)) & (day < end - timedelta(days=45))
    assert total(lines[~closed]) > usual / 3


@pytest.mark.parametrize(
    ("largest", "others", "expected"),
    [
        ([], 12, []),
        ([9.0], 12, [0]),
        # One behind the other: the second decides what the first leaves.
        ([9.0, 500.0], 12, [0, 1]),
        # A shop of three has no others.
        ([9.0], 2, []),
        ([], 0, []),
    ],
)
def test_who_decides_the_total_alone(largest, others, expected):
    usual = np.ones(len(largest) + others)
    spend = np.r_[largest, np.linspace(1.0, 2.0, others)]
    for one, other in (ANCHORS, ANCHORS[::-1]):
        shop = pd.DataFrame({one: spend, other: usual})
        level = Level(deciding=deciding_spend(shop))
        assert np.flatnonzero(level.decides(shop)).tolist() == expected
    assert not Level().decides(shop).any()


@pytest.mark.parametrize(("every", "first"), [(300, 20), (60, 10)])
def test_one_account_with_most_of_the_money_leaves_the_others_as_they_were(every, first):
    lines = simulate_log(300, 730, seed=8)
    orders = np.arange(first, 730, every)
    yearly = lines["amount"].sum() / 2
    giant = log_of(["giant"] * len(orders), orders, np.full(len(orders), 5 * yearly * every / 365))

    def spend(log):
        shop = customer_days(log)
        fitted = fit_customer_model(shop, END, config(30, max_cutoffs=6))
        features = shop.features(END, 30)
        predicted = fitted.predict(features, END)
        others = (features["customer_id"] != "giant").to_numpy()
        assert (fitted.trees.level.decides(fitted.frame(features, END)) != others).all()
        return predicted["expected_spend"][others].sum()

    assert spend(pd.concat([lines, giant], ignore_index=True)) == pytest.approx(spend(lines), rel=0.15)


def test_buyers_of_every_other_year_are_not_taken_for_lost_because_nobody_bought_for_a_year():
    rng = np.random.default_rng(3)
    who = np.tile(np.arange(400), 3)
    fair = np.repeat([100, 830, 1560], 400) + rng.integers(0, 90, 1200)
    came = rng.random(1200) < 0.85
    shop = customer_days(log_of(who[came].astype(str), fair[came], rng.gamma(4, 25, came.sum())))
    end = FIRST + timedelta(days=2050)
    predicted = fit_customer_model(shop, end, config(365)).predict(shop.features(end, 365), end)
    assert (1 - predicted["p_churn"]).mean() > 0.4
    assert predicted["expected_spend"].mean() > 30


def test_level_and_season_can_be_switched_off(days, model):
    fitted = fit_customer_model(days, END, config(calibrate=False, season=False))
    level = fitted.trees.level
    # How far the level can be off is another matter, and that the stack has the total of its forms.
    assert level == NO_CORRECTION._replace(stack=level.stack, spread=level.spread, deciding=level.deciding)
    assert level != model.trees.level
    assert level.spread != LEVEL_SPREAD
    assert fitted.trees.prior.season == Season.flat() != model.trees.prior.season
    assert not any("season" in note for note in fitted.notes)
