"""Reports that write customer, date and order in the first line of a group only, as merged cells of Excel do.

A line that has neither customer nor date belongs to the line above: no order is without a date, so that it is none of a
guest's. A line that has a date and no customer may be one, and is filled where the configuration says so, or totals of
one customer each do.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from clvml.log.finding import Finding
from clvml.log.rows.line_rules import IS_SOUND, READ_MONEY
from clvml.log.rows.report_lines import LAST_LINES, total_named_sql
from clvml.log.rows.staging import STAGED

FILLED = "filled"
_LINES, _HEADS = "clvml_lines_below", "clvml_lines_above"
_IS_BELOW = "order_ts IS NULL AND date_text IS NULL"
_IS_HEADING = f"customer_id IS NOT NULL AND {_IS_BELOW} AND amount IS NULL AND amount_text IS NULL"
# Fewer such lines are remarks or totals.
_SOME = 0.05
# So many groups with a total are no chance.
_SEVERAL = 3
# From so many customers on, that none of them comes a second time tells something, and so many lines have a total.
_FEW = 10
# A last line that differs by so little from all others together is their total, rounded, with tax or of other lines.
_NEAR = 0.2
# In so many first lines most logs show that customers come again.
_FIRST_LINES = 10_000


def fill_groups(
    connection: duckdb.DuckDBPyConnection,
    columns: Collection[str],
    operands: Collection[str],
    fill_down: bool | None,
    *,
    in_order: bool,
) -> list[Finding]:
    """Give lines that lack customer and date those of the line above, where that is how the log is written.

    ``fill_down`` says whether it is. Where it is None, all lines without a date must have money, no customer, and no
    order number but that of the line above, and must not be sums of others; ``in_order`` says that lines stand as
    somebody wrote them. ``columns`` are ours that are mapped, ``operands`` those of expressions. The staged table gets
    a column ``filled``.
    """
    found: list[Finding] = []
    connection.execute(f"ALTER TABLE {STAGED} ADD COLUMN {FILLED} BOOLEAN DEFAULT false")
    if fill_down is False or (fill_down is None and not in_order):
        return found
    if _has_headings(connection):
        found = _fill_from_headings(connection)
        return found if fill_down is None else []
    is_totalled = fill_down is None and _is_totalled(connection)
    customers_too = bool(fill_down) or is_totalled
    if customers_too or _has_many_below(connection):
        _number_groups(connection, columns)
        if fill_down is None and not is_totalled and (fill_down := _is_grouped(connection)):
            found = _filled_finding(connection)
        if fill_down or is_totalled:
            _fill(connection, _of_groups(connection, columns, operands), customers_too=customers_too)
        connection.execute(f"DROP TABLE {_LINES}")
    if is_totalled:
        return _told_finding(connection, "the first line of their group, which ends with a total")
    return found if fill_down else _first_line_finding(connection)


def _has_headings(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether customers stand in lines of their own alone, above those of their purchases."""
    own, lines, headings = connection.execute(
        f"SELECT count(customer_id) FILTER (NOT ({_IS_BELOW})), count(*) FILTER (NOT ({_IS_BELOW})),"
        f" count(*) FILTER ({_IS_HEADING}) FROM {STAGED} WHERE broken IS NULL"
    ).fetchall()[0]
    return bool(own == 0 and min(lines, headings) > 1)


