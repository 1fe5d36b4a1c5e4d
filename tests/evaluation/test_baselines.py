"""The simple rules: on a table worked out by hand, and what holds for every rule on any table."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.evaluation.baselines import BASELINES as RULES

# A regular buyer, a lapsed one, a one-time buyer of yesterday, and one whose refunds exceed the purchases.
TABLE = pd.DataFrame(
    {
        "frequency": [9, 2, 0, 1],
        "recency": [720, 100, 0, 50],
        "T": [730, 600, 1, 300],
        "monetary_value": [50.0, 30.0, np.nan, -20.0],
        "days_since_last_order": [10, 500, 1, 250],
        "spend_sum": [500.0, 90.0, 40.0, -10.0],
        "spend_sum_365d": [365.0, 0.0, 40.0, -10.0],
        "purchase_days": [10, 3, 1, 2],
        "actual_spend": [100.0, 0.0, 20.0, 0.0],
        "purchases": [2, 0, 1, 0],
        "churned": [0, 1, 0, 1],
    }
)
HORIZON = 146
# Half the customers churn per 146 days: of the lifetime, 146 x 0.5 / ln 2 days fall within the horizon.
ACTIVE = 146 * 0.5 / np.log(2)


@pytest.mark.parametrize(
    ("name", "spend", "churn"),
    [
        ("zero", [0, 0, 0, 0], None),
        ("mean", [30, 30, 30, 30], [0.5, 0.5, 0.5, 0.5]),
        ("trailing 365 days", [146, 0, 16, 0], None),
        ("purchase rate (x*t/T)", [9 * 146 / 730 * 50, 2 * 146 / 600 * 30, 0, 0], None),
        ("plain formula", [500 / 730 * ACTIVE, 90 / 600 * ACTIVE, 40 / 146 * ACTIVE, 0], None),
        # Alone in its bin: one customer of its own and 20 average ones.
        ("recency rule", None, [10 / 21, 11 / 21, 10 / 21, 11 / 21]),
        ("RFM cell", [700 / 21, 600 / 21, 620 / 21, 600 / 21], [10 / 21, 11 / 21, 10 / 21, 11 / 21]),
    ],
)
def test_rules_worked_by_hand(name, spend, churn):
    got_spend, got_churn = RULES[name](TABLE, TABLE, HORIZON)
    for got, expected in ((got_spend, spend), (got_churn, churn)):
        if expected is None:
            assert got is None
        else:
            assert got.tolist() == pytest.approx(expected, abs=1e-12)


def test_trailing_spend_of_a_young_log_is_over_its_age():
    test = TABLE.head(1)
    rule = RULES["trailing 365 days"]
    assert rule(TABLE, test, 146, history_days=73)[0].tolist() == [730.0]
    assert rule(TABLE, test, 146, history_days=5000)[0].tolist() == [146.0]
    # Without the age of the log, the oldest customer of both frames stands for it.
    assert rule(TABLE, TABLE.tail(1), 365)[0].tolist() == [0.0]
    assert rule(TABLE.assign(T=1), test.assign(T=73), 146)[0].tolist() == [730.0]


def test_trailing_spend_refuses_a_log_without_age():
    with pytest.raises(ValueError, match=re.escape("history_days must be positive (currently nan)")):
        RULES["trailing 365 days"](TABLE, TABLE, 146, history_days=float("nan"))


def test_plain_formula_at_the_ends_of_churn():
    rule = RULES["plain formula"]
    assert rule(TABLE.assign(churned=1), TABLE, HORIZON)[0].tolist() == [0, 0, 0, 0]
    assert rule(TABLE.assign(churned=0), TABLE.head(1), HORIZON)[0].tolist() == pytest.approx([100.0])


def test_recency_rule_puts_unseen_values_into_the_nearest_bin():
    days = np.arange(1000)
    train = pd.DataFrame({"days_since_last_order": days, "churned": (days >= 500).astype(int)})
    test = pd.DataFrame({"days_since_last_order": [-5, 0, 450, 550, 999, 10_000]})
    churn = RULES["recency rule"](train, test, HORIZON)[1]
    low, high = 10 / 120, 110 / 120
    # The cut of the tenths falls at 499, the last of the customers who stayed.
    assert churn.tolist() == pytest.approx([low, low, low, high, high, high])


def simulate(rng, size):
    purchase_days = rng.geometric(0.5, size)
    age = rng.integers(0, 900, size)
    recency = np.where(purchase_days > 1, (age * rng.random(size)).astype(int), 0)
    total = np.round(rng.normal(60, 60, size), 2)
    churned = rng.integers(0, 2, size)
    return pd.DataFrame(
        {
            "frequency": purchase_days - 1,
            "recency": recency,
            "T": age,
            "monetary_value": np.where(purchase_days > 1, total / purchase_days, np.nan),
            "days_since_last_order": age - recency,
            "spend_sum": total,
            "spend_sum_365d": np.round(total * rng.random(size), 2),
            "purchase_days": purchase_days,
            "actual_spend": np.where(churned, 0.0, np.round(rng.normal(50, 40, size), 2)),
            "purchases": 1 - churned,
            "churned": churned,
        }
    )


@given(seed=st.integers(0, 10**6), trained=st.integers(1, 60), tested=st.integers(0, 40))
@settings(max_examples=60)
def test_every_rule_is_finite_not_negative_and_free_of_row_order(seed, trained, tested):
    rng = np.random.default_rng(seed)
    train, test = simulate(rng, trained), simulate(rng, tested)
    before = train.copy(), test.copy()
    mixed, order = rng.permutation(trained), rng.permutation(tested)
    for name, rule in RULES.items():
        whole = rule(train, test, 90, history_days=900)
        again = rule(train.iloc[mixed], test.iloc[order], 90, history_days=900)
        alone = rule(train, test.head(1), 90, history_days=900)
        assert any(values is not None for values in whole), name
        for values, shuffled, one, most in zip(whole, again, alone, (np.inf, 1.0), strict=True):
            if values is None:
                continue
            assert values.shape == (tested,)
            assert np.isfinite(values).all(), name
            assert ((values >= 0) & (values <= most)).all(), name
            assert (values[order] == shuffled).all(), name
            assert (values[:1] == one).all(), name
    pd.testing.assert_frame_equal(train, before[0])
    pd.testing.assert_frame_equal(test, before[1])


def test_rfm_cell_learns_from_a_large_table():
    rng = np.random.default_rng(0)
    train, test = simulate(rng, 20_000), simulate(rng, 5000)
    for frame in (train, test):
        frame["actual_spend"] = frame["spend_sum"].clip(lower=0) * (frame["days_since_last_order"] < 200)
        frame["churned"] = (frame["days_since_last_order"] >= 200).astype(int)
    spend, churn = RULES["RFM cell"](train, test, 90)
    assert np.corrcoef(spend, test["actual_spend"])[0, 1] > 0.8
    assert np.corrcoef(churn, test["churned"])[0, 1] > 0.8


@pytest.mark.parametrize(
    ("name", "train", "test", "horizon", "message"),
    [
        ("mean", TABLE.drop(columns="churned"), TABLE, 90, "train lacks the columns ['churned']; it has"),
        (
            "trailing 365 days",
            TABLE,
            TABLE[["T"]],
            90,
            "test lacks the columns ['spend_sum_365d']; it has ['T']",
        ),
        ("recency rule", TABLE.drop(columns="days_since_last_order"), TABLE, 90, "train lacks the columns"),
        (
            "zero",
            TABLE.head(0),
            TABLE,
            90,
            "train has no rows: at least one customer is needed to learn from",
        ),
        ("zero", TABLE, TABLE, 0, "horizon_days must be positive (currently 0)"),
        (
            "plain formula",
            TABLE,
            TABLE.assign(spend_sum=np.nan),
            90,
            "spend_sum of test is NaN or infinite for 4 customers; only monetary_value of customers without "
            "a repeat purchase may be missing",
        ),
        (
            "purchase rate (x*t/T)",
            TABLE,
            TABLE.assign(monetary_value=np.nan),
            90,
            "monetary_value of test is NaN or infinite for 3 customers",
        ),
    ],
)
def test_wrong_tables_are_refused(name, train, test, horizon, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RULES[name](train, test, horizon)
