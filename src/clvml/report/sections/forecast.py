"""What is coming and what to spend: turnover, segments, calls that pay, what a new customer may cost."""

from __future__ import annotations

from datetime import date
from typing import Any

from markupsafe import Markup

from clvml.report.charts import WHOLE, Plot, amounts_plot, drawn, nice_ticks, percentage
from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.report.sections.headline import assumption, segment_name
from clvml.report.vocabulary import ADVICE

Section = dict[str, Any]
_LISTED_SEGMENTS = 12
_STEPS = 12
_MONTHS = 36


def outlook(facts: Facts, say: Language) -> Section | None:
    past = facts.overview.get("turnover") or []
    steps = [row for row in facts.overview.get("outlook") or [] if row["segment"] == "all"]
    if not past or not steps:
        return None
    shown = steps[: max(1, min(_STEPS, round(facts.horizon_days / steps[0]["days"])))]
    # The month that is not over would look like a loss.
    months = [(date.fromisoformat(f"{row['month']}-01"), row["spend"]) for row in past]
    whole = [row for row in months if row[0] < facts.as_of.replace(day=1)] or months
    whole = whole[-_MONTHS:]
    # Scores of subscribers made before there were intervals have none.
    tops = [row["expected_spend_high"] or row["expected_spend"] for row in shown]
    highest = max([spend for _, spend in whole] + tops)
    ticks = nice_ticks(min(0.0, *(spend for _, spend in whole)), highest, 4)
    title = say.plural(
        "Today’s customers will bring about {money} in the next day",
        "Today’s customers will bring about {money} in the next {n} days",
        facts.horizon_days,
        money=say.short_money(facts.expected),
    )

    def draw(width: int) -> Plot:
        number = len(whole) + len(shown)
        plot = amounts_plot((width, 270), (-0.5, number + 0.5), ticks, say.short_money)
        for place, (_, spend) in enumerate(whole):
            plot.column(place, 0.8, spend, "past")
        for place, row in enumerate(shown, start=len(whole) + 1):
            plot.column(place, 0.8, row["expected_spend"], "coming")
            if row["expected_spend_high"] is not None:
                plot.whisker(place, row["expected_spend_low"], row["expected_spend_high"])
        plot.today(len(whole), say.text("today"))
        names = [(place, say.month(month)) for place, (month, _) in enumerate(whole) if month.month in (1, 7)]
        last = date.fromisoformat(shown[-1]["first_day"])
        names = [*names, (number, say.month(last))] if width > 500 else names[::2]
        plot.below(names)
        return plot

    return {
        "title": title,
        "lead": say.text(
            "Turnover by month, and what is expected of today’s customers by {days} days with the 80% interval of the"
            " total. New customers come on top, so the blue columns are not the whole shop.",
            days=say.count(shown[0]["days"]),
        ),
        "unit": say.unit(say.text("Turnover")),
        "svg": drawn(WHOLE, draw, title),
        "columns": [say.text("From"), say.text("Turnover"), say.text("80% interval")],
        "rows": [[say.month(month), say.money(spend), ""] for month, spend in whole]
        + [
            [
                say.date(date.fromisoformat(row["first_day"])),
                say.money(row["expected_spend"]),
                say.span(row["expected_spend_low"], row["expected_spend_high"], say.money),
            ]
            for row in shown
        ],
    }


