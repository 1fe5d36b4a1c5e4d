"""How good predictions of spend, churn and intervals are, over all customers or over weighted customers.

Every metric is a function of two arrays of shape (customers,), and returns a float. Given `weights` of shape
(customers, resamples), how often each customer was drawn, it returns one value per resample, equal to the
metric on the rows repeated that often: this is what makes the bootstrap of `leaderboard` fast.

Two rules hold everywhere. Customers with the same prediction are interchangeable: where a cut (a tenth, the
top 20%) falls among them, or inside one customer, it takes the matching fraction of them, so no result
depends on the order of the rows. And input that leaves a metric undefined (no money at all, one class only)
gives NaN, without a warning, while input that is wrong (NaN, infinite, other lengths) raises ValueError.
Undefined depends on the actual values alone: a constant prediction ranks nobody, so its rank metrics are 0
(AUC 0.5), not NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clvml.evaluation import kernels
from clvml.evaluation.resampling import Drawn, Sample

Array = NDArray[np.float64]
Value = float | Array
Weights = ArrayLike | None
Values = TypeVar("Values", float, Array)


@dataclass(frozen=True)
class Metric:
    """One metric, as data: its key, ``function(actual, predicted, weights=None)`` and how to read it.

    `better` says which values are better: "zero" means the closer to zero, on either side. `label` and
    `description` are for people who know no statistics, `format` is the format specification of a value.
    `kernel` is the same function of a `Sample`, by which many metrics share one sort: shape (resamples,).
    """

    name: str
    function: Callable[..., Value]
    better: Literal["higher", "lower", "zero"]
    label: str
    description: str
    format: str
    kernel: Callable[[Sample], Array] = field(repr=False)

    def goodness(self, values: Values) -> Values:
        """Return values of which the larger are the better ones, shape as given."""
        if self.better == "higher":
            return values
        return -values if self.better == "lower" else -abs(values)

    def text(self, value: float, signed: bool = True) -> str:
        """Return `value` as people read it, "undefined" for NaN, without a plus where not `signed`.

        >>> SPEND_METRICS["total_bias"].text(-0.0152)
        '-1.5%'
        """
        if np.isnan(value):
            return "undefined"
        return format(value, self.format if signed else self.format.lstrip("+"))


def wape(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Weighted absolute percentage error: sum of absolute errors over the sum of absolute actual values.

    0 is perfect, and predicting zero for all has 1. NaN where nobody spent anything.

    Parameters
    ----------
    actual, predicted : array-like of shape (customers,)
        Spend in the window [currency].
    weights : array-like of shape (customers,) or (customers, resamples), optional
        How often each customer counts; once by default.

    Returns
    -------
    float, or array of shape (resamples,) if `weights` has two dimensions

    Raises
    ------
    ValueError
        If a value is NaN or infinite, a weight is negative, the lengths differ or there is no customer.
        This holds for every metric of this module.

    Examples
    --------
    >>> wape([10, 0, 30], [12, 4, 26])
    0.25
    """
    return _measure(kernels.wape, actual, predicted, weights)


