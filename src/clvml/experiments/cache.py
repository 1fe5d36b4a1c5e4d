"""Feature tables that several variants share."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from datetime import date
from typing import Any, TypeVar

import duckdb
import numpy as np
import pandas as pd

from clvml.customers.snapshots import CustomerDays
from clvml.log.attribute_table import AttributeTable

CACHE_BYTES = 2 << 30

Table = TypeVar("Table", pd.DataFrame, pd.Series)


class SharedDays(CustomerDays):
    """`CustomerDays` that builds each table once, for any number of threads.

    The tables that were used last are kept, up to `CACHE_BYTES` together; others are built again when they are
    asked for. What is returned must not be changed in place, but may get further columns.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        purchases: str,
        columns: Collection[str] = (),
        attributes: AttributeTable | None = None,
    ) -> None:
        super().__init__(connection, purchases, columns, attributes)
        self._lock = threading.Lock()
        self._tables: OrderedDict[Hashable, Any] = OrderedDict()

    def features(self, cutoff: date, horizon_days: int) -> pd.DataFrame:
        """Return the feature table of one cutoff; see `CustomerDays`."""
        return self._shared(
            ("features", cutoff, horizon_days), lambda: super(SharedDays, self).features(cutoff, horizon_days)
        )

    def snapshots(
        self,
        cutoffs: Sequence[date],
        horizon_days: int,
        features: Collection[str] | None = None,
        label_days: int | None = None,
    ) -> pd.DataFrame:
        """Return features and labels stacked over cutoffs; see `CustomerDays`."""
        chosen = None if features is None else tuple(features)
        return self._shared(
            ("snapshots", tuple(cutoffs), horizon_days, chosen, label_days),
            lambda: super(SharedDays, self).snapshots(cutoffs, horizon_days, features, label_days),
        )

    def daily_totals(self, cutoff: date) -> pd.Series:
        """Return net spend per day before the cutoff; see `CustomerDays`."""
        return self._shared(("totals", cutoff), lambda: super(SharedDays, self).daily_totals(cutoff))

    def _shared(self, key: Hashable, build: Callable[[], Table]) -> Table:
        # One lock for all: a DuckDB connection serves one thread at a time, and uses all cores for it.
        with self._lock:
            if key not in self._tables:
                self._tables[key] = build()
            self._tables.move_to_end(key)
            while len(self._tables) > 1 and self._bytes() > CACHE_BYTES:
                self._tables.popitem(last=False)
            return self._tables[key].copy(deep=False)

    def _bytes(self) -> int:
        return sum(int(np.sum(table.memory_usage())) for table in self._tables.values())
