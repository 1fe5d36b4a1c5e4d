"""The level: how far it is relied on, what moves it, and that it can be left out."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.models.anchor import Level, fit_level
from clvml.models.customer_model import fit_customer_model
from clvml.models.intervals import LEVEL_SPREAD
from clvml.models.season import Season

from .shops import END, FIRST, config, customer_days, simulate_log


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


def test_level_and_season_can_be_switched_off(days, model):
    fitted = fit_customer_model(days, END, config(calibrate=False, season=False))
    level = fitted.trees.level
    # How far the level can be off is another matter, and that the stack has the total of its forms.
    assert level == Level(stack=level.stack, spread=level.spread) != model.trees.level
    assert level.spread != LEVEL_SPREAD
    assert fitted.trees.prior.season == Season.flat() != model.trees.prior.season
    assert not any("season" in note for note in fitted.notes)
