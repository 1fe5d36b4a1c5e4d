"""Prediction intervals for the revenue of one subscriber, from survival and from the payments of those who stay."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers.subscription_snapshots import (
    MONTH_DAYS,
    known_at,
    subscription_features,
    subscription_labels,
    subscription_revenue,
)
from clvml.models.intervals import SHARES

Array = NDArray[np.float64]

# Payments of those who stay, as a share of today's price, assumed where no window has ended.
SAME_PRICE = (1.0,)
_LEVEL = 0.8


def stayers_revenue(subscriptions: pd.DataFrame, as_of: date, horizon_days: int) -> tuple[float, ...]:
    """Return the quantiles, at `SHARES`, of the revenue from stayers over that at their price when the window began.

    It is the newest window, which ends at ``as_of``. Quantiles above 1 come from upgrades. `SAME_PRICE` where nobody
    stayed.
    """
    begin = as_of - timedelta(days=horizon_days)
    features = subscription_features(known_at(subscriptions, begin), begin)
    churned, _ = subscription_labels(subscriptions, begin, horizon_days)
    stayed = features[(features["customer_id"].map(churned) == 0) & (features["monthly_price"] > 0)]
    if stayed.empty:
        return SAME_PRICE
    earned = stayed["customer_id"].map(subscription_revenue(subscriptions, begin, horizon_days)).fillna(0.0)
    ratio = earned / (stayed["monthly_price"] / MONTH_DAYS * horizon_days)
    # Rounded, so that an unchanged price gives exactly 1.
    return tuple(np.quantile(ratio.round(6), SHARES, method="inverted_cdf").tolist())


def shares_paid(survived: Array, stayers: tuple[float, ...]) -> tuple[Array, Array]:
    """Return the low and the high end of the revenue over the horizon relative to today's price, shape (n,) each.

    The revenue has a mixture distribution: those who leave pay until that day, those who stay pay as earlier stayers
    did. The high end is the quantile at 90 %, and the interval covers 80 %. Where the high end is today's price, which
    many pay exactly, nothing lies above it, and the other 20 % lie below the low end.

    Parameters
    ----------
    survived : ndarray, shape (n, horizon + 1)
        P(still subscribed after so many days).
    stayers : tuple of float
        Quantiles of `stayers_revenue`.
    """
    days = survived.shape[1] - 1
    held = np.asarray(stayers)
    grid = np.unique(np.concatenate([np.arange(days) / days, held]))
    gone = np.minimum(np.floor(grid * days + 1e-9).astype(int) + 1, days)
    below = np.searchsorted(np.sort(held), grid, side="right") / len(held)
    reached = 1.0 - survived[:, gone] + survived[:, [days]] * below

    def quantile(share: Array) -> NDArray[np.intp]:
        return np.argmax(reached >= share[:, None] - 1e-9, axis=1)

    high = quantile(np.full(len(survived), 0.5 + _LEVEL / 2.0))
    low = quantile(reached[np.arange(len(survived)), high] - _LEVEL)
    return grid[low], grid[high]
