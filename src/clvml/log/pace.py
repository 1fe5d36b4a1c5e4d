"""How often customers buy, against the horizon that is predicted, and whether they come back at all."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from clvml.log.finding import Finding
from clvml.storage.sql import MONEY, Run

# Customers who buy less often than the horizon is long are worth a warning from this share of the money on.
_SHARE = 0.2
_FEWEST_RETURNS = 30


class Pace(NamedTuple):
    """Purchase days of a log, and its customers who have any.

    Attributes
    ----------
    steps : list of (int or None, bool, int)
        How long purchase days came after the one before [days; None of a first one], whether they are the last of their
        customer, and how many there are; in the order of the steps.
    rhythms : list of (int or None, int, int, Decimal, int)
        The mean step of customers [days; None of those with less than three purchase days], how many customers have it,
        and their purchase days after the first, money [currency] and lines; in the order of the steps.
    """

    steps: list[tuple[int | None, bool, int]]
    rhythms: list[tuple[int | None, int, int, Decimal, int]]

    @property
    def purchase_days(self) -> int:
        """Purchase days of all customers."""
        return sum(days for *_, days in self.steps)

    @property
    def one_time_share(self) -> float | None:
        """Share of the customers that have exactly one purchase day."""
        firsts = [(last, days) for step, last, days in self.steps if step is None]
        return (
            sum(days for last, days in firsts if last) / sum(days for _, days in firsts) if firsts else None
        )

    @property
    def median_step(self) -> float | None:
        """Median of the steps [days]; None where nobody came back.

        >>> Pace([(1, True, 2), (4, True, 1), (5, False, 1), (None, False, 9)], []).median_step
        2.5
        """
        steps = [(step, days) for step, _, days in self.steps if step is not None]
        if not steps:
            return None
        upto = list(accumulate(days for _, days in steps))
        return sum(steps[bisect_right(upto, place)][0] for place in ((upto[-1] - 1) // 2, upto[-1] // 2)) / 2


def count_pace(run: Run, table: str) -> Pace:
    """Return how often the customers of a log in ``table`` buy.

    Steps are counted, because DuckDB's own median would hold every step of the log in memory.
    """
    found = run(
        f"""
        WITH days AS (
            SELECT customer_id, order_day, sum(amount::{MONEY}) AS money, count(*) AS line_count
            FROM {table} GROUP BY customer_id, order_day HAVING max(amount) > 0
        ),
        steps AS (
            SELECT customer_id, money, line_count, date_diff('day', lag(order_day) OVER by_day, order_day) AS step,
                   lead(order_day) OVER by_day IS NULL AS last
            FROM days WINDOW by_day AS (PARTITION BY customer_id ORDER BY order_day)
        ),
        buyers AS (
            SELECT count(*) AS day_count, sum(step) AS span, sum(money) AS money, sum(line_count) AS line_count
            FROM steps GROUP BY customer_id
        )
        SELECT step, count(*), last, NULL, NULL, NULL FROM steps GROUP BY step, last
        UNION ALL
        SELECT CASE WHEN day_count >= 3 THEN cast(span / (day_count - 1) AS INTEGER) END, count(*), NULL,
               sum(day_count - 1), sum(money), sum(line_count)
        FROM buyers GROUP BY 1
        ORDER BY 1
        """
    )
    return Pace(
        [(step, last, days) for step, days, last, *_ in found if last is not None],
        [(rhythm, customers, *rest) for rhythm, customers, last, *rest in found if last is None],
    )


def rhythm_findings(pace: Pace, customers: int, horizon_days: int | None) -> Iterator[Finding]:
    """Yield that hardly anybody comes back, and that customers of weight buy less often than every horizon.

    The rhythm of a customer is the mean gap between their own purchase days, of those who bought on three days or more:
    the median of all gaps is that of the customers who buy most often.
    """
    returns = sum(row[2] for row in pace.rhythms)
    if returns < _FEWEST_RETURNS:
        yield Finding(
            "few-returns",
            f"too few repeat purchases to learn from ({int(returns):,}, of {customers:,} customers), so forecasts are"
            " hardly more than a guess; give more history",
        )
    total = sum(row[3] for row in pace.rhythms)
    slow = [
        row
        for row in pace.rhythms
        if row[0] is not None and horizon_days is not None and row[0] > horizon_days
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
