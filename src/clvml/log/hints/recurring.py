"""Purchases that come as payments of subscriptions do."""

from __future__ import annotations

from collections.abc import Iterator

from clvml.log.finding import Finding
from clvml.log.hints.unused import Unused

# Days between payments by the month and by the quarter; of yearly ones, orders cannot be told.
_GAPS = "gap BETWEEN 28 AND 31 OR gap BETWEEN 89 AND 92"
# Gaps that tell something, and the share of them that must be alike.
_FEW, _MOST = 50, 0.5


def recurring_findings(file: Unused) -> Iterator[Finding]:
    """Yield whether most purchases follow the one before by a month or a quarter, at the same amount."""
    following, alike = file.run(
        f"SELECT count(gap), count(*) FILTER (({_GAPS}) AND abs(amount - before) <= 0.01 * before) FROM ("
        " SELECT amount, date_diff('day', lag(day) OVER customers, day) AS gap, lag(amount) OVER customers AS before"
        " FROM (SELECT customer_id, order_day AS day, sum(amount)::DOUBLE AS amount"
        f" FROM {file.log.table} WHERE amount > 0 GROUP BY customer_id, order_day) AS days"
        " WINDOW customers AS (PARTITION BY customer_id ORDER BY day)) AS gaps"
    )[0]
    if following >= _FEW and alike >= _MOST * following:
        yield Finding(
            "looks-like-payments",
            f"{alike / following:.0%} of the purchases after a first come a month or a quarter after the one before, at"
            " the same amount, as payments of subscriptions do; mode: subscription with data.payments forecasts who"
            " ends one (docs/subscriptions.md)",
            int(alike),
        )
