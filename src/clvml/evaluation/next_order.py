"""How near the date of the next order came, beside the customer's usual gap."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd


class NextOrders(NamedTuple):
    """Distances between an expected next order and the actual one.

    The median leaves out who never came back, which favours early dates. The mean counts them too: expected and actual
    dates beyond the end of the log, and those that are missing, count as its end. It is least where the expected
    date is the median of the wait, of which some never end.

    Attributes
    ----------
    customers : int
        Customers and test dates with a date by the model and by the usual gap, who came back before the log ended.
    error, usual_error : float
        Median distance of the model's date, and of the last order plus the usual gap [days]; NaN without a customer.
    mean_error, usual_mean_error : float
        Mean distances of all customers and test dates with a usual gap [days], as far as the log goes.
    """

    customers: int
    error: float
    usual_error: float
    mean_error: float
    usual_mean_error: float


def next_order_errors(predictions: pd.DataFrame) -> NextOrders:
    """Return how far next orders came from the day that the model and the usual gap named.

    Parameters
    ----------
    predictions : DataFrame
        With ``next_order_days`` by the model, ``usual_days`` by the usual gap (the first day ahead where that has
        passed), and ``actual_next_days`` [days from the cutoff on, 1 is the cutoff itself], each missing where
        there is none. ``days_left`` of the log, from the cutoff on.

    >>> days = {"next_order_days": [3, 40, None], "usual_days": [1, 50, 9], "actual_next_days": [5, 43, None]}
    >>> next_order_errors(pd.DataFrame(days).assign(days_left=45))
    NextOrders(customers=2, error=2.5, usual_error=5.5, mean_error=1.6666666666666667, usual_mean_error=14.0)
    """
    names = ["next_order_days", "usual_days"]
    known = predictions[[*names, "actual_next_days"]].dropna()
    medians = [float((known[name] - known["actual_next_days"]).abs().median()) for name in names]
    usual = predictions[predictions["usual_days"].notna()]
    end = usual["days_left"]
    ended = usual[[*names, "actual_next_days"]].apply(lambda days: days.fillna(end).clip(upper=end))
    means = [float((ended[name] - ended["actual_next_days"]).abs().mean()) for name in names]
    return NextOrders(len(known), *medians, *means)
