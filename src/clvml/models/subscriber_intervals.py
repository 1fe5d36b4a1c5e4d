"""Intervals for the revenue of one subscriber: who leaves pays until then, who stays much as now."""

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

# What who stays pays, as a share of today's price, where no window has ended.
SAME_PRICE = (1.0,)
_LEVEL = 0.8


def stayers_revenue(subscriptions: pd.DataFrame, as_of: date, horizon_days: int) -> tuple[float, ...]:
    """Return the quantiles, at `SHARES`, of what stayers earned in the newest window over the price at its beginning.

    It ends at ``as_of``. Above 1 where they took a dearer plan or more of it. `SAME_PRICE` where nobody stayed.
    """
    begin = as_of - timedelta(days=horizon_days)
    features = subscription_features(known_at(subscriptions, begin), begin)
    churned, _ = subscription_labels(subscriptions, begin, horizon_days)
    stayed = features[(features["customer_id"].map(churned) == 0) & (features["monthly_price"] > 0)]
    if stayed.empty:
        return SAME_PRICE
    earned = stayed["customer_id"].map(subscription_revenue(subscriptions, begin, horizon_days)).fillna(0.0)
    ratio = earned / (stayed["monthly_price"] / MONTH_DAYS * horizon_days)
    # Six digits: who pays as before is not a rounding error away from 1.
    return tuple(np.quantile(ratio.round(6), SHARES, method="inverted_cdf").tolist())


def shares_paid(survived: Array, stayers: tuple[float, ...]) -> tuple[Array, Array]:
    """Return the low and the high end of the revenue of the horizon over that at today's price, shape (n,) each.

    The revenue is a mixture: who leaves pays until that day, who stays what stayers paid before. The high end is the
    quantile at 90 %, and 80 % lie between the ends. Many pay exactly today's price, which then is the high end; nothing
    lies above it, so that all who are left out lie below.

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
