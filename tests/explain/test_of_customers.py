"""What features add to a forecast, and the base, are the forecast: for every customer, log and configuration."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from tests.models.shops import END, config, customer_days, simulate_log

from clvml.explain.of_customers import INPUTS, check_inputs, contributions, fit_reference
from clvml.explain.reference import Reference
from clvml.models.customer_model import fit_customer_model


def explained(log, as_of=END, **settings):
    """Return a model of a log, the features of those who bought, and the reference customer."""
    days = customer_days(log)
    model = fit_customer_model(days, as_of, config(**{"n_estimators": 8, **settings}))
    features = days.features(as_of, model.horizon_days)
    features = features[features["purchase_days"] > 0]
    return model, features, fit_reference(model, features, as_of, seed=0)


def regular_log():
    """Return purchases of 150 customers, most of whom come every 30 days."""
    draw = np.random.default_rng(5)
    rows = [
        (f"c{number}", date.fromordinal(END.toordinal() - int(age)), 20.0 + number)
        for number in range(150)
        for age in np.unique(np.arange(draw.integers(1, 60), 500, 30) + draw.integers(0, 3))
    ]
    return pd.DataFrame(rows, columns=["customer_id", "order_day", "amount"])


def with_a_giant():
    """Return a shop's log with an account that spends ten times what all others do."""
    log = simulate_log(150, 730, seed=2)
    orders = pd.date_range(END, periods=7, freq="-100D") - pd.Timedelta(days=40)
    giant = pd.DataFrame({"customer_id": "giant", "order_day": orders, "amount": log["amount"].sum()})
    return pd.concat([log, giant], ignore_index=True)


def newest(days):
    """Return the last so many days of a shop's log."""
    log = simulate_log(300, 730, seed=3)
    return log[log["order_day"] >= pd.Timestamp(END) - pd.Timedelta(days=days)]


LOGS = {
    "shop": lambda: simulate_log(300, 730, seed=2),
    "regular": regular_log,
    "giant": with_a_giant,
    "short": lambda: newest(130),
    "hardly any": lambda: newest(20),
}
SETTINGS = [
    {},
    {"base": "btyd"},
    {"base": "trailing"},
    {"base": "none"},
    {"calibrate": False},
    {"leave_out": ["prior"]},
    {"spend": "tweedie"},
    {"spend": "hurdle"},
    {"spend": "mean"},
]


@pytest.mark.parametrize(
    ("log", "settings"),
    [("shop", settings) for settings in SETTINGS]
    + [
        (log, settings)
        for log in ("regular", "giant", "short", "hardly any")
        for settings in ({}, {"spend": "mean"})
    ],
)
def test_contributions_and_base_are_the_forecast(log, settings):
    model, features, reference = explained(LOGS[log](), **settings)
    predicted = model.predict(features, END)
    churn, value = contributions(model, reference, features, END)
    np.testing.assert_allclose(churn.sum(axis=1), logit(predicted["p_churn"]), atol=1e-6)
    np.testing.assert_allclose(value.sum(axis=1), np.log(predicted["expected_spend"]), atol=1e-6)
    # So they would with any contributions, if the base were not the same for all; trees count in single precision.
    for phi in (churn, value):
        assert np.ptp(phi[:, -1]) < 1e-4
        assert np.abs(phi[:, :-1]).sum() > 0


def test_the_reference_customer_has_the_base_of_the_prior():
    model, features, reference = explained(LOGS["hardly any"]())
    assert model.trees.churn.trees is None
    check_inputs(reference.inputs)
    twin = features.iloc[[0]].assign(**reference.inputs)
    twin["frequency"] = twin["purchase_days"] - 1
    twin["recency"] = twin["frequency"] * twin["gap_mean"]
    twin["T"] = twin["recency"] + twin["days_since_last_order"]
    for phi in contributions(model, reference, twin, END):
        np.testing.assert_allclose(phi[:, :-1], 0.0, atol=1e-12)


def test_a_customer_alone_has_the_contributions_of_the_batch():
    model, features, reference = explained(LOGS["shop"]())
    together = contributions(model, reference, features, END)
    for place in (0, 7, len(features) - 1):
        alone = contributions(model, reference, features.iloc[[place]], END)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[place], atol=1e-12)
    (churn,) = contributions(model, reference, features, END, value=False)
    np.testing.assert_array_equal(churn, together[0])


def test_a_long_silence_raises_the_churn_risk_and_dear_purchases_the_expected_spend():
    model, features, reference = explained(LOGS["shop"]())
    churn, value = contributions(model, reference, features, END)
    names = [feature.name for feature in model.features]
    for phi, name, sign in ((churn, "days_since_last_order", 1), (value, "spend_mean", 1)):
        rank = features[name].rank().corr(pd.Series(phi[:, names.index(name)], features.index).rank())
        assert sign * rank > 0.7
    assert reference.churn["days_since_last_order"][1] == 1


def test_nobody_is_explained_without_a_reference():
    model, features, reference = explained(LOGS["hardly any"]())
    assert not any(phi.any() for phi in contributions(model, Reference(), features, END))
    none = contributions(model, reference, features.head(0), END)
    assert [phi.shape for phi in none] == [(0, len(model.features) + 1)] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("purchase_days", 0.0),
        ("purchase_days", 1.5),
        ("gap_mean", 0.0),
        ("days_since_last_order", -1.0),
        ("more", 1.0),
    ],
)
def test_inputs_of_no_customer_are_refused(name, value):
    inputs = dict.fromkeys([one for names in INPUTS.values() for one in names], 1.0)
    check_inputs(inputs)
    with pytest.raises(ValueError, match="inputs"):
        check_inputs({**inputs, name: value})
