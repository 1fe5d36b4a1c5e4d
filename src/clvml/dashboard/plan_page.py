"""The page on which a plan is tried out: what a contact costs and keeps, within a budget, and what that brings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from clvml.dashboard.contact_plan import ContactPlan, Wish, number_text, read_wish
from clvml.dashboard.pages import Links, Page, addresses, tool_links
from clvml.dashboard.store import Snapshot
from clvml.report.charts import nice_ticks
from clvml.report.language import Language
from clvml.report.sections.planned import planned

_HUNDRED = 100.0
# How far sliders go; what is written may be more.
_TIMES_USUAL, _USUAL_MOST_SAVED, _STEPS = 5.0, 50.0, 100


def wish_of(given: Mapping[str, str], snapshot: Snapshot, say: Language) -> tuple[Wish, list[str]]:
    """Return what an address asks for, and which of its numbers cannot be."""
    return read_wish(given, Wish(snapshot.facts.call.cost), say.read_number)


def contact_plan(snapshot: Snapshot, say: Language, links: Links, given: Mapping[str, str]) -> Page:
    """Return the page of a plan; where a number cannot be, the form says so and the status is 400."""
    wish, faults = wish_of(given, snapshot, say)
    made = None if faults else snapshot.plans.plan(wish)
    sliders = _sliders(wish, snapshot.facts.call.cost, made)
    shown: Page = {
        "title": say.text("Plan"),
        "fields": _fields(wish, faults, given, say, sliders),
        "sliders": json.dumps(sliders),
        "status": 400 if faults else 200,
        "plan": None,
    }
    if made is None:
        return shown
    facts = replace(snapshot.facts, plan={**made.summary, "campaign": made.playbook.campaign})
    return {
        **shown,
        "plan": planned(facts, say),
        "sentences": _sentences(made, wish, say),
        "download": links.to("/plan.csv", **wish.address()) if len(made.treated) else None,
        "tools": tool_links(lambda preset: links.to("/plan.csv", **wish.address(), preset=preset)),
        "addresses": addresses(snapshot, say),
        "playbook": links.to("/plan.yaml", **wish.address()),
    }


def _sliders(wish: Wish, usual_cost: float, made: ContactPlan | None) -> dict[str, dict[str, str]]:
    """Return range, step and place of each slider, as the browser's numbers."""
    most = made.summary["nothing_more_pays_at"] if made else 0.0
    budget = most if wish.budget is None else wish.budget
    ends = {
        "budget": (max(most, budget), budget),
        "cost": (max(_TIMES_USUAL * usual_cost, wish.cost), wish.cost),
        "save": (max(_USUAL_MOST_SAVED, 100 * wish.save_rate), 100 * wish.save_rate),
    }
    sliders = {}
    for name, (highest, value) in ends.items():
        end = nice_ticks(0.0, highest or 1.0)[-1]
        step = max(10.0 ** math.floor(math.log10(end / _STEPS)), 0.01)
        # A contact always costs something.
        numbers = {"min": step if name == "cost" else 0.0, "max": end, "step": step, "value": value}
        sliders[name] = {key: number_text(number) for key, number in numbers.items()}
    return sliders


def _fields(
    wish: Wish,
    faults: list[str],
    given: Mapping[str, str],
    say: Language,
    sliders: dict[str, dict[str, str]],
) -> list[dict[str, Any]]:
    words = {
        "budget": (
            say.unit(say.text("Budget")),
            say.text("as much as pays"),
            say.text("Give a number from 0 on, or nothing."),
            "" if wish.budget is None else say.written(wish.budget),
        ),
        "cost": (
            say.unit(say.text("Cost of a contact")),
            "",
            say.text("Give a number above 0."),
            say.written(wish.cost),
        ),
        "save": (
            say.text("Save rate in percent"),
            "",
            say.text("Give a percentage from 0 to 100."),
            say.written(100 * wish.save_rate),
        ),
    }
    return [
        {
            "name": name,
            "label": label,
            "empty": empty,
            "fault": fault if name in faults else None,
            "text": given.get(name, "")[:40] if name in faults else text,
            "slider": sliders[name],
        }
        for name, (label, empty, fault, text) in words.items()
    ]


def _sentences(made: ContactPlan, wish: Wish, say: Language) -> list[tuple[Markup, Markup]]:
    plan = made.summary
    (row,) = plan["actions"]
    assumed = say.text(
        "The save rate is an assumption, and may well be off by half, until a campaign has measured it."
    )
    if not plan["planned"]:
        if wish.budget is not None and plan["nothing_more_pays_at"] > 0:
            return [(say.text("<b>The budget pays for no contact</b>: give more."), assumed)]
        return [(say.text("<b>A contact pays for nobody</b> at this cost and save rate."), assumed)]
    said = [
        (
            say.plural(
                "<b>Contact {n} customer</b> for {cost}.",
                "<b>Contact {n} customers</b> for {cost}.",
                plan["treated"],
                cost=say.money(plan["cost_treated"]),
            ),
            say.text(
                "Those who are held out by chance are left alone, so that the effect can be measured; that costs"
                " {money} of the expected profit.",
                money=say.money(plan["holding_out_costs"]),
            ),
        )
    ]
    if plan["next_unit_brings"] > 0:
        said.append(
            (
                say.text(
                    "<b>The next {hundred} of budget would bring {money}</b> after cost.",
                    hundred=say.money(_HUNDRED),
                    money=say.money(_HUNDRED * plan["next_unit_brings"]),
                ),
                say.text("While that is more than nothing, more budget earns more."),
            )
        )
    else:
        said.append(
            (
                say.text(
                    "<b>More budget would bring nothing</b>: everybody for whom it pays is in the plan."
                ),
                say.text("A customer more would cost more than they are expected to bring."),
            )
        )
    said.append(
        (
            say.text(
                "<b>It pays from a save rate of {rate} on</b>, over all these customers together.",
                rate=say.percent(row["break_even_save_rate"], 1),
            ),
            assumed,
        )
    )
    said.append(
        (
            say.text(
                "<b>If it keeps only half as many, this plan brings {money}.</b>",
                money=say.money(made.profit_of_half),
            ),
            say.text(
                "The same customers at the same cost, with a save rate of {rate}.",
                rate=say.percent(wish.save_rate / 2, 1),
            ),
        )
    )
    return [*said, _seen(row, wish, say)]


def _seen(row: Mapping[str, Any], wish: Wish, say: Language) -> tuple[Markup, Markup]:
    """Return whether the control group will show the effect."""
    smallest, needed = row["smallest_save_rate_seen"], row["customers_needed"]
    note = say.text("With a chance of 80%, at the usual 5% of false alarms.")
    if smallest is not None and smallest <= wish.save_rate:
        return (
            say.text(
                "<b>The control group will show the effect</b> from a save rate of {rate} on.",
                rate=say.percent(smallest, 1),
            ),
            note,
        )
    sentence = say.text("<b>The control group is too small to show the effect.</b>")
    if needed is not None:
        sentence += Markup(" ") + say.plural(
            "That takes {n} planned customer.", "That takes {n} planned customers.", needed
        )
    return sentence, note
