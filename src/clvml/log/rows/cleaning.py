"""The rules: which rows of the input make up the purchase log, and why the others do not.

Every row gets exactly one reason or none, by the order of the rules below, so that rows in = rows out +
rows by reason, and the same for money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb

from clvml.config import DataConfig
from clvml.log.finding import Finding
from clvml.log.identity import folded_sql, nobody_sql, whole_sql
from clvml.log.rows.derived import IN_WHERE
from clvml.log.rows.line_rules import (
    CONVERTED_ZONE,
    DECIMAL_ID,
    EMPTIED_QUANTITY,
    FILLED_DOWN,
    FOLDED_ID,
    HEADER_LINE,
    IDS,
    IS_SOUND,
    QUANTITY_FITS,
    READ_MONEY,
    REFUND,
    REPEAT_ACROSS,
    REPEAT_WITHIN,
    RULES,
    TRIMMED_ID,
    Treatment,
    currency_given,
    judgement,
    treatment_of,
)
from clvml.log.rows.overlaps import drop_older_states
from clvml.log.rows.staging import STAGED, Staged
from clvml.storage.sql import literal

VERDICTS = "clvml_verdicts"
JUDGED = "clvml_judged"
_REPEATS = "clvml_repeats"


@dataclass(frozen=True)
class ReasonCount:
    """Rows and money [currency of the log] of one reason.

    ``treatment`` is ``rejected`` (left out, in the rejects file), ``dropped`` (left out, only counted),
    ``kept`` or ``changed`` (kept with a changed value). Money is the sum of the amounts that could be read, None where
    there are amounts and none could; ``unread`` counts the rows whose amount could not.
    """

    reason: str
    treatment: Treatment
    rows: int
    money: float | None
    unread: int = 0


def build_verdicts(
    connection: duckdb.DuckDBPyConnection,
    staged: Staged,
    data: DataConfig,
    now: datetime,
    as_of: date | None,
    multiple_files: bool,
) -> list[Finding]:
    """Judge every staged row; the result is the temporary view ``clvml_verdicts``, one row per input row.

    Its ``reason`` is NULL for an accepted row; ``place`` numbers the rows in input order. ``now`` is local wall time in
    ``data.timezone``, ``as_of`` the first day not used. Return doubts about orders that stand in several files.

    Raises
    ------
    InputError
        Lines are in several currencies and ``data.currency`` is not set, or none is in ``data.currency``.
    """
    folded = "false"
    if data.customer_ids in ("casefold", "loose"):
        folded = f"coalesce({folded_sql(data.customer_ids)} <> customer_id, false)"
    ids = ", ".join(f"{_id_sql(ours, staged, data)} AS {ours}" for ours in IDS if ours in staged.columns)
    trimmed = " OR ".join(f"coalesce({ours}_trimmed, false)" for ours in IDS if ours in staged.columns)
    decimal = " OR ".join(f"coalesce(suffix({ours}, '.0'), false)" for ours in staged.decimal_ids) or "false"
    quantity = ""
    if "quantity" in staged.columns:
        unfit = f"quantity_text IS NOT NULL OR coalesce(NOT {QUANTITY_FITS}, false)"
        quantity = f"CASE WHEN {QUANTITY_FITS} THEN quantity END AS quantity, {unfit} AS emptied, "
    cost = "CASE WHEN abs(cost) < 1e15 THEN cost END AS cost, " if "cost" in staged.columns else ""
    connection.execute(
        f"""
        CREATE TEMP TABLE {JUDGED} AS
        SELECT rowid AS place, part, {_reason_sql(connection, staged, data, now, as_of)} AS reason, {ids},
               order_ts, amount, {quantity}{cost}
               {trimmed} AS trimmed, {folded} AS folded, {decimal} AS decimal_id, zoned, filled,
               CASE WHEN {IS_SOUND} THEN {READ_MONEY} END AS money,
               CASE WHEN broken = {literal(HEADER_LINE)} THEN false
                    WHEN broken IS NOT NULL THEN NOT coalesce({IS_SOUND} AND isfinite(amount), false)
                    ELSE amount_text IS NOT NULL OR coalesce(NOT abs(amount) < 1e15, false) END AS unread,
               digest, NULL::VARCHAR AS repeat
        FROM {STAGED}
        """
    )
    connection.execute(f"DROP TABLE {STAGED}")
    findings = drop_older_states(connection, JUDGED, staged.columns, data) if multiple_files else []
    _build_repeats(connection, staged.columns, multiple_files)
    repeat = {"keep": "NULL", "keep_within": f"nullif(repeat, {literal(REPEAT_WITHIN)})"}.get(
        data.repeats, "repeat"
    )
    refund = "NULL" if data.refunds == "net" else f"CASE WHEN amount < 0 THEN {literal(REFUND)} END"
    connection.execute(
        f"""
        CREATE TEMP VIEW {VERDICTS} AS
        SELECT * EXCLUDE (reason, digest, repeat), coalesce(reason, {repeat}, {refund}) AS reason, repeat
        FROM {JUDGED}
        """
    )
    return findings


def count_reasons(
    connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig
) -> tuple[int, float, list[ReasonCount]]:
    """Return rows in, money in, and the counts by reason (left out first, in the order of the rules)."""
    found = {
        reason: (rows, money, unread)
        for reason, rows, money, unread in connection.execute(
            f"SELECT reason, count(*), sum(money), count(*) FILTER (unread) FROM {VERDICTS} GROUP BY reason"
        ).fetchall()
    }
    rows_in = sum(rows for rows, *_ in found.values())
    money_in = sum((money or Decimal(0) for _, money, _ in found.values()), Decimal(0))
    counts = [
        count_of(reason, treatment_of(reason, data), *found[reason])
        for reason in (rule.reason for rule in RULES)
        if reason in found
    ]
    flags: list[tuple[str, Treatment, str]] = [
        (REPEAT_ACROSS, "kept", f"repeat = {literal(REPEAT_ACROSS)}"),
        (REPEAT_WITHIN, "kept", f"repeat = {literal(REPEAT_WITHIN)}"),
        (REFUND, "kept", "amount < 0"),
        (FOLDED_ID, "changed", "folded"),
        (TRIMMED_ID, "changed", "trimmed"),
        (DECIMAL_ID, "changed", "decimal_id"),
        (FILLED_DOWN, "changed", "filled"),
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


def count_of(reason: str, treatment: Treatment, rows: int, money: Decimal | None, unread: int) -> ReasonCount:
    """Return the count of a reason from the sum of the money that was read (None where none was)."""
    known = None if money is None and unread else float(money or 0)
    return ReasonCount(reason, treatment, rows, known, unread)


def _id_sql(ours: str, staged: Staged, data: DataConfig) -> str:
    written = folded_sql(data.customer_ids) if ours == "customer_id" else ours
    return whole_sql(written) if ours in staged.decimal_ids else written


def _reason_sql(
    connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig, now: datetime, as_of: date | None
) -> str:
    given = {
        "date": "order_ts",
        "now": f"TIMESTAMP {literal(now.isoformat(sep=' '))}",
        **_currency(connection, staged, data),
    }
    if data.guests == "reject":
        given["guest"] = nobody_sql(data.guest_ids)
    if data.where is not None:
        given[IN_WHERE] = IN_WHERE
    if as_of is not None:
        given["as_of"] = f"TIMESTAMP {literal(as_of.isoformat())}"
    return f"coalesce(broken, {judgement(given)})"


def _currency(connection: duckdb.DuckDBPyConnection, staged: Staged, data: DataConfig) -> dict[str, str]:
    if "currency" not in staged.columns:
        return {}
    found = connection.execute(
        f"SELECT currency, count(*) AS rows FROM {STAGED} WHERE currency IS NOT NULL AND broken IS NULL "
        f"{f'AND {IN_WHERE} ' if data.where is not None else ''}GROUP BY currency ORDER BY rows DESC, currency"
    ).fetchall()
    return currency_given(dict(found), data)


def _build_repeats(
    connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...], multiple_files: bool
) -> None:
    # The hash covers all columns. Comparing the mapped ones as well leaves no room for chance: two lines
    # would have to agree in customer, time, amount and product and collide in 64 bits.
    same = ["digest", "order_ts", "amount", *(name for name in (*IDS, "quantity") if name in columns)]
    copies, across = "FROM repeating", "false"
    if multiple_files:
        # The second copy within a file is the second copy of the other file, not a third.
        copy = f"row_number() OVER (PARTITION BY {', '.join(same)}, part ORDER BY place)"
        copies = f"SELECT *, {copy} AS copy FROM repeating"
        across = f"row_number() OVER (PARTITION BY {', '.join(same)}, copy ORDER BY place) > 1"
    connection.execute(
        f"""
        CREATE TEMP TABLE {_REPEATS} AS
        WITH usable AS (FROM {JUDGED} WHERE reason IS NULL),
        repeated AS (SELECT digest FROM usable GROUP BY digest HAVING count(*) > 1),
        repeating AS (FROM usable SEMI JOIN repeated USING (digest)),
        copies AS ({copies})
        SELECT place,
               CASE WHEN {across} THEN {literal(REPEAT_ACROSS)} ELSE {literal(REPEAT_WITHIN)} END AS repeat
        FROM copies
        QUALIFY row_number() OVER (PARTITION BY {", ".join(same)} ORDER BY place) > 1
        """
    )
    # Written into the rows, and only where there are any: a join would be paid for by every later query.
    if connection.execute(f"SELECT count(*) FROM {_REPEATS}").fetchall()[0][0]:
        connection.execute(
            f"UPDATE {JUDGED} SET repeat = repeats.repeat FROM {_REPEATS} AS repeats"
            f" WHERE {JUDGED}.place = repeats.place"
        )
    connection.execute(f"DROP TABLE {_REPEATS}")
