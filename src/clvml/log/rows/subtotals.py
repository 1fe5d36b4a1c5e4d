"""Totals among the lines of a table, above or below those that they add up."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from clvml.log.rows.staging import STAGED, TOTAL_LINE, total_named_sql
from clvml.storage.sql import MONEY, literal

_TOLD = "clvml_totals_told"


def mark_subtotals(connection: duckdb.DuckDBPyConnection, columns: Collection[str]) -> None:
    """Mark lines as totals that are called so and are the sum of the lines up to the next one, or of all lines.

    Those lines stand above it or below. What is called so and is another sum is a customer or an article of that name,
    and so are all where most of those with several lines beside them are.
    """
    named = total_named_sql([name for name in columns if name in ("customer_id", "order_id")], behind=True)
    (count,) = connection.execute(
        f"SELECT count(*) FROM {STAGED} WHERE broken IS NULL AND ({named})"
    ).fetchall()[0]
    if not count:
        return
    other = "FILTER (NOT is_named) OVER"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_TOLD} AS
        WITH sound AS (
            SELECT rowid AS place, part, broken IS NOT NULL AS is_told, broken IS NOT NULL OR {named} AS is_named,
                   CASE WHEN isfinite(amount) AND abs(amount) < 1e15 THEN amount::{MONEY} END AS amount
            FROM {STAGED} WHERE broken IS NULL OR broken = {literal(TOTAL_LINE)}
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
        f"UPDATE {STAGED} SET broken = {literal(TOTAL_LINE)} WHERE rowid IN (SELECT place FROM {_TOLD} WHERE is_sum)"
        f" AND (SELECT 2 * count(*) FILTER (is_sum) > count(*) FROM {_TOLD} WHERE has_several)"
    )
    connection.execute(f"DROP TABLE {_TOLD}")
