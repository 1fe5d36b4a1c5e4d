"""The rules: which rows of the input make up the purchase log, and why the others do not.

Every row gets exactly one reason or none, by the order of the rules below, so that rows in = rows out +
rows by reason, and the same for money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import duckdb

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log.delimited import NOT_UTF8, STRAY_QUOTE, TOO_FEW_COLUMNS, TOO_LONG, TOO_MANY_COLUMNS
from clvml.log.staging import IDS, STAGED, Staged
from clvml.storage.sql import literal

VERDICTS = "clvml_verdicts"
_JUDGED = "clvml_judged"
_REPEATS = "clvml_repeats"

MISSING_CUSTOMER = "missing customer id"
MISSING_DATE = "missing date"
UNPARSABLE_DATE = "unparsable date"
MISSING_AMOUNT = "missing amount"
COMMA_AMOUNT = "amount with a comma"
TEXT_AMOUNT = "amount is not a number"
INFINITE_AMOUNT = "infinite or NaN amount"
HUGE_AMOUNT = "amount of 1e15 or more"
MISSING_CURRENCY = "missing currency"
OTHER_CURRENCY = "other currency"
FUTURE = "date in the future"
AFTER_AS_OF = "at or after as_of"
REPEAT_ACROSS = "same line in two files"
REPEAT_WITHIN = "repeat within one file"
REFUND = "refund"
DECIMAL_ID = "id written as a decimal number"
TRIMMED_ID = "blanks around an id"
CONVERTED_ZONE = "time converted to data.timezone"
EMPTIED_QUANTITY = "quantity is not a number (left empty)"

PRECEDENCE = (
    *(TOO_FEW_COLUMNS, TOO_MANY_COLUMNS, STRAY_QUOTE, TOO_LONG, NOT_UTF8),
    *(MISSING_CUSTOMER, MISSING_DATE, UNPARSABLE_DATE, MISSING_AMOUNT, COMMA_AMOUNT, TEXT_AMOUNT),
    *(INFINITE_AMOUNT, HUGE_AMOUNT, MISSING_CURRENCY, OTHER_CURRENCY, FUTURE, AFTER_AS_OF),
    *(REPEAT_ACROSS, REPEAT_WITHIN, REFUND),
)
"""Reasons why a row is left out, first match wins."""

Treatment = Literal["rejected", "dropped", "kept", "changed"]

# Whole millionths of money add up to the same sum in any order; sums of floats do not.
MONEY = "DECIMAL(38, 6)"


@dataclass(frozen=True)
class ReasonCount:
    """Rows and money [currency of the log] of one reason.

    ``treatment`` is ``rejected`` (left out, in the rejects file), ``dropped`` (left out, only counted),
    ``kept`` or ``changed`` (kept with a changed value). Money is the sum of the amounts that are numbers.
    """

    reason: str
    treatment: Treatment
    rows: int
    money: float


def build_verdicts(
    connection: duckdb.DuckDBPyConnection,
    staged: Staged,
    data: DataConfig,
    now: datetime,
    as_of: date | None,
    multiple_files: bool,
) -> None:
    """Judge every staged row; the result is the temporary view ``clvml_verdicts``, one row per input row.

    Its ``reason`` is NULL for an accepted row; ``place`` numbers the rows in input order.

    Parameters
    ----------
    now : datetime
        Local wall time in ``data.timezone``, without a zone.
    as_of : date or None
        The first day not used.

    Raises
    ------
    InputError
        Lines are in several currencies and ``data.currency`` is not set, or none is in ``data.currency``.
    """
    ids = ", ".join(_id_sql(ours, staged) for ours in IDS if ours in staged.columns)
    trimmed = " OR ".join(f"coalesce({ours}_trimmed, false)" for ours in IDS if ours in staged.columns)
    decimal = " OR ".join(f"coalesce(suffix({ours}, '.0'), false)" for ours in staged.decimal_ids) or "false"
    quantity = ""
    if "quantity" in staged.columns:
        unfit = "quantity_text IS NOT NULL OR coalesce(NOT isfinite(quantity), false)"
        quantity = f"CASE WHEN isfinite(quantity) THEN quantity END AS quantity, {unfit} AS emptied, "
    connection.execute(
        f"""
        CREATE TEMP TABLE {_JUDGED} AS
        SELECT rowid AS place, part, {_reason_sql(connection, staged, data, now, as_of)} AS reason, {ids},
               {staged.date} AS order_ts, amount, {quantity}
               {trimmed} AS trimmed, {decimal} AS decimal_id, zoned,
               CASE WHEN broken IS NULL AND isfinite(amount) AND abs(amount) < 1e15
                    THEN amount::{MONEY} END AS money,
               digest, NULL::VARCHAR AS repeat
        FROM {STAGED}
        """
    )
    connection.execute(f"DROP TABLE {STAGED}")
    _build_repeats(connection, staged.columns, multiple_files)
    repeat = "NULL" if data.duplicates == "keep" else "repeat"
    refund = "NULL" if data.refunds == "net" else f"CASE WHEN amount < 0 THEN {literal(REFUND)} END"
    connection.execute(
        f"""
        CREATE TEMP VIEW {VERDICTS} AS
        SELECT * EXCLUDE (reason, digest, repeat), coalesce(reason, {repeat}, {refund}) AS reason, repeat
        FROM {_JUDGED}
        """
    )


def count_reasons(
    connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig
) -> tuple[int, float, list[ReasonCount]]:
    """Return rows in, money in, and the counts by reason (left out first, in the order of the rules)."""
    found = {
        reason: (rows, money)
        for reason, rows, money in connection.execute(
            f"SELECT reason, count(*), coalesce(sum(money), 0) FROM {VERDICTS} GROUP BY reason"
        ).fetchall()
    }
    rows_in = sum(rows for rows, _ in found.values())
    money_in = sum((money for _, money in found.values()), Decimal(0))
    counts = [
        ReasonCount(reason, treatment_of(reason, data), found[reason][0], float(found[reason][1]))
        for reason in PRECEDENCE
        if reason in found
    ]
    flags: list[tuple[str, Treatment, str]] = [
        (REPEAT_ACROSS, "kept", f"repeat = {literal(REPEAT_ACROSS)}"),
        (REPEAT_WITHIN, "kept", f"repeat = {literal(REPEAT_WITHIN)}"),
        (REFUND, "kept", "amount < 0"),
        (TRIMMED_ID, "changed", "trimmed"),
        (DECIMAL_ID, "changed", "decimal_id"),
        (CONVERTED_ZONE, "changed", "zoned"),
    ]
    if "quantity" in staged.columns:
        flags.append((EMPTIED_QUANTITY, "changed", "emptied"))
    sums = ", ".join(
        f"count(*) FILTER ({test}), coalesce(sum(money) FILTER ({test}), 0)" for *_, test in flags
    )
    numbers = connection.execute(f"SELECT {sums} FROM {VERDICTS} WHERE reason IS NULL").fetchall()[0]
    for (reason, treatment, _), rows, money in zip(flags, numbers[::2], numbers[1::2], strict=True):
        if rows:
            counts.append(ReasonCount(reason, treatment, rows, float(money)))
    return rows_in, float(money_in), counts


def rejected_reasons(data: DataConfig) -> list[str]:
    """Return the reasons whose rows belong in the rejects file."""
    return [reason for reason in PRECEDENCE if treatment_of(reason, data) == "rejected"]


def treatment_of(reason: str, data: DataConfig) -> Treatment:
    """Return what becomes of the rows that a reason leaves out."""
    if reason == AFTER_AS_OF:
        return "dropped"
    if reason in (REPEAT_ACROSS, REPEAT_WITHIN):
        return "dropped" if data.duplicates == "drop" else "rejected"
    if reason == REFUND:
        return "dropped" if data.refunds == "drop" else "rejected"
    return "rejected"


def _id_sql(ours: str, staged: Staged) -> str:
    return f"regexp_replace({ours}, '\\.0$', '') AS {ours}" if ours in staged.decimal_ids else ours


def _reason_sql(
    connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig, now: datetime, as_of: date | None
) -> str:
    rules = [
        ("customer_id IS NULL", MISSING_CUSTOMER),
        ("order_ts IS NULL AND date_text IS NULL", MISSING_DATE),
        (f"({staged.date}) IS NULL", UNPARSABLE_DATE),
        ("amount IS NULL AND amount_text IS NULL", MISSING_AMOUNT),
        ("contains(amount_text, ',')", COMMA_AMOUNT),
        ("amount IS NULL", TEXT_AMOUNT),
        ("NOT isfinite(amount)", INFINITE_AMOUNT),
        ("abs(amount) >= 1e15", HUGE_AMOUNT),
        *_currency_rules(connection, staged, data),
        (f"({staged.date}) > TIMESTAMP {literal(now.isoformat(sep=' '))}", FUTURE),
    ]
    if as_of is not None:
        rules.append((f"({staged.date}) >= TIMESTAMP {literal(as_of.isoformat())}", AFTER_AS_OF))
    cases = " ".join(f"WHEN {test} THEN {literal(reason)}" for test, reason in rules)
    return f"CASE WHEN broken IS NOT NULL THEN broken {cases} END"


def _currency_rules(
    connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig
) -> list[tuple[str, str]]:
    if "currency" not in staged.columns:
        return []
    found = connection.execute(
        f"SELECT currency, count(*) AS rows FROM {STAGED} WHERE currency IS NOT NULL AND broken IS NULL "
        "GROUP BY currency ORDER BY rows DESC, currency"
    ).fetchall()
    listed = ", ".join(f"{currency} ({rows:,} lines)" for currency, rows in found[:5])
    listed += f" and {len(found) - 5} more" if len(found) > 5 else ""
    column = data.columns.currency
    if data.currency is None and len(found) > 1:
        raise InputError(
            f"column '{column}' holds several currencies: {listed}; set data.currency to the one to use, for "
            f"example {found[0][0]} (lines in others are rejected), or convert the amounts first"
        )
    wanted = data.currency.strip().upper() if data.currency else None
    if wanted is not None and wanted not in [currency for currency, _ in found]:
        raise InputError(
            f"no line is in data.currency '{data.currency}'; column '{column}' holds "
            f"{listed or 'no currency at all'}; correct data.currency or data.columns.currency"
        )
    if not found:
        return []
    rules = [("currency IS NULL", MISSING_CURRENCY)]
    return rules if wanted is None else [*rules, (f"currency <> {literal(wanted)}", OTHER_CURRENCY)]


def _build_repeats(
    connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...], multiple_files: bool
) -> None:
    # The hash covers all columns. Comparing the mapped ones as well leaves no room for chance: two lines
    # would have to agree in customer, time, amount and product and collide in 64 bits.
    same = ["digest", "order_ts", "amount", *(name for name in (*IDS, "quantity") if name in columns)]
    across = "false"
    if multiple_files:
        across = f"row_number() OVER (PARTITION BY {', '.join(same)}, part ORDER BY place) = 1"
    connection.execute(
        f"""
        CREATE TEMP TABLE {_REPEATS} AS
        WITH usable AS (FROM {_JUDGED} WHERE reason IS NULL),
        repeated AS (SELECT digest FROM usable GROUP BY digest HAVING count(*) > 1)
        SELECT place,
               CASE WHEN {across} THEN {literal(REPEAT_ACROSS)} ELSE {literal(REPEAT_WITHIN)} END AS repeat
        FROM usable SEMI JOIN repeated USING (digest)
        QUALIFY row_number() OVER (PARTITION BY {", ".join(same)} ORDER BY place) > 1
        """
    )
    # Written into the rows, and only where there are any: a join would be paid for by every later query.
    if connection.execute(f"SELECT count(*) FROM {_REPEATS}").fetchall()[0][0]:
        connection.execute(
            f"UPDATE {_JUDGED} SET repeat = repeats.repeat FROM {_REPEATS} AS repeats"
            f" WHERE {_JUDGED}.place = repeats.place"
        )
    connection.execute(f"DROP TABLE {_REPEATS}")
