"""What the pages say of subscribers, in the place of what they say of customers who buy."""

from __future__ import annotations

from typing import Any

from clvml.report.facts import Facts
from clvml.report.vocabulary import N_


def both(one: str, many: str) -> tuple[str, str]:
    """Mark the two forms of a plural for the catalogues and return them as they are."""
    return one, many


def alike(*said: Any) -> dict[Any, Any]:
    """Return texts, or pairs of forms, by the same about customers where they say subscribers."""

    def of_customers(text: str) -> str:
        return text.replace("subscriber", "customer").replace("Subscriber", "Customer")

    return {
        tuple(map(of_customers, text)) if isinstance(text, tuple) else of_customers(text): text
        for text in said
    }


# By what is said of customers who buy; of a plural by its two forms.
SUBSCRIBERS = {
    **alike(
        N_("Subscribers: what is coming and whom to call"),
        both("{n} subscriber", "{n} subscribers"),
        both(
            "Today’s subscribers will bring about <b>{money}</b> in the next day.",
            "Today’s subscribers will bring about <b>{money}</b> in the next {n} days.",
        ),
        both(
            "Today’s subscribers will bring about {money} in the next day",
            "Today’s subscribers will bring about {money} in the next {n} days",
        ),
        N_("New subscribers come on top."),
        N_("Four times in five it lies between {low} and {high}. New subscribers come on top."),
        both(
            "A call pays for <b>{n} subscriber</b>, and brings <b>{money}</b> in all.",
            "A call pays for <b>{n} subscribers</b>, and brings <b>{money}</b> in all; the first {most} bring most of"
            " it.",
        ),
        N_("Your subscribers today"),
        N_("Why subscribers stay or leave"),
        N_("subscribers called, best first"),
        N_("subscribers, biggest first"),
        N_("{customers} of subscribers: {money}"),
        N_(
            "Ten groups of subscribers by churn risk: what was said, and the share who left. On the thin line it is"
            " right."
        ),
        N_(
            "By value at risk: churn risk times what the subscriber would bring in {days} days if kept. The whole list"
            " is in the scored file."
        ),
        N_("The 80% intervals held {share} of the subscribers."),
        N_("Subscribers"),
        N_("Subscriber"),
        N_("{name} “{value}” is worth most: {money} a subscriber"),
        N_(
            "Of what else is known of subscribers, this tells their lifetime values apart most. It need not be the"
            " cause."
        ),
        N_("The margin that is expected of a subscriber in {days} days; what comes later counts less."),
        N_("What <code>clvml score</code> wrote: a row for each subscriber."),
        N_("Subscribers of a plan whom chance leaves uncontacted, so that its effect can be seen."),
        N_("What the tenth of the subscribers brought of whom the method expected most."),
    ),
    (
        "<b>{share}</b> of it comes from <b>{n} customer</b> of the segment “{segment}”.",
        "<b>{share}</b> of it comes from <b>{n} customers</b> of the segment “{segment}”.",
    ): both(
        "<b>{share}</b> of it comes from <b>{n} subscriber</b> of the plan “{segment}”.",
        "<b>{share}</b> of it comes from <b>{n} subscribers</b> of the plan “{segment}”.",
    ),
    "They are {share} of all customers: {advice}.": N_("They are {share} of all subscribers."),
    (
        "<b>{n} of your best customers</b> will probably stay away; this one has spent <b>{money}</b> so far.",
        "<b>{n} of your best customers</b> will probably stay away; they have spent <b>{money}</b> so far.",
    ): both(
        "<b>{n} of your best subscribers</b> will probably leave; this one has paid <b>{money}</b> so far.",
        "<b>{n} of your best subscribers</b> will probably leave; they have paid <b>{money}</b> so far.",
    ),
    "<b>None of your best customers</b> will probably stay away.": N_(
        "<b>None of your best subscribers</b> will probably leave."
    ),
    "Best: the fifth that spent most so far. Probably: a churn risk of two thirds or more.": N_(
        "Best: the fifth that paid most so far. Probably: a churn risk of two thirds or more."
    ),
    "<b>The test shows little</b>: almost nobody bought in the tested windows.": N_(
        "<b>The test shows little</b>: almost nothing was earned in the tested windows."
    ),
    "Segment": N_("Subscription plan"),
    "Expected spend in {days} days by segment; the line is the 80% interval of the sum.": N_(
        "Expected revenue in {days} days by plan."
    ),
    ("and one more segment with {money}", "and {n} more segments with {money}"): both(
        "and one more plan with {money}", "and {n} more plans with {money}"
    ),
    "Spent so far": N_("Paid so far"),
    "Last purchase": N_("Subscribed since"),
    ("{n} of the best fifth is likely gone", "{n} of the best fifth are likely gone"): both(
        "{n} of the best fifth is likely to leave", "{n} of the best fifth are likely to leave"
    ),
    "None of the best fifth is likely gone": N_("None of the best fifth is likely to leave"),
    "Customers by what they spent so far and by churn risk. Big: money spent so far; small: customers and what they"
    " will bring in {days} days.": N_(
        "Subscribers by what they paid so far and by churn risk. Big: money paid so far; small: subscribers and what"
        " they will bring in {days} days."
    ),
    "Turnover by month, and what is expected of today’s customers by {days} days with the 80% interval of the total."
    " New customers come on top, so the blue columns are not the whole shop.": N_(
        "Revenue by month, earned day by day, and what is expected of today’s subscribers by {days} days with the 80%"
        " interval of the total. New subscribers come on top, so the blue columns are not the whole business."
    ),
    "Turnover": N_("Revenue"),
    "Share of all turnover so far by share of customers.": N_(
        "Share of what today’s subscribers paid so far, by share of them."
    ),
    "First purchase": N_("First subscription"),
    "Spend error": N_("Revenue error"),
    "Mean over {dates} past dates. Spend error: WAPE, 0 is perfect, 1 is as bad as expecting nothing. AUC: 0.5 is"
    " chance, 1 is perfect.": N_(
        "Mean over {dates} past dates. Revenue error: WAPE, 0 is perfect, 1 is as bad as expecting nothing. AUC: 0.5"
        " is chance, 1 is perfect."
    ),
    "customers, highest expected spend first": N_("subscribers, highest expected revenue first"),
    ("{n} of {all} lines was left out", "{n} of {all} lines were left out"): both(
        "{n} of {all} subscriptions was left out", "{n} of {all} subscriptions were left out"
    ),
    ("The line was used", "All {n} lines were used"): both(
        "The subscription was used", "All {n} subscriptions were used"
    ),
    "Lines": N_("Subscriptions"),
    "What the data check left out, and the money of it.": N_(
        "What the data check left out, and its price per billing period."
    ),
    ("{n} line", "{n} lines"): both("{n} subscription", "{n} subscriptions"),
    "Lifetime value each": N_("Lifetime value of each"),
    "The chance that a customer buys nothing in the {days} days from the date of the scores on. It is low below one"
    " third, and high from two thirds on.": N_(
        "The chance that a subscriber is not subscribed any more at the end of the {days} days from the date of the"
        " scores on. It is low below one third, and high from two thirds on."
    ),
    "What a customer will spend in these {days} days on average, if all chances are counted.": N_(
        "What a subscriber will bring in these {days} days on average, if all chances are counted."
    ),
    "Churn risk times what the customer would bring if kept.": N_(
        "Churn risk times the price of {days} days."
    ),
    "What is earned of turnover, after the cost of the goods.": N_(
        "What is earned of revenue, after its cost."
    ),
    "How far the forecasts of all customers were off, added up, as a share of what these spent (WAPE).": N_(
        "How far the forecasts of all subscribers were off, added up, as a share of what these brought (WAPE)."
    ),
}
# Where they were found in payments.
PAYMENTS = {
    ("{n} of {all} lines was left out", "{n} of {all} lines were left out"): both(
        "{n} of {all} payments was left out", "{n} of {all} payments were left out"
    ),
    ("The line was used", "All {n} lines were used"): both(
        "The payment was used", "All {n} payments were used"
    ),
    "Lines": N_("Payments"),
    "What the data check left out, and the money of it.": "What the data check left out, and the money of it.",
}


def words_of(facts: Facts) -> dict[Any, Any]:
    """Return what a page says of these customers in the place of what it says of those who buy."""
    if not facts.subscribers:
        return {}
    return SUBSCRIBERS | (PAYMENTS if facts.overview.get("quality", {}).get("found") else {})
