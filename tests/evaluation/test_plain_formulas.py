"""The formulas that people know, by hand."""

import numpy as np
import pandas as pd
import pytest

from clvml.evaluation.baselines import BASELINES, FORMULAS
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.margin_forecasts import margin_table
from clvml.evaluation.plain_formulas import days_kept, monthly_formula, purchase_formula, yearly_formula


def test_days_kept_are_the_sum_of_the_shares_still_there():
    # A fifth leaves in 100 days: each day the same share.
    each = 0.8 ** (1 / 100)
    by_day = sum(each ** (day + 0.5) for day in range(250))
    assert days_kept(0.2, 100, 250) == pytest.approx(by_day, rel=1e-4)


def test_the_three_formulas_by_hand():
    spend, days, age, year = (np.array([value]) for value in (1200.0, 6.0, 600.0, 730.0))
    # 200 a purchase, one each 100 days, for 150 days.
    assert purchase_formula(spend, days, age, 90, 150.0) == pytest.approx([300.0])
    # 2 a day for 365 days.
    assert monthly_formula(spend, age, 90, 365) == pytest.approx([730.0])
    # 2 a day for 150 days.
    assert yearly_formula(year, 150.0) == pytest.approx([300.0])


def test_a_new_customer_is_one_horizon_old():
    one = np.array([1.0])
    assert monthly_formula(90 * one, 2 * one, 90, 90) == pytest.approx([90.0])
    assert purchase_formula(90 * one, one, 2 * one, 90, 90.0) == pytest.approx([90.0])


def test_the_formulas_are_on_the_leaderboard():
    assert set(FORMULAS) < set(BASELINES)


def test_margin_said_and_came_by_how_likely_customers_were_to_leave():
    predictions = pd.DataFrame(
        {
            "actual_spend": [100.0, 50.0, 0.0, 10.0],
            "p": [0.1, 0.4, 0.9, 0.9],
            "ours": [110.0, 40.0, 5.0, 5.0],
            "rule": [100.0, 50.0, 100.0, 100.0],
        }
    )
    models = [
        ModelColumns("ours", "ours", "p"),
        ModelColumns("rule", "rule"),
        ModelColumns("risk", None, "p"),
    ]
    found = margin_table(predictions, models, 0.5).set_index(["model", "group"])
    assert set(found.index.get_level_values(0)) == {"ours", "rule"}
    assert found.loc[("ours", "all"), ["said", "came"]].tolist() == [80.0, 80.0]
    assert found.loc[("ours", "all"), "error"] == pytest.approx(0.5 * (10 + 10 + 5 + 5) / 4)
    assert found.loc[("rule", "likely to stay"), "times"] == 1.0
    assert found.loc[("rule", "likely to leave"), "times"] == 20.0
    nothing = margin_table(predictions.assign(actual_spend=0.0), models, 0.5)
    assert nothing["times"].isna().all()
