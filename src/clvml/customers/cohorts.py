"""Retention of subscribers and of their revenue, by the month or quarter in which they first subscribed."""

from __future__ import annotations

from datetime import date
from typing import Literal

import pandas as pd

from clvml.customers.subscription_snapshots import MONTH_DAYS, known_at

# A start in the year 1900 stands for one that is not known, and must not ask for as many months.
MOST_MONTHS = 120
# What people are shown.
MONTHS_SHOWN = (1, 2, 3, 6, 12, 24, 36)
_COLUMNS = [
    *("cohort", "customers", "month", "subscribed", "retention"),
    *("monthly_revenue", "revenue_retention"),
]


def retention(
    subscriptions: pd.DataFrame, as_of: date, by: Literal["month", "quarter"] = "month"
) -> pd.DataFrame:
    """Return what is left of each cohort so many months after each customer's own first day.

    Only months that all customers of a cohort have been seen for, at most 120, and ends known at ``as_of``.

    Returns
    -------
    DataFrame
        One row per cohort and month, from 0: ``cohort`` (text), ``customers`` (of the cohort), ``month``,
        ``subscribed`` (customers), ``retention`` (share of the customers), ``monthly_revenue`` [currency] (price of
        all that runs, per month) and ``revenue_retention`` (share of the revenue of month 0; missing without any).

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-05", "2024-01-20"]), pd.to_datetime(["2024-02-10", None])
    >>> table = pd.DataFrame({"customer_id": ["a", "b"], "start": days[0], "end": days[1]})
    >>> left = retention(table.assign(price=10.0, period_days=MONTH_DAYS), date(2024, 3, 21))
    >>> left[["cohort", "month", "subscribed", "revenue_retention"]].to_numpy().tolist()
    [['2024-01', 0, 2, 1.0], ['2024-01', 1, 2, 1.0], ['2024-01', 2, 1, 0.5]]
    """
    known = known_at(subscriptions, as_of)
    if known.empty:
        return pd.DataFrame(columns=_COLUMNS)
    until = pd.Timestamp(as_of)
    first = known.groupby("customer_id")["start"].min()
    cohort = first.dt.to_period("Q" if by == "quarter" else "M").astype(str)
    newest = first.groupby(cohort).max()
    monthly = known["price"] / known["period_days"] * MONTH_DAYS
    own_first, own_cohort = (known["customer_id"].map(column) for column in (first, cohort))
    rows = []
    for month in range(MOST_MONTHS + 1):
        seen = newest.index[newest + pd.DateOffset(months=month) < until]
        if seen.empty:
            break
        day = own_first + pd.DateOffset(months=month)
        runs = own_cohort.isin(seen) & (known["start"] <= day) & ~(known["end"] <= day)
        left = pd.DataFrame(
            {
                "customers": cohort.groupby(cohort).size(),
                "subscribed": known["customer_id"][runs].groupby(own_cohort[runs]).nunique(),
                "monthly_revenue": monthly[runs].groupby(own_cohort[runs]).sum(),
            }
        ).reindex(seen)
        rows.append(left.fillna(0.0).rename_axis("cohort").reset_index().assign(month=month))
    table = pd.concat(rows).sort_values(["cohort", "month"], ignore_index=True)
    start = table.groupby("cohort")["monthly_revenue"].transform("first")
    table = table.astype({"customers": "int64", "subscribed": "int64"}).assign(
        retention=(table["subscribed"] / table["customers"]).round(6),
        revenue_retention=(table["monthly_revenue"] / start.where(start > 0)).round(6),
        monthly_revenue=table["monthly_revenue"].round(2),
    )
    return table[_COLUMNS]
