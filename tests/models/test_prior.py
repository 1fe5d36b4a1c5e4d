"""The prior: the blend, forecasts by hand, and what it learns from a log."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.errors import InputError
from clvml.models.btyd import BetaGeometric
from clvml.models.gamma_gamma import GammaGamma
from clvml.models.prior import BTYD_COLUMNS, PRIOR_COLUMNS, SPEND_COLUMNS, Prior, fit_blend, fit_prior
from clvml.models.season import DAYS_OF_YEAR, Season

from .test_customer_model import FIRST, customer_days, log_of, simulate_log

TODAY = date(2023, 1, 1)


# --- blend ---


def test_blend_recovers_known_weights():
    rng = np.random.default_rng(0)
    forecasts = rng.gamma(0.7, 40, (20_000, 4))
    weights = np.array([0.5, 0.0, 0.3, 0.1])
    mean = forecasts @ weights
    np.testing.assert_allclose(fit_blend(forecasts, mean, np.ones(20_000)), weights, atol=1e-6)
    spend = np.where(rng.random(20_000) < 0.6, 0.0, mean / 0.4 * rng.gamma(2, 0.5, 20_000))
    np.testing.assert_allclose(fit_blend(forecasts, spend, np.ones(20_000)), weights, atol=0.04)


def test_blend_is_never_negative():
    rng = np.random.default_rng(1)
    forecasts = rng.gamma(1, 10, (500, 3))
    blend = fit_blend(forecasts, np.maximum(forecasts[:, 0] - forecasts[:, 1], 0.0), np.ones(500))
    assert (blend >= 0).all()
    assert blend[1] == 0


def test_one_large_customer_does_not_set_the_blend():
    # A hundred who spend the 10 forecast, one who spends thrice the 1,000. By hand, with weights of f ** -1.5:
    # (100 * 10 ** 0.5 + 3 * 1000 ** 0.5) / (100 * 10 ** 0.5 + 1000 ** 0.5) = 130 / 110.
    forecasts, spend = np.array([10.0] * 100 + [1000.0]), np.array([10.0] * 100 + [3000.0])
    assert fit_blend(forecasts[:, None], spend, np.ones(101)) == pytest.approx([13 / 11])


def test_blend_weighs_rows():
    forecasts = np.array([[1.0], [1.0]])
    assert fit_blend(forecasts, [1.0, 1.75], np.array([1.0, 0.0])) == pytest.approx([1.0])
    assert fit_blend(forecasts, [1.0, 1.75], np.array([2.0, 1.0])) == pytest.approx([1.25])


def test_an_absurd_amount_does_not_lift_the_blend():
    forecasts, spend = np.full((100, 1), 10.0), np.full(100, 10.0)
    spend[0] = 1e9
    assert fit_blend(forecasts, spend, np.ones(100)) == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("forecasts", "spend", "blend"),
    [
        ([[0.0, 2.0], [0.0, 4.0]], [1.0, 2.0], [0.0, 0.5]),
        ([[0.0, 0.0], [0.0, 0.0]], [1.0, 2.0], [0.5, 0.5]),
        ([[3.0, 1.0], [1.0, 3.0]], [0.0, 0.0], [0.5, 0.5]),
        ([[4.0]], [2.0], [0.5]),
    ],
    ids=["one column is zero", "all forecasts are zero", "nothing was spent", "one customer"],
)
def test_blend_of_degenerate_columns(forecasts, spend, blend):
    np.testing.assert_allclose(fit_blend(forecasts, spend, np.ones(len(spend))), blend)


def test_blend_is_finite_on_wild_numbers():
    rng = np.random.default_rng(2)
    forecasts = np.exp(rng.normal(0, 8, (300, 5)))
    forecasts[:, 4] = forecasts[:, 3]
    blend = fit_blend(forecasts, np.exp(rng.normal(0, 8, 300)), np.ones(300))
    assert np.isfinite(blend).all()
    assert (blend >= 0).all()
    assert blend.any()


# --- forecasts by hand ---


def features():
    """A one-time buyer of long ago, a regular whose refunds ate the last 90 days, and a loss-maker."""
    return pd.DataFrame(
        {
            "frequency": [0, 3, 1],
            "recency": [0, 300, 20],
            "T": [400, 330, 100],
            "monetary_value": [0.0, 20.0, 0.0],
            "spend_mean": [50.0, 25.0, -4.0],
            "spend_sum_365d": [0.0, 100.0, -8.0],
            "spend_sum_180d": [0.0, 60.0, -8.0],
            "spend_sum_90d": [0.0, -10.0, -8.0],
        },
        index=[5, 9, 2],
    )


def known(gamma_gamma=True, season=None, first_day=date(2021, 1, 1)):
    btyd = {"variant": "mbg", "params": {"r": 0.5, "alpha": 20.0, "a": 0.6, "b": 2.0}, "log_likelihood": -9.0}
    spend = GammaGamma.from_dict({"params": {"p": 2.0, "q": 5.0, "v": 10.0}}) if gamma_gamma else None
    return Prior(BetaGeometric.from_dict(btyd), spend, 30.0, season or Season.flat(), first_day)


def test_forecast_by_hand():
    prior = known()
    forecast = prior.forecast(features(), TODAY, 73)
    assert tuple(forecast.columns) == PRIOR_COLUMNS
    assert (*BTYD_COLUMNS, *SPEND_COLUMNS) == PRIOR_COLUMNS
    assert forecast.index.tolist() == [5, 9, 2]
    history = (features()["frequency"], features()["recency"], features()["T"])
    orders = prior.btyd.expected_purchases(73, *history)
    # The Gamma-Gamma's mean is 2 * 10 / 4 = 5; the regular's own 20 weighs 2 * 3 / (2 * 3 + 4) = 0.6.
    value = np.array([5.0, 0.6 * 20 + 0.4 * 5, 2 / 6 * 0.0 + 4 / 6 * 5])
    np.testing.assert_allclose(forecast["btyd_p_churn"], prior.btyd.p_no_purchase(73, *history))
    np.testing.assert_allclose(forecast["btyd_orders"], orders)
    np.testing.assert_allclose(forecast["btyd_value"], value)
    np.testing.assert_allclose(forecast["btyd_spend"], orders * value)
    np.testing.assert_allclose(forecast["own_value_spend"], orders * [50, 25, 0])
    np.testing.assert_allclose(forecast["trailing_365d"], [0, 100 * 73 / 365, 0])
    np.testing.assert_allclose(forecast["trailing_180d"], [0, 60 * 73 / 180, 0])
    np.testing.assert_allclose(forecast["trailing_90d"], [0, 0, 0])


def test_forecast_of_one_time_buyer_by_hand():
    # Alive with (b / (a + b)) against a / (a + b) weighed by the silence: odds dead = a / b * (1 + T / alpha) ** r.
    forecast = known().forecast(features(), TODAY, 73)
    alive = 1 / (1 + 0.6 / 2.0 * (1 + 400 / 20) ** 0.5)
    buys = alive * (1 - (420 / (420 + 73)) ** 0.5)
    assert forecast["btyd_p_churn"].iloc[0] == pytest.approx(1 - buys)


def test_young_logs_are_read_in_full():
    young = features().assign(
        T=lambda f: f["T"].clip(upper=100), recency=lambda f: f["recency"].clip(upper=90)
    )
    forecast = known(first_day=TODAY - timedelta(days=100)).forecast(young, TODAY, 50)
    np.testing.assert_allclose(forecast["trailing_365d"], [0, 100 * 50 / 100, 0])
    np.testing.assert_allclose(forecast["trailing_180d"], [0, 60 * 50 / 100, 0])


def test_a_log_from_before_the_training_is_as_old_as_it_is():
    seen, began = features(), TODAY - timedelta(days=200)
    older = known(first_day=TODAY - timedelta(days=100)).forecast(seen, TODAY, 50, began)
    pd.testing.assert_frame_equal(older, known(first_day=began).forecast(seen, TODAY, 50))
    # A log that begins later lacks what came before, and not the business.
    younger = known(first_day=began).forecast(seen, TODAY, 50, TODAY - timedelta(days=10))
    pd.testing.assert_frame_equal(younger, older)


def test_season_stretches_the_clock():
    # July and August sell double, so 62 days of them are 124 usual ones; the last 90 days before were usual.
    index = np.ones(DAYS_OF_YEAR)
    index[181:243] = 2.0
    cutoff = date(2023, 7, 1)
    summer = known(season=Season(tuple(index.tolist()), 1)).forecast(features(), cutoff, 62)
    # So did the summer before, of which the first customer has seen 62 days and the second 27.
    seen = features().assign(recency=[0, 300 + 27, 20], T=[400 + 62, 330 + 27, 100])
    usual = known().forecast(seen, cutoff, 124)
    year_of_clock = index.sum() / 365
    for column in PRIOR_COLUMNS:
        stretch = 1 / year_of_clock if column == "trailing_365d" else 1.0
        np.testing.assert_allclose(summer[column], usual[column] * stretch)


def test_without_gamma_gamma_the_mean_serves():
    forecast = known(gamma_gamma=False).forecast(features(), TODAY, 73)
    np.testing.assert_allclose(forecast["btyd_value"], 30.0)
    assert not forecast.isna().any(axis=None)


def test_forecasts_are_finite_and_never_negative():
    wild = features().assign(
        spend_mean=[np.nan, 1e12, -1e12], spend_sum_365d=[-1e12, 1e12, 0.0], monetary_value=[0.0, 1e12, 0.0]
    )
    for prior in (known(), known(gamma_gamma=False)):
        forecast = prior.forecast(wild, TODAY, 73).to_numpy()
        assert np.isfinite(forecast).all()
        assert (forecast >= 0).all()
    assert known().forecast(features().iloc[:0], TODAY, 73).shape == (0, len(PRIOR_COLUMNS))


def test_saved_and_loaded_forecasts_the_same():
    rng = np.random.default_rng(0)
    season = Season(tuple(rng.uniform(0.5, 2, DAYS_OF_YEAR).tolist()), 2)
    for prior in (known(season=season), known(gamma_gamma=False)):
        again = Prior.from_dict(json.loads(json.dumps(prior.to_dict(), allow_nan=False)))
        assert again.to_dict() == prior.to_dict()
        pd.testing.assert_frame_equal(
            again.forecast(features(), TODAY, 73), prior.forecast(features(), TODAY, 73), check_exact=True
        )


# --- fitted ---


def test_fitted_prior_forecasts_the_total():
    days = customer_days(simulate_log(3000, 390, seed=5))
    cutoff = FIRST + timedelta(days=300)
    prior = fit_prior(days, cutoff, 90)
    assert prior.season == Season.flat()
    test = days.snapshots([cutoff], 90)
    forecast = prior.forecast(test, cutoff, 90)
    assert not forecast.isna().any(axis=None)
    assert forecast["btyd_orders"].sum() == pytest.approx(test["purchases"].sum(), rel=0.15)
    assert forecast["btyd_p_churn"].mean() == pytest.approx(test["churned"].mean(), abs=0.03)
    again = Prior.from_dict(json.loads(json.dumps(prior.to_dict())))
    pd.testing.assert_frame_equal(again.forecast(test, cutoff, 90), forecast, check_exact=True)


def test_one_time_buyers_have_a_mean_and_no_gamma_gamma():
    days = customer_days(log_of(["a", "b", "c"], [0, 5, 9], [10.0, 20.0, 60.0]))
    prior = fit_prior(days, FIRST + timedelta(days=100), 30)
    assert prior.gamma_gamma is None
    assert prior.mean_value == 30
    refunded = customer_days(log_of(["a", "a"], [0, 5], [10.0, -60.0]))
    assert fit_prior(refunded, FIRST + timedelta(days=100), 30).mean_value == 0


def test_nobody_bought_yet():
    days = customer_days(log_of(["a", "b"], [0, 50], [-1.0, 9.0]))
    with pytest.raises(
        InputError, match="no purchase of positive amount before 2022-01-11; choose a later date"
    ):
        fit_prior(days, FIRST + timedelta(days=10), 30)
