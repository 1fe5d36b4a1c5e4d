"""How often customers buy, against the horizon that is predicted, and whether they come back at all."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from clvml.log.finding import Finding
from clvml.storage.sql import MONEY, Run

# Customers who buy less often than the horizon is long are worth a warning from this share of the money on.
_SHARE = 0.2
_FEWEST_RETURNS = 30


def rhythm_findings(run: Run, table: str, customers: int, horizon_days: int | None) -> Iterator[Finding]:
    """Yield that hardly anybody comes back, and that customers of weight buy less often than every horizon.

    The rhythm of a customer is the mean gap between their own purchase days, of those who bought on three days or more:
    the median of all gaps is that of the customers who buy most often.
    """
    rhythms = run(
        f"""
        WITH days AS (
            SELECT customer_id, order_day, sum(amount::{MONEY}) AS money, count(*) AS line_count
            FROM {table} GROUP BY customer_id, order_day HAVING max(amount) > 0
        ),
        buyers AS (
            SELECT count(*) AS day_count, date_diff('day', min(order_day), max(order_day)) AS span,
                   sum(money) AS money, sum(line_count) AS line_count
            FROM days GROUP BY customer_id
        )
        SELECT CASE WHEN day_count >= 3 THEN cast(span / (day_count - 1) AS INTEGER) END AS rhythm, count(*),
               sum(day_count - 1), sum(money), sum(line_count)
        FROM buyers GROUP BY 1 ORDER BY 1
        """
    )
    returns = sum(row[2] for row in rhythms)
    if returns < _FEWEST_RETURNS:
        yield Finding(
            "few-returns",
            f"too few repeat purchases to learn from ({int(returns):,}, of {customers:,} customers), so forecasts are"
            " hardly more than a guess; give more history",
        )
    total = sum(row[3] for row in rhythms)
    slow = [
        row for row in rhythms if row[0] is not None and horizon_days is not None and row[0] > horizon_days
    ]
    money = sum(row[3] for row in slow)
    if not slow or total <= 0 or float(money) < _SHARE * float(total):
        return
    upto = list(accumulate(row[1] for row in slow))
    buyers, usual = upto[-1], slow[bisect_left(upto, upto[-1] / 2)][0]
    yield Finding(
        "horizon-shorter-than-rhythm",
        f"{buyers:,} customers with {float(money) / float(total):.0%} of the money buy every {usual:,} days or so, less"
        f" often than once in the horizon of {horizon_days:,} days: between two orders they look lost, and are not; a"
        " longer windows.horizon_days sees their next order",
        int(sum(row[4] for row in slow)),
        float(money),
    )
