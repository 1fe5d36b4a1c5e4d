"""What a plan is expected to bring, by budget."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from clvml.report.charts import WHOLE, Plot, amounts_plot, drawn, nice_ticks
from clvml.report.facts import Facts
from clvml.report.language import Language


def planned(facts: Facts, say: Language) -> dict[str, Any] | None:
    """Return the profit curve of the plan, None where none is given."""
    plan = facts.plan
    if plan is None:
        return None
    curve = [(row["budget"], row["profit"]) for row in plan["curve"]]
    most = max(budget for budget, _ in curve)
    if plan["planned"]:
        title = say.text(
            "With {budget} the plan is expected to bring {profit} after cost",
            budget=say.money(plan["cost"]),
            profit=say.money(plan["profit"]),
        )
    elif plan["nothing_more_pays_at"] > 0:
        title = say.text("The plan spends nothing: its budget is too small")
    else:
        title = say.text("The plan spends nothing: no action pays for itself")
    ticks = nice_ticks(0.0, max([profit for _, profit in curve] + [1e-9]), 5)

    def draw(width: int) -> Plot:
        plot = amounts_plot((width, 290), (0, most or 1.0), ticks, say.short_money, top=44, bottom=48)
        plot.line(curve, "forecast")
        if plan["planned"]:
            here = plan["cost"], plan["profit"]
            plot.dot(*here)
            words = say.text("{money} profit", money=say.money(plan["profit"]))
            if plot.at(*here)[0] > 0.6 * width:
                # The curve is lower on this side.
                plot.beside(here, words, right=0, down=-12, anchor="end")
            else:
                plot.beside(here, words, right=8, down=20)
        steps = nice_ticks(0, most or 1.0, 6 if width > 500 else 3)
        plot.below([(step, say.short_money(step)) for step in steps if step <= most and step == round(step)])
        plot.name_x(say.text("budget"))
        return plot

    lead = say.plural(
        "Plan “{campaign}”: {n} customer, {held} held out as control group. The 80% interval of the profit is {low} to"
        " {high}.",
        "Plan “{campaign}”: {n} customers, {held} of them held out as control group. The 80% interval of the profit is"
        " {low} to {high}.",
        plan["planned"],
        campaign=plan["campaign"],
        held=say.count(plan["control"]),
        low=_unbroken(say.money(plan["profit_low"])),
        high=_unbroken(say.money(plan["profit_high"])),
    )
    lead += " " + say.text(
        "From a budget of {most} on nothing more pays.", most=say.money(plan["nothing_more_pays_at"])
    )
    return {
        "title": title,
        "lead": lead,
        "unit": say.unit(say.text("Expected profit by budget")),
        "svg": drawn(WHOLE, draw, title),
        "columns": [say.text("Budget"), say.text("Profit")],
        "rows": [[say.money(budget), say.money(profit)] for budget, profit in curve],
    }


def _unbroken(amount: str) -> Markup:
    """Return an amount that a line does not break behind its minus."""
    return Markup('<span class="amount">{}</span>').format(amount)
