"""What customers are worth by what else is known of them."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from clvml.evaluation.leaderboard import FEWEST_CUSTOMERS
from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.scores.columns import ACQUISITION_SOURCE


def own_name(column: str, say: Language) -> str:
    """Return what a column that is not clvml's is called: as in the file, but without underscores."""
    if column == ACQUISITION_SOURCE.name:
        return say.text("Source")
    words = column.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def attributes(facts: Facts, say: Language) -> dict[str, Any] | None:
    """Return the table by the attribute that tells values apart most; None where none does."""
    found = facts.by_attribute
    if found is None:
        return None
    name = own_name(found.column, say)
    if found.best:
        title = say.text(
            "{name} “{value}” is worth most: {money} a customer",
            name=name,
            value=found.best["value"],
            money=say.money(found.best["clv"] / found.best["customers"]),
        )
    else:
        title = say.text("Lifetime value by {name}", name=name)
    lead = say.text(
        "Of what else is known of customers, this tells their lifetime values apart most. It need not be the cause."
    )
    if found.best and found.best["clv"] / found.best["customers"] < max(
        row["clv"] / row["customers"] for row in found.rows if row["value"]
    ):
        lead += " " + say.text(
            "Values that fewer than {fewest} have do not count for the title: a few tell little.",
            fewest=say.count(FEWEST_CUSTOMERS),
        )
    total = sum(row["clv"] for row in [*found.rows, *([found.rest] if found.rest else [])])

    def cells(named: Markup | str, row: dict[str, Any]) -> list[Markup | str]:
        return [
            named,
            say.count(row["customers"]),
            say.percent(row["p_churn"]),
            say.money(row["expected_spend"]),
            say.money(row["clv"] / row["customers"]),
            say.percent(row["clv"] / total) if total > 0 else "–",
        ]

    rows = [cells(row["value"] or say.text("not known"), row) for row in found.rows]
    if found.rest:
        rows.append(cells(say.text("all others"), found.rest))
    return {
        "title": title,
        "lead": lead,
        "columns": [
            name,
            say.text("Customers"),
            say.text("Mean risk"),
            say.text("Expected"),
            say.text("Lifetime value each"),
            say.text("Share of lifetime value"),
        ],
        "rows": rows,
    }
