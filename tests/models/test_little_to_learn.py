"""Logs that are short, empty of what trees learn from, or hard: a sane model, or a message."""

import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvml.errors import InputError
from clvml.models.customer_model import CustomerModel, fit_customer_model

from .shops import FIRST, check_sane, config, customer_days, log_of, simulate_log


def fit_and_predict(log, as_of_day, horizon, **settings):
    """Fit as of a day since `FIRST`, check every promise of a prediction, and return both."""
    days, as_of = customer_days(log), FIRST + timedelta(days=as_of_day)
    model = fit_customer_model(days, as_of, config(horizon, max_cutoffs=3, **settings))
    predicted = model.predict(days.features(as_of, horizon), as_of)
    check_sane(predicted)
    return model, predicted


def test_a_short_log_is_carried_on_from_a_shorter_horizon(tmp_path):
    log = simulate_log(1500, 400, seed=8)
    short, carried = fit_and_predict(
        log[log["order_day"] < pd.Timestamp(FIRST + timedelta(days=200))], 200, 180
    )
    assert short.trees.horizon_days == 100
    assert short.notes[0] == (
        "200 days of history are too short to train on 180-day windows: trained on 100 days, and carried on from"
        " there as the purchase model (BTYD) expects"
    )
    shorter = short.trees.p_churn(
        short.frame(customer_days(log).features(short.as_of, 180), short.as_of, 100)
    )
    assert (carried["p_churn"] < shorter).all()
    # What then happened in those 180 days.
    test = customer_days(log).snapshots([short.as_of], 180)
    assert carried["p_churn"].mean() == pytest.approx(test["churned"].mean(), abs=0.05)
    assert carried["expected_spend"].sum() == pytest.approx(test["actual_spend"].sum(), rel=0.25)
    short.save(tmp_path)
    again = CustomerModel.load(tmp_path)
    features = customer_days(log).features(short.as_of, 180)
    pd.testing.assert_frame_equal(
        again.predict(features, short.as_of), short.predict(features, short.as_of), check_exact=True
    )


@pytest.mark.parametrize("horizon", [180, 1000])
def test_who_only_sent_back_is_predicted_as_the_average_of_one_time_buyers_also_in_a_short_log(horizon):
    """The odds of 100 days to the power of ten said that each of them buys, and ten times the spend."""
    log = simulate_log(1500, 200, seed=8)
    log = log[log["order_day"] < pd.Timestamp(FIRST + timedelta(days=200))]
    days, as_of = customer_days(pd.concat([log, log_of(["back"], [50], [-9.0])])), FIRST + timedelta(days=200)
    model = fit_customer_model(days, as_of, config(horizon, max_cutoffs=3))
    assert model.trees.horizon_days == 100
    features = days.features(as_of, horizon)
    predicted = model.predict(features, as_of).set_axis(features["customer_id"])
    once = predicted[(features["purchase_days"] == 1).to_numpy()]
    back = predicted.loc["back"]
    assert back["p_churn"] == pytest.approx(once["p_churn"].mean(), abs=0.2)
    assert back["expected_spend"] == pytest.approx(once["expected_spend"].mean(), rel=0.6)


def test_btyd_predicts_alone_where_nothing_can_be_trained(tmp_path):
    log = simulate_log(400, 27, seed=3, joined=lambda uniform: 27 * uniform)
    model, predicted = fit_and_predict(log, 27, 90)
    assert model.notes == (
        "27 days of history are too short to train on: the purchase model (BTYD) predicts alone, and the intervals"
        " are a rule of thumb",
    )
    assert not model.trees.predictors
    model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    again = CustomerModel.load(tmp_path)
    features = customer_days(log).features(model.as_of, 90)
    pd.testing.assert_frame_equal(again.predict(features, model.as_of), predicted, check_exact=True)


@pytest.mark.parametrize("seed", range(4))
def test_the_few_who_buy_again_are_never_thinned_out(seed):
    once = log_of([f"c{i:04}" for i in range(3000)], np.arange(3000) % 150, np.ones(3000))
    again = log_of(["c0001", "c0002"], [190, 185], [5.0, 7.0])
    log = pd.concat([once, again], ignore_index=True)
    days, as_of = customer_days(log), FIRST + timedelta(days=200)
    settings = config(30, max_cutoffs=3, max_rows=1000).model_copy(update={"seed": seed})
    model = fit_customer_model(days, as_of, settings)
    check_sane(model.predict(days.features(as_of, 30), as_of))


