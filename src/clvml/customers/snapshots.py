"""Snapshots: one row per customer and cutoff, features from before, labels from after."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from copy import copy
from datetime import date
from itertools import count
from typing import Any, Self

import duckdb
import pandas as pd

from clvml.customers import feature_sql, labels, windows
from clvml.customers.attributes import with_known
from clvml.customers.events import EventKind, with_counts
from clvml.log.attribute_table import AttributeTable
from clvml.log.event_table import EventTable

# Columns of the purchase log that bring features of their own.
OPTIONAL_COLUMNS = ("order_id", "product_id", "quantity")
# What is kept of the tables that were made, as a share of the memory that DuckDB may take.
_KEPT_SHARE = 1 / 8
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_NUMBERS = count()


class CustomerDays:
    """The purchase days of a log in DuckDB, from which features and labels of any cutoff are read, in any thread.

    Test dates and training ask for the same tables again and again: those that were used last are kept. What is
    returned must not be changed in place, but may get further columns.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the purchase log; tables with names of their own are made in it.
    purchases : str
        Relation with one row per order line (``customer_id, order_day, amount`` and optional columns).
    columns : collection of str
        Which of ``order_id``, ``product_id`` and ``quantity`` the relation has.
    attributes, events : AttributeTable, EventTable, optional
        What else is known of the customers and what they did, in the same database; features count events as `counting`
        says.

    Attributes
    ----------
    first_day, last_day : date
        Of any line.
    kinds : tuple of EventKind
        Which events the features count.
    lock : threading.Lock
        To be held by who uses the connection beside these days: a DuckDB connection serves one thread at a time.
    table : str
        Relation that holds what `clvml.customers.customer_days_query` returns, with a code in the place of the id.
    """

    first_day: date
    last_day: date

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        purchases: str,
        columns: Collection[str] = (),
        attributes: AttributeTable | None = None,
        events: EventTable | None = None,
    ) -> None:
        self.connection = connection
        self.columns = tuple(columns)
        self.attributes = attributes
        self.events = events
        self.kinds: tuple[EventKind, ...] = ()
        self.lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[pd.DataFrame, int]] = OrderedDict()
        limit, unit = connection.execute("select current_setting('memory_limit')").fetchall()[0][0].split()
        self._most_bytes = int(float(limit) * 1024 ** _UNITS.index(unit) * _KEPT_SHARE)
        self._number = next(_NUMBERS)
        self.table = f"customer_days_{self._number}"
        self._build(purchases)
        self.first_day, self.last_day = self._rows(f"select min(day), max(day) from {self.table}")[0]

    def _build(self, purchases: str) -> None:
        """Make the table; ids are looked up in ``customer_codes_N`` (``customer_id, code``)."""
        self._codes = f"customer_codes_{self._number}"
        self._attributes, self._events = f"coded_attributes_{self._number}", f"coded_events_{self._number}"
        code = _code_customers(self.connection, purchases, self._codes)
        coded = f"(select * replace ({code} as customer_id) from {purchases})"
        query = feature_sql.customer_days_query(coded, self.columns)
        self.connection.execute(f"create table {self.table} as {query}")
        for given, table in ((self.attributes, self._attributes), (self.events, self._events)):
            if given:
                self.connection.execute(
                    f"create table {table} as select given.* replace (codes.code as customer_id) from"
                    f" {given.table} as given join {self._codes} as codes using (customer_id)"
                )

    def counting(self, kinds: Sequence[EventKind]) -> Self:
        """Return the same days, whose features count these kinds of events; without a table of events none."""
        counted = copy(self)
        counted.kinds = tuple(kinds) if self.events else ()
        return counted

    def sampled(self, cutoff: date, most: int) -> Self:
        """Return the days of ``most`` of the customers of the history, and of later ones at the same rate.

        They are chosen by their codes, which are hashes of the ids: neither what they did nor the order of the rows
        matters. Where there are no more, these days are returned.
        """
        beyond = self._rows(
            f"select distinct customer_id from ({windows.history(self.table, cutoff)}) as history"
            f" order by customer_id limit 1 offset {most}"
        )
        if not beyond:
            return self
        chosen = copy(self)
        chosen.table = f"(select * from {self.table} where customer_id < {beyond[0][0]})"
        return chosen

    def customers_of_events(self, cutoff: date) -> dict[str, int]:
        """Return how many customers with a line before the cutoff have events of each type before it."""
        if not self.events:
            return {}
        history = windows.history(self.table, cutoff)
        counted = self._run(
            f"select type, count(distinct customer_id) as customers from ({windows.history(self._events, cutoff)}) as"
            f" events where customer_id in (select customer_id from ({history}) as history) group by type"
        )
        return {str(key): int(customers) for key, customers in counted.itertuples(index=False)}

    def daily_totals(self, cutoff: date) -> pd.Series:
        """Return net spend per day before the cutoff [currency], indexed by every day of the log."""
        totals = self._run(
            f"select day, round(sum(amount), 6) as amount from ({windows.history(self.table, cutoff)}) as history"
            " group by day order by day"
        )
        series = totals.set_index("day")["amount"]
        return series.reindex(pd.date_range(self.first_day, cutoff, inclusive="left"), fill_value=0.0)

    def features(self, cutoff: date, horizon_days: int) -> pd.DataFrame:
        """Return the feature table of one cutoff: one row per customer of the history, by customer_id."""
        return self._frame(self.features_query(cutoff, horizon_days))

    def labels(self, cutoff: date, horizon_days: int) -> pd.DataFrame:
        """Return the labels of one cutoff: one row per customer with a line in the window, by customer_id."""
        return self._frame(self._named(self._labels_query(cutoff, horizon_days)))

    def days_to_next(self, cutoff: date) -> pd.Series:
        """Return the days from the cutoff on until the next purchase day, by customer_id; 1 is the cutoff itself.

        Customers without a purchase day at or after the cutoff are not there.
        """
        query = (
            f"select customer_id, min(date_diff('day', date '{cutoff}', day)) + 1 as days"
            f" from {self.table} where day >= date '{cutoff}' and purchase_amount is not null group by customer_id"
        )
        return self._frame(self._named(query)).set_index("customer_id")["days"]

    def dates_not_before(self, cutoff: date) -> dict[str, tuple[int, int]]:
        """Return how many customers of the history have each date among the attributes, and have it not before it."""
        dates = [one.name for one in self.attributes.columns if one.kind == "date"] if self.attributes else []
        counted = ", ".join(f"count({name}), count_if({name} >= date '{cutoff}')" for name in dates)
        if not dates:
            return {}
        history = windows.history(self.table, cutoff)
        (counts,) = self._rows(
            f"select {counted} from {self._attributes} where customer_id in (select customer_id from ({history}))"
        )
        return {name: (counts[2 * place], counts[2 * place + 1]) for place, name in enumerate(dates)}

    def snapshots(
        self,
        cutoffs: Sequence[date],
        horizon_days: int,
        features: Collection[str] | None = None,
        label_days: int | None = None,
    ) -> pd.DataFrame:
        """Return features and labels stacked over cutoffs.

        One row per customer and cutoff, for customers with a purchase day before the cutoff; ordered by
        cutoff, then customer_id. Labels are ``purchases``, ``actual_spend`` and ``churned`` (0 or 1). Only the
        named ``features`` are computed, where given; labels are of the first ``label_days`` of the horizon, where
        given.
        """
        chosen = "features.*" if features is None else ", ".join(["features.customer_id, cutoff", *features])
        frames = [
            self._frame(
                self._named(f"""\
