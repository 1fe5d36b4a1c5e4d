"""Names that come from elsewhere and are said on pages: segments, drivers, methods, reasons for rejection.

The texts are English and are found in the catalogues like any other; `N_` only marks them for extraction.
"""

from __future__ import annotations

from clvml.customers import FEATURES
from clvml.customers.subscription_snapshots import SUBSCRIPTION_FEATURES
from clvml.explain.given_words import WORDS as GIVEN_WORDS
from clvml.explain.wording import WHEN_ZERO


def N_(message: str) -> str:
    """Mark a text for the catalogues and return it as it is."""
    return message


RISK_NAMES = {"low": N_("low risk"), "medium": N_("medium risk"), "high": N_("high risk")}

TO_DO: dict[str, tuple[str, str | None]] = {
    N_("VIP"): (N_("look after personally"), N_("call: what is missing?")),
    N_("regular"): (N_("keep informed, no discount"), N_("call: what is missing?")),
    N_("future VIP"): (N_("second offer, loyalty programme"), N_("call: help to the next purchase")),
    N_("lapsing"): (N_("cheap reminder; call who is on the list"), N_("call: what went wrong?")),
    N_("first buyer to win back"): (
        N_("automatic e-mail; call who is on the list"),
        N_("call: help to the next purchase"),
    ),
    N_("valuable and drifting away"): (N_("call this week"), N_("call: what went wrong?")),
    N_("first buyer to turn into a regular"): (
        N_("help to the second purchase"),
        N_("call: help to the next purchase"),
    ),
    N_("not enough history"): (N_("wait"), None),
    N_("lost"): (N_("leave alone"), None),
}
"""What to do about a segment, and what to say to those of it who are on the list of calls; None where nobody is."""

ADVICE = {name: advice for name, (advice, _) in TO_DO.items()}
APPROACH = {name: call for name, (_, call) in TO_DO.items() if call}
SEGMENTS = {name: name for name in TO_DO}

DRIVERS = {
    "recency": N_("how long ago they bought"),
    "frequency": N_("how often they bought"),
    "spend": N_("how much they spent"),
    "trend": N_("whether they buy more lately"),
    "rhythm": N_("their rhythm"),
    "basket": N_("their basket"),
    "refunds": N_("what they send back"),
    "season": N_("what they bought in this season last year"),
    "attributes": N_("what else is known of them"),
    "events": N_("what else they did"),
    "tenure": N_("how long they have been subscribed"),
    "billing": N_("when and how often they pay"),
    "price": N_("how much they pay"),
    "pauses": N_("whether they paused"),
    "plan": N_("how many left their plan lately"),
    "early signs": N_("what the first days showed"),
}

DIRECTIONS = {
    ("recency", "leave"): N_("long ago: likelier to leave"),
    ("recency", "stay"): N_("long ago: likelier to stay"),
    ("frequency", "leave"): N_("often: likelier to leave"),
    ("frequency", "stay"): N_("often: likelier to stay"),
    ("spend", "leave"): N_("much: likelier to leave"),
    ("spend", "stay"): N_("much: likelier to stay"),
    ("trend", "leave"): N_("more lately: likelier to leave"),
    ("trend", "stay"): N_("more lately: likelier to stay"),
    ("rhythm", "leave"): N_("long pauses: likelier to leave"),
    ("rhythm", "stay"): N_("long pauses: likelier to stay"),
    ("basket", "leave"): N_("full: likelier to leave"),
    ("basket", "stay"): N_("full: likelier to stay"),
    ("refunds", "leave"): N_("much: likelier to leave"),
    ("refunds", "stay"): N_("much: likelier to stay"),
    ("season", "leave"): N_("much: likelier to leave"),
    ("season", "stay"): N_("much: likelier to stay"),
    ("tenure", "leave"): N_("long: likelier to leave"),
    ("tenure", "stay"): N_("long: likelier to stay"),
    ("billing", "leave"): N_("seldom: likelier to leave"),
    ("billing", "stay"): N_("seldom: likelier to stay"),
    ("price", "leave"): N_("much: likelier to leave"),
    ("price", "stay"): N_("much: likelier to stay"),
    ("pauses", "leave"): N_("often: likelier to leave"),
    ("pauses", "stay"): N_("often: likelier to stay"),
    ("plan", "leave"): N_("many: likelier to leave"),
    ("plan", "stay"): N_("many: likelier to stay"),
    ("early signs", "leave"): N_("much: likelier to leave"),
    ("early signs", "stay"): N_("much: likelier to stay"),
}


METHODS = {
    "trailing 365 days": N_("spend of the last 365 days"),
    "purchase rate (x*t/T)": N_("purchase rate"),
    "plain formula": N_("plain formula"),
    "monthly value x months": N_("monthly value x months"),
    "yearly profit x years kept": N_("yearly profit x years kept"),
    "BTYD (MBG/NBD, Gamma-Gamma)": N_("purchase model (BTYD)"),
    "RFM cell": N_("RFM cell"),
    "recency rule": N_("recency rule"),
    "mean": N_("mean of all"),
    "sBG (shifted-beta-geometric)": N_("retention curve (sBG)"),
    "Kaplan-Meier (by plan and age)": N_("Kaplan-Meier by plan and age"),
    "logistic (regression on tenure and plan)": N_("logistic regression on tenure and plan"),
    "no change (all stay, at today's price)": N_("nothing changes"),
}

