"""What the dashboard says of subscribers, beside `clvml.report.subscriber_words`."""

from __future__ import annotations

from clvml.report.subscriber_words import alike, both
from clvml.report.vocabulary import N_

# By what is said of customers who buy; of a plural by its two forms.
DASHBOARD = {
    **alike(
        N_("<b>It pays from a save rate of {rate} on</b>, over all these subscribers together."),
        N_("A subscriber more would cost more than they are expected to bring."),
        N_("The same subscribers at the same cost, with a save rate of {rate}."),
        both("<b>Contact {n} subscriber</b> for {cost}.", "<b>Contact {n} subscribers</b> for {cost}."),
        both("That takes {n} planned subscriber.", "That takes {n} planned subscribers."),
        both(
            "Plan “{campaign}”: {n} subscriber, {held} held out as control group. The 80% interval of the profit is"
            " {low} to {high}.",
            "Plan “{campaign}”: {n} subscribers, {held} of them held out as control group. The 80% interval of the"
            " profit is {low} to {high}.",
        ),
        N_("Choose a cell to list its subscribers."),
        N_(
            "They hold subscriber numbers and no e-mail addresses: start with"
            " <code>clvml dashboard --contacts FILE</code>."
        ),
        N_("Subscribers without an e-mail address are not in them."),
    ),
    "One kind of contact, such as a call or a letter, to the customers for whom it pays most; those who are to be"
    " left alone get none.": N_(
        "One kind of contact, such as a call or a letter, to the subscribers for whom it pays most."
    ),
    "Segments": N_("Subscription plans"),
    (
        "<b>{n}</b> customer, expected spend <b>{money}</b>, at risk <b>{at_risk}</b>",
        "<b>{n}</b> customers, expected spend <b>{money}</b>, at risk <b>{at_risk}</b>",
    ): both(
        "<b>{n}</b> subscriber, expected revenue <b>{money}</b>, at risk <b>{at_risk}</b>",
        "<b>{n}</b> subscribers, expected revenue <b>{money}</b>, at risk <b>{at_risk}</b>",
    ),
    ("of the turnover of a day", "of the turnover of {n} days"): both(
        "of the price of a day", "of the price of {n} days"
    ),
    "Models against the one in use, on the same customers and dates, where chance is ruled out at 95%. Spend error:"
    " WAPE; AUC: 0.5 is chance.": N_(
        "Models against the one in use, on the same subscribers and dates, where chance is ruled out at 95%. Revenue"
        " error: WAPE; AUC: 0.5 is chance."
    ),
    "So far": N_("Paid so far"),
    "Spend": N_("Revenue"),
}
