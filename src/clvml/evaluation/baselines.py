"""Simple rules that every model has to beat, from the feature table alone.

A rule gets a training frame, a frame to predict and the horizon, all with one row per customer (and cutoff):

- features: `frequency`, `recency` [days], `T` [days], `monetary_value` [currency], `days_since_last_order`
  [days], `spend_sum` [currency, all history], `spend_sum_365d` [currency], `purchase_days`;
- labels, in training only: `actual_spend` [currency] and `churned` (0 or 1), over the same horizon.

It returns the expected spend, never negative, and p_churn: arrays with one number per customer to predict and
no NaN, or None for what the rule does not predict. The result does not depend on the order of the rows.

``history_days`` is the age of the purchase log at the cutoff of ``test`` [days], by default the largest ``T`` of both
frames. A rule raises ValueError if a column is missing, a needed value is NaN or infinite, ``train`` has no rows or
``horizon_days`` is not positive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.evaluation.plain_formulas import days_kept, monthly_formula, purchase_formula, yearly_formula

Array = NDArray[np.float64]
Predicted = tuple[Array | None, Array | None]

YEAR = 365.0
RECENCY_BINS = 10
RFM_BINS = 5
# Pseudo-customers with the average of all that are added to each cell, so that small cells stay near it.
PRIOR_CUSTOMERS = 20.0


def predict_zero(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict that nobody spends anything. It wins on MAE where most customers are gone.

    >>> spend, churn = predict_zero(pd.DataFrame({"T": [9]}), pd.DataFrame({"T": [10, 20]}), horizon_days=30)
    >>> spend.tolist(), churn
    ([0.0, 0.0], None)
    """
    _check(train, test, horizon_days)
    return np.zeros(len(test)), None