select
  {chosen},
  coalesce(labels.purchases, 0) as purchases,
  coalesce(labels.actual_spend, 0e0) as actual_spend,
  cast(coalesce(labels.purchases, 0) = 0 as tinyint) as churned
from ({self._features_query(cutoff, horizon_days, features is None)}) as features
left join ({self._labels_query(cutoff, label_days or horizon_days)}) as labels using (customer_id)
where features.purchase_days > 0""")
            )
            for cutoff in cutoffs
        ]
        return pd.concat(frames, ignore_index=True)

    def features_query(self, cutoff: date, horizon_days: int) -> str:
        """Return SQL of the feature table of one cutoff: one row per customer of the history, in no order."""
        return self._named(self._features_query(cutoff, horizon_days))

    def _features_query(self, cutoff: date, horizon_days: int, with_tables: bool = True) -> str:
        history = windows.history(self.table, cutoff)
        query = feature_sql.features_query(history, cutoff, horizon_days, self.columns)
        if self.attributes and with_tables:
            known = self.attributes
            query = with_known(query, self._attributes, known.columns, known.dated, cutoff)
        if self.events and self.kinds and with_tables:
            query = with_counts(query, self._events, self.kinds, self.events.first_day, cutoff)
        return query

    def _labels_query(self, cutoff: date, horizon_days: int) -> str:
        return labels.labels_query(windows.future(self.table, cutoff, horizon_days))

    def _named(self, query: str) -> str:
        return (
            f"select codes.customer_id, coded.* exclude (customer_id) from ({query}) as coded "
            f"join {self._codes} as codes on codes.code = coded.customer_id"
        )

    def _frame(self, query: str) -> pd.DataFrame:
        return self._run(f"{query} order by codes.customer_id")

    def _run(self, query: str) -> pd.DataFrame:
        # One lock for all: a query uses all cores.
        with self.lock:
            if query not in self._kept:
                table = self.connection.execute(query).df()
                self._kept[query] = table, int(table.memory_usage().sum())
                while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > self._most_bytes:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(query)
            return self._kept[query][0].copy(deep=False)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.lock:
            return self.connection.execute(query).fetchall()


def _code_customers(connection: duckdb.DuckDBPyConnection, purchases: str, table: str) -> str:
    """Make ``table`` (``customer_id, code``) and return the SQL that makes a code from an id.

    Codes are 64-bit integers, which sort twice as fast as text. They are hashes, because an id then needs
    no look-up; should two customers share one, another hash is taken.
    """
    salt, collisions = 0, True
    while collisions:
        code = _hash(salt)
        connection.execute(
            f"create or replace table {table} as select customer_id, {code} as code"
            f" from (select distinct customer_id from {purchases}) as ids"
        )
        query = f"select count(distinct code) < count(*) from {table}"
        ((collisions,),) = connection.execute(query).fetchall()
        salt += 1
    return code


def _hash(salt: int) -> str:
    return f"hash(customer_id, {salt})"
