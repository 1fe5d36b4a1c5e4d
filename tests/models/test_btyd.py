"""MBG/NBD and BG/NBD: published values, a table by hand, quadrature, simulated truth, hard data."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import beta, hyp2f1
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from clvml.errors import InputError
from clvml.models.btyd import BetaGeometric
from clvml.models.btyd_likelihood import collapse, loss

from .cdnow_tenth import read_cdnow_tenth
from .simulate import simulate_purchases

VARIANTS = ["mbg", "bg"]
TRUTH = {"r": 0.6, "alpha": 50.0, "a": 0.9, "b": 2.5}
HISTORY = (
    np.array([0, 0, 1, 3, 12, 60]),
    np.array([0, 0, 5, 200, 350, 20]),
    np.array([0, 10, 20, 300, 365, 400]),
)


def known(variant, r, alpha, a, b):
    return BetaGeometric.from_dict({"variant": variant, "params": {"r": r, "alpha": alpha, "a": a, "b": b}})


# --- published values ---


@pytest.mark.parametrize(
    ("variant", "published", "log_likelihood"),
    [
        # Fader, Hardie & Lee (2005).
        ("bg", {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, -9582.4),
        # lifetimes 0.11.3 on the same rows, run for this test.
        ("mbg", {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, -9582.1),
    ],
)
def test_cdnow_tenth(variant, published, log_likelihood):
    tenth = read_cdnow_tenth()
    assert len(tenth) == 2357
    model = BetaGeometric(variant).fit(tenth["frequency"], tenth["recency"], tenth["T"])
    assert model.params_ == pytest.approx(published, abs=2e-3)
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=0.05)
    assert model.converged_
    assert model.n_customers_ == 2357


def test_published_expectation():
    # Fader, Hardie & Lee, Implementing the BG/NBD Model in Excel (brucehardie.com/notes/004):
    # x = 2, t_x = 30.43, T = 38.86, 39 weeks on.
    model = known("bg", 0.243, 4.414, 0.793, 2.426)
    assert model.expected_purchases(39, [2], [30.43], [38.86])[0] == pytest.approx(1.226, abs=5e-4)


def test_unit_of_time_is_free():
    tenth = read_cdnow_tenth()
    weeks = BetaGeometric().fit(tenth["frequency"], tenth["recency"], tenth["T"])
    days = BetaGeometric().fit(tenth["frequency"], tenth["recency"] * 7, tenth["T"] * 7)
    expected = weeks.params_ | {"alpha": weeks.params_["alpha"] * 7}
    assert days.params_ == pytest.approx(expected, rel=1e-4)
    shift = tenth["frequency"].sum() * math.log(7)
    assert days.log_likelihood_ == pytest.approx(weeks.log_likelihood_ - shift, abs=1e-4)


# --- formulas ---

# Worked by hand for r = 1, alpha = 10, a = 2, b = 1, where Beta integrals are fractions. Columns: history,
# horizon, P(alive), P(no purchase), expected purchases, likelihood of the history.
BY_HAND = [
    ("bg", (0, 0, 10), 20, 1.0, 1 / 2, 2 - 2 * math.log(2), 1 / 2),
    ("bg", (1, 5, 20), 30, 1 / 9, 11 / 12, None, 1 / 30),
    ("mbg", (0, 0, 10), 20, 1 / 5, 9 / 10, (9 - 12 * math.log(2)) / 5, 5 / 6),
    ("mbg", (1, 5, 20), 30, 1 / 5, 17 / 20, None, 1 / 108),
]


@pytest.mark.parametrize(
    ("variant", "history", "horizon", "alive", "nothing", "purchases", "likelihood"), BY_HAND
)
def test_table_by_hand(variant, history, horizon, alive, nothing, purchases, likelihood):
    model = known(variant, 1, 10, 2, 1)
    one = tuple([value] for value in history)
    assert model.p_alive(*one)[0] == pytest.approx(alive)
    assert model.p_no_purchase(horizon, *one)[0] == pytest.approx(nothing)
    assert model.log_likelihood(*one)[0] == pytest.approx(math.log(likelihood))
    if purchases is not None:
        assert model.expected_purchases(horizon, *one)[0] == pytest.approx(purchases, rel=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("a", [0.05, 0.9, 1.0, 7.0])
def test_expectation_is_the_integral_over_dropout(variant, a):
    model = known(variant, 0.6, 50.0, a, 2.5)
    x, recency, T = 4, 200, 300
    n = x + (variant == "mbg")

    def bought(p):
        return (1 - (1 + p * 180 / 350) ** -4.6) / p if p > 0 else 4.6 * 180 / 350

    # The beta density, which is infinite at 0, is left to quad as an algebraic weight.
    expected = quad(bought, 0, 1, weight="alg", wvar=(a - 1, 1.5 + n))[0] / beta(a, 2.5 + n)
    expected *= model.p_alive([x], [recency], [T])[0]
    assert model.expected_purchases(180, [x], [recency], [T])[0] == pytest.approx(expected, rel=1e-8)


def test_expectation_is_the_published_formula():
    r, alpha, a, b = 0.243, 30.9, 0.793, 2.426
    x, recency, T, h = np.array([1, 3, 9]), np.array([20, 150, 260]), np.array([280, 270, 265]), 180
    hypergeometric = hyp2f1(r + x, b + x, a + b + x - 1, h / (alpha + T + h))
    expected = (a + b + x - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + h)) ** (r + x) * hypergeometric)
    expected /= 1 + a / (b + x - 1) * ((alpha + T) / (alpha + recency)) ** (r + x)
    model = known("bg", r, alpha, a, b)
    np.testing.assert_allclose(model.expected_purchases(h, x, recency, T), expected, rtol=1e-11)


# 2F1 with 60 digits (mpmath 1.4.1). Columns: variant, (r, alpha, a, b), (x, t_x, T), horizon, purchases.
CORNERS = [
    ("bg", (0.25, 30, 0.8, 2.4), (500, 3990, 4000), 3650, 342.7055730650857),
    ("bg", (0.25, 30, 0.8, 2.4), (500, 99, 100), 3650, 2241.726651221048),
    ("mbg", (0.5, 40, 0.9, 1.6), (60, 95, 100), 3650, 213.3483328313989),
    ("mbg", (0.001, 0.01, 0.01, 50), (0, 0, 0), 3650, 339.2249206858673),
    ("bg", (50, 2, 3, 0.1), (500, 990, 1000), 1, 0.219604448070215),
    ("mbg", (0.5, 40, 200, 1000), (5, 900, 1000), 365, 1.197116411310192),
    ("bg", (0.3, 20, 30, 0.01), (0, 0, 4000), 30, 0.002228011422369731),
    ("mbg", (0.5, 40, 1.000001, 1.6), (3, 200, 300), 180, 0.9129594228229998),
]


@pytest.mark.parametrize(("variant", "params", "history", "horizon", "expected"), CORNERS)
def test_expectation_in_hard_corners(variant, params, history, horizon, expected):
    one = tuple([value] for value in history)
    got = known(variant, *params).expected_purchases(horizon, *one)[0]
    assert got == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("params", [(0.25, 30, 0.8, 2.4), (1e-4, 1e-3, 1e-4, 1e-4), (1e4, 1e4, 1e4, 1e4)])
def test_predictions_stay_within_their_bounds(variant, params):
    model = known(variant, *params)
    x, T = (grid.ravel() for grid in np.meshgrid([0, 1, 7, 500], [0, 1, 30, 4000]))
    x = np.where(T > 0, x, 0)
    recency = np.where(x > 0, 0.6 * T, 0)
    horizons = np.array([0, 1, 30, 365, 3650])
    curve = model.expected_purchases_curve(horizons, x, recency, T)
    no_cap = (params[0] + x) / (params[1] + T)
    assert np.isfinite(curve).all()
    assert (curve >= 0).all()
    assert (np.diff(curve, axis=1) >= 0).all()
    assert (curve <= no_cap[:, None] * horizons * (1 + 1e-12)).all()
    for j, horizon in enumerate(horizons):
        nothing = model.p_no_purchase(horizon, x, recency, T)
        assert ((nothing >= 0) & (nothing <= 1)).all()
        # No purchase day can be expected less often than it happens at all.
        assert (curve[:, j] >= (1 - nothing) * (1 - 1e-9)).all()
    np.testing.assert_array_equal(curve[:, 0], 0)


def test_one_time_buyers_are_immortal_only_in_bg():
    one = ([0], [0], [1000])
    assert known("bg", *TRUTH.values()).p_alive(*one)[0] == 1
    assert known("mbg", *TRUTH.values()).p_alive(*one)[0] < 0.5


# --- simulated truth ---


@pytest.fixture(scope="module", params=VARIANTS)
def simulated(request):
    T = np.random.default_rng(7).integers(0, 730, 40_000)
    return request.param, simulate_purchases(request.param, TRUTH, T, horizon_days=180, seed=11)


def test_fit_finds_the_truth(simulated):
    variant, customers = simulated
    model = BetaGeometric(variant).fit(customers.frequency, customers.recency, customers.T)
    assert model.params_ == pytest.approx(TRUTH, rel=0.1)
    assert model.converged_


def test_predictions_are_calibrated_in_groups(simulated):
    variant, customers = simulated
    model = known(variant, *TRUTH.values())
    history = (customers.frequency, customers.recency, customers.T)
    bought = (customers.future > 0).astype(float)
    for predicted, actual in [
        (model.expected_purchases(180, *history), customers.future),
        (1 - model.p_no_purchase(180, *history), bought),
        (model.p_alive(*history), customers.alive.astype(float)),
    ]:
        for group in np.array_split(np.argsort(predicted, kind="stable"), 10):
            noise = actual[group].std() / math.sqrt(len(group)) + 1e-3
            assert abs(predicted[group].mean() - actual[group].mean()) < 4 * noise


def test_churn_is_more_than_the_poisson_of_the_mean(simulated):
    variant, customers = simulated
    model = known(variant, *TRUTH.values())
    history = (customers.frequency, customers.recency, customers.T)
    assert (model.p_no_purchase(180, *history) >= np.exp(-model.expected_purchases(180, *history))).all()


# --- likelihood ---


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("log_theta", [[-0.5, -1.0, 0.2, 0.7], [2.0, 1.0, -3.0, -2.0]])
def test_gradient_is_the_slope(offset, log_theta):
    histories = collapse(*(np.asarray(part, dtype=float) for part in HISTORY), np.arange(1.0, 7.0))
    slope = approx_fprime(np.array(log_theta), lambda theta: loss(theta, histories, offset, 0.1)[0], 1e-7)
    np.testing.assert_allclose(
        loss(np.array(log_theta), histories, offset, 0.1)[1], slope, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_is_minus_the_mean_log_likelihood(variant):
    histories = collapse(*(np.asarray(part, dtype=float) for part in HISTORY), np.ones(6))
    value, _ = loss(np.log(list(TRUTH.values())), histories, int(variant == "mbg"), 0.0)
    assert value == pytest.approx(-known(variant, *TRUTH.values()).log_likelihood(*HISTORY).mean())


def test_warm_start_ends_where_a_cold_one_does(monkeypatch):
    customers = simulate_purchases("mbg", TRUTH, np.arange(6000) % 500, horizon_days=0, seed=3)
    history = (customers.frequency, customers.recency, customers.T)
    cold = BetaGeometric().fit(*history)
    monkeypatch.setattr("clvml.models.btyd_likelihood._WARM_START_ROWS", 500)
    assert BetaGeometric().fit(*history).params_ == pytest.approx(cold.params_, rel=1e-4)


def test_rows_may_come_in_any_order_or_as_weights():
    customers = simulate_purchases("mbg", TRUTH, np.full(2000, 90), horizon_days=0, seed=5)
    table = pd.DataFrame({"x": customers.frequency, "t_x": np.ceil(customers.recency), "T": customers.T})
    model = BetaGeometric().fit(table["x"], table["t_x"], table["T"])
    shuffled = table.sample(frac=1, random_state=0)
    assert BetaGeometric().fit(shuffled["x"], shuffled["t_x"], shuffled["T"]).params_ == model.params_
    counted = table.value_counts().rename("weight").reset_index()
    assert len(counted) < len(table)
    weighted = BetaGeometric().fit(counted["x"], counted["t_x"], counted["T"], weights=counted["weight"])
    assert weighted.params_ == model.params_
    assert weighted.log_likelihood_ == pytest.approx(model.log_likelihood_)


# --- hard data ---

DEGENERATE = {
    "one customer": ([3], [50], [100]),
    "one one-time buyer": ([0], [0], [100]),
    "all one-time buyers": (np.zeros(1000), np.zeros(1000), np.arange(1000)),
    "all identical": (np.full(500, 3), np.full(500, 50), np.full(500, 100)),
    "a purchase every day": (np.full(500, 100), np.full(500, 100), np.full(500, 100)),
    "one repeat, then silence": (np.ones(500), np.full(500, 5), np.full(500, 1000)),
    "many with T = 0": (np.repeat([0, 1], 300), np.repeat([0, 9], 300), np.repeat([0, 20], 300)),
    "one huge outlier": (
        np.r_[np.zeros(500), 2000],
        np.r_[np.zeros(500), 3000],
        np.r_[np.full(500, 40), 3000],
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("history", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_data_end_in_a_sane_model(variant, history):
    model = BetaGeometric(variant).fit(*history)
    assert all(math.isfinite(value) and value > 0 for value in model.params_.values())
    assert math.isfinite(model.log_likelihood_)
    assert model.converged_
    x, _, T = map(np.asarray, history)
    expected = model.expected_purchases(100, *history)
    assert np.isfinite(expected).all()
    # Nobody is predicted to buy at more than twice the best rate anybody has shown, or once a day.
    assert (expected <= 200 * max(1.0, (x / np.maximum(T, 1)).max())).all()
    nothing = model.p_no_purchase(100, *history)
    assert ((nothing >= 0) & (nothing <= 1)).all()
    if not x.any():
        assert nothing.min() > 0.9


def test_nothing_observed_is_refused():
    with pytest.raises(
        InputError, match=re.escape("T is 0 for all 2 customers: every first purchase lies on")
    ):
        BetaGeometric().fit([0, 0], [0, 0], [0, 0])
    with pytest.raises(
        InputError, match=re.escape("needs at least one customer, got 0 with total weight 0;")
    ):
        BetaGeometric().fit([], [], [])


def test_no_customers_to_predict():
    model = known("mbg", *TRUTH.values())
    assert model.expected_purchases(30, [], [], []).shape == (0,)
    assert model.expected_purchases_curve([30, 60], [], [], []).shape == (0, 2)
    assert model.p_no_purchase(30, [], [], []).shape == (0,)


# --- interface ---


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_of_one_is_a_row_of_the_batch(variant):
    model = known(variant, *TRUTH.values())
    curve = model.expected_purchases_curve([365, 30], *HISTORY)
    for i in range(len(curve)):
        one = tuple(part[i : i + 1] for part in HISTORY)
        assert model.expected_purchases(30, *one)[0] == curve[i, 1]
        assert model.p_no_purchase(30, *one)[0] == model.p_no_purchase(30, *HISTORY)[i]


def test_series_are_read_by_position_and_left_alone():
    index = [5, 3, 3, 1, 0, 9]
    series = tuple(pd.Series(part, index=index) for part in HISTORY)
    copies = tuple(part.copy() for part in series)
    model = BetaGeometric().fit(*series)
    assert model.params_ == BetaGeometric().fit(*HISTORY).params_
    predicted = model.expected_purchases(30, *series)
    assert isinstance(predicted, np.ndarray)
    np.testing.assert_array_equal(predicted, model.expected_purchases(30, *HISTORY))
    for part, copy in zip(series, copies, strict=True):
        pd.testing.assert_series_equal(part, copy)


@pytest.mark.parametrize("variant", VARIANTS)
def test_saved_and_loaded_is_the_same(variant):
    model = BetaGeometric(variant, penalizer=0.5).fit(*HISTORY)
    again = BetaGeometric.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.to_dict() == model.to_dict()
    np.testing.assert_array_equal(
        again.expected_purchases(9, *HISTORY), model.expected_purchases(9, *HISTORY)
    )


def test_clone_keeps_arguments_and_forgets_the_fit():
    model = clone(BetaGeometric("bg", penalizer=0.5).fit(*HISTORY))
    assert model.get_params() == {"variant": "bg", "penalizer": 0.5}
    with pytest.raises(NotFittedError, match=re.escape("call fit, or from_dict, first")):
        model.p_alive(*HISTORY)
    with pytest.raises(NotFittedError):
        model.expected_purchases(30, *HISTORY)
    with pytest.raises(NotFittedError):
        model.to_dict()


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (([0, 1], [0, 9], [5, 8]), "must be <= T (second): 1 of 2 rows is not (row 1: 9.0, 8.0)"),
        (([0.5], [1], [2]), "frequency must be a whole number of repeat purchase days: 1 of 1 rows is not"),
        (([0], [1], [2]), "recency must be > 0 exactly where frequency is > 0: 1 of 1 rows is not"),
        (([-1, -2, -3, -4], [1] * 4, [2] * 4), "4 rows are not (row 0: -1.0; row 1: -2.0; row 2: -3.0; ...)"),
        (([0], [0], [math.nan]), "T must be >= 0 and finite: 1 of 1 rows is not (row 0: nan)"),
        (([0], [0], [None]), "T must be >= 0 and finite: 1 of 1 rows is not (row 0: nan)"),
        (([0], [0], ["soon"]), "T must hold numbers without missing values: could not convert"),
        (([0], [0], [1, 2]), "T must have one row per customer: got 2 rows for 1 customers"),
        (([[0]], [0], [1]), "frequency must have one dimension (one row per customer), got shape (1, 1)"),
    ],
)
def test_impossible_histories_are_refused(history, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BetaGeometric().fit(*history)
    with pytest.raises(ValueError, match=re.escape(message)):
        known("mbg", *TRUTH.values()).p_no_purchase(30, *history)


def test_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match=re.escape("variant must be 'mbg' or 'bg', currently set to 'pareto'")
    ):
        BetaGeometric("pareto").fit(*HISTORY)
    with pytest.raises(ValueError, match=re.escape("penalizer must be at least 0, currently set to -1")):
        BetaGeometric(penalizer=-1).fit(*HISTORY)
    with pytest.raises(ValueError, match=re.escape("weights must be >= 0 and finite: 1 of 6 rows is not")):
        BetaGeometric().fit(*HISTORY, weights=[1, 1, -1, 1, 1, 1])
    with pytest.raises(ValueError, match=re.escape("horizon_days must be >= 0 and finite")):
        known("mbg", *TRUTH.values()).p_no_purchase(-1, *HISTORY)
    with pytest.raises(ValueError, match=re.escape("got {'r': 0, 'b': None}; expected r, alpha, a, b")):
        BetaGeometric.from_dict({"params": {"r": 0, "alpha": 1.0, "a": 1}})
