"""The purchase log: what reading makes, and the rest of the package starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from clvml.log.attribute_table import AttributeTable
from clvml.log.event_table import EventTable
from clvml.log.quality import QualityReport
from clvml.storage.files import write_query
from clvml.storage.sql import setting

TABLE = "purchase_log"
OPTIONAL = {"order_id": "VARCHAR", "product_id": "VARCHAR", "quantity": "DOUBLE"}
# Beside them where margins are asked for.
WITH_MARGINS = OPTIONAL | {"cost": "DOUBLE", "category": "VARCHAR"}


@dataclass(frozen=True)
class PurchaseLog:
    """The purchase log as a DuckDB table, one row per accepted line.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the table; the caller closes it.
    quality : QualityReport
        What was read, left out and changed.
    columns : tuple of str
        ``customer_id`` VARCHAR, ``order_ts`` TIMESTAMP (local wall time in ``data.timezone``), ``order_day``
        DATE, ``amount`` DOUBLE [currency] and, where mapped, ``order_id`` VARCHAR, ``product_id`` VARCHAR,
        ``quantity`` DOUBLE [units]; where margins are asked for, ``cost`` DOUBLE [currency] or ``category`` VARCHAR.
    first_day, last_day : date
        Of the accepted lines.
    fingerprint : str
        SHA-256 over the table's content, whatever the order of rows and the format of files.
    example : DataFrame or None
        The first lines under the names of the input (`clvml.log.example`), where they were asked for; None for several
        sources.
    attributes : AttributeTable or None
        What else is known of the customers, where it was read (`clvml.log.attribute_reading`).
    events : EventTable or None
        What else they did, where it was read (`clvml.log.event_reading`).
    """

    connection: duckdb.DuckDBPyConnection
    quality: QualityReport
    columns: tuple[str, ...]
    fingerprint: str
    table: str = TABLE
    example: pd.DataFrame | None = None
    attributes: AttributeTable | None = None
    events: EventTable | None = None

    @property
    def first_day(self) -> date:
        """Of the accepted lines."""
        return self.quality.first_day

    @property
    def last_day(self) -> date:
        """Of the accepted lines."""
        return self.quality.last_day

    def frame(self, query: str) -> pd.DataFrame:
        """Return the rows of a query."""
        return self.connection.execute(query).df()

    def write(self, path: Path) -> None:
        """Write the lines into a Parquet file that reads as the same log.

        Its columns have our names (those of a log in place of several sources); ``line`` tells equal lines apart. The
        cost or category of a line stands there under our name, too.
        """
        lacking = "".join(
            f", NULL::{kind} AS {name}" for name, kind in OPTIONAL.items() if name not in self.columns
        )
        query = (
            "SELECT rowid AS line, * EXCLUDE (order_day) RENAME (order_ts AS order_date)"
            f"{lacking} FROM {self.table}"
        )
        with setting(self.connection, "preserve_insertion_order", "true"):
            write_query(self.connection, query, path)


def fingerprint(connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...]) -> str:
    """Return SHA-256 over the content of the purchase log, whatever the order of its rows."""
    return digest(columns, [hashed(connection, TABLE, columns)])


def hashed(
    connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...]
) -> tuple[int, int, int]:
    """Return the number of rows, and the sum and the exclusive or of their hashes: `digest` adds up parts of a log."""
    row = f"hash({', '.join(columns)})"
    rows, total, mixed = connection.execute(
        f"SELECT count(*), coalesce(sum({row}::HUGEINT), 0), coalesce(bit_xor(hash({row}, 1)), 0) FROM {table}"
    ).fetchall()[0]
    return int(rows), int(total), int(mixed)


def digest(columns: tuple[str, ...], parts: Iterable[tuple[int, int, int]]) -> str:
    """Return the fingerprint of a log from what `hashed` returned of its parts."""
    rows, total, mixed = 0, 0, 0
    for part in parts:
        rows, total, mixed = rows + part[0], total + part[1], mixed ^ part[2]
    return hashlib.sha256(repr((columns, rows, total, mixed)).encode()).hexdigest()
