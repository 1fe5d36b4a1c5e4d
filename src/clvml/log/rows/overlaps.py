"""Orders that stand in several files: exports that overlap, of which the later one knows better."""

from __future__ import annotations

import duckdb

from clvml.config import DataConfig
from clvml.log.finding import Finding
from clvml.log.rows.line_rules import NOT_IN_WHERE, OLDER_STATE
from clvml.storage.sql import literal

_ORDERS = "clvml_orders"
# Of an export that overlaps another, the other has nearly all orders of the common days, most of them unchanged.
_BOTH, _UNCHANGED = 0.8, 0.5


def drop_older_states(
    connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...], data: DataConfig
) -> list[Finding]:
    """Leave out the orders of which a later file has another state; return a warning where that was not asked for.

    ``table`` holds the judged lines. An order is the same if its number, customer and day are. The later file is the
    one whose last order is later, then the one whose name is. Where lines of an order are spread over files, nothing is
    left out.
    """
    if "order_id" not in columns or data.overlaps == "keep":
        return []
    values = ["order_ts", "amount", *(name for name in ("product_id", "quantity") if name in columns)]
    connection.execute(
        f"""
        CREATE TEMP TABLE {_ORDERS} AS
        WITH usable AS (
            FROM {table} WHERE (reason IS NULL OR reason = {literal(NOT_IN_WHERE)}) AND order_id IS NOT NULL
            AND customer_id IS NOT NULL AND order_ts IS NOT NULL
        ),
        parts AS (
            SELECT part, min(order_ts::DATE) AS first_day, max(order_ts::DATE) AS last_day,
                   row_number() OVER (ORDER BY max(order_ts::DATE), part) AS rank
            FROM usable GROUP BY part
        ),
        orders AS (
            SELECT order_id, customer_id, order_ts::DATE AS day, part,
                   struct_pack(lines := count(*), total := sum(digest::HUGEINT)) AS content,
                   struct_pack(lines := count(*), total := sum(hash({", ".join(values)})::HUGEINT)) AS values,
                   sum(money) AS money, count(*) AS rows
            FROM usable GROUP BY ALL
        )
        SELECT orders.*, rank,
               max(rank) OVER same AS newest, arg_max(content, rank) OVER same AS newest_content,
               arg_max(values, rank) OVER same AS newest_values,
               EXISTS (SELECT 1 FROM parts AS later WHERE later.rank > parts.rank
                       AND orders.day BETWEEN later.first_day AND later.last_day) AS within
        FROM orders JOIN parts USING (part)
        WINDOW same AS (PARTITION BY order_id, customer_id, day)
        """
    )
    older = "rank < newest"
    changed = f"{older} AND content <> newest_content"
    within, both, unchanged, orders, rows, money = connection.execute(
        f"SELECT count(*) FILTER (within), count(*) FILTER ({older}),"
        f" count(*) FILTER ({older} AND values = newest_values),"
        f" count(*) FILTER ({changed}), sum(rows) FILTER ({changed}), sum(money) FILTER ({changed}) FROM {_ORDERS}"
    ).fetchall()[0]
    are_exports = both >= _BOTH * within and unchanged >= _UNCHANGED * both
    if orders and (data.overlaps == "latest" or are_exports):
        connection.execute(
            f"UPDATE {table} SET reason = {literal(OLDER_STATE)} FROM {_ORDERS} AS older"
            f" WHERE {changed} AND {table}.part = older.part"
            f" AND {table}.order_id = older.order_id AND {table}.customer_id = older.customer_id"
            f" AND {table}.order_ts::DATE = older.day"
        )
    connection.execute(f"DROP TABLE {_ORDERS}")
    if not orders or data.overlaps is not None:
        return []
    # Lines of one order in several files are nothing to warn of, unless the same line is in two.
    if are_exports:
        text = (
            f"{orders:,} orders stand in two files with different content, as exports that overlap do; the state in the"
            " file that goes on longest counts. data.overlaps: latest says that this is right, keep counts all lines"
        )
    elif unchanged:
        text = (
            f"{orders:,} orders stand in two files with different content, and all their lines count; if the files are"
            " exports that overlap, set data.overlaps: latest, so that the later state counts, else keep"
        )
    else:
        return []
    return [Finding("orders-in-several-files", text, int(rows), float(money or 0))]
