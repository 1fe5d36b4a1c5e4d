"""What winning customers cost and brings, by source and month: by hand, and what is said of gaps."""

import numpy as np
import pandas as pd
import pytest
from tests.decide.conftest import scored

from clvml.config import ValueConfig
from clvml.customers.subscription_snapshots import MONTH_DAYS
from clvml.decide.acquisition import _figures, acquisition, read_acquired, read_spend
from clvml.errors import InputError
from clvml.scores.totals import LOSS_SPREAD, REACH


@pytest.fixture
def shop(tmp_path):
    """Return scores of eight customers, worth 60 each to come and 40 so far, and a function that writes a file."""
    scores = scored(8).assign(
        customer_id=[f"c{k}" for k in range(8)],
        as_of="2024-05-01",
        clv=60.0,
        historic_spend=100.0,
        p_churn=0.0,
        expected_spend=100.0,
        expected_spend_low=100.0,
        expected_spend_high=100.0,
        **{f"expected_spend_{days}d": float(days) for days in (30, 90, 180, 365)},
    )

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return scores, write


ACQUIRED = "customer_id,acquisition_source,acquisition_date\n" + "".join(
    f"c{k},{source},{day}\n"
    for k, (source, day) in enumerate(
        [("ads", "2024-01-05")] * 4
        + [("ads", "2024-03-31")]
        + [("fair", "2024-02-10")] * 2
        + [("", "2024-02-10")]
    )
)
SPEND = "month;channel;cost\n2024-01;ads;200,00\n2024-02;fair;500,50\n2024-03;ads;100,00\n"


def test_cost_value_and_payback_by_hand(shop):
    scores, write = shop
    found = acquisition(
        scores, read_acquired(write("a.csv", ACQUIRED)), read_spend(write("s.csv", SPEND)), np.full(8, 0.4)
    )
    ads = found.by_source.loc["ads"]
    # 300 for five customers, each of whom brought 40 % of 100 and is to bring 60.
    assert ads[["customers", "spend", "cost_each", "earned_each", "to_come_each"]].tolist() == [
        5,
        300,
        60,
        40,
        60,
    ]
    assert ads["value_to_cost"] == pytest.approx(500 / 300, abs=0.01)
    assert ads["ratio_low"] < ads["value_to_cost"] < ads["ratio_high"]
    assert ads["cost_low"] < 60 < ads["cost_high"]
    assert ads["highest_cost"] == 100
    # Seen for four months (four customers) and two (one): 3.6. Of 60, 40 are earned; 20 more take 50 of 365 days.
    assert ads["months_seen"] == 3.6
    assert ads["payback_months"] == pytest.approx(3.6 + 50 / (365 / 12), abs=0.06)
    fair = found.by_source.loc["fair"]
    assert (fair["customers"], fair["cost_each"]) == (2, 250.25)
    assert np.isnan(fair["payback_months"])
    assert found.by_source.loc["all", "customers"] == 7
    assert found.by_source.loc["all", "spend"] == 800.5
    assert found.by_month.loc[("ads", "2024-01"), "cost_each"] == 50
    assert found.by_month.loc[("ads", "2024-03"), "customers"] == 1
    assert found.notes == [
        "1 of 8 scored customers have no acquisition source or date: left out",
        "the spend table has a gap of 1 month(s) of 'ads', such as 2024-02",
    ]


def test_what_is_paid_back_took_a_share_of_the_months_seen(shop):
    scores, write = shop
    spend = write("s.csv", "date,source,spend\n2024-01-01,ads,40\n2024-01-20,ads,40\n")
    found = acquisition(scores, read_acquired(write("a.csv", ACQUIRED)), read_spend(spend), np.full(8, 0.4))
    # 20 each, of 40 that came in four months.
    assert found.by_source.loc["ads", "payback_months"] == 2.0
    assert "3 customers were won in months for which the spend table has nothing" in " ".join(found.notes)


def test_money_that_won_nobody_counts_for_its_source(shop):
    scores, write = shop
    spend = read_spend(write("s.csv", SPEND + "2024-04;ads;50,00\n"))
    found = acquisition(scores, read_acquired(write("a.csv", ACQUIRED)), spend, np.full(8, 0.4))
    assert found.by_source.loc["ads", "cost_each"] == 70
    assert np.isnan(found.by_month.loc[("ads", "2024-04"), "cost_each"])


def test_the_interval_of_the_cost_holds_the_truth_in_four_of_five():
    won = np.random.default_rng(0).poisson(30, 2_000)
    sums = pd.DataFrame(
        {
            "customers": won,
            "spend": 3_000.0,
            "earned": 0.0,
            "clv": 0.0,
            "squares": 0.0,
            "level": 0.0,
            "age": 0.0,
        }
    )
    table = _figures(sums.assign(**{f"margin_{days}d": 0.0 for days in (30, 90, 180, 365)}))
    held = ((table["cost_low"] <= 100) & (table["cost_high"] >= 100)).mean()
    assert 0.77 < held < 0.85


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("month,source\n2024-01,ads\n", "has no column for the spend (spend or cost or amount)"),
        ("month,source,spend,cost\n2024-01,ads,1,2\n", "has several columns for the spend"),
        ("month,source,spend\n2024-01,ads,much\n", "holds what is not money"),
        ("month,source,spend\n2024-01,ads,-5\n", "holds what is not money"),
        ("month,source,spend\n2024-01,,5\n", "1 rows have no source"),
        ("month,source,spend\nsoon,ads,5\n", "soon"),
    ],
)
def test_a_spend_table_at_fault_is_one_message(shop, text, said):
    _, write = shop
    with pytest.raises(InputError) as error:
        read_spend(write("s.csv", text))
    assert said in str(error.value)


def test_customers_twice_or_from_nowhere(shop):
    scores, write = shop
    with pytest.raises(InputError, match="names customer 'c1' twice"):
        read_acquired(write("a.csv", ACQUIRED + "c1,ads,2024-01-01\n"))
    other = read_spend(write("s.csv", "month,source,spend\n2024-01,radio,5\n"))
    with pytest.raises(InputError, match="no scored customer was won from a source"):
        acquisition(scores, read_acquired(write("a.csv", ACQUIRED)), other, np.full(8, 0.4))


def test_of_subscribers_only_what_is_lost_is_uncertain(shop):
    scores, write = shop
    value = ValueConfig(margin=0.5, discount_rate=0.0, horizon_days=365)
    subscribers = scores.assign(plan="basic", monthly_price=10.0, tenure_days=100)
    subscribers = subscribers.assign(clv=0.9 * 0.5 * 10.0 / MONTH_DAYS * 365)
    files = read_acquired(write("a.csv", ACQUIRED)), read_spend(write("s.csv", SPEND))
    margin = np.full(8, 0.5)
    found, plain = (
        acquisition(table, *files, margin, value).by_source.loc["ads"]
        for table in (subscribers, subscribers.drop(columns="tenure_days"))
    )
    total, lost = 5 * (50.0 + subscribers["clv"].iloc[0]), 5 * subscribers["clv"].iloc[0] / 9.0
    by_chance = 5 * (total / 5) ** 2 + lost * (subscribers["clv"].iloc[0])
    reach = REACH * np.sqrt(by_chance + (LOSS_SPREAD * lost) ** 2) / 300
    assert found["ratio_high"] - found["value_to_cost"] == pytest.approx(reach, abs=0.011)
    assert found["value_to_cost"] == plain["value_to_cost"]
    assert plain["ratio_high"] - plain["value_to_cost"] > reach + 0.02
