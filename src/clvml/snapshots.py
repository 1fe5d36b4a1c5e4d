"""Snapshots: one row per customer and cutoff, features from before, labels from after."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import duckdb
import pandas as pd

from clvml import features, labels, windows

LABELS = ("purchases", "actual_spend", "churned")
# Columns of the purchase log that bring features of their own.
OPTIONAL_COLUMNS = ("order_id", "product_id", "quantity")


class CustomerDays:
    """The purchase days of a log in DuckDB, from which features and labels of any cutoff are read.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the purchase log.
    purchases : str
        Relation with one row per order line (``customer_id, order_day, amount`` and optional columns).
    columns : collection of str
        Which of ``order_id``, ``product_id`` and ``quantity`` the relation has.

    Attributes
    ----------
    first_day, last_day : date
        Of any line.
    """

    table = "customer_days"

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, purchases: str, columns: Collection[str] = ()
    ) -> None:
        self.connection = connection
        self.columns = tuple(columns)
        connection.execute(
            f"create or replace table {self.table} as {features.customer_days_query(purchases, columns)}"
        )
        self.first_day: date
        self.last_day: date
        self.first_day, self.last_day = connection.execute(
            f"select min(day), max(day) from {self.table}"
        ).fetchone()  # type: ignore[misc]

    def daily_totals(self, cutoff: date) -> pd.Series:
        """Return net spend per day before the cutoff [currency], indexed by every day of the log."""
        totals = self.connection.execute(
            f"select day, round(sum(amount), 6) as amount from ({windows.history(self.table, cutoff)}) "
            "group by day order by day"
        ).df()
        series = totals.set_index("day")["amount"]
        return series.reindex(pd.date_range(self.first_day, cutoff, inclusive="left"), fill_value=0.0)

    def features(self, cutoff: date, horizon_days: int) -> pd.DataFrame:
        """Return the feature table of one cutoff: one row per customer of the history, by customer_id."""
        history = windows.history(self.table, cutoff)
        query = features.features_query(history, cutoff, horizon_days, self.columns)
        return self.connection.execute(query).df()

    def labels(self, cutoff: date, horizon_days: int) -> pd.DataFrame:
        """Return the labels of one cutoff: one row per customer with a line in the target window."""
        future = windows.future(self.table, cutoff, horizon_days)
        return self.connection.execute(labels.labels_query(future)).df()

    def snapshots(self, cutoffs: Sequence[date], horizon_days: int) -> pd.DataFrame:
        """Return features and labels stacked over cutoffs.

        One row per customer and cutoff, for customers with a purchase day before the cutoff; ordered by
        cutoff, then customer_id. Labels are ``purchases``, ``actual_spend`` and ``churned`` (0 or 1).
        """
        frames = []
        for cutoff in cutoffs:
            frame = self.features(cutoff, horizon_days)
            frame = frame[frame["purchase_days"] > 0]
            frame = frame.merge(self.labels(cutoff, horizon_days), on="customer_id", how="left")
            frame["purchases"] = frame["purchases"].fillna(0).astype("int64")
            frame["actual_spend"] = frame["actual_spend"].fillna(0.0)
            frame["churned"] = (frame["purchases"] == 0).astype("int8")
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)