def predict_mean(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict the mean spend and the churn rate of training for everyone.

    >>> train = pd.DataFrame({"actual_spend": [0.0, 30.0], "churned": [1, 0]})
    >>> predict_mean(train, train, horizon_days=30)
    (array([15., 15.]), array([0.5, 0.5]))
    """
    _check(train, test, horizon_days, learnt_from=["actual_spend", "churned"])
    spend, churn = (_mean(_column(train, label)) for label in ("actual_spend", "churned"))
    return np.full(len(test), max(spend, 0.0)), np.full(len(test), churn)


def predict_trailing_spend(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict the net spend of the last 365 days, pro rata: spend_sum_365d x horizon / 365.

    A log younger than a year holds fewer days, so its age takes the place of the 365. The age of the
    *customer* does not: a first order three days ago, extrapolated to 60 times itself, would be absurd.

    >>> test = pd.DataFrame({"spend_sum_365d": [730.0, -5.0], "T": [800, 3]})
    >>> predict_trailing_spend(test, test, horizon_days=180)[0].tolist()
    [360.0, 0.0]
    """
    _check(train, test, horizon_days, applied_to=["spend_sum_365d"])
    if history_days is None:
        _check(train, test, horizon_days, learnt_from=["T"], applied_to=["T"])
        history_days = max(_column(train, "T").max(), _column(test, "T").max(initial=1.0))
    if not history_days > 0:
        raise ValueError(f"history_days must be positive (currently {history_days!r})")
    days = min(YEAR, history_days)
    return _not_negative(_column(test, "spend_sum_365d") * horizon_days / days), None


def predict_purchase_rate(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict that repeat purchases go on at their rate: frequency x horizon / T x monetary_value.

    What the field calls x*t/T (repeat purchases x days ahead / days observed), times the mean spend of a
    repeat purchase day. It never lets a customer go, and gives 0 to those who bought once.

    >>> test = pd.DataFrame({"frequency": [4, 0], "T": [200, 0], "monetary_value": [25.0, np.nan]})
    >>> predict_purchase_rate(test, test, horizon_days=100)[0].tolist()
    [50.0, 0.0]
    """
    _check(train, test, horizon_days, applied_to=["frequency", "T"])
    frequency, age = _column(test, "frequency"), _column(test, "T")
    repeats = (frequency > 0) & (age > 0)
    # Who never came back has no mean spend per repeat day, which is the one gap the feature table may have.
    value = _column(test.loc[repeats], "monetary_value") if repeats.any() else np.empty(0)
    _check_finite("test", "monetary_value", value)
    spend = np.zeros(len(test))
    spend[repeats] = frequency[repeats] * horizon_days / age[repeats] * value
    return _not_negative(spend), None


def predict_plain_formula(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict by the textbook formula: purchase value x purchase frequency x customer lifetime.

    See `clvml.evaluation.plain_formulas`; the churn rate is that of training.

    >>> train = pd.DataFrame({"churned": [1, 0]})
    >>> test = pd.DataFrame({"spend_sum": [400.0], "purchase_days": [4], "T": [200]})
    >>> predict_plain_formula(train, test, horizon_days=100)[0].round(2)  # 2 a day, for 72.13 of 100 days
    array([144.27])
    """
    needed = ["spend_sum", "purchase_days", "T"]
    _check(train, test, horizon_days, learnt_from=["churned"], applied_to=needed)
    kept = days_kept(_mean(_column(train, "churned")), horizon_days, horizon_days)
    spend, days, age = (_column(test, name) for name in needed)
    return _not_negative(purchase_formula(spend, days, age, horizon_days, kept)), None


def predict_monthly_formula(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict that each customer spends per month as so far, and that nobody leaves.

    >>> test = pd.DataFrame({"spend_sum": [400.0, 50.0], "T": [200, 3]})
    >>> predict_monthly_formula(test, test, horizon_days=100)[0].tolist()
    [200.0, 50.0]
    """
    _check(train, test, horizon_days, applied_to=["spend_sum", "T"])
    spend, age = _column(test, "spend_sum"), _column(test, "T")
    return _not_negative(monthly_formula(spend, age, horizon_days, horizon_days)), None


def predict_yearly_formula(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict that each customer spends as in the last year, as long as the average customer is kept.

    >>> train = pd.DataFrame({"churned": [1, 0]})
    >>> test = pd.DataFrame({"spend_sum_365d": [730.0]})
    >>> predict_yearly_formula(train, test, horizon_days=100)[0].round(2)  # 2 a day, for 72.13 of 100 days
    array([144.27])
    """
    _check(train, test, horizon_days, learnt_from=["churned"], applied_to=["spend_sum_365d"])
    kept = days_kept(_mean(_column(train, "churned")), horizon_days, horizon_days)
    return _not_negative(yearly_formula(_column(test, "spend_sum_365d"), kept)), None


def predict_recency_rule(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict the churn rate that training had at the same `days_since_last_order`, in ten equal bins.

    The rule of thumb "who has been away long is gone", with its rates taken from the data. Each bin is drawn
    towards the rate of all as if by 20 average customers more.

    >>> train = pd.DataFrame({"days_since_last_order": [5, 300] * 20, "churned": [0, 1] * 20})
    >>> test = pd.DataFrame({"days_since_last_order": [4, 400]})
    >>> predict_recency_rule(train, test, horizon_days=30)[1].tolist()
    [0.25, 0.75]
    """
    away = "days_since_last_order"
    _check(train, test, horizon_days, learnt_from=[away, "churned"], applied_to=[away])
    trained, tested = _bins(train, test, away, RECENCY_BINS)
    return None, _cell_means(trained, tested, _column(train, "churned"), RECENCY_BINS)


def predict_rfm_cell(
    train: pd.DataFrame, test: pd.DataFrame, horizon_days: float, history_days: float | None = None
) -> Predicted:
    """Predict the mean spend and the churn rate that training had in the same RFM cell.

    Cells are fifths of `days_since_last_order` (R), `frequency` (F) and `spend_sum` (M) as cut on training:
    125 at most, fewer where many customers are alike. Each is drawn towards the mean of all as if by 20
    average customers more.

    >>> train = pd.DataFrame({"days_since_last_order": [5, 300] * 20, "frequency": [3, 0] * 20,
    ...                       "spend_sum": [90.0, 10.0] * 20, "actual_spend": [40.0, 0.0] * 20,
    ...                       "churned": [0, 1] * 20})
    >>> predict_rfm_cell(train, train.head(2), horizon_days=30)
    (array([30., 10.]), array([0.25, 0.75]))
    """
    features = ["days_since_last_order", "frequency", "spend_sum"]
    _check(train, test, horizon_days, [*features, "actual_spend", "churned"], features)
    trained, tested = np.zeros(len(train), dtype=np.intp), np.zeros(len(test), dtype=np.intp)
    for feature in features:
        more_trained, more_tested = _bins(train, test, feature, RFM_BINS)
        trained = trained * RFM_BINS + more_trained
        tested = tested * RFM_BINS + more_tested
    cells = RFM_BINS ** len(features)
    spend = _cell_means(trained, tested, _column(train, "actual_spend"), cells)
    return _not_negative(spend), _cell_means(trained, tested, _column(train, "churned"), cells)


BASELINES: dict[str, Callable[..., Predicted]] = {
    "zero": predict_zero,
    "mean": predict_mean,
    "trailing 365 days": predict_trailing_spend,
    "purchase rate (x*t/T)": predict_purchase_rate,
    "plain formula": predict_plain_formula,
    "monthly value x months": predict_monthly_formula,
    "yearly profit x years kept": predict_yearly_formula,
    "recency rule": predict_recency_rule,
    "RFM cell": predict_rfm_cell,
}
"""The rules by their name on the leaderboard."""
FORMULAS = ("plain formula", "monthly value x months", "yearly profit x years kept")
"""The rules that people call customer value."""


def _bins(
    train: pd.DataFrame, test: pd.DataFrame, feature: str, bins: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    values = _column(train, feature)
    # "lower" keeps every edge an observed value, so that equal customers never straddle a rounded one. The
    # largest value is not an edge: above it would be a bin that training never filled.
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="lower"))
    edges = edges[edges < values.max()]
    return np.searchsorted(edges, values, side="left"), np.searchsorted(
        edges, _column(test, feature), side="left"
    )


def _cell_means(trained: NDArray[np.intp], tested: NDArray[np.intp], labels: Array, cells: int) -> Array:
    order = np.lexsort((labels, trained))
    sums = np.bincount(trained[order], weights=labels[order], minlength=cells)
    counts = np.bincount(trained, minlength=cells)
    means = (sums + PRIOR_CUSTOMERS * _mean(labels)) / (counts + PRIOR_CUSTOMERS)
    return means[tested]


def _mean(values: Array) -> float:
    # Sorted, here and in the cells, because a sum of floating-point numbers depends on their order.
    return float(np.sort(values).mean())


def _not_negative(spend: Array) -> Array:
    # The plus turns -0.0 into 0.0.
    return np.maximum(spend, 0.0) + 0.0


def _column(frame: pd.DataFrame, name: str) -> Array:
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _check_finite(frame: str, name: str, values: Array) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(
            f"{name} of {frame} is NaN or infinite for {bad} customers; "
            "only monetary_value of customers without a repeat purchase may be missing"
        )


def _check(
    train: pd.DataFrame,
    test: pd.DataFrame,
    horizon_days: float,
    learnt_from: Sequence[str] = (),
    applied_to: Sequence[str] = (),
) -> None:
    if not (np.isfinite(horizon_days) and horizon_days > 0):
        raise ValueError(f"horizon_days must be positive (currently {horizon_days!r})")
    if train.empty:
        raise ValueError("train has no rows: at least one customer is needed to learn from")
    for frame_name, frame, names in (("train", train, learnt_from), ("test", test, applied_to)):
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise ValueError(f"{frame_name} lacks the columns {missing}; it has {list(frame.columns)}")
        for name in names:
            _check_finite(frame_name, name, _column(frame, name))
