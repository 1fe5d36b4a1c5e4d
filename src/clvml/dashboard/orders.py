"""Orders of a customer over time, from the purchase log, and what is expected after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb

from clvml.config import DataConfig
from clvml.dashboard.store import Snapshot
from clvml.errors import InputError
from clvml.log import read_purchase_log
from clvml.models.outlook import HORIZONS
from clvml.report.charts import WHOLE, Plot, amounts_plot, drawn, nice_ticks
from clvml.report.language import Language
from clvml.scores.columns import refuse_purchase_log
from clvml.storage.sql import literal
from clvml.storage.workspace import offline, workspace

# Further back, what is to come would be too narrow to see.
_SHOWN_DAYS = 3 * 365
_LISTED = 40
# Of so many customers the log must know most, and their spend within so much.
_ASKED, _ALIKE = 1_000, 0.05

Days = Sequence[tuple[date, float]]


class Orders:
    """What each customer spent by day, read once from a purchase log.

    Parameters
    ----------
    data : DataConfig
        Where the log is, and how it is read.
    now : datetime
        Lines dated later are rejected.
    folder : Path
        Where the database goes.

    Raises
    ------
    InputError
        The log cannot be read.
    """

    def __init__(self, data: DataConfig, now: datetime, folder: Path) -> None:
        path = folder / "orders.duckdb"
        with workspace() as working:
            log = read_purchase_log(data, now=now, connection=working)
            working.execute(f"attach {literal(str(path))} as kept")
            working.execute(
                "create table kept.days as select customer_id, order_day as day, sum(amount) as spend"
                f" from {log.table} group by all order by customer_id, day"
            )
            working.execute("detach kept")
        self._connection = duckdb.connect(str(path), read_only=True, config=offline(folder))

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def of(self, customer_id: str, before: date) -> Days:
        """Return days with a line and what was spent on each [currency], the oldest first."""
        with self._connection.cursor() as cursor:
            return cursor.execute(
                "select day, spend from days where customer_id = ? and day < ? order by day",
                [customer_id, before],
            ).fetchall()

    def check(self, snapshot: Snapshot) -> None:
        """Refuse a log that is of other customers, or says of most that they spent something else.

        Raises
        ------
        InputError
        """
        refuse_purchase_log(snapshot.columns)
        rows = snapshot.rows(f"select customer_id, historic_spend from customers limit {_ASKED}", [])
        ids, told = [row["customer_id"] for row in rows], [row["historic_spend"] for row in rows]
        with self._connection.cursor() as cursor:
            ((known, alike),) = cursor.execute(
                "select count(spend), count(*) filter (abs(spend - told) <= ? * greatest(abs(told), 1))"
                " from (select unnest(?::VARCHAR[]) as customer_id, unnest(?::DOUBLE[]) as told) left join"
                " (select customer_id, sum(spend) as spend from days where day < ? group by customer_id)"
                " using (customer_id)",
                [_ALIKE, ids, told, snapshot.facts.as_of],
            ).fetchall()
        if 2 * alike < len(ids):
            found = (
                f"holds orders of {known:,} of {len(ids):,} scored customers (such as '{ids[0]}')"
                if 2 * known < len(ids)
                else f"and the scores say the same spend so far of {alike:,} of {len(ids):,} customers"
            )
            raise InputError(
                f"the purchase log {found}, so it is not the one that they were scored from; give that as --data,"
                " with its --config"
            )


def order_history(
    days: Days, row: Mapping[str, Any], as_of: date, horizon_days: int, say: Language
) -> dict[str, Any] | None:
    """Return what a customer spent, added up, and what is expected to come on top; None without an order."""
    if not days:
        return None
    horizons = {ahead: row[f"expected_spend_{ahead}d"] for ahead in HORIZONS} | {
        horizon_days: row["expected_spend"]
    }
    ahead = sorted((days_, money) for days_, money in horizons.items() if money is not None)
    since = max(days[0][0], as_of - timedelta(days=_SHOWN_DAYS))
    totals = list(accumulate((spend for _, spend in days), initial=0.0))
    shown = [
        (day, before, after)
        for (day, _), before, after in zip(days, totals, totals[1:], strict=False)
        if day >= since
    ]
    # A step on each day: level before it, and up.
    past = [(0.0, shown[0][1] if shown else totals[-1])]
    past += [((day - since).days, level) for day, before, after in shown for level in (before, after)]
    today, spent = float((as_of - since).days), totals[-1]
    past.append((today, spent))
    coming = [(today, spent), *((today + days_, spent + money) for days_, money in ahead)]
    low, high = row["expected_spend_low"], row["expected_spend_high"]
    values = [value for _, value in [*past, *coming]] + [spent + (high or 0.0)]
    ticks = nice_ticks(min(values), max(*values, 1e-9), 5)
    lately = sum(spend for day, spend in days if day >= as_of - timedelta(days=horizon_days))
    title = say.plural(
        "{before} in the last day, and about {after} in the next",
        "{before} in the last {n} days, and about {after} in the next",
        horizon_days,
        before=say.money(lately),
        after=say.money(row["expected_spend"]),
    )

    def draw(width: int) -> Plot:
        plot = amounts_plot((width, 270), (0.0, coming[-1][0]), ticks, say.short_money)
        plot.line(past, "before")
        plot.line(coming, "forecast")
        if low is not None and high is not None:
            plot.whisker(today + horizon_days, spent + low, spent + high)
        for place, level in coming[1:]:
            plot.dot(place, level)
        plot.today(today, say.text("today"))
        plot.below(_months(since, as_of + timedelta(days=ahead[-1][0]), 6 if width > 500 else 12, say))
        return plot

    return {
        "title": title,
        "lead": say.plural(
            "Purchases and refunds of {n} day, added up; blue is what is expected to come on top.",
            "Purchases and refunds of {n} days, added up; blue is what is expected to come on top.",
            len(days),
        )
        + " "
        + say.plural(
            "The upright line is the 80% interval in a day.",
            "The upright line is the 80% interval in {n} days.",
            horizon_days,
        ),
        "unit": say.unit(say.text("Spend, added up")),
        "svg": drawn(WHOLE, draw, title),
        "columns": [say.text("Day"), say.text("Spend")],
        "rows": [[say.date(day), say.money(spend)] for day, spend in list(days)[: -_LISTED - 1 : -1]],
    }


def _months(first: date, last: date, step: int, say: Language) -> list[tuple[float, str]]:
    """Return the places of the months to name: each half year's, or each year's."""
    months = []
    for year in range(first.year, last.year + 1):
        months += [date(year, month, 1) for month in range(1, 13, step)]
    return [((month - first).days, say.month(month)) for month in months if first <= month <= last]