def mae(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Mean absolute error [currency]. It rewards predicting zero; read it beside `total_bias`.

    >>> mae([10, 0, 30], [13, 4, 25])
    4.0
    """
    return _measure(kernels.mae, actual, predicted, weights)


def rmse(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Root of the mean squared error [currency]. A few large buyers dominate it.

    >>> rmse([10, 0], [13, 4])  # the root of (9 + 16) / 2
    3.5355339059327378
    """
    return _measure(kernels.rmse, actual, predicted, weights)


def spearman(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Spearman's rank correlation, ties with their average rank. NaN where all actual values are equal.

    A constant prediction has 0 (scipy has NaN): it ranks nobody, which is a finding and no missing value.

    >>> spearman([1, 2, 3, 4], [10, 20, 40, 30])
    0.8
    """
    return _measure(kernels.spearman, actual, predicted, weights)


def gini(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Normalised Gini: of the money ordered by prediction, over the money ordered by itself.

    1 is the perfect order, 0 a random or constant one. The area between the gains curve and the diagonal is
    the covariance of money and rank (Lerman and Yitzhaki 1984, Economics Letters 15), so the ratio of two
    such covariances is computed. NaN where all actual values are equal.

    >>> gini([0, 0, 10, 30], [1, 2, 4, 3])  # 30 of 50: money times centred rank, summed
    0.6
    """
    return _measure(kernels.gini, actual, predicted, weights)


def total_bias(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Predicted total over actual total, minus 1. NaN where the actual total is not positive.

    >>> total_bias([10, 30], [20, 25])
    0.125
    """
    return _measure(kernels.total_bias, actual, predicted, weights)


def decile_calibration_error(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Mean over ten equal groups by prediction of |mean predicted - mean actual|, over the overall mean.

    NaN where the actual total is not positive. With fewer than ten customers each is split over groups.

    >>> actual = np.arange(10.0)
    >>> round(decile_calibration_error(actual, actual + 0.9), 9)  # 0.9 off in each group, 4.5 the mean
    0.2
    """
    return _measure(kernels.decile_calibration_error, actual, predicted, weights)


def top_share(actual: ArrayLike, predicted: ArrayLike, share: float, weights: Weights = None) -> Value:
    """Share of the actual money held by the top `share` of customers by prediction.

    NaN where the actual total is not positive.

    >>> top_share([0, 10, 30, 60], [1, 4, 2, 3], share=0.5)
    0.7
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1 (currently {share!r}); 0.1 is the top 10%")
    return _measure(partial(kernels.top_share, share=share), actual, predicted, weights)


def roc_auc(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """P(a churner has a higher p_churn than a customer who stayed), ties counting half. NaN with one class.

    Parameters
    ----------
    actual : array-like of shape (customers,)
        1 where the customer churned, 0 where not.
    predicted : array-like of shape (customers,)
        `p_churn`, from 0 to 1.
    weights : array-like of shape (customers,) or (customers, resamples), optional

    Raises
    ------
    ValueError
        As for `wape`, and if `actual` is not 0 or 1 or `predicted` is outside 0 to 1. This holds for every
        metric of churn.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return _measure(kernels.roc_auc, actual, predicted, weights, churn=True)


def average_precision(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Average precision of churn, as in scikit-learn (a sum of steps). NaN where nobody churned.

    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    return _measure(kernels.average_precision, actual, predicted, weights, churn=True)


def log_loss(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Mean negative log likelihood [nats], with p_churn clipped to 1e-15 from 0 and 1.

    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    """
    return _measure(kernels.log_loss, actual, predicted, weights, churn=True)


def brier(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Mean squared difference of p_churn and what happened (Brier 1950).

    >>> brier([1, 0], [0.5, 0.0])
    0.125
    """
    return _measure(kernels.mean_squared_error, actual, predicted, weights, churn=True)


def expected_calibration_error(actual: ArrayLike, predicted: ArrayLike, weights: Weights = None) -> Value:
    """Mean over ten equal groups by p_churn of |mean p_churn - share who churned|.

    >>> round(expected_calibration_error([1, 0, 1, 0], [0.6, 0.6, 0.6, 0.6]), 4)
    0.1
    """
    return _measure(kernels.expected_calibration_error, actual, predicted, weights, churn=True)


def coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of customers whose actual value lies in [low, high], bounds included.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, the lengths differ, there is no customer or a low is above its high.

    Examples
    --------
    >>> coverage([1, 5, 9], [0, 0, 0], [2, 5, 8])
    0.6666666666666666
    """
    values, lows, highs = check_arrays(actual=actual, low=low, high=high)
    _check_bounds(lows, highs)
    return float(np.mean((lows <= values) & (values <= highs)))


def _measure(
    kernel: Callable[[Sample], Array],
    actual: ArrayLike,
    predicted: ArrayLike,
    weights: Weights,
    churn: bool = False,
) -> Value:
    values, predictions = check_arrays(actual=actual, predicted=predicted)
    if churn:
        check_churn(values, predictions)
    drawn = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if drawn.ndim not in (1, 2) or len(drawn) != len(values):
        raise ValueError(
            f"weights must have one row per customer: {len(values)} customers, weights of shape {drawn.shape}"
        )
    if not np.isfinite(drawn).all() or (drawn < 0).any():
        raise ValueError("weights must be finite and not negative: how often each customer counts")
    result = kernel(Sample(Drawn(values, drawn.reshape(len(values), -1)), predictions))
    return float(result[0]) if drawn.ndim == 1 else result


def check_arrays(**columns: ArrayLike) -> list[Array]:
    """Return the columns as float arrays; raise ValueError unless they are finite and equally long.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, the lengths differ, or there is no customer.
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"one value per customer in each array is needed: the shapes are {got}")
    for name, array in arrays.items():
        if array.size == 0:
            raise ValueError(f"{name} is empty: at least one customer is needed")
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise ValueError(
                f"{name} has {bad.size} values that are NaN or infinite, first at positions "
                f"{bad[:3].tolist()}: give every customer a number, or leave them out of every array"
            )
    return list(arrays.values())


def check_churn(actual: Array, predicted: Array, name: str = "p_churn") -> None:
    """Raise ValueError unless `actual` is 0 or 1 and `predicted`, called `name`, lies between 0 and 1."""
    wrong = ~np.isin(actual, (0.0, 1.0))
    if wrong.any():
        raise ValueError(
            f"churned must be 0 or 1: {wrong.sum()} other values, such as {actual[wrong].min():g}; "
            "1 means no purchase in the window"
        )
    wrong = (predicted < 0) | (predicted > 1)
    if wrong.any():
        raise ValueError(
            f"{name} must lie between 0 and 1: {wrong.sum()} values outside, "
            f"such as {predicted[wrong].min():g}; pass a probability, not a score or a percentage"
        )


def _check_bounds(low: Array, high: Array) -> None:
    crossed = np.flatnonzero(low > high)
    if crossed.size:
        raise ValueError(
            f"low must not be above high: {crossed.size} intervals are crossed, "
            f"first at positions {crossed[:3].tolist()}; swap the two or sort them"
        )


def _as_dict(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


# fmt: off
SPEND_METRICS = _as_dict(
    Metric("wape", wape, "lower", "Spend error (WAPE)",
           "Sum of all errors as a share of the money spent; 0 is perfect.", "z.3f", kernels.wape),
    Metric("mae", mae, "lower", "Mean error (MAE)",
           "How far off the prediction of a customer is on average, in money.", "z,.2f", kernels.mae),
    Metric("rmse", rmse, "lower", "Large errors (RMSE)",
           "Like the mean error, but large misses count far more, in money.", "z,.2f", kernels.rmse),
    Metric("spearman", spearman, "higher", "Order of customers (Spearman)",
           "How well customers are ordered by spend; 1 is perfect, 0 is chance.", "z.3f", kernels.spearman),
    Metric("gini", gini, "higher", "Order of money (Gini)",
           "How well the prediction finds the money; 1 is perfect, 0 is chance.", "z.3f", kernels.gini),
    Metric("total_bias", total_bias, "zero", "Total money (bias)",
           "How far the predicted total lies above (+) or below (-) the actual one.", "+z.1%", kernels.total_bias),
    Metric("decile_calibration_error", decile_calibration_error, "lower", "Error by tenth",
           "How far off the level is in tenths of customers, over the mean spend.", "z.3f",
           kernels.decile_calibration_error),
    Metric("top_10_share", partial(top_share, share=0.1), "higher", "Money in the top 10%",
           "Share of the money spent by the tenth predicted to spend most.", "z.1%",
           partial(kernels.top_share, share=0.1)),
    Metric("top_20_share", partial(top_share, share=0.2), "higher", "Money in the top 20%",
           "Share of the money spent by the fifth predicted to spend most.", "z.1%",
           partial(kernels.top_share, share=0.2)),
)

CHURN_METRICS = _as_dict(
    Metric("roc_auc", roc_auc, "higher", "Finding churners (AUC)",
           "How often a churner is ranked above a customer who stayed; 0.5 is chance.", "z.3f", kernels.roc_auc),
    Metric("average_precision", average_precision, "higher", "Finding churners (AP)",
           "Share of real churners among those flagged, averaged over all cuts.", "z.3f", kernels.average_precision),
    Metric("log_loss", log_loss, "lower", "Churn probabilities (log loss)",
           "How surprising what happened was; being sure and wrong costs most.", "z.3f", kernels.log_loss),
    Metric("brier", brier, "lower", "Churn probabilities (Brier)",
           "Mean squared error of the churn probability; 0 is perfect.", "z.4f", kernels.mean_squared_error),
    Metric("expected_calibration_error", expected_calibration_error, "lower", "Churn level (ECE)",
           "How far the churn probability is from the share who churned.", "z.3f",
           kernels.expected_calibration_error),
)
# fmt: on
