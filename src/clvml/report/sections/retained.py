"""What is left of subscribers and of their revenue, by the quarter in which they first subscribed."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from clvml.report.facts import Facts
from clvml.report.language import Language


def retention(facts: Facts, say: Language) -> list[dict[str, Any]]:
    """Return a table of the subscribers that are left and one of their revenue; none where nobody was followed."""
    rows = facts.overview.get("retention") or []
    months = sorted({row["month"] for row in rows} - {0})
    if not months:
        return []
    # A year says most; the longest of a younger business.
    told = max([month for month in months if month <= 12])
    kept = _mean(rows, "retention", told)
    earned = _mean(rows, "revenue_retention", told)
    lead = say.text(
        "By quarter of the first subscription, so many months after each subscriber’s own first day. Who returns counts"
        " again."
    )
    tables = [
        _table(
            rows,
            "retention",
            months,
            say.plural(
                "{share} are still subscribed after {n} month",
                "{share} are still subscribed after {n} months",
                told,
                share=say.percent(kept or 0.0),
            ),
            lead,
            say,
        )
    ]
    if earned is not None:
        title = say.plural(
            "{share} of their monthly revenue is left after {n} month",
            "{share} of their monthly revenue is left after {n} months",
            told,
            share=say.percent(earned),
        )
        more = say.text("Above 100% where those who stay pay more than all did at first.")
        tables.append(_table(rows, "revenue_retention", months, title, more, say))
    return tables


def _mean(rows: list[dict[str, Any]], name: str, month: int) -> float | None:
    """Return the mean over the cohorts that have been seen for so many months, by their customers."""
    seen = [row for row in rows if row["month"] == month and row[name] is not None]
    customers = sum(row["customers"] for row in seen)
    return sum(row[name] * row["customers"] for row in seen) / customers if customers else None


def _table(
    rows: list[dict[str, Any]], name: str, months: list[int], title: Markup, lead: Markup, say: Language
) -> dict[str, Any]:
    shares = {(row["quarter"], row["month"]): row[name] for row in rows if row[name] is not None}
    customers = {row["quarter"]: row["customers"] for row in rows}
    return {
        "title": title,
        "lead": lead,
        "columns": [say.count(month) for month in months],
        "rows": [
            {
                "name": say.quarter(quarter),
                "customers": say.count(customers[quarter]),
                "cells": [
                    (
                        say.percent(shares[quarter, month]),
                        min(int(shares[quarter, month] * 10), 7),
                    )
                    if (quarter, month) in shares
                    else None
                    for month in months
                ],
            }
            for quarter in sorted(customers)
        ],
    }
