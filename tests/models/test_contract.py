"""The churn of subscribers, on contracts that end at known rates."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.customers.subscription_snapshots import (
    known_at,
    subscription_features,
    subscription_labels,
)
from clvml.errors import InputError
from clvml.models.contract import ShiftedBetaGeometric, fit_contract_model

FIRST, AS_OF = date(2020, 1, 1), date(2022, 1, 1)
MONTH = 30.4375


def simulated(customers: int = 4000, a: float = 1.0, b: float = 9.0, seed: int = 0) -> pd.DataFrame:
    """Return monthly subscriptions whose customers leave at each renewal with a rate from Beta(a, b)."""
    chance = np.random.default_rng(seed)
    start = pd.Timestamp(FIRST) + pd.to_timedelta(chance.integers(0, 900, customers), unit="D")
    rate = chance.beta(a, b, customers)
    months = chance.geometric(rate)
    end = start + pd.to_timedelta(np.floor(np.minimum(months, 200) * MONTH), unit="D")
    table = pd.DataFrame(
        {
            "customer_id": [f"c{number:05}" for number in range(customers)],
            "start": start.astype("datetime64[us]"),
            "end": end.astype("datetime64[us]"),
            "plan": chance.choice(["basic", "pro"], customers),
            "price": 10.0,
            "period_days": MONTH,
        }
    )
    return table.sort_values(["customer_id", "start"], ignore_index=True)


def test_sbg_recovers_the_rates_of_contracts_of_which_most_still_run():
    chance = np.random.default_rng(1)
    ends = chance.geometric(chance.beta(1.5, 10.0, 40_000)) - 1
    seen = chance.integers(1, 13, len(ends))
    curve = ShiftedBetaGeometric.fit(np.minimum(ends, seen), ends < seen)
    assert curve.a / (curve.a + curve.b) == pytest.approx(1.5 / 11.5, rel=0.03)
    truth = ShiftedBetaGeometric(1.5, 10.0)
    for age in (0, 3, 8):
        assert curve.p_end(age, 1) == pytest.approx(truth.p_end(age, 1), rel=0.05)


def test_sbg_is_the_published_recursion():
    """Fader & Hardie (2007), equation 7: the retention rate of period t is (b + t - 1) / (a + b + t - 1)."""
    curve = ShiftedBetaGeometric(0.668, 3.806)
    for t in (1, 2, 7):
        assert 1 - curve.p_end(t - 1, 1) == pytest.approx((3.806 + t - 1) / (0.668 + 3.806 + t - 1))


def test_nothing_at_or_after_the_cutoff_changes_a_feature():
    table = simulated(500)
    cutoff = date(2021, 6, 1)
    later = table.copy()
    after = later["end"] >= pd.Timestamp(cutoff)
    later.loc[after, "end"] = pd.NaT
    later = later[later["start"] < pd.Timestamp(cutoff)]
    pd.testing.assert_frame_equal(
        subscription_features(table, cutoff), subscription_features(later, cutoff), check_like=False
    )


def test_who_returns_within_the_grace_period_has_not_churned():
    days = pd.to_datetime(["2021-01-01", "2021-04-05", "2021-01-01"]).astype("datetime64[us]")
    ends = pd.to_datetime(["2021-03-20", None, "2021-03-20"]).astype("datetime64[us]")
    table = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b"],
            "start": days,
            "end": ends,
            "plan": "p",
            "price": 3.0,
            "period_days": MONTH,
        }
    )
    cutoff = date(2021, 3, 1)
    strict, _ = subscription_labels(table, cutoff, 30)
    lenient, price = subscription_labels(table, cutoff, 30, grace_days=7)
    assert strict.to_dict() == {"a": 1, "b": 1}
    assert lenient.to_dict() == {"a": 0, "b": 1}
    assert price.to_dict() == {"a": pytest.approx(3.0), "b": 0.0}


def test_features_of_a_customer_worked_out_by_hand():
    table = pd.DataFrame(
        {
            "customer_id": ["a", "a"],
            "start": pd.to_datetime(["2021-01-01", "2021-03-01"]).astype("datetime64[us]"),
            "end": pd.to_datetime(["2021-02-01", "2022-01-01"]).astype("datetime64[us]"),
            "plan": ["small", "large"],
            "price": [5.0, 10.0],
            "period_days": [MONTH, MONTH],
            "tickets": [1.0, 2.0],
        }
    )
    row = subscription_features(table, date(2021, 3, 11), early=("tickets",)).iloc[0]
    assert row["plan"] == "large"
    told = row[["tenure_days", "current_days", "days_paused", "ended_before", "price_ratio", "monthly_price"]]
    assert told.tolist() == [69, 10, 28, 1, 2.0, 10.0]
    assert np.isnan(row["tickets"])
    assert subscription_features(table, date(2021, 4, 11), early=("tickets",)).iloc[0]["tickets"] == 2.0


def test_a_model_foretells_how_many_leave_of_contracts_it_has_not_seen():
    table = simulated()
    model = fit_contract_model(table, AS_OF, 90, threads=1)
    predicted = model.predict(known_at(table, AS_OF), AS_OF).set_index("customer_id")
    churned, _ = subscription_labels(table, AS_OF, 90)
    assert predicted["p_churn"].sum() == pytest.approx(churned.sum(), rel=0.1)
    assert (predicted["expected_spend"] <= 10.0 * 90 / MONTH + 1e-9).all()
    assert (predicted["clv"] > 0).all()
    again = fit_contract_model(known_at(table, AS_OF), AS_OF, 90, threads=1).predict(table, AS_OF)
    pd.testing.assert_frame_equal(predicted.reset_index(), again)


def test_a_table_too_short_for_the_horizon_is_refused():
    with pytest.raises(InputError, match="no window of 900 days before 2022-01-01"):
        fit_contract_model(simulated(200), AS_OF, 900)
