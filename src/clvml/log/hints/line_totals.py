"""What stands in the lines of an order: its total in each or in one, or lines that are the sum of the others."""

from __future__ import annotations

from collections.abc import Iterator

from clvml.log.finding import Finding
from clvml.log.hints.unused import AT_ONCE, Unused, in_yaml, one_of
from clvml.log.mapping import written
from clvml.log.rows.line_rules import MISSING_AMOUNT
from clvml.storage.sql import MONEY

# Orders that tell something, and the share of them of which it must be true.
_FEW, _MOST = 20, 0.8
# A value marks such lines where so many of its lines are one, and so many of them have it.
_MARKS = 0.95
# Purchases after the first, and the share of them that must be larger than the one before.
_STEPS, _GROWN = 100, 0.98
# What rounding of the lines leaves of a sum [currency].
_ROUNDED = 0.03


def total_findings(file: Unused) -> Iterator[Finding]:
    """Yield whether a line of each order is the sum of its others, and the column that tells which."""
    order, amount, data = file.data.columns.order_id, file.amount, file.data
    if amount is None or order not in file.names or data.amount_per != "line" or data.where is not None:
        return
    lines = f"(SELECT order_id, amount::{MONEY} AS amount FROM {file.log.table} WHERE abs(amount) < 1e15)"
    orders, sums, rows, money = file.run(
        f"SELECT count(*), count(*) FILTER (is_sum), sum(times) FILTER (is_sum), sum(times * high) FILTER (is_sum)"
        f" FROM ({_orders(lines)})"
    )[0]
    if orders < _FEW or sums < _MOST * orders:
        return
    cells = {"order_id": file.cell(order), "amount": f"{file.number(amount)}::{MONEY}"}
    mend = "a condition in data.where"
    empty = _empty_in_sums(file, cells, rows)
    if empty is not None:
        mend = f"data.where: {in_yaml(f'{written(empty)} is not null')}"
    for name in file.few if empty is None else ():
        lines = file.table(**cells, value=file.cell(name))
        marks = file.run(
            f"SELECT value, count(*) FROM {lines} JOIN ({_orders(lines)}) USING (order_id) WHERE value IS NOT NULL"
            f" GROUP BY value HAVING count(*) FILTER (is_sum AND amount = high) >= {_MARKS} * count(*) ORDER BY value"
        )
        if sum(row[1] for row in marks) >= _MARKS * rows:
            mend = f"data.where: {in_yaml(one_of(name, (row[0] for row in marks), negated=True))}"
            break
    yield Finding(
        "totals-among-lines",
        f"in {sums:,} of {orders:,} orders of several lines one is the sum of the others, as where totals or payments"
        f" stand among the articles, and all are added up; {mend} leaves these out",
        int(rows),
        float(money),
    )


def _empty_in_sums(file: Unused, cells: dict[str, str], rows: int) -> str | None:
    """Return the first column that is empty in the lines that are sums and in no others, as that of the article."""
    names = file.named(lambda name: True)[:AT_ONCE]
    lines = file.table(**cells, **{f"u{place}": file.cell(name) for place, name in enumerate(names)})
    counts = (
        f"count(*) FILTER (u{place} IS NULL), count(*) FILTER (u{place} IS NULL AND is_sum AND amount = high)"
        for place in range(len(names))
    )
    found = file.run(
        f"SELECT {', '.join(counts) or 1} FROM {lines} LEFT JOIN ({_orders(lines)}) USING (order_id)"
        " WHERE order_id IS NOT NULL"
    )[0]
    for name, empty, sums in zip(names, found[::2], found[1::2], strict=False):
        if sums >= _MARKS * max(empty, rows):
            return name
    return None


def _orders(lines: str) -> str:
    """Return the query of orders of several lines: the highest amount, how often it stands there, whether it is a sum.

    A total and its payment are the same sum twice; beside them there must be two lines that it adds up.
    """
    return (
        "SELECT order_id, high, count(*) FILTER (amount = high) AS times,"
        f" abs((times + 1) * high - sum(amount)) < {_ROUNDED} AS is_sum"
        f" FROM (SELECT *, max(amount) OVER (PARTITION BY order_id) AS high FROM {lines} WHERE order_id IS NOT NULL)"
        " GROUP BY order_id, high HAVING count(*) > times + 1"
    )


def running_total_findings(file: Unused) -> Iterator[Finding]:
    """Yield whether the amounts of each customer only ever grow, as those of what was spent so far do."""
    steps, grown, money = file.run(
        f"""
        SELECT count(*), count(*) FILTER (amount > before), sum(least(before, amount)::{MONEY})
        FROM (SELECT amount, lag(amount) OVER (PARTITION BY customer_id ORDER BY order_ts, amount) AS before
              FROM {file.log.table} WHERE abs(amount) < 1e15)
        WHERE before IS NOT NULL
        """
    )[0]
    if steps >= _STEPS and grown >= _GROWN * steps:
        yield Finding(
            "amounts-only-grow",
            f"of {steps:,} purchases after a customer's first, {grown:,} are of more money than the one before, as"
            " where a column holds what was spent so far; name the money of each order in data.columns.amount",
            steps,
            float(money),
        )


def order_total_findings(file: Unused) -> Iterator[Finding]:
    """Yield whether the money of an order stands in one of its lines alone, or in each of them."""
    log = file.log
    if file.data.amount_per == "order":
        return
    numbered = "order_id" in log.columns
    # Without a number, what a customer bought at one time of a day is an order.
    order, known = (
        ("order_id", "order_id IS NOT NULL")
        if numbered
        else ("customer_id, order_ts", "order_ts <> order_day")
    )
    missing = sum(count.rows for count in log.quality.reasons if count.reason == MISSING_AMOUNT)
    if numbered and missing >= 0.05 * log.quality.rows_in:
        yield Finding(
            "lines-without-amount",
            f"{missing:,} lines have no amount and are left out; where the total stands in the first line of an order"
            " only, data.amount_per: order counts the others for products and units",
            missing,
        )
    orders, same, totals, rows, money = file.run(
        f"""
        SELECT count(*), count(*) FILTER (low = high), count(DISTINCT high) FILTER (low = high),
               sum(line_count - 1) FILTER (low = high), sum((line_count - 1) * high::{MONEY}) FILTER (low = high)
        FROM (
            SELECT min(amount) AS low, max(amount) AS high, count(*) AS line_count FROM {log.table}
            WHERE {known} GROUP BY {order} HAVING count(*) > 1
        )
        """
    )[0]
    if orders >= _FEW and same >= 0.95 * orders and totals >= 5:
        yield Finding(
            "order-total-repeated",
            f"{same:,} of the {orders:,} orders with several lines have the same amount in each of them, as where the"
            f" total of the order stands in every line; {'' if numbered else 'data.columns.order_id with '}"
            "data.amount_per: order counts it once",
            int(rows),
            float(money),
        )
