"""The churn of subscribers, on contracts that end at known rates."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.config import SubscriptionConfig
from clvml.customers.subscription_snapshots import (
    known_at,
    subscription_features,
    subscription_labels,
    subscription_revenue,
)
from clvml.errors import InputError
from clvml.models.contract import ContractModel, fit_contract_model
from clvml.models.customer_model import CustomerModel
from clvml.models.survival import survival

FIRST, AS_OF = date(2020, 1, 1), date(2022, 1, 1)
MONTH = 30.4375


def configuration(horizon_days: int = 90, **data: object) -> SubscriptionConfig:
    names = ("customer_id", "start", "end", "plan", "price", "period")
    return SubscriptionConfig.model_validate(
        {
            "mode": "subscription",
            "data": {"source": "subscriptions.csv", "columns": {name: name for name in names}, **data},
            "windows": {"horizon_days": horizon_days},
            "model": {"n_jobs": 1},
        }
    )


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
    told = row[["tenure_days", "current_days", "days_paused", "pauses", "price_ratio", "monthly_price"]]
    assert told.tolist() == [69, 10, 28, 1, 2.0, 10.0]
    assert np.isnan(row["tickets"])
    assert subscription_features(table, date(2021, 4, 11), early=("tickets",)).iloc[0]["tickets"] == 2.0


def subscriptions_of_one(*rows: tuple[str, str | None, str, float]) -> pd.DataFrame:
    """Return monthly subscriptions of customer a from (start, end, plan, price)."""
    table = pd.DataFrame(rows, columns=["start", "end", "plan", "price"]).assign(
        customer_id="a", period_days=MONTH
    )
    for name in ("start", "end"):
        table[name] = pd.to_datetime(table[name]).astype("datetime64[us]")
    return table


def test_subscriptions_that_run_side_by_side_hide_no_pause_and_no_price():
    parallel = subscriptions_of_one(
        ("2021-01-01", "2021-03-01", "a", 10.0),
        ("2021-01-01", "2021-02-20", "b", 5.0),
        ("2021-05-01", None, "a", 10.0),
        ("2021-05-11", None, "b", 5.0),
    )
    row = subscription_features(parallel, date(2021, 7, 1)).iloc[0]
    # 1 March to 1 May; a second contract makes 15 of 10, not 5 of 10.
    assert row[["days_paused", "monthly_price", "price_ratio", "tenure_days"]].tolist() == [
        61,
        15.0,
        1.5,
        181,
    ]
    returned = subscription_features(parallel, date(2021, 5, 10)).iloc[0]
    assert returned[["days_paused", "price_ratio"]].tolist() == [61, 1.0]


def test_one_that_lies_within_another_makes_no_pause():
    nested = subscriptions_of_one(
        ("2021-01-01", None, "a", 10.0),
        ("2021-02-01", "2021-02-10", "b", 5.0),
        ("2021-04-01", None, "b", 5.0),
    )
    row = subscription_features(nested, date(2021, 5, 1)).iloc[0]
    assert row[["pauses", "days_paused", "price_ratio"]].tolist() == [0, 0, 1.5]


def test_a_switch_of_plan_is_no_pause():
    switched = subscriptions_of_one(
        ("2021-01-01", "2021-02-01", "small", 5.0),
        ("2021-02-01", "2021-03-01", "large", 10.0),
        ("2021-04-01", None, "large", 10.0),
    )
    row = subscription_features(switched, date(2021, 5, 1)).iloc[0]
    assert row[["pauses", "days_paused"]].tolist() == [1, 31]


def test_which_is_the_current_of_two_begun_together_does_not_hang_on_their_ends():
    cutoff, first = date(2021, 3, 1), "2021-01-01"
    short_a = subscriptions_of_one((first, "2021-04-01", "a", 10.0), (first, "2021-09-01", "b", 5.0))
    short_b = subscriptions_of_one((first, "2021-04-01", "b", 5.0), (first, "2021-09-01", "a", 10.0))
    pd.testing.assert_frame_equal(
        subscription_features(short_a, cutoff), subscription_features(short_b, cutoff)
    )


def test_a_replacement_within_the_grace_period_does_not_count_a_price_twice():
    table = subscriptions_of_one(("2021-01-01", "2021-04-02", "a", 10.0), ("2021-04-02", None, "b", 12.0))
    churned, price = subscription_labels(table, date(2021, 3, 1), 31, grace_days=7)
    assert (churned["a"], price["a"]) == (0, pytest.approx(10.0))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return simulated()


@pytest.fixture(scope="module")
def model(table) -> ContractModel:
    return fit_contract_model(table, AS_OF, configuration())


def test_a_model_foretells_how_many_leave_of_contracts_it_has_not_seen(table, model):
    features = model.features(table, AS_OF)
    predicted = model.predict(features)
    churned, _ = subscription_labels(table, AS_OF, 90)
    assert predicted["p_churn"].sum() == pytest.approx(churned.sum(), rel=0.1)
    assert (predicted["expected_spend"] <= 10.0 * 90 / MONTH + 1e-9).all()
    assert (predicted["clv"] > 0).all()
    again = fit_contract_model(known_at(table, AS_OF), AS_OF, configuration())
    pd.testing.assert_frame_equal(predicted, again.predict(features))


def test_clv_is_the_margin_of_what_is_still_paid_discounted(model, table):
    features = model.features(table, AS_OF).head(50)
    value = model.config.value.model_copy(update={"retention_cost": 2.0})
    predicted = model.predict(features, value)
    days = np.arange(365)
    paid = np.diff(model.revenue(features, predicted["p_churn"], days + 1), axis=1, prepend=0.0)
    worth = 0.3 * (paid * 1.1 ** (-(days + 0.5) / 365)).sum(axis=1) - 2.0
    np.testing.assert_allclose(predicted["clv"], worth, rtol=1e-3)


def test_the_revenue_of_other_horizons_is_that_of_contracts_it_has_not_seen(model, table):
    features = model.features(table, AS_OF)
    churn = model.predict(features)["p_churn"]
    revenue = model.revenue(features, churn, [30, 90, 180, 365])
    assert (np.diff(revenue, axis=1) >= 0).all()
    for place, days in enumerate((30, 90, 180, 365)):
        earned = subscription_revenue(table[table["customer_id"].isin(features["customer_id"])], AS_OF, days)
        assert revenue[:, place].sum() == pytest.approx(earned.sum(), rel=0.03)
    # Day by day, those who are left at the end of the horizon are those who do not churn.
    survived = survival(model.hazards, features, churn.to_numpy(), 90, 90)
    np.testing.assert_allclose(survived[:, 90], 1 - churn, rtol=1e-6)


def test_a_saved_model_predicts_the_same_to_the_last_bit(tmp_path):
    table = simulated(3000).assign(early_tickets=1.0)
    config = configuration(grace_days=5, early=["tickets"], early_days=10)
    fitted = fit_contract_model(table, AS_OF, config)
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["churn.json", "model.json"]
    loaded = ContractModel.load(tmp_path)
    assert (loaded.config, loaded.as_of, loaded.plans) == (config, AS_OF, fitted.plans)
    assert list(loaded.hazards) == list(fitted.hazards)
    assert len(loaded.plans) == 2
    features = loaded.features(table, AS_OF)
    pd.testing.assert_frame_equal(loaded.predict(features), fitted.predict(features))


def test_a_changed_or_foreign_model_is_refused(tmp_path, model):
    model.save(tmp_path)
    with pytest.raises(InputError, match="is not of mode: purchase, which is needed here"):
        CustomerModel.load(tmp_path)
    described = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(described.replace('"as_of": "2022-01-01"', '"as_of": "2022-01-02"'))
    with pytest.raises(InputError, match=r"model\.json' was changed since the training wrote it"):
        ContractModel.load(tmp_path)
    (tmp_path / "model.json").write_text(described)
    trees = (tmp_path / "churn.json").read_text()
    (tmp_path / "churn.json").write_text(trees.replace("0", "1", 1))
    with pytest.raises(InputError, match=r"churn\.json' was changed since the training wrote it"):
        ContractModel.load(tmp_path)


def test_a_date_on_which_nobody_is_subscribed_is_refused(model, table):
    with pytest.raises(InputError, match="nobody is subscribed on 2019-01-01"):
        model.features(table, date(2019, 1, 1))


def test_without_a_window_that_has_ended_the_survival_of_the_plans_predicts_alone(tmp_path):
    table = simulated()
    early = date(2020, 4, 20)
    fitted = fit_contract_model(table, early, configuration())
    assert fitted.trees is None
    assert fitted.notes == (
        "no window of 90 days before 2020-04-20 has customers who left and others who stayed: the survival of the plans"
        " predicts alone",
    )
    fitted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    features = fitted.features(table, early)
    predicted = ContractModel.load(tmp_path).predict(features)
    pd.testing.assert_frame_equal(predicted, fitted.predict(features))
    # Three renewals lie in the window; one in ten leaves at the first, and fewer at each later one.
    churned, _ = subscription_labels(table, early, 90)
    assert predicted["p_churn"].sum() == pytest.approx(churned.sum(), rel=0.2)


def test_a_table_of_too_few_or_of_none_that_ended_is_refused():
    with pytest.raises(
        InputError, match=r"60 subscriptions began before 2022-01-01, .* at least 100 are needed"
    ):
        fit_contract_model(simulated(60).assign(start=pd.Timestamp(FIRST)), AS_OF, configuration())
    with pytest.raises(InputError, match="0 of which have ended"):
        fit_contract_model(simulated(200).assign(end=pd.NaT), AS_OF, configuration())
