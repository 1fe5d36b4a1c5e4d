"""What the dashboard says of subscribers, beside `clvml.report.subscriber_words`."""

from __future__ import annotations

from clvml.report.subscriber_words import both
from clvml.report.vocabulary import N_

# By what is said of customers who buy; of a plural by its two forms.
DASHBOARD = {
    "Customers": N_("Subscribers"),
    "Customer": N_("Subscriber"),
    "Segments": N_("Subscription plans"),
    "Choose a cell to list its customers.": N_("Choose a cell to list its subscribers."),
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
    "So far": N_("Paid so far"),
    "Spend": N_("Revenue"),
}
