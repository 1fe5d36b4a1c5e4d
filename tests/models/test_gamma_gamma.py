"""Gamma-Gamma: published values, a table by hand, simulated truth, hard data."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import gamma
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.models.gamma_gamma import GammaGamma, _loss, _tabulate

from .cdnow_tenth import read_cdnow_tenth
from .simulate import simulate_spend

TRUTH = {"p": 6.25, "q": 3.74, "v": 15.44}


def known(p, q, v):
    return GammaGamma.from_dict({"params": {"p": p, "q": q, "v": v}})


# --- published values, formulas ---


def test_cdnow_tenth():
    # Fader & Hardie (2013), http://www.brucehardie.com/notes/025/.
    tenth = read_cdnow_tenth()
    model = GammaGamma().fit(tenth["frequency"], tenth["monetary_value"])
    assert model.params_ == pytest.approx(TRUTH, abs=0.01)
    assert model.n_customers_ == 946
    assert model.converged_
    assert not model.mean_matched_


def test_table_by_hand():
    # p = 2, q = 5, v = 10: population mean 2 * 10 / 4 = 5, weight of own mean 2 x / (2 x + 4).
    model = known(2, 5, 10)
    expected = model.expected_spend_per_purchase([0, 1, 2, 4, 2], [0, 20, 20, 20, -3])
    np.testing.assert_allclose(expected, [5, 10, 12.5, 15, 2.5], rtol=1e-14)
    assert model.population_mean_ == pytest.approx(5)


def test_likelihood_is_the_integral_over_customers():
    p, q, v, x, z = 2.5, 3.0, 1.2, 4, 0.8
    expected = quad(
        lambda rate: gamma.pdf(z, p * x, scale=1 / (rate * x)) * gamma.pdf(rate, q, scale=1 / v), 0, math.inf
    )[0]
    spend = _tabulate(np.array([float(x)]), np.array([z]), np.ones(1))
    assert _loss(np.log([p, q - 1, v]), spend, 0.0)[0] == pytest.approx(-math.log(expected), rel=1e-6)


@pytest.mark.parametrize("log_theta", [[0.3, 0.2, 0.1], [3.0, 2.0, -4.0], [0.3, 0.2]])
def test_gradient_is_the_slope(log_theta):
    spend = _tabulate(np.array([1.0, 2, 2, 9]), np.array([0.1, 3.0, 0.7, 1.1]), np.arange(1.0, 5))
    slope = approx_fprime(np.array(log_theta), lambda theta: _loss(theta, spend, 0.1)[0], 1e-7)
    np.testing.assert_allclose(_loss(np.array(log_theta), spend, 0.1)[1], slope, rtol=1e-4, atol=1e-5)


# --- simulated truth ---


def test_fit_finds_the_truth_and_predictions_are_calibrated():
    frequency = np.random.default_rng(3).geometric(0.3, 40_000)
    seen, mean = simulate_spend(TRUTH, frequency, seed=4)
    model = GammaGamma().fit(frequency, seen)
    assert model.params_ == pytest.approx(TRUTH, rel=0.05)
    predicted = model.expected_spend_per_purchase(frequency, seen)
    for group in np.array_split(np.argsort(predicted), 10):
        noise = (mean[group] - predicted[group]).std() / math.sqrt(len(group))
        assert abs(predicted[group].mean() - mean[group].mean()) < 4 * noise + 0.01 * mean[group].mean()


def test_unit_of_money_is_free():
    frequency = np.arange(500) % 7 + 1
    seen, _ = simulate_spend(TRUTH, frequency, seed=5)
    pounds, yen = GammaGamma().fit(frequency, seen), GammaGamma().fit(frequency, seen * 1000)
    assert yen.params_ == pytest.approx(pounds.params_ | {"v": pounds.params_["v"] * 1000}, rel=1e-6)


def test_warm_start_ends_where_a_cold_one_does(monkeypatch):
    frequency = np.arange(3000) % 7 + 1
    seen, _ = simulate_spend(TRUTH, frequency, seed=6)
    cold = GammaGamma().fit(frequency, seen)
    monkeypatch.setattr("clvml.models.gamma_gamma._WARM_START_ROWS", 300)
    assert GammaGamma().fit(frequency, seen).params_ == pytest.approx(cold.params_, rel=1e-4)


def test_weights_count_customers():
    frequency, seen = np.array([1, 2, 5, 3]), np.array([20.0, 35.0, 12.0, 80.0])
    weights = np.array([3, 1, 2, 0])
    weighted = GammaGamma().fit(frequency, seen, weights=weights)
    repeated = GammaGamma().fit(np.repeat(frequency, weights), np.repeat(seen, weights))
    assert weighted.params_ == pytest.approx(repeated.params_, rel=1e-6)


# --- hard data ---


def test_customers_that_do_not_count_change_nothing():
    frequency, seen = np.array([1, 2, 5, 3]), np.array([20.0, 35.0, 12.0, 80.0])
    model = GammaGamma().fit(frequency, seen)
    more = GammaGamma().fit(np.r_[frequency, 0, 0, 2, 4], np.r_[seen, math.nan, 900.0, -5.0, 0.0])
    assert more.params_ == model.params_
    assert more.n_customers_ == 4
    assert more.expected_spend_per_purchase([0], [math.nan])[0] == pytest.approx(more.population_mean_)


def test_wholesalers_do_not_raise_everybody_else():
    tenth = read_cdnow_tenth().query("frequency > 0")
    retail = GammaGamma().fit(tenth["frequency"], tenth["monetary_value"])
    frequency = np.r_[tenth["frequency"], 1, 3, 10]
    seen = np.r_[tenth["monetary_value"], 35e3, 35e3, 35e3]
    model = GammaGamma().fit(frequency, seen)
    assert model.population_mean_ == pytest.approx(retail.population_mean_, rel=0.1)
    own = model.expected_spend_per_purchase(frequency, seen)[-3:]
    assert (np.diff(own) > 0).all()
    assert ((own > 0.8 * 35e3) & (own < 35e3)).all()


def test_a_mean_that_would_explode_is_held_at_the_observed_one():
    rng = np.random.default_rng(0)
    frequency = rng.integers(1, 6, 5000)
    seen = np.exp(rng.normal(3, 1.5, 5000) + rng.normal(0, 0.5, 5000))
    model = GammaGamma().fit(frequency, seen)
    assert model.mean_matched_
    assert model.converged_
    assert model.population_mean_ == pytest.approx(seen.mean())


@pytest.mark.parametrize(
    ("frequency", "seen"),
    [
        ([2] * 50, [30.0] * 50),
        ([1], [50.0]),
        ([1, 2, 3], [1e-9, 2e-9, 3e-9]),
        ([1, 2, 3], [1e12, 2e12, 1.0]),
        ([500] * 10, np.arange(1.0, 11)),
        (np.arange(2000) % 5 + 1, np.random.default_rng(1).pareto(0.8, 2000) + 1),
        (np.arange(2000) % 5 + 1, np.random.default_rng(2).lognormal(3, 3, 2000)),
    ],
    ids=["identical", "one customer", "tiny", "wide", "many purchases", "pareto", "lognormal"],
)
def test_degenerate_data_end_in_a_sane_model(frequency, seen):
    model = GammaGamma().fit(frequency, seen)
    seen = np.asarray(seen)
    assert model.converged_
    assert model.params_["q"] >= 1.05
    assert 0 < model.population_mean_ <= 1.25 * seen.mean() * (1 + 1e-9)
    expected = model.expected_spend_per_purchase(frequency, seen)
    low, high = np.minimum(seen, model.population_mean_), np.maximum(seen, model.population_mean_)
    assert ((expected >= low * (1 - 1e-9)) & (expected <= high * (1 + 1e-9))).all()


@pytest.mark.parametrize("seen", [30.0, 1e6])
def test_one_customer_is_the_mean(seen):
    model = GammaGamma().fit([1], [seen])
    assert model.expected_spend_per_purchase([0, 1], [0, seen]) == pytest.approx(seen, rel=1e-3)


def test_nobody_to_learn_from_is_refused():
    with pytest.raises(
        InputError, match=re.escape("monetary_value > 0, and none of 3 is one; use the mean of")
    ):
        GammaGamma().fit([0, 1, 2], [10.0, 0.0, -4.0])


# --- interface ---


def test_series_are_read_by_position_and_left_alone():
    frequency = pd.Series([0, 2, 5], index=[9, 1, 1])
    seen = pd.Series([math.nan, 30.0, 12.0], index=[9, 1, 1])
    copies = frequency.copy(), seen.copy()
    model = GammaGamma().fit(frequency, seen)
    assert isinstance(model.expected_spend_per_purchase(frequency, seen), np.ndarray)
    pd.testing.assert_series_equal(frequency, copies[0])
    pd.testing.assert_series_equal(seen, copies[1])
    assert model.expected_spend_per_purchase([], []).shape == (0,)


def test_saved_and_loaded_is_the_same():
    model = GammaGamma(penalizer=0.5).fit([1, 2, 5], [20.0, 35.0, 12.0])
    again = GammaGamma.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.to_dict() == model.to_dict()
    assert again.population_mean_ == model.population_mean_


def test_clone_keeps_arguments_and_forgets_the_fit():
    model = clone(GammaGamma(penalizer=0.5).fit([1, 2, 5], [20.0, 35.0, 12.0]))
    assert model.get_params() == {"penalizer": 0.5}
    with pytest.raises(NotFittedError, match=re.escape("call fit, or from_dict, first")):
        model.expected_spend_per_purchase([1], [1.0])
    with pytest.raises(NotFittedError):
        model.to_dict()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=re.escape("penalizer must be at least 0, currently set to -1")):
        GammaGamma(penalizer=-1).fit([1], [1.0])
    with pytest.raises(
        ValueError, match=re.escape("monetary_value must be finite: 1 of 2 rows is not (row 1: nan)")
    ):
        GammaGamma().fit([1, 1], [1.0, math.nan])
    with pytest.raises(
        ValueError, match=re.escape("monetary_value must have one row per customer: got 1 rows")
    ):
        GammaGamma().fit([1, 1], [1.0])
    with pytest.raises(
        ValueError, match=re.escape("monetary_value must hold numbers without missing values")
    ):
        GammaGamma().fit([1], ["ten"])
    with pytest.raises(
        ValueError, match=re.escape("q must be above 1 for the mean spend to be finite, got 0.9")
    ):
        known(1, 0.9, 1)
    with pytest.raises(
        ValueError, match=re.escape("parameters must be numbers > 0, got {'v': None}; expected p")
    ):
        GammaGamma.from_dict({"params": {"p": 1, "q": 2}})
