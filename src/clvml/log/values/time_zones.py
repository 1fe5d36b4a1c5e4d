"""Times that were written in another time zone than the one in which days are counted."""

from __future__ import annotations

import re

import duckdb

from clvml.storage.sql import literal

_UTC = re.compile(r"(?:(?<![A-Za-z])(?:utc|gmt)|(?<![A-Z])(?:U(?:TC|tc)|G(?:MT|mt)))(?![A-Za-z]| ?[+-]? ?\d)")


def says_utc(column: str) -> bool:
    """Return whether the name of a column says that its times are UTC.

    >>> [says_utc(name) for name in ("Created date (UTC)", "date_created_gmt", "createdUTC")]
    [True, True, True]
    >>> [says_utc(name) for name in ("Date (GMT+2)", "createdAt", "DEBUTC")]
    [False, False, False]
    """
    return _UTC.search(column) is not None


def moved_sql(
    connection: duckdb.DuckDBPyConnection, table: str, zone: str, into: str, rows: str = "true"
) -> str:
    """Return the SQL of ``order_ts`` moved from one zone to another; where all are dates without a time they stay.

    ``rows`` is the condition of the rows that count.
    """
    if zone == into:
        return "order_ts"
    timed = connection.execute(
        f"SELECT bool_or(order_ts <> date_trunc('day', order_ts)) FROM {table} WHERE {rows}"
    ).fetchall()
    return f"timezone({literal(into)}, timezone({literal(zone)}, order_ts))" if timed[0][0] else "order_ts"
