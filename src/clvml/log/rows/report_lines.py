"""Lines that a report prints among its rows and that are no orders: totals, headers that come again, other tables.

Lines are marked in a table whose column ``broken`` says why a line is none.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from clvml.log.finding import Finding
from clvml.log.readers.delimited import STRAY_QUOTE, TOO_FEW_COLUMNS, TOO_MANY_COLUMNS
from clvml.log.rows.line_rules import HEADER_LINE, IDS, IS_SOUND, OTHER_TABLE, READ_MONEY, TOTAL_LINE
from clvml.log.values.formats import Locate
from clvml.storage.sql import literal

# So many last lines of a file may be totals.
LAST_LINES = 3
# Lines with money in them; what has too few columns may be a remark.
BROKEN = (TOO_MANY_COLUMNS, STRAY_QUOTE)
_TOTAL = (
    r"(?:grand |sub|sub-|zwischen|gesamt|teil)?(?:total(?:e|es|en|s|i)?|totaux|totaal|summen?|sum|somme|suma|soma"
    r"|gesamt\w*|insgesamt|betrag|ergebnis|сумма|итого"
    r"|z-?(?:bericht|report|abschlag)|rapport z|tagesabschluss|kassenabschluss|clôture)"
)
_TOLD = "clvml_totals_told"


def total_named_sql(columns: Collection[str], *, behind: bool = False) -> str:
    """Return the SQL of whether a line says that it is a total, by a word in front or, where ``behind``, at the end."""
    texts = [*(name for name in IDS if name in columns), "date_text"]
    pattern = literal(rf"{_TOTAL}(?:\W.*)?" + (rf"|.*\W{_TOTAL}" if behind else ""))
    return " OR ".join(f"coalesce(regexp_full_match(lower({text}), {pattern}), false)" for text in texts)


def mark_headers(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Collection[str], customer: str, day: str
) -> None:
    """Mark lines that repeat the header, and a first one with words for dates and numbers: units, other names.

    ``customer`` and ``day`` are what the header calls these two columns.
    """
    connection.execute(
        f"UPDATE {table} SET broken = {literal(HEADER_LINE)} WHERE broken IS NULL AND ("
        f"(customer_id = {literal(customer)} AND date_text = {literal(day)}) OR"
        f" (rowid IN (SELECT min(rowid) FROM {table} GROUP BY part) AND {_has_words_sql(columns)}))"
    )


def mark_other_tables(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Collection[str], origin: str, locate: Locate
) -> list[Finding]:
    """Mark what stands below all lines with a date, from one on that has words in the place of date and numbers.

    More lines than stand above are no other table, but purchases that are written otherwise. Return what was marked.
    """
    listed = ", ".join(map(literal, BROKEN))
    connection.execute(
        f"""
        UPDATE {table} SET broken = {literal(OTHER_TABLE)} FROM (
            SELECT part, min(rowid) AS head FROM (SELECT *, rowid FROM {table})
            JOIN (
                SELECT part, min(rowid) AS first, max(rowid) AS last,
                       max(rowid) FILTER (order_ts IS NOT NULL) AS last_day
                FROM {table} GROUP BY part
            ) USING (part)
            WHERE rowid > last_day AND rowid < last AND {_has_words_sql(columns)}
            GROUP BY part HAVING any_value(last) - head < head - any_value(first)
        ) AS below
        WHERE {table}.part = below.part AND {table}.rowid >= head AND (broken IS NULL OR broken IN ({listed}))
        """
    )
    lines, first = connection.execute(
        f"SELECT count(*), min(rowid) FROM {table} WHERE broken = {literal(OTHER_TABLE)}"
    ).fetchall()[0]
    if not lines:
        return []
    text = (
        f"'{origin}': {locate(first)} begins another table, and what stands from there on is left out ({lines:,}"
        " lines); purchases among them need dates as the lines above have them"
    )
    return [Finding("other-table-below", text, lines)]


def _has_words_sql(columns: Collection[str]) -> str:
    """Return the SQL of whether a line has words, and no digit, in the place of its date and of all its numbers."""
    numbers = [ours for ours in columns if ours not in (*IDS, "order_date", "currency")]
    values = ", ".join(["order_ts::VARCHAR", *(f"{ours}::VARCHAR" for ours in numbers)])
    words = ", ".join(["date_text", *(f"{ours}_text" for ours in numbers)])
    return f"coalesce({values}) IS NULL AND regexp_matches(concat({words}), '^\\D+$')"


def mark_totals(connection: duckdb.DuckDBPyConnection, table: str, columns: Collection[str]) -> None:
    """Mark totals above and below a table: lines without a date, and with money alone or with the word for a total.

    Between the lines those are totals that have no customer, and the word in the place of the date.
    """
    ends = connection.execute(f"SELECT min(rowid), max(rowid) FROM {table} GROUP BY part").fetchall()
    places = ", ".join(
        str(place) for first, last in ends for place in (first, *(last - back for back in range(LAST_LINES)))
    )
    is_money = "broken IS NULL AND customer_id IS NULL AND date_text IS NULL"
    is_money += " AND coalesce(amount::VARCHAR, amount_text) IS NOT NULL" if "amount" in columns else ""
    between = f"customer_id IS NULL AND broken IS NULL AND ({total_named_sql((), behind=True)})"
    if places:
        connection.execute(
            f"UPDATE {table} SET broken = {literal(TOTAL_LINE)} WHERE order_ts IS NULL AND (({between})"
            f" OR rowid IN ({places}) AND coalesce(broken, {literal(TOO_FEW_COLUMNS)}) = {literal(TOO_FEW_COLUMNS)}"
            f" AND ({total_named_sql(columns)} OR ({is_money})))"
        )


def mark_subtotals(connection: duckdb.DuckDBPyConnection, table: str, columns: Collection[str]) -> None:
    """Mark lines as totals that are called so and are the sum of the lines up to the next one, or of all lines.

    Those lines stand above it or below. What is called so and is another sum is a customer or an article of that name,
    and so are all where most of those with several lines beside them are, and a single one that has an order number.
    """
    named = total_named_sql([name for name in columns if name in ("customer_id", "order_id")], behind=True)
    numbered = f"order_id IS NOT NULL AND NOT ({total_named_sql(['order_id'], behind=True)})"
    count, orders = connection.execute(
        f"SELECT count(*), count(*) FILTER ({numbered if 'order_id' in columns else 'false'})"
        f" FROM {table} WHERE broken IS NULL AND ({named})"
    ).fetchall()[0]
    if not count or count == orders == 1:
        return
    other = "FILTER (NOT is_named) OVER"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_TOLD} AS
        WITH sound AS (
            SELECT rowid AS place, part, broken IS NOT NULL AS is_told, broken IS NOT NULL OR {named} AS is_named,
                   {READ_MONEY} AS amount
            FROM {table} WHERE {IS_SOUND}
        ), summed AS (
            SELECT place, part, is_told, is_named, amount,
                   sum(amount) {other} up AS above, count(*) {other} up AS lines_above,
                   sum(amount) {other} down AS below, count(*) {other} down AS lines_below
            FROM sound
            WINDOW up AS (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING),
                   down AS (PARTITION BY part ORDER BY place DESC ROWS UNBOUNDED PRECEDING)
        ), beside AS (
            SELECT place, is_told,
                   amount <> 0 AND amount IN (above, above - coalesce(lag(above) OVER in_turn, 0)) AS adds_above,
                   lines_above - coalesce(lag(lines_above) OVER in_turn, 0) AS next_above,
                   amount <> 0 AND amount IN (below, below - coalesce(lead(below) OVER in_turn, 0)) AS adds_below,
                   lines_below - coalesce(lead(lines_below) OVER in_turn, 0) AS next_below
            FROM summed WHERE is_named WINDOW in_turn AS (PARTITION BY part ORDER BY place)
        )
        SELECT place, coalesce(adds_above, false) OR coalesce(adds_below, false) AS is_sum,
               CASE WHEN adds_below AND NOT coalesce(adds_above, false) THEN next_below ELSE next_above END > 1
                   AS has_several
        FROM beside WHERE NOT is_told
        """
    )
    connection.execute(
        f"UPDATE {table} SET broken = {literal(TOTAL_LINE)} WHERE rowid IN (SELECT place FROM {_TOLD} WHERE is_sum)"
        f" AND (SELECT 2 * count(*) FILTER (is_sum) > count(*) FROM {_TOLD} WHERE has_several)"
    )
    connection.execute(f"DROP TABLE {_TOLD}")
