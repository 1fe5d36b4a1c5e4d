"""Intervals for the revenue of a subscriber."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.models.subscriber_intervals import SAME_PRICE, shares_paid, stayers_revenue

# So many days that a day is no coarse step.
DAYS = 200


def survived(*p_churn: float) -> np.ndarray:
    """Return the survival of customers who leave evenly over the days."""
    return 1.0 - np.outer(p_churn, np.arange(DAYS + 1) / DAYS)


@pytest.mark.parametrize("p", [0.05, 0.15, 0.3, 0.6, 0.9])
def test_four_in_five_lie_within_where_so_many_can_leave(p):
    (low,), (high,) = shares_paid(survived(p), SAME_PRICE)
    left = np.random.default_rng(0).uniform(size=100_000) < p
    paid = np.where(left, np.random.default_rng(1).uniform(size=100_000), 1.0)
    held = ((paid >= low) & (paid <= high)).mean()
    # Who stays pays the whole price: fewer cannot be held.
    assert held == pytest.approx(max(0.8, 1 - p), abs=0.02)
    assert high == 1.0 or p == 0.9


def test_what_stayers_paid_before_widens_the_interval():
    # Thirty in a hundred pay half of it, twenty half as much again.
    stayers = (*(0.5,) * 30, *(1.0,) * 50, *(1.5,) * 20)
    low, high = shares_paid(survived(0.0), stayers)
    assert (low.tolist(), high.tolist()) == ([0.5], [1.5])
    assert shares_paid(survived(0.0), SAME_PRICE) == ([1.0], [1.0])


def test_stayers_are_those_of_the_newest_window_and_what_they_took_in_it():
    def one(customer: str, begin: str, end: str | None, price: float) -> dict[str, object]:
        return {
            "customer_id": customer,
            "start": pd.Timestamp(begin),
            "end": pd.NaT if end is None else pd.Timestamp(end),
            "plan": "p",
            "price": price,
            "period_days": 30.0,
        }

    table = pd.DataFrame(
        [
            one("same", "2021-01-01", None, 10.0),
            one("dearer", "2021-01-01", "2021-04-16", 10.0),
            one("dearer", "2021-04-16", None, 20.0),
            one("gone", "2021-01-01", "2021-04-10", 10.0),
            one("new", "2021-04-10", None, 10.0),
        ]
    )
    quantiles = stayers_revenue(table, date(2021, 5, 1), 30)
    assert len(quantiles) == 101
    assert sorted(set(quantiles)) == [1.0, 1.5]
    assert stayers_revenue(table, date(2021, 1, 5), 30) == SAME_PRICE
