"""What cannot be read of an input: some of it is rejected line by line, and beyond a share the input is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

import duckdb

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log.values.calendar_words import MONTHS
from clvml.log.values.formats import Column, Locate, example, lines_said, quoted
from clvml.storage.sql import literal

_MONTH = "|".join(" ".join(MONTHS).split())
# What texts lack that are none of a kind, and how to mend it.
_LACKS = (
    (
        # A day, a month, a quarter, a week or a year alone, or a day and a month.
        "date",
        rf"\d{{1,4}}|(?:19|20)\d\d\W*[QWTK]*\d{{1,2}}|\d{{1,2}}\W(?:19|20)\d\d|[^\W\d]+\W{{0,2}}(?:\d{{4}}|\d{{1,2}})\.?"
        rf"|\d{{1,2}}[./-]\d{{1,2}}\.?|(?:\d{{1,2}}\W{{0,2}})?(?:{_MONTH})\.?",
        "a date needs day, month and year in one column, such as 2024-01-31; join them where they stand in several,",
    ),
    (
        "number",
        r".*\d\W*(?:CR|DR)\b.*",
        "CR and DR tell credit from debit: write a minus, or the letters in a column of their own;",
    ),
    (
        "number",
        r"\W*\d[\d.,]*\s?(?:k|m|tsd|mio|mln|mrd|bn|thousand|million)s?\b.*",
        "amounts that are rounded to thousands or millions do not add up: export them in full,",
    ),
)


def check_readable(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    text: str,
    value: str,
    column: Column,
    written: str,
    data: DataConfig,
    locate: Locate,
) -> None:
    """Refuse a column of which more than ``data.max_unreadable`` of the lines with a text in it cannot be read.

    ``text`` and ``value`` are the SQL of the texts that were not read and of what was read, ``written`` is the format.
    """
    unread, read = connection.execute(
        f"SELECT count({text}), count({value}) FROM {table} WHERE broken IS NULL"
    ).fetchall()[0]
    if not unread or (read and unread <= data.max_unreadable * (unread + read)):
        return
    common = connection.execute(
        f"SELECT {text}, count(*) AS rows, min(rowid) AS place FROM {table} WHERE {text} IS NOT NULL AND broken IS NULL"
        " GROUP BY 1 ORDER BY rows DESC, place LIMIT 3"
    ).fetchall()
    listed = ", ".join(
        f"{quoted(found)} ({lines_said(rows)}, the first {locate(place)})" for found, rows, place in common
    )
    kind = "date" if column.ours == "order_date" else "number"
    place = f"data.columns.{column.ours}" if column.key == column.ours else "the expression"
    mend = f"name another column in {place}, or their format in {example(column)}"
    for of_kind, pattern, lack in _LACKS:
        if kind == of_kind and all(re.fullmatch(pattern, found, re.IGNORECASE) for found, *_ in common):
            mend = f"{lack} or else {mend}"
    if not read:
        raise InputError(f"{column} holds no {kind} that can be read, for example {listed}; {mend}")
    share = unread / (unread + read)
    raise InputError(
        f"{column}: {unread:,} of {unread + read:,} texts are no {kind} written as {written} ({share:.1%}, more than"
        f" data.max_unreadable): {listed}; correct them, {mend}, or reject them with --set data.max_unreadable="
        f"{_rounded_up(share)}"
    )


def check_broken(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    reasons: Collection[str],
    origin: str,
    data: DataConfig,
    locate: Locate,
) -> None:
    """Refuse an input of which more than ``data.max_unreadable`` of the lines are broken, for one of the reasons."""
    listed = ", ".join(map(literal, reasons))
    lines, broken, first, reason = connection.execute(
        f"SELECT count(*), count(*) FILTER (broken IN ({listed})), min(rowid) FILTER (broken IN ({listed})),"
        f" mode(broken) FILTER (broken IN ({listed})) FROM {table}"
    ).fetchall()[0]
    if broken <= data.max_unreadable * lines or broken == lines:
        return
    raise InputError(
        f"'{origin}': {broken:,} of {lines:,} lines cannot be read ({broken / lines:.1%}, more than"
        f" data.max_unreadable): {reason}, the first {locate(first)}; a field that holds the sign between the columns"
        " or a quote needs quotes around it: export it again, or reject these lines with --set data.max_unreadable="
        f"{_rounded_up(broken / lines)}"
    )


def _rounded_up(share: float) -> float:
    return min(1.0, math.ceil(share * 100 + 0.001) / 100)
