"""Exchange rates: amounts in other currencies become amounts in the currency of the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from clvml.config import ColumnsConfig, DataConfig
from clvml.errors import InputError, first_of
from clvml.log.finding import Finding
from clvml.log.mapping import plain
from clvml.log.readers.parts import read_parts
from clvml.log.rows.derived import IN_WHERE
from clvml.log.rows.line_rules import NO_RATE, READ_MONEY
from clvml.log.rows.staging import STAGED, Staged, build_staged
from clvml.storage.addresses import hide_password
from clvml.storage.sql import literal

RATES = "clvml_rates"
_BY_DAY = "clvml_day_rates"
# The table is read like a purchase log, with its columns in the place of these.
_COLUMNS = {"order_date": "date", "customer_id": "from", "product_id": "to", "amount": "rate"}
# Rates that are older than a long weekend are warned of.
_OLD_DAYS = 5
# A rate and that of the way back differ by the margin of a bank, not by more.
_BACK = 0.1


def read_rates(connection: duckdb.DuckDBPyConnection, rates: str, into: str) -> None:
    """Read a table of rates into a temporary one: ``currency``, ``day``, ``rate`` into the currency ``into``.

    A rate says how many units of ``to`` one unit of ``from`` is worth. Where a pair is given the other way only, its
    inverse is taken.

    Raises
    ------
    InputError
        The table cannot be read, lacks a column, or holds a rate that is not a positive number, is given twice, or is
        contradicted by that of the way back.
    """
    shown = hide_password(rates)
    with _of_the_rates(shown):
        parts = read_parts(connection, rates)
    named = {plain(name): name for name in parts[0].columns}
    lacks = [name for name in _COLUMNS.values() if name not in named]
    if lacks:
        raise InputError(
            f"rates '{shown}' (data.rates) have no column {', '.join(lacks)}; their columns are"
            f" {first_of(parts[0].columns)}, and date, from, to, rate are needed"
        )
    columns = {ours: named[theirs] for ours, theirs in _COLUMNS.items()}
    mapping = {ours: parts[0].columns.index(name) for ours, name in columns.items()}
    with _of_the_rates(shown):
        build_staged(connection, parts, mapping, DataConfig(source=rates, columns=ColumnsConfig(**columns)))
    staged = f"(SELECT order_ts::DATE AS day, upper(customer_id) AS a, upper(product_id) AS b, amount FROM {STAGED})"
    faulty = connection.execute(
        f"SELECT count(*) FROM {staged} WHERE (day IS NULL OR a IS NULL OR b IS NULL OR NOT coalesce(amount > 0 AND"
        " isfinite(amount), false))"
    ).fetchall()[0][0]
    if faulty:
        raise InputError(
            f"rates '{shown}' (data.rates): {faulty:,} lines have no date, currency or positive rate; correct or"
            " remove them"
        )
    twice = (
        f"SELECT day, a, b FROM {staged} GROUP BY ALL HAVING count(DISTINCT amount) > 1 ORDER BY ALL LIMIT 1"
    )
    for day, a, b in connection.execute(twice).fetchall():
        raise InputError(
            f"rates '{shown}' (data.rates) have several rates from {a} to {b} on {day}; keep one"
        )
    against = (
        f"SELECT here.day, here.a, here.b FROM {staged} AS here JOIN {staged} AS back"
        f" ON here.day = back.day AND here.a = back.b AND here.b = back.a"
        f" WHERE abs(ln(here.amount * back.amount)) > {_BACK} ORDER BY ALL LIMIT 1"
    )
    for day, a, b in connection.execute(against).fetchall():
        raise InputError(
            f"rates '{shown}' (data.rates): on {day} the rate from {a} to {b} contradicts that from {b} to {a}, which"
            " should be its inverse; correct or remove one"
        )
    target = literal(into)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {RATES} AS
        SELECT DISTINCT a AS currency, day, amount AS rate FROM {staged} WHERE b = {target} AND a <> {target}
        UNION ALL
        SELECT DISTINCT b, day, 1 / amount FROM {staged} WHERE a = {target} AND b NOT IN
            (SELECT a FROM {staged} WHERE b = {target})
        """
    )
    connection.execute(f"DROP TABLE {STAGED}")


@contextmanager
def _of_the_rates(shown: str) -> Iterator[None]:
    """Let errors of reading speak of the rates: what they say to do with a log's columns is no use here."""
    try:
        yield
    except InputError as error:
        found, *keys = re.split(r"; name (?=another column in data|the format)", str(error))
        mend = "; write dates as 2024-12-31 and rates as 1234.56" if keys else ""
        raise InputError(f"rates '{shown}' (data.rates): {found}{mend}") from None


def convert(
    connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig, rates: str, into: str
) -> list[Finding]:
    """Convert the staged amounts of other currencies at the last rate before or on their day (`read_rates`).

    A line's currency is that of its column; without one it is ``data.currency``. Lines before the first rate of their
    currency are left out (`NO_RATE`).

    Raises
    ------
    InputError
        A currency has no rate at all.
    """
    own = "currency" if "currency" in staged.columns else literal(data.currency or into)
    usable = f"broken IS NULL{f' AND coalesce({IN_WHERE}, false)' if data.where is not None else ''}"
    other = f"{own} <> {literal(into)}"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_BY_DAY} AS
        WITH wanted AS (
            SELECT {own} AS code, order_ts::DATE AS on_day, count(*) AS rows,
                   sum({READ_MONEY}) AS money
            FROM {STAGED} WHERE {usable} AND {other} AND order_ts IS NOT NULL GROUP BY ALL
        )
        SELECT wanted.*, rates.rate, rates.day AS rate_day
        FROM wanted ASOF LEFT JOIN {RATES} AS rates
            ON wanted.code = rates.currency AND wanted.on_day >= rates.day
        """
    )
    without = connection.execute(
        f"SELECT code, sum(rows) FROM {_BY_DAY} WHERE code NOT IN (SELECT currency FROM {RATES})"
        " GROUP BY code ORDER BY 2 DESC, 1"
    ).fetchall()
    if without:
        listed = first_of([f"{currency} ({int(rows):,} lines)" for currency, rows in without])
        raise InputError(
            f"'{hide_password(data.source)}' has amounts in {listed}, and rates '{hide_password(rates)}' have none"
            f" from there to {into}; add them, or leave these lines out with data.where"
        )
    named = ", currency = " + literal(into) if "currency" in staged.columns else ""
    named += ", cost = round(cost * rate, 6)" if "cost" in staged.columns else ""
    same_day = f"FROM {_BY_DAY} WHERE {usable} AND {own} = code AND order_ts::DATE = on_day"
    connection.execute(
        f"UPDATE {STAGED} SET amount = round(amount * rate, 6){named} {same_day} AND rate IS NOT NULL"
    )
    connection.execute(f"UPDATE {STAGED} SET broken = {literal(NO_RATE)} {same_day} AND rate IS NULL")
    rows, money, oldest = connection.execute(
        f"SELECT sum(rows), sum(money * rate), max(date_diff('day', rate_day, on_day)) FROM {_BY_DAY}"
        f" WHERE date_diff('day', rate_day, on_day) > {_OLD_DAYS}"
    ).fetchall()[0]
    if not rows:
        return []
    return [
        Finding(
            "old-rates",
            f"{int(rows):,} lines are converted at a rate more than {_OLD_DAYS} days old, the oldest {oldest:,} days;"
            f" fill the gaps of rates '{hide_password(rates)}'",
            int(rows),
            float(money),
        )
    ]
