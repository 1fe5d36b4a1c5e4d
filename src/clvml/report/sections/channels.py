"""What winning customers cost and what they bring, by source."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clvml.decide.worth import ALL
from clvml.report.facts import Facts
from clvml.report.language import Language

_LISTED = 12


def channels(facts: Facts, say: Language) -> dict[str, Any] | None:
    """Return the table of sources, None where it is not known what they cost."""
    if facts.won is None or not facts.won.loc[ALL, "spend"]:
        return None
    sources = facts.won.drop(ALL)
    paid = sources[sources["spend"] > 0]
    losing = paid[paid["value_to_cost"] < 1]
    if len(losing):
        title = say.plural(
            "“{source}” costs more than its customers bring",
            "{n} sources cost more than their customers bring; most is spent on “{source}”",
            len(losing),
            source=losing.index[0],
        )
    else:
        best = paid["value_to_cost"].idxmax()
        title = say.text(
            "Every source pays; “{source}” brings {times} times its cost",
            source=best,
            times=say.number(paid["value_to_cost"].max(), 1),
        )
    lead = say.text(
        "What a customer may cost at most is the margin they brought so far and are expected to bring. Value to cost is"
        " that over what was spent, with its 80% interval."
    )
    left = facts.customers - int(sources["customers"].sum())
    if left:
        lead += " " + say.plural(
            "{n} customer of no known source, or won in a month without a spend, is left out.",
            "{n} customers of no known source, or won in a month without a spend, are left out.",
            left,
        )
    shown = pd.concat([sources.head(_LISTED), facts.won.loc[[ALL]]])
    return {
        "title": title,
        "lead": lead,
        "columns": [
            say.text("Source"),
            say.text("Customers"),
            say.unit(say.text("Cost each")),
            say.unit(say.text("May cost")),
            say.text("Value to cost"),
            say.text("80% interval"),
            say.text("Months to pay back"),
        ],
        "rows": [
            [
                say.text("All sources") if name == ALL else name,
                say.count(row["customers"]),
                say.number(row["cost_each"], 2),
                say.number(row["highest_cost"], 2),
                say.number(row["value_to_cost"], 1),
                say.span(row["ratio_low"], row["ratio_high"], lambda value: say.number(value, 1)),
                say.number(row["payback_months"], 1),
            ]
            for name, row in shown.to_dict("index").items()
        ],
    }