def test_windows_without_buyers_leave_it_to_btyd():
    log = pd.concat([log_of(["a"], [0], [-1.0]), log_of(list("bcd"), [180, 185, 190], np.ones(3))])
    model, _ = fit_and_predict(log, 200, 30)
    assert model.notes[0].startswith("the training windows hold 0 customer(s): the purchase model")
    once = log_of([f"c{i}" for i in range(30)], range(30), np.ones(30))
    model, predicted = fit_and_predict(once, 200, 30)
    assert "30 customer(s), none of whom bought again: the purchase model (BTYD) predicts" in model.notes[0]
    assert (predicted["p_churn"] > 0.9).all()


def test_where_everybody_buys_churn_is_left_to_btyd(tmp_path):
    daily = log_of(np.repeat(["a", "b", "c"], 200), np.tile(range(200), 3), np.ones(600))
    model, predicted = fit_and_predict(daily, 200, 30)
    assert (
        "the training windows show no churn to learn from: the purchase model (BTYD) predicts it"
        in model.notes
    )
    assert (predicted["p_churn"] < 0.1).all()
    assert predicted["expected_spend"].sum() == pytest.approx(90, rel=0.1)
    model.save(tmp_path)
    assert not (tmp_path / "churn.json").exists()
    assert CustomerModel.load(tmp_path).trees.churn.trees is None


def test_one_customer_is_forecast_and_nobody_is_refused():
    model, predicted = fit_and_predict(log_of(["a"] * 5, [0, 20, 45, 110, 190], np.ones(5)), 200, 30)
    assert predicted["p_churn"].between(0, 1).all()
    assert any("purchase model (BTYD)" in note for note in model.notes)
    with pytest.raises(InputError, match="before 2022-07-20"):
        fit_and_predict(log_of(["a"], [0], -np.ones(1)), 200, 30)


def shop(seed, customers=40, days=200):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(customers), rng.poisson(4, customers) + 1)
    return log_of(
        np.char.add("c", who.astype(str)), rng.integers(0, days, len(who)), rng.gamma(2, 20, len(who)) + 1
    )


def refund(log, factor):
    return log.assign(amount=-factor * log["amount"], order_day=log["order_day"] + pd.Timedelta(days=1))


def outlier(log):
    log = log.copy()
    log.loc[len(log) // 2, "amount"] = 1e9
    return log


HARD = {
    "equal amounts": lambda log: log.assign(amount=10.0),
    "one-time buyers": lambda log: log.drop_duplicates("customer_id"),
    "zero amounts": lambda log: log.assign(amount=0.0),
    "mostly free": lambda log: log.assign(amount=log["amount"].where(log.index % 5 == 0, 0.0)),
    "outlier": outlier,
    "huge refund": lambda log: pd.concat([log, refund(outlier(log), 1.0)], ignore_index=True),
    "refunds exceed purchases": lambda log: pd.concat([log, refund(log, 2.0)], ignore_index=True),
    "all refunded": lambda log: pd.concat([log, refund(log, 1.0)], ignore_index=True),
    "refunds alone": lambda log: refund(log, 1.0),
    "half refunds alone": lambda log: log.assign(
        amount=log["amount"].where(log["customer_id"] < "c25", -log["amount"])
    ),
    "constant features": lambda log: log_of(
        np.repeat(log["customer_id"].unique(), 2), [0, 100] * log["customer_id"].nunique(), 10.0
    ),
    "daily": lambda log: log_of(np.repeat(["a", "b", "c"], 200), np.tile(range(200), 3), 9.0),
    "all at the end": lambda log: log.assign(order_day=log["order_day"].max()),
    "all at the start": lambda log: log.assign(order_day=log["order_day"].min()),
    "two customers": lambda log: log[log["customer_id"].isin(["c1", "c2"])],
    "cents": lambda log: log.assign(amount=0.01),
    "trillions": lambda log: log.assign(amount=log["amount"] * 1e12),
}


@pytest.mark.parametrize("kind", HARD)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1000), horizon=st.sampled_from([20, 60]))
def test_hard_data_end_in_a_sane_model_or_a_message(kind, seed, horizon):
    days = customer_days(HARD[kind](shop(seed)))
    end = FIRST + timedelta(days=200)
    try:
        model = fit_customer_model(days, end, config(horizon, max_cutoffs=2, n_estimators=8))
    except InputError as error:
        assert re.search(r"; (use|give|set|choose) ", str(error))
    else:
        check_sane(model.predict(days.features(end, horizon), end))
