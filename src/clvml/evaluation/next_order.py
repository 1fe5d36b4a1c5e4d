"""How near the date of the next order came, beside the customer's usual gap."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd


class NextOrders(NamedTuple):
    """Distances between an expected next order and the actual one, of those who came back.

    Attributes
    ----------
    customers : int
        Customers and test dates with a date by the model and by the usual gap, who came back before the log ended.
    error, usual_error : float
        Median distance of the model's date, and of the last order plus the usual gap [days]; NaN without a customer.
    """

    customers: int
    error: float
    usual_error: float


def next_order_errors(predictions: pd.DataFrame) -> NextOrders:
    """Return how far next orders came from the day that the model and the usual gap named.

    Parameters
    ----------
    predictions : DataFrame
        With ``next_order_days`` by the model, ``usual_days`` by the usual gap (the first day ahead where that has
        passed), and ``actual_next_days`` [days from the cutoff on, 1 is the cutoff itself], each missing where
        there is none.

    >>> days = {"next_order_days": [3, 40, None], "usual_days": [1, 50, 9], "actual_next_days": [5, 43, None]}
    >>> next_order_errors(pd.DataFrame(days))
    NextOrders(customers=2, error=2.5, usual_error=5.5)
    """
    names = ["next_order_days", "usual_days"]
    known = predictions[[*names, "actual_next_days"]].dropna()
    error, usual_error = ((known[name] - known["actual_next_days"]).abs().median() for name in names)
    return NextOrders(len(known), float(error), float(usual_error))
