"""The level: total spend and mean churn of all customers, from forecasts that know the season of a whole year.

total  = exp( sum_k w_k (log total_k + mean miss_k / 3) / sum_k w_k ),    k = BTYD, trailing 365 days
miss_k = log actual - log total_k in each training window
w_k    = 1 / (mean (miss_k - mean miss_k / 3)^2 + 0.1)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.models.boosting import logit_of
from clvml.models.intervals import LEVEL_SPREAD

Array = NDArray[np.float64]

# The forecasts of the total.
ANCHORS = ["btyd_spend", "trailing_365d"]
# The share of a forecast's mean miss in the training windows that is expected to last, and the mean squared error of
# the logarithm of totals that no forecast can avoid: the larger it is, the more equal are the weights of the forecasts.
_LASTING_MISS = 1.0 / 3.0
_LEVEL_NOISE = 0.1
# Larger misses are clipped: a window without sales, or with large refunds, says little about the next.
_LARGEST_MISS = float(np.log(4.0))
# Weight of the usual spread of the level, in windows of the log: its windows are few and correlated.
_USUAL_WINDOWS = 4.0
# The share of a forecast of the total from which one customer decides it.
_DECIDING_SHARE = 0.25


class Level(NamedTuple):
    """Corrections that bring the total of the trees to the total that the prior expects.

    Trees rank customers well, but take the level of the training windows for that of all time: a model trained on
    autumns expects an autumn. The prior knows the season of a year and how many customers drop out.

    Attributes
    ----------
    churn_shift : float
        Added to the logit of P(churn).
    tweedie, hurdle, alone : float
        Factors of the expected spend by each form.
    stack : float
        Factor of the geometric mean of these forms, which is smaller than their mean.
    spread : float
        Standard deviation of the logarithm by which all customers together come in above or below.
    deciding : float or None
        `deciding_spend` of the training.
    """

    churn_shift: float = 0.0
    tweedie: float = 1.0
    hurdle: float = 1.0
    alone: float = 1.0
    stack: float = 1.0
    spread: float = LEVEL_SPREAD
    deciding: float | None = None

    def decides(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which customers are too large to follow the level, shape (n,); ``frame`` holds `ANCHORS`."""
        return _forecast(frame) >= (np.inf if self.deciding is None else self.deciding)


NO_CORRECTION = Level()


def deciding_spend(now: pd.DataFrame) -> float | None:
    """Return the forecast from which one of these customers decides the total alone [currency], if there is one.

    The level of all others cannot be learnt from totals that rise and fall with one account. From the largest on, a
    customer decides with a quarter or more of what is forecast of this customer and all smaller ones. Nobody does
    where that holds down to the smallest: such a shop has no others. ``now`` holds the forecasts `ANCHORS`.
    """
    largest = np.sort(_forecast(now))[::-1]
    # Sums from the smallest on, so that a giant takes no digits from the others.
    with_smaller = np.cumsum(largest[::-1])[::-1]
    others = largest < _DECIDING_SHARE * with_smaller
    if not others.any():
        return None
    return float(with_smaller[np.argmax(others)]) * _DECIDING_SHARE / (1.0 - _DECIDING_SHARE)


def totals_by_window(frames: Mapping[date, pd.DataFrame], left_out: Collection[object]) -> pd.DataFrame:
    """Return actual total spend and the totals that BTYD and trailing spend forecast, one row per training cutoff.

    ``frames`` are snapshots with the prior's columns; customers whose id is ``left_out`` are not counted.
    """
    levels = {
        cutoff: frame.loc[~frame["customer_id"].isin(left_out), ["actual_spend", *ANCHORS]]
        for cutoff, frame in frames.items()
    }
    return pd.concat(levels, names=["cutoff"]).clip(lower=0.0).groupby("cutoff").sum()


def churn_shift(now: pd.DataFrame, p_churn: Array) -> float:
    """Return the difference on the logit of mean P(churn) by BTYD and by trees, shape (n,), for today's customers."""
    return float(logit_of(now["btyd_p_churn"].mean()) - logit_of(p_churn.mean()))


def fit_level(
    now: pd.DataFrame, shift: float, spends: Mapping[str, Array], totals: pd.DataFrame, horizon_days: int
) -> Level:
    """Return the corrections that bring the trees' total for today's customers to the level of the prior.

    ``now`` holds the prior's columns of these customers, ``spends`` the trees' E[spend] by each form, shape (n,), at
    a P(churn) that was shifted by ``shift``. Part of the mean miss of each forecast of a window's total
    (`totals_by_window`) is added to its forecast of today's total. Its weight falls with its mean squared miss
    after this correction: trailing spend is good where the customer base is steady, and far too high where a cohort
    fades. The spread of the level comes from the misses of the weighted mean of both.
    """
    actual = _log(totals["actual_spend"])
    anchor = trust = 0.0
    missed = np.zeros(len(totals))
    # Where nobody has bought for a year, trailing spend says nothing of those who buy every other year.
    for name in [name for name in ANCHORS if now[name].sum() > 0] or ANCHORS:
        miss = (actual - _log(totals[name])).clip(-_LARGEST_MISS, _LARGEST_MISS)
        lasting = _LASTING_MISS * float(miss.mean())
        weight = 1.0 / (float(((miss - lasting) ** 2).mean()) + _LEVEL_NOISE)
        anchor += weight * (float(_log(now[name].sum())) + lasting)
        missed += weight * (miss - lasting).to_numpy()
        trust += weight
    anchor /= trust
    # Windows overlap: a year of 90-day windows, a month apart, is worth about five.
    windows = 1.0 + (max(totals.index) - min(totals.index)).days / horizon_days
    squares = _USUAL_WINDOWS * LEVEL_SPREAD**2 + windows * float(np.mean((missed / trust) ** 2))
    spread = float(np.sqrt(squares / (_USUAL_WINDOWS + windows)))
    factors = {
        name: float(np.exp(anchor - _log(spends[name].sum()))) for name in ("tweedie", "hurdle", "alone")
    }
    return Level(shift, **factors, spread=spread)


def _forecast(frame: pd.DataFrame) -> Array:
    """Return the larger of both forecasts of each customer's spend, shape (n,) [currency]."""
    return frame[ANCHORS].to_numpy(dtype=float).max(axis=1, initial=0.0)


def _log(total: ArrayLike) -> Any:
    return np.log(np.maximum(total, 1e-9))
