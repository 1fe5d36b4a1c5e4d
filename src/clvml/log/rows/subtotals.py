"""Totals between the lines of a table, below the lines that they add up."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from clvml.log.rows.staging import STAGED, TOTAL_LINE, total_named_sql
from clvml.storage.sql import MONEY, literal

_TOLD = "clvml_totals_told"
# A line that is called a total and is as much as the one above it may be a purchase.
_FEW = 2


def mark_subtotals(connection: duckdb.DuckDBPyConnection, columns: Collection[str]) -> None:
    """Mark lines as totals that are called so and are the sum of the lines since the last one, or of all lines above.

    What is called so and is another sum is a customer or an article of that name, and so are all where most are of
    those with several lines above.
    """
    named = total_named_sql([name for name in columns if name in ("customer_id", "order_id")])
    (count,) = connection.execute(
        f"SELECT count(*) FROM {STAGED} WHERE broken IS NULL AND ({named})"
    ).fetchall()[0]
    if count < _FEW:
        return
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_TOLD} AS
        WITH sound AS (
            SELECT rowid AS place, part, {named} AS is_named,
                   CASE WHEN isfinite(amount) AND abs(amount) < 1e15 THEN amount::{MONEY} END AS amount
            FROM {STAGED} WHERE broken IS NULL
        ), summed AS (
            SELECT place, part, is_named, amount,
                   sum(CASE WHEN NOT is_named THEN amount END)
                       OVER (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING) AS until,
                   count(*) FILTER (NOT is_named)
                       OVER (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING) AS above
            FROM sound
        )
        SELECT place, amount <> 0 AND amount IN (until, until - coalesce(lag(until) OVER in_turn, 0)) AS is_sum,
               above - coalesce(lag(above) OVER in_turn, 0) > 1 AS has_several
        FROM summed WHERE is_named WINDOW in_turn AS (PARTITION BY part ORDER BY place)
        """
    )
    connection.execute(
        f"UPDATE {STAGED} SET broken = {literal(TOTAL_LINE)} WHERE rowid IN (SELECT place FROM {_TOLD} WHERE is_sum)"
        f" AND (SELECT 2 * count(*) FILTER (is_sum) > count(*) FROM {_TOLD} WHERE has_several)"
    )
    connection.execute(f"DROP TABLE {_TOLD}")
