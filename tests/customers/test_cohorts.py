"""Retention by cohort, worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from clvml.customers.cohorts import retention


def subscriptions(*rows: tuple[str, str, str | None, float]) -> pd.DataFrame:
    """Return monthly subscriptions from (customer, start, end, price of 30.4375 days)."""
    table = pd.DataFrame(rows, columns=["customer_id", "start", "end", "price"]).assign(period_days=30.4375)
    for name in ("start", "end"):
        table[name] = pd.to_datetime(table[name]).astype("datetime64[us]")
    return table


TABLE = subscriptions(
    # Goes up; leaves and returns; leaves for good; of the next quarter.
    ("a", "2024-01-31", "2024-03-15", 10.0),
    ("a", "2024-03-15", None, 30.0),
    ("b", "2024-02-10", "2024-03-10", 10.0),
    ("b", "2024-05-01", None, 10.0),
    ("c", "2024-03-20", "2024-06-20", 20.0),
    ("d", "2024-04-01", None, 5.0),
)


def test_customers_and_revenue_that_are_left_after_each_month():
    table = retention(TABLE, date(2024, 6, 30), "quarter").set_index(["cohort", "month"])
    first = table.loc["2024Q1"]
    # On the day on which the month is over, who has left is gone: b after one month, c after three.
    assert first["subscribed"].tolist() == [3, 2, 2, 2]
    assert first["monthly_revenue"].tolist() == [40.0, 30.0, 50.0, 40.0]
    np.testing.assert_allclose(first["retention"], [1, 2 / 3, 2 / 3, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(first["revenue_retention"], [1, 0.75, 1.25, 1.0])
    assert table.loc["2024Q2", "customers"].tolist() == [1, 1, 1]


def test_only_months_that_the_whole_cohort_was_seen_for_count():
    # c began on 20 March: of the first quarter, the third month is over on 20 June.
    seen = retention(TABLE, date(2024, 6, 20), "quarter")
    assert seen.loc[seen["cohort"] == "2024Q1", "month"].max() == 2
    months = retention(TABLE, date(2024, 6, 20))
    assert months.groupby("cohort")["month"].max().to_dict() == {
        "2024-01": 4,
        "2024-02": 4,
        "2024-03": 2,
        "2024-04": 2,
    }


def test_an_end_that_is_not_known_yet_does_not_count():
    early = retention(TABLE, date(2024, 3, 1))
    assert (early["retention"] == 1).all()
    assert retention(TABLE, date(2024, 1, 1)).empty


def test_a_start_that_stands_for_none_asks_for_ten_years_at_most():
    ancient = retention(subscriptions(("a", "1800-01-01", None, 5.0)), date(2024, 3, 1))
    assert ancient["month"].tolist() == list(range(121))


def test_a_cohort_that_pays_nothing_has_no_revenue_to_keep():
    free = retention(subscriptions(("a", "2024-01-01", None, 0.0)), date(2024, 3, 1))
    assert free["revenue_retention"].isna().all()
    assert free["retention"].tolist() == [1.0, 1.0]
