"""What the words of the page mean, for readers who are no statisticians."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.report.vocabulary import METHODS, N_

MEANINGS = {
    "clvml": N_("The forecast of this page."),
    "trailing 365 days": N_("Each customer goes on spending as in the last 365 days."),
    "purchase rate (x*t/T)": N_(
        "Each customer goes on coming back as often, and spending as much, as so far."
    ),
    "plain formula": N_(
        "What a customer spends on a purchase, times how often they buy, times how long the average customer stays."
    ),
    "monthly value x months": N_("Each customer spends as much a month as so far, and nobody leaves."),
    "yearly profit x years kept": N_(
        "Each customer spends as in the last year, as long as the average customer stays."
    ),
    "BTYD (MBG/NBD, Gamma-Gamma)": N_(
        "Statistics of who still buys (“buy till you die”), from number, dates and size of the purchases alone."
    ),
    "RFM cell": N_(
        "What earlier customers did who were alike in recency, frequency and money: how long ago, how often and for"
        " how much they bought, in fifths of each."
    ),
    "recency rule": N_("How many earlier customers left whose last purchase was as long ago."),
    "mean": N_("The same for everybody: the mean of all earlier customers."),
    "sBG (shifted-beta-geometric)": N_(
        "One curve for all of how many are still subscribed after each period; those who leave easily leave first."
    ),
    "Kaplan-Meier (by plan and age)": N_(
        "How many earlier subscribers of the same plan left who had been subscribed for as long."
    ),
    "logistic (regression on tenure and plan)": N_(
        "A formula for the churn risk, from the plan and the time as a subscriber alone."
    ),
    "no change (all stay, at today's price)": N_("Everybody stays, at today’s price."),
}

Entries = list[tuple[Markup, Markup]]

_FORECAST = {
    N_("Churn risk"): N_(
        "The chance that a customer buys nothing in the {days} days from the date of the scores on. It is low"
        " below one third, and high from two thirds on."
    ),
    N_("Expected"): N_(
        "What a customer will spend in these {days} days on average, if all chances are counted."
    ),
    N_("At risk"): N_("Churn risk times what the customer would bring if kept."),
    N_("80% interval"): N_("Four times in five, what comes lies between its two ends."),
}
_VALUE = {
    N_("Lifetime value"): N_(
        "The margin that is expected of a customer in {days} days; what comes later counts less."
    )
}
_MONEY = {
    N_("Margin"): N_("What is earned of turnover, after the cost of the goods."),
    N_("Scored file"): N_("What <code>clvml score</code> wrote: a row for each customer."),
}
_SEGMENT = {
    N_("Segment"): N_("Customers with whom the same is to be done. Rules say who is in which."),
}
CONTROL_GROUP = {
    N_("Control group"): N_(
        "Customers of a plan whom chance leaves uncontacted, so that its effect can be seen."
    ),
}
_TEST = {
    N_("Perfect knowledge"): N_(
        "The list as somebody would sort it who knew what is to come. Chance is a list in any order."
    ),
    N_("Measures"): N_(
        "{n} ways to hold a forecast against what happened. Better or worse is said only where chance is ruled"
        " out at 95%."
    ),
    N_("Spend error"): N_(
        "How far the forecasts of all customers were off, added up, as a share of what these spent (WAPE)."
    ),
    N_("Money in the top 10%"): N_(
        "What the tenth of the customers brought of whom the method expected most."
    ),
    N_("AUC"): N_(
        "Of one who left and one who stayed, how often the method gave the higher risk to the one who left."
    ),
}


def glossary(facts: Facts, say: Language) -> Entries:
    """Return the words of the report that are not plain, and what they mean; those of a part that is not there lack."""
    value, evidence = facts.overview.get("value"), facts.overview.get("evidence")
    found = explained(_FORECAST, say, days=say.count(facts.horizon_days))
    if value:
        found += explained(_VALUE, say, days=say.count(value["horizon_days"]))
    found += explained(_MONEY, say)
    if not facts.subscribers:
        found += explained(_SEGMENT, say)
    if facts.plan:
        found += explained(CONTROL_GROUP, say)
    if evidence:
        found += explained(_TEST, say, n=say.count(len(evidence["verdicts"])))
        found += [
            (say.named(METHODS, name), say.text(MEANINGS[name]))
            for name in MEANINGS
            if name in evidence["models"]
        ]
    return found


def explained(meanings: Mapping[str, str], say: Language, **values: str) -> Entries:
    """Return words and what they mean in a language; ``values`` are said in the meanings."""
    return [(say.text(word), say.text(meaning, **values)) for word, meaning in meanings.items()]
