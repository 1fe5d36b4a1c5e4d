"""Regular buyers: clockwork whose truth is known, and customers who buy by chance."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.config import parse_config
from clvml.models.customer_model import fit_customer_model
from clvml.models.outlook import spend_by_days
from clvml.models.prior import Prior, fit_prior
from clvml.models.rhythm import SHAPES, Due, Rhythm, fit_rhythm

CASES = Path(__file__).parent.parent / "cases"
FIRST = date(2018, 1, 1)


def clockwork(gap, customers, shape, length=2000, name="c", seed=0):
    """Return order lines of customers who buy every ``gap`` days, with gamma waits of a shape, and never leave."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        day = draw.uniform(0, gap)
        while day < length:
            rows.append((f"{name}{number}", FIRST + timedelta(days=int(day)), 10.0))
            day += max(draw.gamma(shape, gap / shape), 1.0)
    return pd.DataFrame(rows, columns=["customer_id", "order_day", "amount"])


def features_of(build_days, lines, length=2000):
    features = build_days(lines).features(FIRST + timedelta(days=length), 90)
    return features[features["purchase_days"] > 0].reset_index(drop=True)


@pytest.mark.parametrize("shape", [1.0, 2.0])
def test_waits_by_chance_are_no_rhythm(build_days, shape):
    found = fit_rhythm(features_of(build_days, clockwork(60, 400, shape, length=700), 700))
    assert found == Rhythm()
    assert found.regular_share == 0


@pytest.mark.parametrize("shape", [16.0, 64.0])
def test_the_shape_of_the_waits_is_found(build_days, shape):
    features = features_of(build_days, clockwork(40, 200, shape, length=900), 900)
    found = fit_rhythm(features)
    near = (shape / 2 <= SHAPES) & (shape * 2 >= SHAPES)
    assert np.asarray(found.shares)[near].sum() > 0.8
    chance, variation = found.regularity(features)
    assert chance.min() > 0.5
    assert np.median(variation) == pytest.approx(1 / shape, rel=0.3)


def test_regular_customers_are_told_from_others_among_them(build_days):
    lines = pd.concat(
        [clockwork(50, 100, 32.0, 900, "regular"), clockwork(50, 200, 1.0, 900, "chance", seed=1)]
    )
    features = features_of(build_days, lines, 900)
    found = fit_rhythm(features)
    assert found.regular_share == pytest.approx(1 / 3, abs=0.08)
    chance, _ = found.regularity(features)
    regular = features["customer_id"].str.startswith("regular").to_numpy()
    assert chance[regular].mean() > 0.95
    assert chance[~regular].mean() < 0.05


def test_one_wait_or_none_is_no_rhythm():
    features = pd.DataFrame(
        {"purchase_days": [1.0, 2.0, 3.0], "gap_mean": [np.nan, 30.0, 30.0], "gap_std": [np.nan, np.nan, 0.0]}
    )
    chance, variation = Rhythm(tuple(np.eye(len(SHAPES))[-1])).regularity(features)
    assert chance.tolist() == [0.0, 0.0, 1.0]
    assert np.isfinite(variation).all()


@pytest.mark.parametrize("shares", [(1.0,), (2.0,) * len(SHAPES), (float("nan"),) * len(SHAPES)])
def test_shares_of_another_model_are_refused(shares):
    with pytest.raises(ValueError, match=f"^shares must be {len(SHAPES)} numbers from 0 to 1, or none"):
        Rhythm(shares)


def yearly(silent, variation=0.001, leaving=0.02):
    silent = np.asarray(silent, dtype=float)
    one = np.ones(len(silent))
    return Due(365.0 * one, silent, variation * one, 5.0 * one, leaving * one)


def test_a_yearly_buyer_is_due_when_the_year_is_over():
    due = yearly([5, 185, 335])
    np.testing.assert_allclose(due.p_purchase(90), [0, 0, 0.98], atol=0.01)
    np.testing.assert_allclose(due.p_purchase(np.array([365.0])), [[0.6], [0.98], [0.98]], atol=0.06)
    # One order a year, whenever it is due; the second of two in a year and a half comes late in it.
    np.testing.assert_allclose(due.orders([365])[:, 0], [0.6, 0.98, 0.98], atol=0.1)
    np.testing.assert_allclose(due.orders([730])[:, 0], [1.5, 1.94, 1.94], atol=0.1)
    np.testing.assert_allclose(due.wait_until(np.full(3, 0.5)), [360, 180, 30], atol=2)


def test_who_is_late_may_be_gone():
    due = yearly([350, 380, 420])
    assert (np.diff(due.alive) < 0).all()
    assert due.alive[0] > 0.95
    assert due.alive[2] < 0.1
    assert due.wait_until(np.array([0.5, 0.5, 0.5]))[2] == np.inf


