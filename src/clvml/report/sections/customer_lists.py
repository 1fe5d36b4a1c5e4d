"""Who the customers are: whom to call, who is at risk, who brings the money, who comes back."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from clvml.report.charts import HALF, Plot, drawn, shares_plot, value_at
from clvml.report.facts import RISKS, SPEND_EDGES, Facts
from clvml.report.language import Language
from clvml.report.sections.retained import retention
from clvml.report.vocabulary import APPROACH, RISK_NAMES

Section = dict[str, Any]


def calls(facts: Facts, say: Language) -> Section | None:
    if not facts.calls:
        return None
    rows = []
    for row in facts.calls:
        direction, words = reason(row, say)
        rows.append(
            {
                "customer": row["customer_id"],
                "risk": row["churn_risk"],
                "p_churn": say.percent(row["p_churn"]),
                "at_risk": say.money(row["at_risk"]),
                "expected": say.money(row["expected_spend"]),
                "so_far": say.money(row["historic_spend"]),
                "last": say.date(date.fromisoformat(row["last_order_date"]))
                if row["last_order_date"]
                else "–",
                "direction": direction,
                "why": words,
                "do": row["segment"]
                if facts.subscribers
                else say.named(APPROACH, row["segment"], "call: what is missing?"),
            }
        )
    return {
        "title": say.plural(
            "You have most to lose with this one", "You have most to lose with these {n}", len(rows)
        ),
        "lead": say.text(
            "By value at risk: churn risk times what the customer would bring in {days} days if kept. The whole list is"
            " in the scored file.",
            days=say.count(facts.horizon_days),
        ),
        "do": say.text("Subscription plan") if facts.subscribers else say.text("What to do"),
        "rows": rows,
    }


def reason(row: dict[str, Any], say: Language) -> tuple[int, Markup]:
    """Return the first reason that raises the risk, else the first of all: its direction and its words."""
    found = reasons(row, say)
    return next((one for one in found if one[0] > 0), found[0] if found else (0, Markup("")))


def reasons(row: dict[str, Any], say: Language, prefix: str = "") -> list[tuple[int, Markup]]:
    """Return the reasons for the churn risk of a customer, strongest first: direction and words.

    With the prefix ``value_`` those for the expected spend.
    """
    found: list[tuple[int, Markup]] = []
    for rank in (1, 2, 3):
        key, values, text = (row.get(f"{prefix}reason_{rank}{part}") for part in ("_key", "_values", ""))
        if key and values:
            try:
                found.append(say.reason(key, values))
                continue
            except (ValueError, KeyError):
                pass
        if text:
            moved = re.fullmatch(r"(.*) \((raises|lowers) (?:churn risk|expected spend)\)", text, re.DOTALL)
            direction = {"raises": 1, "lowers": -1}[moved[2]] if moved else 0
            found.append((direction, Markup.escape(moved[1] if moved else text)))
    return found


def spend_rows(say: Language) -> list[Markup]:
    """Return the names of the rows of the risk table."""
    return [
        say.text("top {share}", share=say.percent(SPEND_EDGES[0])),
        *(say.text("next {share}", share=say.percent(high - low)) for low, high in pairwise(SPEND_EDGES[:3])),
        say.text("other half"),
    ]


def risk(facts: Facts, say: Language) -> Section:
    leaving = sum(row[2]["customers"] for row in facts.cells[:2])
    rows = [
        {
            "name": name,
            "cells": [
                {
                    "risk": risk,
                    "row": number,
                    "money": say.short_money(cell["historic_spend"]),
                    "customers": say.plural("{n} customer", "{n} customers", cell["customers"]),
                    "coming": say.text("{money} to come", money=say.short_money(cell["expected_spend"])),
                    "urgent": number < 2 and risk == "high" and cell["customers"] > 0,
                }
                for risk, cell in zip(RISKS, row, strict=True)
            ],
        }
        for number, (name, row) in enumerate(zip(spend_rows(say), facts.cells, strict=True))
    ]
    return {
        "title": say.plural(
            "{n} of the best fifth is likely gone", "{n} of the best fifth are likely gone", leaving
        )
        if leaving
        else say.text("None of the best fifth is likely gone"),
        "lead": say.text(
            "Customers by what they spent so far and by churn risk. Big: money spent so far; small: customers and what"
            " they will bring in {days} days.",
            days=say.count(facts.horizon_days),
        ),
        "risks": [(risk, say.named(RISK_NAMES, risk)) for risk in RISKS],
        "rows": rows,
    }


def concentration(facts: Facts, say: Language) -> Section | None:
    points = facts.concentration
    if len(points) < 3:
        return None
    top, fifth = (value_at(points, share) for share in (0.05, 0.2))
    few = top >= 0.4
    title = (
        say.text(
            "Few customers bring most of the money: the top {share} brought {money}",
            share=say.percent(0.05),
            money=say.percent(top),
        )
        if few
        else say.text(
            "The money is spread: the top {share} brought {money}",
            share=say.percent(0.05),
            money=say.percent(top),
        )
    )

    def draw(width: int) -> Plot:
        plot = shares_plot(width, say.percent)
        plot.line([(0, 0), (1, 1)], "chance")
        plot.line(points, "forecast")
        for share, money, below in ((0.05, top, 20), (0.2, fifth, 24)):
            plot.dot(share, money)
            across, up = plot.at(share, money)
            words = say.text(
                "{customers} of customers: {money}", customers=say.percent(share), money=say.percent(money)
            )
            # Above the labels of the x axis, where there is little money.
            plot.write(across + 10, min(up + below, plot.height - plot.bottom - 6), words, "strong")
        plot.name_x(say.text("customers, biggest first"))
        return plot

    return {
        "title": title,
        "lead": say.text("Share of all turnover so far by share of customers."),
        "svg": drawn(HALF, draw, title),
        "columns": [say.text("Customers"), say.text("Money")],
        "rows": [
            [say.percent(share), say.percent(value_at(points, share))]
            for share in (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
        ],
    }


def cohorts(facts: Facts, say: Language) -> list[Section]:
    """Return the tables of who came back; of subscribers, what is left of them and of their revenue."""
    cohorts = facts.overview.get("cohorts") or []
    followed = [row for row in cohorts if row["returned"]]
    if not followed:
        return retention(facts, say)
    customers = sum(row["customers"] for row in followed)
    share = sum(row["returned"][0] * row["customers"] for row in followed) / customers
    columns = min(max(len(row["returned"]) for row in followed), 8)
    once = facts.overview.get("quality", {}).get("one_time_share")
    lead = say.text("Share of the first buyers of a quarter who bought again, by quarters since.")
    if once is not None:
        lead += Markup(" ") + say.text(
            "{share} of all customers bought on one day only.", share=say.percent(once, 1)
        )
    first = {
        "title": say.text("{share} of first buyers came back in the next quarter", share=say.percent(share)),
        "lead": lead,
        "columns": [f"+{number}" for number in range(1, columns + 1)],
        "rows": [
            {
                "name": say.quarter(row["quarter"]),
                "customers": say.count(row["customers"]),
                "cells": [
                    (say.percent(returned), min(int(returned * 10), 7))
                    for returned in row["returned"][:columns]
                ]
                + [None] * (columns - len(row["returned"])),
            }
            for row in cohorts
        ],
    }
    return [first]
