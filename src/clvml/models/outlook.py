"""Forecasts beyond the horizon of training: spend by any day, the next order, and lifetime value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from clvml.config import ValueConfig
from clvml.models.boosting import logit_of
from clvml.models.prior import Prior

Array = NDArray[np.float64]

HORIZONS = (30, 90, 180, 365)
_MONTH_DAYS = 30
_LONGEST_WAIT_DAYS = 365
# Later returns do not count for the next order: with them, its date would be too late for nearly all who come back.
_RETURN_DAYS = 180
# Regular customers may wait longer, so that one who buys once a year has a next order.
_LONGEST_REGULAR_WAIT_DAYS = 730


def growth(
    prior: Prior, features: pd.DataFrame, cutoff: date, horizon_days: int, horizons: Sequence[int]
) -> Array:
    """Return the expected purchases of each customer by other horizons over those by ``horizon_days``.

    Shape (n, len(horizons)); never falls from a shorter to a longer horizon, and is 1 at ``horizon_days``. The
    shape is that of the expected purchases of BTYD on the clock of the season.
    """
    asked = sorted({*horizons, horizon_days})
    clock = np.cumsum(prior.season.curve(cutoff, asked[-1]))[np.asarray(asked) - 1]
    orders = prior.btyd.expected_purchases_curve(clock, *prior.season.history(features, cutoff))
    of_horizon = orders[:, [asked.index(horizon_days)]]
    # Where BTYD expects no purchase at all, purchases grow in proportion to time.
    nothing = of_horizon[:, 0] <= 0
    orders[nothing] = clock
    of_horizon[nothing] = clock[asked.index(horizon_days)]
    shape = orders / of_horizon
    return shape[:, [asked.index(horizon) for horizon in horizons]]


def spend_by_days(
    prior: Prior,
    features: pd.DataFrame,
    cutoff: date,
    horizon_days: int,
    horizons: Sequence[int],
    expected: Array,
) -> Array:
    """Return the expected spend by other horizons, shape (n, len(horizons)), from that of ``horizon_days``.

    It grows as the purchases that BTYD expects (`growth`). For a regular customer it grows by the purchases that the
    rhythm expects between two horizons, each at the customer's spend per purchase day: the small spend expected before
    the next order is due cannot be scaled up to that order.
    """
    spend = expected[:, None] * growth(prior, features, cutoff, horizon_days, horizons)
    chance, due = prior.due(features)
    if due is None:
        return spend
    regular = chance > 0
    asked = sorted({*horizons, horizon_days})
    orders = due.orders(asked)
    of_horizon = orders[:, [asked.index(horizon_days)]]
    orders = orders[:, [asked.index(horizon) for horizon in horizons]]
    mine, value = expected[regular, None], prior.value(features[regular])[:, None]
    # The price is shrunk: the trees' spend over the horizon, and one more purchase at the customer's usual spend.
    price = (mine + value) / (of_horizon + 1.0)
    later = np.maximum(orders - of_horizon, 0.0)
    share = np.divide(orders - later, of_horizon, out=np.zeros_like(orders), where=of_horizon > 0)
    by_rhythm = np.where(orders < of_horizon, mine * share, mine + price * later)
    spend[regular] = (1.0 - chance[regular, None]) * spend[regular] + chance[regular, None] * by_rhythm
    return spend


def bought_once(customers: pd.DataFrame) -> pd.DataFrame:
    """Return the customers of a feature table with one purchase day; all with any where there is none."""
    once = customers[customers["purchase_days"] == 1]
    return customers[customers["purchase_days"] > 0] if once.empty else once


def carry_on(
    prior: Prior,
    features: pd.DataFrame,
    cutoff: date,
    days: int,
    horizon_days: int,
    p_churn: float,
    spend: float,
) -> tuple[float, float]:
    """Return mean P(no purchase) and E[spend] of some customers over the horizon, from those over so many days.

    The odds of no purchase, and the spend, change as the prior's means of these customers do.
    """
    if days == horizon_days:
        return p_churn, spend
    whole, shorter = (prior.forecast(features, cutoff, length).mean() for length in (horizon_days, days))
    odds = logit_of(p_churn) + logit_of(whole["btyd_p_churn"]) - logit_of(shorter["btyd_p_churn"])
    grown = whole["btyd_spend"] / shorter["btyd_spend"] if shorter["btyd_spend"] > 0 else horizon_days / days
    return float(expit(odds)), float(spend * grown)


def next_order_days(
    prior: Prior, features: pd.DataFrame, cutoff: date, horizon_days: int, p_churn: Array
) -> Array:
    """Return the median wait of a customer who comes back within half a year, shape (n,) [days].

    NaN where P(purchase within a year) is below 0.5. P(purchase by a day) is ``1 - p_churn`` at the horizon and scales
    with BTYD elsewhere; the median wait is BTYD's alone. Customers with P(regular) of at least 0.5 follow their rhythm,
    and two years count instead of one.
    """
    grid = np.arange(0, _RETURN_DAYS + 1, 5)
    clock = np.cumsum(prior.season.curve(cutoff, max(_LONGEST_WAIT_DAYS, horizon_days)))
    history = prior.season.history(features, cutoff)
    by_horizon, by_half, by_year = (
        1.0 - prior.btyd.p_no_purchase(clock[days - 1], *history)
        for days in (horizon_days, _RETURN_DAYS, _LONGEST_WAIT_DAYS)
    )
    back = (1.0 - p_churn) * by_year >= 0.5 * np.maximum(by_horizon, 1e-9)
    half, seen = 0.5 * by_half[back], [column[back] for column in history]
    ticks = np.concatenate([[0.0], clock[grid[1:] - 1]])
    to = np.clip(np.searchsorted(ticks, prior.btyd.days_to_purchase(half, *seen)), 1, len(grid) - 1)
    before, after = (1.0 - prior.btyd.p_no_purchase(ticks[tick], *seen) for tick in (to - 1, to))
    days = np.full(len(features), np.nan)
    days[back] = grid[to] - 5 + 5 * (half - before) / np.maximum(after - before, 1e-12)
    chance, due = prior.due(features)
    if due is not None:
        regular = chance > 0
        # Shrunk as the price in `spend_by_days`: before the order is due, the ratio of the two is meaningless.
        scale = (2.0 - p_churn[regular]) / (1.0 + due.p_purchase(horizon_days))
        by_then = due.p_purchase(_LONGEST_REGULAR_WAIT_DAYS)
        waits = np.where(scale * by_then >= 0.5, due.wait_until(0.5 * by_then), np.nan)
        days[regular] = np.where(chance[regular] >= 0.5, waits, days[regular])
    # Rounded first, so that a rounding error does not move the date by a day.
    return np.ceil(np.round(days, 6))


def lifetime_value(spend_by: Array, value: ValueConfig) -> Array:
    """Return the present value of the margin over the value horizon, net of retention cost [currency].

    Parameters
    ----------
    spend_by : array of shape (n, k)
        Expected spend by the days of `value_days`, rising.
    value : ValueConfig
        Margin, discount rate per year, horizon and retention cost.

    Notes
    -----
    ``margin * sum_k spend_k / (1 + rate) ** (t_k / 365) - retention_cost``, with the spend between two days
    of the grid discounted from the middle between them.
    """
    days = np.asarray([0, *value_days(value)], dtype=float)
    middle = (days[1:] + days[:-1]) / 2.0
    discount = (1.0 + value.discount_rate) ** (-middle / 365.0)
    each = np.diff(spend_by, axis=1, prepend=0.0)
    # No matrix product: its rounding depends on the number of customers.
    return value.margin * (each * discount).sum(axis=1) - value.retention_cost


def value_days(value: ValueConfig) -> list[int]:
    """Return the days at which `lifetime_value` needs the spend: every 30, and the value horizon.

    >>> value_days(ValueConfig(horizon_days=70))
    [30, 60, 70]
    """
    return [*range(_MONTH_DAYS, value.horizon_days, _MONTH_DAYS), value.horizon_days]