@given(
    st.floats(1, 2000),
    st.floats(1, 5000),
    st.floats(1 / 1024, 1 / 8),
    st.integers(2, 500),
    st.floats(1e-6, 5),
)
@settings(max_examples=60)
def test_what_is_due_keeps_its_bounds(mean, silent, variation, waits, leaving):
    due = Due(*(np.array([value], dtype=float) for value in (mean, silent, variation, waits, leaving)))
    days = np.array([1.0, 30, 90, 180, 365, 3650])
    p, orders = due.p_purchase(days)[0], due.orders(days)[0]
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) >= 0).all()
    assert (np.diff(orders) >= 0).all()
    assert (orders >= 0).all()
    assert orders[-1] <= 3650 / mean + 2
    wait = due.wait_until(p[[2]])
    assert (wait >= 0).all()
    if 0 < p[2] < 0.999 * due.alive[0]:
        np.testing.assert_allclose(due.p_purchase(wait), p[2], rtol=1e-3, atol=1e-6)


def test_what_is_expected_is_what_comes(build_days):
    lines = clockwork(100, 300, 32.0, length=1500)
    cutoff = FIRST + timedelta(days=1000)
    days = build_days(lines)
    features = days.features(cutoff, 90)
    prior = fit_prior(days, cutoff, 90)
    assert prior.rhythm.regular_share > 0.9
    for horizon in (30, 90, 365):
        came = days.labels(cutoff, horizon).set_index("customer_id")["purchases"]
        came = came.reindex(features["customer_id"]).fillna(0).to_numpy()
        expected = prior.forecast(features, cutoff, horizon)
        assert expected["btyd_orders"].sum() == pytest.approx(came.sum(), rel=0.08)
        plain = fit_prior(days, cutoff, 90, rhythm=False).forecast(features, cutoff, horizon)
        for column, truth in (("btyd_p_churn", came == 0), ("btyd_orders", came)):
            errors = [np.mean((frame[column] - truth) ** 2) for frame in (expected, plain)]
            assert errors[0] < 0.95 * errors[1], (column, horizon)


def test_who_has_left_for_long_is_expected_to_bring_nothing_and_never_less(build_days):
    lines = clockwork(7, 60, 512.0, length=300)
    days = build_days(lines)
    cutoff = FIRST + timedelta(days=1200)
    prior = fit_prior(days, FIRST + timedelta(days=300), 90, season=False)
    features = days.features(cutoff, 90)
    assert prior.due(features)[0].max() > 0.99
    forecast = prior.forecast(features, cutoff, 90)
    assert (forecast >= 0).all(axis=None)
    assert (forecast["btyd_p_churn"] <= 1).all()
    spend = spend_by_days(prior, features, cutoff, 90, [30, 90, 365], forecast["btyd_spend"].to_numpy())
    assert (np.diff(spend, axis=1, prepend=0.0) >= 0).all()


def test_without_regular_customers_the_forecast_is_the_published_one(build_days):
    days = build_days(clockwork(60, 150, 1.0, length=600))
    cutoff = FIRST + timedelta(days=600)
    features = days.features(cutoff, 90)
    with_rhythm, without = (
        fit_prior(days, cutoff, 90, season=False, rhythm=rhythm) for rhythm in (True, False)
    )
    assert with_rhythm.to_dict() == without.to_dict()
    pd.testing.assert_frame_equal(
        with_rhythm.forecast(features, cutoff, 90), without.forecast(features, cutoff, 90), check_exact=True
    )


def test_a_prior_with_a_rhythm_is_read_back(build_days):
    days = build_days(clockwork(60, 50, 32.0, length=600))
    prior = fit_prior(days, FIRST + timedelta(days=600), 90, season=False)
    state = prior.to_dict()
    assert Prior.from_dict(state).rhythm == prior.rhythm
    del state["rhythm"]
    assert Prior.from_dict(state).rhythm == Rhythm()


@pytest.fixture(scope="module")
def yearly_buyers(build_days):
    """The case of yearly, monthly and weekly buyers: features and predictions of loyal yearly ones."""
    lines = pd.read_csv(CASES / "yearly_and_weekly_buyers.csv")
    lines.columns = ["customer_id", "order_day", "amount"]
    days = build_days(lines)
    config = parse_config(
        {
            "data": {"source": "x", "columns": {"customer_id": "a", "order_date": "b", "amount": "c"}},
            "windows": {"horizon_days": 90},
        }
    )
    as_of = days.last_day + timedelta(days=1)
    model = fit_customer_model(days, as_of, config)
    features = days.features(as_of, 90)
    table = pd.concat([features, model.predict(features, as_of)], axis="columns")
    loyal = table["customer_id"].str.startswith("Y") & (table["purchase_days"] > 2)
    return table[loyal & (table["days_since_last_order"] <= table["gap_mean"])]


def test_a_yearly_buyer_is_worth_a_yearly_order_whenever_it_is_due(yearly_buyers):
    due_in = (yearly_buyers["gap_mean"] - yearly_buyers["days_since_last_order"]) // 91
    by_quarter = yearly_buyers.groupby(due_in)["expected_spend_365d"].mean()
    assert len(by_quarter) >= 4
    # An order is worth 123.
    assert by_quarter.between(95, 135).all(), by_quarter
    later = yearly_buyers[due_in >= 2]
    assert (later["expected_spend_90d"] < 10).all()


def test_the_next_order_of_a_yearly_buyer_is_when_the_year_is_over(yearly_buyers):
    due_in = yearly_buyers["gap_mean"] - yearly_buyers["days_since_last_order"]
    assert yearly_buyers["next_order_days"].notna().all()
    assert (yearly_buyers["next_order_days"] - due_in).abs().median() < 15