def segments(facts: Facts, say: Language, listed: int | None = _LISTED_SEGMENTS) -> Section:
    shown, rest = facts.segments[:listed], facts.segments[listed:] if listed else []
    largest = max([row.get("expected_spend_high", row["expected_spend"]) for row in shown] + [1e-9])
    rows = []
    for row in shown:
        low, high = (row.get(f"expected_spend_{end}") for end in ("low", "high"))
        rows.append(
            {
                "key": row["segment"],
                "name": segment_name(facts, say, row["segment"]),
                "customers": say.count(row["customers"]),
                "risk": say.percent(row["p_churn"]),
                "expected": say.money(row["expected_spend"]),
                "interval": None if low is None else say.span(low, high, say.short_money),
                "bar": percentage(row["expected_spend"], largest),
                "low": percentage(low, largest) if low is not None else None,
                "high": percentage(high, largest) if high is not None else None,
                "do": say.money(row["monthly_price"])
                if facts.subscribers
                else say.named(ADVICE, row["segment"], "look at them"),
            }
        )
    total = facts.expected or 1.0
    first = facts.segments[0]
    title = say.text(
        "{share} of it comes from “{segment}”",
        share=say.percent(max(first["expected_spend"], 0.0) / total),
        segment=segment_name(facts, say, first["segment"]),
    )
    more = None
    if rest:
        more = say.plural(
            "and one more segment with {money}",
            "and {n} more segments with {money}",
            len(rest),
            money=say.money(sum(row["expected_spend"] for row in rest)),
        )
    return {
        "title": title,
        "lead": say.text(
            "Expected spend in {days} days by segment; the line is the 80% interval of the sum.",
            days=say.count(facts.horizon_days),
        ),
        "do": say.text("Monthly revenue") if facts.subscribers else say.text("What to do"),
        "rows": rows,
        "more": more,
    }


def spend(facts: Facts, say: Language) -> Section:
    call = facts.call
    title = (
        say.plural(
            "After {n} call the next one no longer pays",
            "After {n} calls the next one no longer pays",
            call.customers,
        )
        if call.customers
        else say.text("A call pays for nobody at this cost")
    )
    lead = assumption(facts, say)
    everybody, best = say.money(call.everybody), say.money(call.profit)
    if everybody != best:
        lead += Markup(" ") + say.text(
            "Calling everybody would bring {all}, not {best}.", all=everybody, best=best
        )
    ticks = nice_ticks(min(profit for _, profit in call.curve), max(call.profit, call.cost), 5)

    def draw(width: int) -> Plot:
        plot = amounts_plot((width, 290), (0, facts.customers), ticks, say.short_money, top=44, bottom=48)
        plot.line(call.curve, "forecast")
        if call.customers:
            best = call.customers, call.profit
            plot.dot(*best)
            words = say.plural("stop after {n} call:", "stop after {n} calls:", call.customers)
            plot.beside(best, words, right=0, down=-26, anchor="middle")
            words = say.text("{money} profit", money=say.money(call.profit))
            plot.beside(best, words, right=0, down=-11, anchor="middle")
            if call.most_customers < 0.8 * call.customers:
                most = call.most_customers, 0.8 * call.profit
                plot.dot(*most)
                plot.beside(most, say.plural("{n} call", "{n} calls", call.most_customers), down=18)
                plot.beside(most, say.text("bring {share} of it", share=say.percent(0.8)), down=33)
        steps = nice_ticks(0, facts.customers, 6 if width > 500 else 4)
        plot.below(
            [(step, say.count(step)) for step in steps if step <= facts.customers and step == round(step)]
        )
        plot.name_x(say.text("customers called, best first"))
        return plot

    return {
        "title": title,
        "lead": lead,
        "unit": say.unit(say.text("Margin kept less cost of calls")),
        "svg": drawn(WHOLE, draw, title),
        "columns": [say.text("Calls"), say.text("Profit")],
        "rows": [
            [say.count(calls), say.money(profit)]
            for calls, profit in call.curve[:: max(len(call.curve) // 12, 1)]
        ],
    }


def acquisition(facts: Facts, say: Language) -> Section | None:
    new, value = facts.overview.get("new_customers"), facts.overview.get("value")
    # Where each customer has an own margin, that of all is not known here.
    if not new or not value or value.get("cost") or value.get("margins"):
        return None
    margin = value["margin"]
    return {
        "title": say.text(
            "A new customer may cost up to {money}", money=say.money(new["mean_spend"] * margin)
        ),
        "lead": say.text(
            "New customers from {first} to {last} brought {mean} each in their first {days} days ({start} of it on the"
            " first day), at a margin of {margin}. Half of them brought less than {median}: pay {most} at most where"
            " you cannot choose.",
            first=say.month(date.fromisoformat(new["first_day"])),
            last=say.month(date.fromisoformat(new["last_day"])),
            mean=say.money(new["mean_spend"]),
            days=say.count(new["horizon_days"]),
            start=say.money(new["mean_first_spend"]),
            margin=say.percent(margin),
            median=say.money(new["median_spend"]),
            most=say.money(new["median_spend"] * margin),
        ),
    }