def _fill_from_headings(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Give lines with a date the customer of the heading above; below a total nobody knows whose they are."""
    connection.execute(
        f"""
        UPDATE {STAGED} SET customer_id = above.customer_id, {FILLED} = true FROM (
            SELECT rowid AS place, nullif(last_value(
                CASE WHEN broken IS NULL AND {_IS_HEADING} THEN customer_id WHEN {_IS_BELOW} THEN '' END IGNORE NULLS
            ) OVER (PARTITION BY part ORDER BY rowid), '') AS customer_id
            FROM {STAGED} WHERE {IS_SOUND}
        ) AS above
        WHERE {STAGED}.rowid = above.place AND {STAGED}.broken IS NULL AND NOT ({_IS_BELOW})
              AND above.customer_id IS NOT NULL
        """
    )
    return _told_finding(connection, "a line above that holds nothing else")


def _told_finding(connection: duckdb.DuckDBPyConnection, source: str) -> list[Finding]:
    rows, money = connection.execute(
        f"SELECT count(*), sum({READ_MONEY}) FROM {STAGED} WHERE {FILLED}"
    ).fetchall()[0]
    text = (
        f"{rows:,} lines take their customer from {source}; data.fill_down: true says that it is right, false rejects"
        " these lines"
    )
    return [Finding("filled-down", text, rows, float(money or 0))]


def _is_totalled(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether each group of lines that ends with a total has one customer, who stands in its first line."""
    totals, empty, below = connection.execute(
        f"SELECT count(broken), count(*) FILTER (broken IS NULL AND customer_id IS NULL),"
        f" count(*) FILTER (broken IS NULL AND {_IS_BELOW}) FROM {STAGED} WHERE {IS_SOUND}"
    ).fetchall()[0]
    if min(totals, empty) < _SEVERAL or below:
        return False
    groups, several, fit = connection.execute(
        f"""
        SELECT count(*), count(*) FILTER (lines > 1),
               count(*) FILTER (lines > 1 AND customers = 1 AND named = 1 AND first IS NOT NULL)
        FROM (
            SELECT count(*) AS lines, count(DISTINCT customer_id) AS customers, count(customer_id) AS named,
                   arg_min_null(customer_id, place) AS first
            FROM (SELECT *, rowid AS place, count(broken) OVER (PARTITION BY part ORDER BY rowid DESC) AS totals
                  FROM {STAGED} WHERE {IS_SOUND})
            WHERE broken IS NULL AND totals > 0 GROUP BY part, totals
        )
        """
    ).fetchall()[0]
    return bool(several >= _SEVERAL and fit == several and 2 * several > groups)


def _has_many_below(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether numbering the lines, which is slow, can find any that belong to the line above."""
    lines, below = connection.execute(
        f"SELECT count(*), count(*) FILTER (customer_id IS NULL AND {_IS_BELOW}) FROM {STAGED} WHERE {IS_SOUND}"
    ).fetchall()[0]
    return bool(below >= max(2, _SOME * (lines - LAST_LINES)))


def _number_groups(connection: duckdb.DuckDBPyConnection, columns: Collection[str]) -> None:
    """Make the table of lines: ``head`` is the last one with a date, ``is_below`` says that a line has none of its own.

    Of totals below the table those are among them that nothing but their empty cells told, and that are not about the
    sum of all.
    """
    order = "order_id" if "order_id" in columns else "NULL::VARCHAR"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_LINES} AS
        WITH sound AS (
            SELECT rowid AS place, part, customer_id, {order} AS order_id, broken IS NOT NULL AS at_end,
                   {READ_MONEY} AS amount,
                   {_IS_BELOW} AS is_below,
                   broken IS NOT NULL AND ({total_named_sql(columns)}) AS is_named
            FROM {STAGED} WHERE {IS_SOUND}
            QUALIFY broken IS NULL OR place > max(place) OVER (PARTITION BY part) - {LAST_LINES}
        ), summed AS (
            SELECT *, is_named OR (at_end AND amount <> 0 AND abs(2 * amount - sum(amount) OVER so_far)
                                   <= CASE WHEN count(*) OVER so_far > {_FEW} THEN {_NEAR} ELSE 0 END
                                   * abs(sum(amount) OVER so_far)) AS is_total
            FROM sound WINDOW so_far AS (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING)
        )
        SELECT place, part, customer_id, order_id, amount, is_below,
               max(CASE WHEN NOT is_below THEN place END) OVER so_far AS head,
               NOT is_below AND coalesce(lag(is_below) OVER so_far, false) AS begins
        FROM (SELECT *, bool_or(is_total) OVER so_far AS below_total FROM summed
              WINDOW so_far AS (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING))
        WHERE NOT below_total
        WINDOW so_far AS (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING)
        """
    )


def _is_grouped(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether all lines without a date belong to the line above, as no guest's order and no sum does."""
    lines, below, fit = connection.execute(
        f"""
        SELECT count(*), count(*) FILTER (line.is_below),
               count(*) FILTER (line.is_below AND line.customer_id IS NULL AND line.amount IS NOT NULL AND head.place
                                IS NOT NULL AND coalesce(line.order_id = head.order_id, line.order_id IS NULL))
        FROM {_LINES} AS line LEFT JOIN {_LINES} AS head ON head.place = line.head
        """
    ).fetchall()[0]
    if fit < below or below < max(2, _SOME * lines):
        return False
    # A sum stands below what it adds up, a group or all since the last sum, or above it; a payment takes it off.
    blocks, sums = connection.execute(
        f"""
        WITH numbered AS (
            SELECT *, sum(begins::INTEGER) OVER (PARTITION BY part ORDER BY place ROWS UNBOUNDED PRECEDING) AS block
            FROM {_LINES}
        ), blocks AS (
            SELECT sum(amount) AS total, arg_max(amount, place) AS last, sum(amount) FILTER (is_below) AS below,
                   arg_max(amount, place) FILTER (NOT is_below) AS head
            FROM numbered GROUP BY part, block HAVING bool_or(is_below)
        )
        SELECT count(*), count(*) FILTER (2 * last = total OR below = head OR total = 0) FROM blocks
        """
    ).fetchall()[0]
    # Totals may stand below orders of several lines alone; by chance few lines are as much as those above.
    return bool(sums < 0.2 * blocks)


def _filled_finding(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    rows, money = connection.execute(f"SELECT count(*), sum(amount) FROM {_LINES} WHERE is_below").fetchall()[
        0
    ]
    text = (
        f"{rows:,} lines have neither customer nor date, as where these stand in the first line of a group only; they"
        " are taken from the line above. data.fill_down: true says that it is right, false rejects these lines"
    )
    return [Finding("filled-down", text, rows, float(money))]


def _first_line_finding(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Return the doubt whether lines with a date and without a customer are guests' orders or parts of a group."""
    for among in (f"rowid < {_FIRST_LINES}", "true"):
        lines, empty, money, heads, customers, first = connection.execute(
            f"""
            SELECT count(*), count(*) FILTER (customer_id IS NULL), sum(amount) FILTER (customer_id IS NULL),
                   count(*) FILTER (customer_id IS NOT NULL AND customer_id IS DISTINCT FROM before),
                   count(DISTINCT customer_id), count(*) FILTER (customer_id IS NULL AND before IS NULL)
            FROM (SELECT customer_id, {READ_MONEY} AS amount,
                         lag(customer_id IGNORE NULLS) OVER (PARTITION BY part ORDER BY rowid) AS before
                  FROM {STAGED} WHERE broken IS NULL AND NOT ({_IS_BELOW}) AND {among})
            """
        ).fetchall()[0]
        if first or heads > customers:
            return []
    if customers < _FEW or empty < 0.2 * lines:
        return []
    text = (
        f"{empty:,} lines have no customer, and none of the {customers:,} customers comes again after another one, as"
        " where the customer stands in the first line of a group only; data.fill_down: true takes it from the line"
        " above, false says that these are orders of guests"
    )
    return [Finding("customer-in-first-line", text, empty, float(money or 0))]


def _fill(connection: duckdb.DuckDBPyConnection, filled: Collection[str], *, customers_too: bool) -> None:
    """Fill the lines below from their head; where it is asked, first the customers of lines that have a date."""
    if customers_too:
        connection.execute(
            f"""
            UPDATE {STAGED} SET customer_id = above.customer_id, {FILLED} = true FROM (
                SELECT place, customer_id IS NULL AS is_empty,
                       last_value(customer_id IGNORE NULLS) OVER (PARTITION BY part ORDER BY place) AS customer_id
                FROM {_LINES} WHERE NOT is_below
            ) AS above
            WHERE {STAGED}.rowid = above.place AND above.is_empty AND above.customer_id IS NOT NULL
            """
        )
    below = f"(SELECT place, head FROM {_LINES} WHERE is_below AND head IS NOT NULL)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_HEADS} AS SELECT below.place, head.* FROM {below} AS below"
        f" JOIN (SELECT rowid AS head, {', '.join(filled)} FROM {STAGED}) AS head USING (head)"
    )
    cells = ", ".join(f"{name} = coalesce({STAGED}.{name}, above.{name})" for name in filled)
    connection.execute(
        f"UPDATE {STAGED} SET {cells}, {FILLED} = true, broken = NULL FROM {_HEADS} AS above"
        f" WHERE {STAGED}.rowid = above.place"
        f" AND coalesce({STAGED}.customer_id = above.customer_id, {STAGED}.customer_id IS NULL)"
    )
    connection.execute(f"DROP TABLE {_HEADS}")


def _of_groups(
    connection: duckdb.DuckDBPyConnection, columns: Collection[str], operands: Collection[str]
) -> list[str]:
    """Return the columns of a group: ours that say who and when, and of the others those that no line below fills."""
    below = f"{STAGED}.rowid IN (SELECT place FROM {_LINES} WHERE is_below)"
    counts = ", ".join(["count(*)", *(f"count({name})" for name in operands)])
    _, *filled = connection.execute(f"SELECT {counts} FROM {STAGED} WHERE {below}").fetchall()[0]
    ours = [name for name in ("customer_id", "order_id", "currency") if name in columns]
    return [
        *ours,
        "order_ts",
        "date_text",
        *(name for name, n in zip(operands, filled, strict=True) if not n),
    ]
