"""Metrics: worked by hand, against scikit-learn and scipy, and against the rows written out."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr
from sklearn import metrics as sk

from clvml.evaluation import metrics as m

BOTH = {**m.SPEND_METRICS, **m.CHURN_METRICS}


def example(name, rng, size, ties=False):
    """Actual and predicted values of the kind that the metric is for."""
    if name in m.CHURN_METRICS:
        actual = (rng.random(size) < 0.4).astype(float)
        predicted = np.clip(0.5 * actual + 0.6 * rng.random(size), 0, 1)
        return actual, np.round(predicted, 1) if ties else predicted
    actual = np.where(rng.random(size) < 0.5, 0, rng.lognormal(3, 1, size))
    predicted = 0.3 * actual + rng.lognormal(3, 1, size)
    return actual, np.round(predicted, -1) if ties else predicted


# Four customers, predicted 40, 20, 20, 0 and spending 60, 0, 30, 10: errors 20, 20, 10, 10.
HAND = {
    "wape": 60 / 100,
    "mae": 60 / 4,
    "rmse": np.sqrt((400 + 400 + 100 + 100) / 4),
    # Ranks 4, 1, 3, 2 and 4, 2.5, 2.5, 1: centred products 2.25 + 0 + 0 + 0.75, spreads 5 and 4.5.
    "spearman": 3 / np.sqrt(5 * 4.5),
    # Money times centred rank: 60 x 1.5 - 10 x 1.5 over 60 x 1.5 + 30 x 0.5 - 10 x 0.5.
    "gini": 75 / 100,
    "total_bias": -0.2,
    # Tenths of 0.4 customers; the middle five tenths are all of the two tied at 20, who average 15.
    # Gaps in money, |predicted - actual| over each tie group: 10 (lowest), 10 (tied), 20 (highest); but the
    # tenths astride two groups, 20-30 % (half lowest, half tied) and 70-80 % (tied, highest), net them.
    "decile_calibration_error": (2 * 4 + (2 - 1) + 4 * 2 + (4 - 1) + 2 * 8) / 100,
    "top_10_share": 0.4 * 60 / 100,
    "top_20_share": 0.8 * 60 / 100,
}


@pytest.mark.parametrize("name", m.SPEND_METRICS)
def test_spend_metrics_worked_by_hand(name):
    value = m.SPEND_METRICS[name].function([60, 0, 30, 10], [40, 20, 20, 0])
    assert value == pytest.approx(HAND[name], abs=1e-12)
    assert isinstance(value, float)


def test_expected_calibration_error_worked_by_hand():
    # Two groups of ten customers: p 0.2 where 4 churn, p 0.9 where 6 do: off by 0.2 and by 0.3.
    churned = [1] * 4 + [0] * 6 + [1] * 6 + [0] * 4
    p = [0.2] * 10 + [0.9] * 10
    assert m.expected_calibration_error(churned, p) == pytest.approx(0.25, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_scikit_learn_and_scipy(seed, ties):
    rng = np.random.default_rng(seed)
    y, p = example("roc_auc", rng, 83, ties)
    assert m.roc_auc(y, p) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    assert m.average_precision(y, p) == pytest.approx(sk.average_precision_score(y, p), abs=1e-12)
    assert m.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)
    kept = np.clip(p, 1e-15, 1 - 1e-15)
    assert m.log_loss(y, p) == pytest.approx(sk.log_loss(y, kept), rel=1e-9)
    actual, predicted = example("gini", rng, 83, ties)
    assert m.spearman(actual, predicted) == pytest.approx(spearmanr(actual, predicted).statistic, abs=1e-12)
    assert m.mae(actual, predicted) == pytest.approx(sk.mean_absolute_error(actual, predicted))
    assert m.rmse(actual, predicted) == pytest.approx(sk.root_mean_squared_error(actual, predicted))


def test_gini_is_the_area_between_the_gains_curve_and_the_diagonal():
    def area(actual, by):
        held = np.r_[0, np.cumsum(actual[np.argsort(-by, kind="stable")]) / actual.sum()]
        return np.trapezoid(held, dx=1 / len(actual)) - 0.5

    actual, predicted = example("gini", np.random.default_rng(4), 60)
    assert m.gini(actual, predicted) == pytest.approx(
        area(actual, predicted) / area(actual, actual), abs=1e-12
    )


def test_deciles_and_top_share_are_plain_groups_where_customers_divide_evenly():
    actual, predicted = example("wape", np.random.default_rng(5), 70)
    tenths = np.argsort(predicted).reshape(10, 7)
    gaps = np.abs(predicted[tenths].mean(axis=1) - actual[tenths].mean(axis=1))
    assert m.decile_calibration_error(actual, predicted) == pytest.approx(gaps.mean() / actual.mean())
    assert m.top_share(actual, predicted, 0.2) == pytest.approx(actual[tenths[8:]].sum() / actual.sum())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", BOTH)
def test_weighted_metric_is_the_metric_of_the_repeated_rows(name, ties):
    rng = np.random.default_rng(6)
    metric = BOTH[name]
    actual, predicted = example(name, rng, 101, ties)
    weights = rng.poisson(1.0, (101, 6)).astype(float)
    together = metric.function(actual, predicted, weights=weights)
    assert together.shape == (6,)
    for column, value in zip(weights.T, together, strict=True):
        rows = np.repeat(np.arange(101), column.astype(int))
        plain = metric.function(actual[rows], predicted[rows])
        assert value == pytest.approx(plain, abs=1e-9, rel=1e-9)
        assert metric.function(actual, predicted, weights=column) == pytest.approx(value, abs=1e-12)


@given(seed=st.integers(0, 10**6), size=st.integers(1, 40))
@settings(max_examples=60)
def test_order_of_rows_does_not_matter_even_with_ties(seed, size):
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(size)
    for name, metric in BOTH.items():
        actual, predicted = example(name, rng, size, ties=True)
        before = metric.function(actual, predicted)
        after = metric.function(actual[shuffled], predicted[shuffled])
        assert after == pytest.approx(before, abs=1e-9, rel=1e-9, nan_ok=True), name


@given(
    predicted=hnp.arrays(float, 12, elements=st.integers(0, 50).map(float)),
    factor=st.sampled_from([0.125, 2.0, 1024.0]),
)
@settings(max_examples=60)
def test_rank_metrics_ignore_the_scale_of_the_prediction(predicted, factor):
    actual = np.array([0.0, 0, 0, 5, 7, 7, 20, 1, 0, 90, 3, 3])
    for metric in (m.gini, m.spearman, m.SPEND_METRICS["top_20_share"].function):
        assert metric(actual, predicted * factor) == pytest.approx(metric(actual, predicted), abs=1e-12)
        assert metric(actual * factor, predicted) == pytest.approx(metric(actual, predicted), abs=1e-12)


def test_perfect_predictions():
    actual = np.array([0.0, 0, 10, 30, 5, 80])
    perfect = {
        "spearman": 1.0,
        "gini": 1.0,
        "top_10_share": 0.6 * 80 / 125,
        "top_20_share": (80 + 0.2 * 30) / 125,
    }
    for name, metric in m.SPEND_METRICS.items():
        assert metric.function(actual, actual) == pytest.approx(perfect.get(name, 0.0), abs=1e-12), name
    churned = np.array([0.0, 1, 1, 0])
    best = {"roc_auc": 1.0, "average_precision": 1.0}
    for name, metric in m.CHURN_METRICS.items():
        assert metric.function(churned, churned) == pytest.approx(best.get(name, 0.0), abs=1e-12), name


def test_constant_predictions_rank_nobody():
    actual, constant = np.array([0.0, 5, 10, 1]), np.full(4, 3.3)
    assert m.spearman(actual, constant) == 0
    assert m.gini(actual, constant) == 0
    assert m.top_share(actual, constant, 0.2) == pytest.approx(0.2)
    assert m.roc_auc([0, 1, 1, 0], np.full(4, 0.3)) == 0.5
    assert m.average_precision([0, 1, 0, 0], np.full(4, 0.3)) == pytest.approx(0.25)


def test_undefined_is_nan():
    zero, some = np.zeros(3), np.array([1.0, 2.0, 4.0])
    undefined = {
        "wape",
        "spearman",
        "gini",
        "total_bias",
        "decile_calibration_error",
        "top_10_share",
        "top_20_share",
    }
    for name, metric in m.SPEND_METRICS.items():
        assert np.isnan(metric.function(zero, some)) == (name in undefined), name
    half = np.array([0.25, 0.5, 0.75])
    for churned, undefined in ((np.zeros(3), {"roc_auc", "average_precision"}), (np.ones(3), {"roc_auc"})):
        for name, metric in m.CHURN_METRICS.items():
            assert np.isnan(metric.function(churned, half)) == (name in undefined), name


def test_one_customer():
    values = {name: metric.function([8.0], [6.0]) for name, metric in m.SPEND_METRICS.items()}
    assert np.isnan(values.pop("spearman"))
    assert np.isnan(values.pop("gini"))
    expected = [0.25, 2.0, 2.0, -0.25, 0.25, 0.1, 0.2]
    assert list(values.values()) == pytest.approx(expected)


def test_net_refunds_leave_shares_undefined_and_order_defined():
    actual = np.array([-50.0, 10.0, 20.0])
    assert np.isnan(m.total_bias(actual, actual))
    assert np.isnan(m.top_share(actual, actual, 0.1))
    assert m.gini(actual, actual) == pytest.approx(1.0)
    assert m.wape(actual, np.zeros(3)) == 1.0


def test_log_loss_is_clipped():
    assert m.log_loss([1], [0.0]) == pytest.approx(-np.log(1e-15))


def test_inputs_are_not_changed():
    actual, predicted = np.array([1.0, 0, 1]), np.array([0.2, 0.9, 0.4])
    weights = np.ones((3, 2))
    copies = actual.copy(), predicted.copy(), weights.copy()
    for metric in BOTH.values():
        metric.function(actual, predicted, weights=weights)
    for now, before in zip((actual, predicted, weights), copies, strict=True):
        assert (now == before).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: m.wape([1, 2], [1, np.nan]),
            "predicted has 1 values that are NaN or infinite, first at positions [1]: give every customer a "
            "number, or leave them out of every array",
        ),
        (lambda: m.gini([1, np.inf], [1, 2]), "actual has 1 values that are NaN or infinite"),
        (lambda: m.rmse([1, 2], [1]), "the shapes are actual (2,), predicted (1,)"),
        (lambda: m.rmse([], []), "actual is empty: at least one customer is needed"),
        (
            lambda: m.roc_auc([0, 2], [0.1, 0.2]),
            "churned must be 0 or 1: 1 other values, such as 2; 1 means no purchase in the window",
        ),
        (
            lambda: m.brier([0, 1], [0.1, 1.5]),
            "p_churn must lie between 0 and 1: 1 values outside, such as 1.5; pass a probability, not a "
            "score or a percentage",
        ),
        (lambda: m.top_share([1], [1], 20), "share must be above 0 and at most 1 (currently 20)"),
        (lambda: m.wape([1], [1], weights=[1, 2]), "1 customers, weights of shape (2,)"),
        (lambda: m.wape([1], [1], weights=[-1]), "weights must be finite and not negative"),
        (
            lambda: m.coverage([1, 2], [0, 3], [1, 2]),
            "low must not be above high: 1 intervals are crossed, first at positions [1]; swap the two or "
            "sort them",
        ),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_coverage_counts_the_bounds():
    assert m.coverage([1, 2, 3, 4], [1, 0, 4, 0], [2, 2, 5, 3]) == 0.5


def test_metrics_are_data():
    assert list(m.SPEND_METRICS) == [
        "wape",
        "mae",
        "rmse",
        "spearman",
        "gini",
        "total_bias",
        "decile_calibration_error",
        "top_10_share",
        "top_20_share",
    ]
    assert list(m.CHURN_METRICS) == [
        "roc_auc",
        "average_precision",
        "log_loss",
        "brier",
        "expected_calibration_error",
    ]
    assert len({metric.label for metric in BOTH.values()}) == len(BOTH)
    assert all(metric.name == name for name, metric in BOTH.items())
    assert m.SPEND_METRICS["total_bias"].text(0.05) == "+5.0%"
    assert m.SPEND_METRICS["total_bias"].text(0.05, signed=False) == "5.0%"
    assert m.SPEND_METRICS["mae"].text(1234.5) == "1,234.50"
    assert m.SPEND_METRICS["mae"].text(float("nan")) == "undefined"
