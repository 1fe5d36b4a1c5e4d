"""Dates written as text.

ISO dates are read everywhere. Dates such as 03/04/2024 are read only when other dates of the column tell
whether the day or the month comes first.
"""

from __future__ import annotations

from typing import Literal

import duckdb

from clvml.errors import InputError
from clvml.storage.sql import literal

_ZONED = r"\d ?([zZ]|UTC|GMT|[+-]\d{2}(:?\d{2})?)$"
_SLASHED = r"^\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})(\D|$)"
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", "T%H:%M")
# %y comes before %Y because %Y reads the year 10 where two digits stand, and %y never reads four.
_DAY_FIRST = ("%d/%m/%y", "%d/%m/%Y")
_MONTH_FIRST = ("%m/%d/%y", "%m/%d/%Y")
_WORDED = (
    *("%d %b %y", "%d %b %Y", "%d-%b-%y", "%d-%b-%Y", "%d %B %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%a, %d %b %Y"),
)


def iso_sql(text: str, timezone: str) -> tuple[str, str]:
    """Return the SQL of an ISO date as local timestamp, and of whether it has a distance from UTC."""
    zoned = f"coalesce(strlen({text}) > 16 AND regexp_matches({text}, {literal(_ZONED)}), false)"
    # DuckDB reads the distance from UTC only in some of the usual ways to write it.
    offset = f"regexp_replace({text}, ' ?([zZ]|UTC|GMT)$', '+00')"
    instant = f"TRY_CAST(replace(replace({offset}, ' +', '+'), ' -', '-') AS TIMESTAMPTZ)"
    # To DuckDB 'epoch' is a date as well, and '3/4/24' one in the year 3.
    parsed = (
        f"CASE WHEN NOT regexp_matches({text}, '^\\d{{4}}[-/]') THEN NULL "
        f"WHEN {zoned} THEN timezone({literal(timezone)}, {instant}) ELSE TRY_CAST({text} AS TIMESTAMP) END"
    )
    return parsed, zoned


def slashed_order(
    connection: duckdb.DuckDBPyConnection, table: str, column: str
) -> Literal["day", "month"] | None:
    """Return what comes first in dates such as 31/01/2024, or None where there are none (or too few to tell).

    Parameters
    ----------
    table : str
        Has ``order_ts`` (dates already read), ``date_text`` (the others) and ``broken``.
    column : str
        Name of the input column, for errors.

    Raises
    ------
    InputError
        Most dates are written so and no value above 12 tells day from month, or values contradict each other.
    """
    a, b = (f"regexp_extract(date_text, '^(\\d+)\\D(\\d+)', {group})::INTEGER" for group in (1, 2))
    slashed, others, unclear, day_first, month_first, example, day_example, month_example = (
        connection.execute(
            f"""
        WITH slashed AS (
            SELECT date_text, {a} AS a, {b} AS b FROM {table}
            WHERE date_text IS NOT NULL AND broken IS NULL AND regexp_matches(date_text, {literal(_SLASHED)})
        )
        SELECT count(*), (SELECT count(order_ts) FROM {table} WHERE broken IS NULL),
               count(*) FILTER (a <> b AND a <= 12 AND b <= 12),
               count(*) FILTER (a BETWEEN 13 AND 31 AND b <= 12),
               count(*) FILTER (b BETWEEN 13 AND 31 AND a <= 12),
               min(date_text) FILTER (a <> b AND a <= 12 AND b <= 12),
               min(date_text) FILTER (a BETWEEN 13 AND 31 AND b <= 12),
               min(date_text) FILTER (b BETWEEN 13 AND 31 AND a <= 12)
        FROM slashed
        """
        ).fetchall()[0]
    )
    if day_first and not month_first:
        return "day"
    if month_first and not day_first:
        return "month"
    if unclear == 0 and not day_first:
        return "day" if slashed else None
    if slashed < others:
        return None
    if day_first:
        raise InputError(
            f"column '{column}' (order_date) mixes dates with the day first ('{day_example}') and with the "
            f"month first ('{month_example}'), so the others cannot be told; write all dates as 2024-01-31"
        )
    raise InputError(
        f"column '{column}' (order_date) holds dates such as '{example}' and none that tells whether the day "
        "or the month comes first; write the dates as 2024-01-31"
    )


def date_sql(order: Literal["day", "month"] | None) -> str:
    """Return the SQL that reads ``date_text`` where ``order_ts`` is NULL; NULL where it is no date."""
    compact = _strptime("date_text", ("%Y%m%d",))
    cases = f"WHEN regexp_matches(date_text, '^\\d{{8}}(\\D|$)') THEN {compact}"
    if order is not None:
        unified = r"regexp_replace(date_text, '^(\d+)[/.-](\d+)[/.-]', '\1/\2/')"
        slashed = _strptime(unified, _DAY_FIRST if order == "day" else _MONTH_FIRST)
        cases += f" WHEN regexp_matches(date_text, {literal(_SLASHED)}) THEN {slashed}"
    worded = _strptime("date_text", _WORDED)
    cases += f" WHEN regexp_matches(date_text, '\\d.*[A-Za-z]{{3}}|[A-Za-z]{{3}}.*\\d') THEN {worded}"
    return f"coalesce(order_ts, CASE WHEN date_text IS NULL THEN NULL {cases} END)"


def _strptime(text: str, dates: tuple[str, ...]) -> str:
    formats = ", ".join(literal(date + time) for date in dates for time in _TIMES)
    return f"try_strptime({text}, [{formats}])"