REJECTIONS = {
    reason: reason
    for reason in (
        N_("missing customer id"),
        N_("missing date"),
        N_("unparsable date"),
        N_("missing amount"),
        N_("amount is not a number"),
        N_("other currency"),
        N_("missing currency"),
        N_("date in the future"),
        N_("at or after as_of"),
        N_("same line in two files"),
        N_("repeat within one file"),
        N_("refund"),
        N_("no customer"),
        N_("no readable start"),
        N_("no readable date"),
        N_("an amount that is not a number"),
        N_("an amount of zero or less"),
        N_("a payment within half a billing period of another"),
        N_("an end that is not a date"),
        N_("an end before the start"),
        N_("a price that is not a number"),
        N_("a price below zero"),
        N_("an unknown billing period"),
    )
}

# Warnings of the data check, by their code.
DOUBTS = {
    "overlapping-subscriptions": N_("Some subscriptions of a customer overlap, and add up."),
    "no-plan": N_("Some subscriptions have no plan."),
    "amounts-in-other-units": N_("Prices look like cents."),
    "assumed-encoding": N_("How letters with accents are encoded was assumed."),
    "assumed-format": N_("How some numbers or dates are written was assumed."),
    "concentration": N_("Few customers hold much of the money: what they do decides the totals."),
    "currency-on-some-lines": N_("Only some amounts say their currency, and all are added up."),
    "other-currency": N_("The amounts say another currency than the one named here."),
    "customer-in-first-line": N_(
        "Many lines name no customer: of guests, or of the customer in a line above."
    ),
    "customers-without-attributes": N_("Of some customers no attributes are known."),
    "date-in-three-columns": N_("Year, month and day stand in three columns, and are read as one date."),
    "empty-column-passed-over": N_("Of several columns of one name, the one that is not empty is read."),
    "empty-mapping": N_("The table of customer numbers that belong together is empty."),
    "events-begin-late": N_("What customers did before their events were recorded is not known."),
    "events-end-early": N_(
        "The table of events ends before the purchases: customers look as if nothing had happened since."
    ),
    "few-returns": N_("Hardly anybody came back: there is little to learn from."),
    "filled-down": N_("Lines without customer and date count for the customer in the line above."),
    "guest-customer": N_("A customer number stands for nobody in particular, and counts as one customer."),
    "horizon-shorter-than-rhythm": N_(
        "Some customers buy less often than once in the time looked ahead, and look lost between two purchases."
    ),
    "ids-differ-in-case": N_(
        "Customer numbers that differ in capitals or blanks alone count as several customers."
    ),
    "ids-differ-in-zeros": N_(
        "Customer numbers that differ in leading zeros alone count as several customers."
    ),
    "ids-in-scientific-notation": N_("A spreadsheet has cut digits off customer numbers."),
    "link-passed-over": N_("Links to other folders were not followed."),
    "many-ids": N_("Very many customer numbers became one customer."),
    "misspelt-column": N_("A column that should not tell lines apart is called otherwise, and does."),
    "months-as-columns": N_("What a customer spent in a month counts as one purchase on its last day."),
    "old-rates": N_("Some exchange rates are old."),
    "orders-in-several-files": N_("Orders stand in several files, in different states."),
    "other-table-below": N_("Below the lines stands another table, and it was left out."),
    "placeholder-customer": N_("A customer number with very many lines may stand for many people."),
    "price-without-quantity": N_("The price is that of one, and some subscriptions are of several."),
    "repeats-without-order-number": N_(
        "Equal lines without an order number count as purchases of their own."
    ),
    "same-file-twice": N_("A file with two names was read once."),
    "shared-keys": N_("E-mail addresses or other keys that too many customers share join nobody."),
    "sheets-left-out": N_("Sheets of a workbook were left out."),
    "sources-overlap": N_("Lines that stand in an earlier source as well count once."),
    "sources-look-alike": N_("Several sources hold lines that look alike, and all of them count."),
    "unknown-mapped": N_("Customer numbers that belong together stand in no source."),
    "unread-keys": N_("E-mail addresses or other keys that cannot be read join nobody."),
}

# Said where nothing above fits.
OTHERS = (
    N_("look at them"),
    N_("in no single direction"),
    N_("Something in the data is doubtful."),
)

REASONS = (
    *dict.fromkeys(
        words
        for feature in (*FEATURES, *SUBSCRIPTION_FEATURES)
        for words in (feature.words.partition(";")[0], feature.words)
    ),
    *dict.fromkeys(WHEN_ZERO.values()),
    *GIVEN_WORDS,
)
"""Words of the reasons, with and without their second clause."""
