"""What the report says first: a banner where the data is old, and five sentences with money."""

from __future__ import annotations

from datetime import date

from markupsafe import Markup

from clvml.report.facts import RISKS, SAVE_RATE, Facts
from clvml.report.language import Language
from clvml.report.vocabulary import ADVICE, SEGMENTS

# A total that is off by less is called right.
_SMALL_BIAS = 0.1


def banner(facts: Facts, say: Language, today: date | None) -> Markup | None:
    age = (today - facts.as_of).days if today else 0
    if age <= facts.horizon_days:
        return None
    return say.plural(
        "<b>Old data.</b> The scores are {n} day old: they say what was to be expected then. Give newer data to look"
        " ahead.",
        "<b>Old data.</b> The scores are {n} days old: they say what was to be expected then. Give newer data to look"
        " ahead.",
        age,
    )


def sentences(facts: Facts, say: Language) -> list[tuple[Markup, Markup]]:
    days = facts.horizon_days
    first = say.plural(
        "Today’s customers will bring about <b>{money}</b> in the next day.",
        "Today’s customers will bring about <b>{money}</b> in the next {n} days.",
        days,
        money=say.short_money(facts.expected),
    )
    note = say.text("New customers come on top.")
    if facts.interval:
        note = say.text(
            "Four times in five it lies between {low} and {high}. New customers come on top.",
            low=say.short_money(facts.interval[0]),
            high=say.short_money(facts.interval[1]),
        )
    said = [(first, note)]
    top = facts.segments[0]
    share = top["expected_spend"] / facts.expected if facts.expected > 0 else 0.0
    if share > 0:
        said.append(
            (
                say.plural(
                    "<b>{share}</b> of it comes from <b>{n} customer</b> of the segment “{segment}”.",
                    "<b>{share}</b> of it comes from <b>{n} customers</b> of the segment “{segment}”.",
                    top["customers"],
                    share=say.percent(share),
                    segment=segment_name(facts, say, top["segment"]),
                ),
                say.text(
                    "They are {share} of all customers: {advice}.",
                    share=say.percent(top["customers"] / facts.customers, 1),
                    advice=say.named(ADVICE, top["segment"], "look at them"),
                ),
            )
        )
    high = [row[RISKS.index("high")] for row in facts.cells[:2]]
    leaving = sum(cell["customers"] for cell in high)
    best = say.text("Best: the fifth that spent most so far. Probably: a churn risk of two thirds or more.")
    if leaving:
        said.append(
            (
                say.plural(
                    "<b>{n} of your best customers</b> will probably stay away; this one has spent <b>{money}</b> so"
                    " far.",
                    "<b>{n} of your best customers</b> will probably stay away; they have spent <b>{money}</b> so far.",
                    leaving,
                    money=say.short_money(sum(cell["historic_spend"] for cell in high)),
                ),
                best,
            )
        )
    else:
        said.append((say.text("<b>None of your best customers</b> will probably stay away."), best))
    said.append(_call_sentence(facts, say))
    said.append(_trust_sentence(facts, say))
    return said


def segment_name(facts: Facts, say: Language, key: str | None) -> Markup:
    """Return the name of a segment; that of a plan stays as it is."""
    return Markup.escape(key or "–") if facts.subscribers else say.named(SEGMENTS, key)


def assumption(facts: Facts, say: Language) -> Markup:
    return say.text(
        "If a call costs {cost} and keeps {share} of those who would leave. Both are assumptions: change them in the"
        " plan.",
        cost=say.money(facts.call.cost),
        share=say.percent(SAVE_RATE),
    )


def _call_sentence(facts: Facts, say: Language) -> tuple[Markup, Markup]:
    call = facts.call
    if not call.customers:
        return say.text("<b>A call pays for nobody</b>: nobody is worth its cost."), assumption(facts, say)
    return (
        say.plural(
            "A call pays for <b>{n} customer</b>, and brings <b>{money}</b> in all.",
            "A call pays for <b>{n} customers</b>, and brings <b>{money}</b> in all; the first {most} bring most of"
            " it.",
            call.customers,
            money=say.money(call.profit),
            most=say.count(call.most_customers),
        ),
        assumption(facts, say),
    )


def _trust_sentence(facts: Facts, say: Language) -> tuple[Markup, Markup]:
    evidence = facts.overview.get("evidence")
    if not evidence:
        return (
            say.text("<b>Take these figures with care</b>: how good the forecast is could not be tested."),
            say.text(
                "There is no test on past dates beside this scored file, or the history is too short for one."
            ),
        )
    ours = evidence["models"][evidence["champion"]]
    bias, share = ours.get("total_bias"), evidence.get("top_fifth_share")
    dates = len(evidence["cutoffs"])
    off = [row for row in [bias] if row is not None]
    note = say.plural("Tested on one past date.", "Tested on {n} past dates.", dates)
    if off:
        note = say.plural(
            "On one past date the total was {off} off.",
            "Mean of {n} past dates; the total was {off} off on average.",
            dates,
            off=say.percent(abs(evidence.get("total_off") or off[0]), 1),
        )
    if share is None:
        return say.text("<b>The test shows little</b>: almost nobody bought in the tested windows."), note
    if abs(evidence.get("total_off") or (off[0] if off else 0.0)) > _SMALL_BIAS:
        sentence = say.text(
            "You can trust the order of the list more than the sum: <b>its first fifth brought {share} of the money</b>"
            " when tested.",
            share=say.percent(share),
        )
    else:
        sentence = say.text(
            "You can trust the sum and the order of the list: <b>its first fifth brought {share} of the money</b> when"
            " tested.",
            share=say.percent(share),
        )
    return sentence, note
