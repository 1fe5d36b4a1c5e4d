"""Worth: by hand, by group, beside plain formulas, and between two scorings."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from tests.decide.conftest import scored

from clvml.config import ValueConfig
from clvml.customers.subscription_snapshots import MONTH_DAYS
from clvml.decide.formulas import formula_values
from clvml.decide.worth import ALL, payback_months, present_value, worth
from clvml.errors import InputError
from clvml.models.intervals import SpendIntervals
from clvml.scores.totals import spend_variance, total_interval

FOUR = scored(
    customer_id=list("abcd"),
    p_churn=[0.2, 0.2, 0.5, 0.5],
    clv=[60.0, 30.0, 9.0, 1.0],
    expected_spend=[100.0, 50.0, 15.0, 5.0],
    expected_spend_30d=[20.0, 10.0, 3.0, 1.0],
    expected_spend_90d=[60.0, 30.0, 9.0, 3.0],
    expected_spend_180d=[100.0, 50.0, 15.0, 5.0],
    expected_spend_365d=[200.0, 100.0, 30.0, 10.0],
    historic_spend=[300.0, 100.0, 50.0, 10.0],
    segment=["VIP", "VIP", "lost", None],
    value_tier=["platinum", "gold", "silver", "bronze"],
)


def test_a_hundred_a_year_worked_by_hand():
    assert present_value(100, 0.8, 0.1, years=3) == pytest.approx(205.1089, abs=1e-4)
    assert present_value(100, 0.8, 0.1) == pytest.approx(333.3333, abs=1e-4)
    assert present_value(100, 0.8, 0.1, years=500) == pytest.approx(present_value(100, 0.8, 0.1))
    assert present_value(100, 1.0, 0.0) == math.inf


def test_months_to_pay_back_worked_by_hand():
    assert payback_months(120, 20) == 6
    assert payback_months(120, 20, leaving=0.05) == 7
    # Twenty a month from whom 5 % leave is 400 at most.
    assert payback_months(400, 20, leaving=0.05) is None
    assert payback_months(0, 20) == 0
    assert payback_months(120, 0) is None


@pytest.mark.parametrize("leaving", [0.0, 0.01, 0.3])
def test_months_to_pay_back_are_those_of_a_loop(leaving):
    for cost in (1, 19.9, 20, 55, 200):
        earned, month = 0.0, 0
        while earned < cost - 1e-9 and month < 10_000:
            earned += 20 * (1 - leaving) ** month
            month += 1
        assert payback_months(cost, 20, leaving) == (month if month < 10_000 else None)


def test_groups_come_to_the_whole():
    table = worth(FOUR).groups["segment"]
    assert table.index.tolist() == ["VIP", "lost", "(none)", ALL]
    assert table["clv"].tolist() == [90.0, 9.0, 1.0, 100.0]
    assert table["clv_share"].tolist() == [0.9, 0.09, 0.01, 1.0]
    assert table["clv_each"].tolist() == [45.0, 9.0, 1.0, 25.0]
    # What VIPs have brought (.3 x 400) and will bring (90), for each of the two.
    assert table.loc["VIP", "highest_acquisition_cost"] == 105.0
    assert (table["clv_low"] <= table["clv"]).all()
    assert (table["clv_high"] >= table["clv"]).all()


def test_numbers_with_many_values_are_grouped_into_fifths():
    scores = scored(100, seed=4).assign(
        age=[20 + n // 2 for n in range(100)], plan=[n % 2 for n in range(100)]
    )
    groups = worth(scores, ("age", "plan")).groups
    bands = ["20 to 29", "30 to 39", "40 to 49", "50 to 59", "60 to 69"]
    assert sorted(groups["age"].index) == [*bands, ALL]
    assert set(groups["age"]["customers"]) == {20, 100}
    assert sorted(groups["plan"].index) == ["0", "1", ALL]


def test_a_group_that_is_called_all_is_told_from_all():
    groups = worth(FOUR.assign(channel=["all", "web", "web", "web"]), ("channel",)).groups["channel"]
    assert groups["clv"].to_dict() == {"'all'": 60.0, "web": 40.0, ALL: 100.0}


def test_a_group_of_many_is_surer_than_one_of_few_but_not_sure():
    shares = []
    for count in (4, 4_000):
        total = worth(scored(count, seed=2)).groups["segment"].loc[ALL]
        shares.append((total["clv_high"] - total["clv_low"]) / total["clv"])
    assert shares[0] > shares[1] > 0.5


def test_totals_have_the_intervals_that_scoring_gives_them():
    scores = scored(5_000, seed=3)
    intervals = SpendIntervals.assumed()
    low, high = intervals.interval(scores["expected_spend"], scores["p_churn"])
    scores = scores.assign(expected_spend_low=low, expected_spend_high=high)
    intervals = SpendIntervals(0.8, intervals.expected, intervals.ratios, intervals.variances)
    total = scores["expected_spend"].sum()
    expected = intervals.total_interval(
        total, intervals.variance(scores["expected_spend"], scores["p_churn"]).sum()
    )
    found = total_interval(np.array([total]), np.array([spend_variance(scores).sum()]))
    assert (found[0][0], found[1][0]) == pytest.approx(expected, rel=0.01)


def test_concentration():
    table = worth(FOUR).concentration
    assert table["top"].tolist() == [0.01, 0.05, 0.10, 0.20]
    assert table["customers"].tolist() == [1, 1, 1, 1]
    assert table["clv_share"].tolist() == [0.6] * 4


def test_costs_by_a_column_change_margin_service_and_payback():
    costs = pd.DataFrame(
        {
            "segment": ["VIP", "lost"],
            "margin": ["0.6", None],
            "service_cost": ["5", "2"],
            "acquisition_cost": ["250", "16.5"],
        }
    )
    found = worth(FOUR, ("segment",), ValueConfig(retention_cost=10.0), costs)
    table = found.groups["segment"]
    # Twice the margin on what comes before the retention cost of 10: 2 (60 + 10) - 10 - 5, and 2 (30 + 10) - 10 - 5.
    assert table.loc["VIP", "clv"] == 190.0
    assert table.loc["lost", "clv"] == 7.0
    # VIPs have earned .6 x 200 each; 130 are open; 90 come within a year.
    assert np.isnan(table.loc["VIP", "payback_months"])
    # The lost one has earned 15; of 1.5 that are open .9 come within 30 days and 2.7 within 90.
    assert table.loc["lost", "payback_months"] == pytest.approx((30 + 60 / 3) * 12 / 365, abs=0.05)
    assert "1 customers have a segment of which no cost is given" in found.notes[0]


def test_costs_for_everybody_and_for_each_customer():
    everybody = pd.DataFrame({"acquisition_cost": [90.0]})
    assert (
        worth(FOUR, ("segment",), None, everybody).groups["segment"]["acquisition_cost"].tolist()
        == [90.0] * 4
    )
    each = pd.DataFrame({"customer_id": list("dcba"), "acquisition_cost": [1, 2, 3, 4]})
    table = worth(FOUR, ("segment",), None, each).groups["segment"]
    assert table["acquisition_cost"].tolist() == [3.5, 2.0, 1.0, 2.5]


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ({"segment": ["VIP"], "x": [1]}, "costs have the columns segment, x; give one column of the scores"),
        ({"segment": ["VIP"], "margin": ["30 %"]}, "margin is '30 %' in 1 rows"),
        ({"segment": ["VIP"], "margin": [30]}, "margin is '30' in 1 rows; give a share of the spend"),
        (
            {"segment": ["VIP"], "acquisition_cost": [-1]},
            "acquisition_cost is '-1' in 1 rows; give 0 or more",
        ),
        (
            {"segmant": ["VIP"], "margin": [0.3]},
            "costs: the scores have no column 'segmant' (did you mean 'segment'?)",
        ),
        ({"segment": ["VIP", "VIP"], "margin": [0.3, 0.3]}, "costs hold segment 'VIP' twice"),
        ({"segment": ["vip"], "margin": [0.3]}, "none of their segment is in the scores, such as 'vip'"),
        ({"margin": [0.3, 0.4]}, "give one row of them"),
    ],
)
def test_costs_at_fault_are_refused(costs, said):
    with pytest.raises(InputError, match=re.escape(said)):
        worth(FOUR, costs=pd.DataFrame(costs))


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=re.escape("group by: the scores have no column 'land'")):
        worth(FOUR, by=("land",))


def test_plain_formulas_worked_by_hand():
    """Half leave in 180 days, so that of 365 days the average customer is there for 196.0; 73 a year spent so far."""
    history = pd.DataFrame(
        {"purchase_days": [4.0], "T": [730.0], "spend_sum": [146.0], "spend_sum_365d": [36.5]}
    )
    kept = 180 / math.log(2) * (1 - 0.5 ** (365 / 180))
    values = formula_values(history, np.array([0.5]), 180, 365, np.array([0.3]))
    assert kept == pytest.approx(196.0, abs=0.1)
    assert values.iloc[0].tolist() == pytest.approx([0.3 * 0.2 * kept, 0.3 * 73.0, 0.3 * 0.1 * kept])


def test_plain_formulas_stand_beside_the_value_with_whom_they_mislead():
    history = FOUR.assign(
        purchase_days=[3, 2, 1, 1],
        T=[400, 400, 400, 0],
        spend_sum=[300.0, 100.0, 50.0, 10.0],
        spend_sum_365d=[100.0, 100.0, 0.0, 10.0],
    )
    table = worth(history).formulas.set_index("formula")
    monthly = table.loc["monthly value x months"]
    assert monthly["total"] == pytest.approx(0.3 * (450 / 400 + 10 / 180) * 365, abs=0.01)
    assert monthly["ratio"] == pytest.approx(monthly["total"] / 100, abs=1e-3)
    assert (monthly["underrates"], monthly["overrates"]) == ("VIP", "(none)")
    assert worth(FOUR).formulas.empty


def test_movement_between_two_scorings():
    before = FOUR.assign(as_of="2024-01-01", clv=[10.0, 40.0, 9.0, 2.0])
    before = before.assign(value_tier=["bronze", "platinum", "silver", "bronze"], customer_id=list("abce"))
    moved = worth(FOUR, before=before).movement.set_index("move")
    assert moved["customers"].to_dict() == {"rose": 1, "stayed": 1, "fell": 1, "new": 1, "gone": 1}
    assert moved["change"].to_dict() == {"rose": 50.0, "stayed": 0.0, "fell": -10.0, "new": 1.0, "gone": -2.0}
    assert moved["clv_now"].sum() == 100.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"as_of": "2024-09-01"}, "give the older file with --before"),
        ({"as_of": "2024-01-01", "customer_id": ["x1", "x2", "x3", "x4"]}, "no customer is in both scorings"),
    ],
)
def test_scorings_that_cannot_be_held_against_each_other_are_refused(change, said):
    with pytest.raises(InputError, match=re.escape(said)):
        worth(FOUR, before=FOUR.assign(**change))


def test_scores_of_another_model_are_said():
    found = worth(FOUR, before=FOUR.assign(as_of="2024-01-01", model_version="2"))
    assert found.notes == ["the two scorings are of different models: a part of the movement is the model's"]


def test_worth_shows_itself():
    found = worth(FOUR)
    assert repr(found).startswith("<Worth of 4 customers: 100.00 (")
    assert "<table" in found._repr_html_()


def test_customers_worth_less_than_nothing():
    table = worth(FOUR.assign(clv=[-1.0, -2.0, 3.0, -4.0])).groups["segment"]
    assert table.loc[ALL, "clv"] == -4.0
    assert (table["clv_low"] <= table["clv"]).all()
    assert (table["clv_high"] >= table["clv"]).all()
    assert table["clv_share"].isna().all()


def test_of_subscribers_only_what_is_lost_is_uncertain():
    large = np.arange(400) % 2 == 0
    price = np.where(large, 50.0, 10.0)
    value = ValueConfig(margin=0.5, discount_rate=0.0, horizon_days=365, retention_cost=1.0)
    full = 0.5 * price / MONTH_DAYS * 365
    scores = pd.concat([FOUR] * 100, ignore_index=True).assign(
        plan=np.where(large, "large", "small"),
        monthly_price=price,
        tenure_days=100,
        clv=0.9 * full - 1.0,
    )
    table = worth(scores, ("plan",), value).groups["plan"]
    assert table.index.tolist() == ["large", "small", "all"]
    lost = 0.1 * np.array([full[large].sum(), full[~large].sum(), full.sum()])
    # A tenth of what is lost, 1.28 times, and what each does by chance: a little more than that.
    for end, sign in (("clv_low", -1), ("clv_high", 1)):
        reach = sign * (table[end] - table["clv"])
        assert (reach.between(0.1 * lost, 0.5 * lost)).all()
    assert (table["clv_high"] <= table["clv"] + lost + 0.01).all()
    # In all, relatively less by chance.
    width = (table["clv_high"] - table["clv_low"]) / lost
    assert width["all"] < width["large"]
