"""What each page shows: plain data for its template, in one language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from markupsafe import Markup

from clvml.dashboard.filters import LONGEST_SEARCH, OWN, PAGE, SORTS, Filter, query, sortable
from clvml.dashboard.listing import listed
from clvml.dashboard.model_page import Models, model_sections
from clvml.dashboard.more_words import all_words
from clvml.dashboard.orders import Orders, order_history
from clvml.dashboard.store import Snapshot
from clvml.decide.lists import presets
from clvml.models.outlook import HORIZONS
from clvml.report.charts import percentage
from clvml.report.facts import RISKS
from clvml.report.language import Language
from clvml.report.sections import customer_lists, forecast, headline, trust
from clvml.report.sections.by_attribute import attributes, own_name
from clvml.report.sections.headline import segment_name
from clvml.report.vocabulary import ADVICE, APPROACH, N_, RISK_NAMES

Page = dict[str, Any]
PAGES = {
    "/": N_("Today"),
    "/customers": N_("Customers"),
    "/segments": N_("Segments"),
    "/plan": N_("Plan"),
    "/trust": N_("Trust"),
}
TIERS = {
    "platinum": N_("platinum"),
    "gold": N_("gold"),
    "silver": N_("silver"),
    "bronze": N_("bronze"),
}
MOVES = {
    "rose": N_("risen"),
    "stayed": N_("stayed"),
    "fell": N_("fallen"),
    "new": N_("new"),
    "gone": N_("gone"),
}
SORT_NAMES = {
    "at_risk": N_("At risk"),
    "p_churn": N_("Churn risk"),
    "expected_spend": N_("Expected"),
    "monthly_price": N_("Monthly price"),
    "clv": N_("Lifetime value"),
    "historic_spend": N_("So far"),
    "last_order_date": N_("Last purchase"),
    "next_order_date": N_("Next purchase"),
    "customer_id": N_("Customer"),
    "segment": N_("Segment"),
}
_TOOLS = {"hubspot": "HubSpot"}
# As they stand in the list: number and segment, churn risk, money, days.
_MONEY = ("at_risk", "monthly_price", "expected_spend", "clv", "historic_spend")
_DAYS = ("last_order_date", "next_order_date")
_WORDS = ("customer_id", "segment", "last_order_date", "next_order_date")


class Links:
    """Addresses of the pages, which keep the language.

    Parameters
    ----------
    lang : str
        As the address of this page names it; empty where the browser's is used.
    """

    def __init__(self, lang: str = "") -> None:
        self.lang = lang

    def to(self, path: str, **parts: str) -> str:
        """Return an address."""
        return path + query({**parts, **({"lang": self.lang} if self.lang else {})})

    def customer(self, customer_id: str) -> str:
        return self.to("/customer", id=customer_id)

    def customers(self, wanted: Filter, **changes: Any) -> str:
        return self.to("/customers", **wanted.address(**changes))


def today(snapshot: Snapshot, say: Language, links: Links, day: date) -> Page:
    """Return the page of what to do today."""
    facts = snapshot.facts
    return {
        "title": say.text("Whom to call today"),
        "banner": headline.banner(facts, say, day),
        "sentences": headline.sentences(facts, say),
        "calls": customer_lists.calls(facts, say),
        "customer_link": links.customer,
    }


def customer_list(snapshot: Snapshot, say: Language, links: Links, wanted: Filter) -> Page:
    """Return the page of the customers that are wanted."""
    totals, page, found = listed(snapshot, wanted)
    number = totals["customers"]
    pages = max(-(-number // PAGE), 1)
    turn = partial(links.customers, wanted)
    sorts = sortable(snapshot)
    money, days = ([name for name in names if name in sorts] for names in (_MONEY, _DAYS))
    return {
        "title": say.text("Customers"),
        "risk": customer_lists.risk(snapshot.facts, say),
        "cell_link": lambda cell: links.customers(Filter(row=cell["row"], risk=cell["risk"])),
        "wanted": wanted,
        "fields": _fields(snapshot, say, wanted),
        "found": say.plural(
            "<b>{n}</b> customer, expected spend <b>{money}</b>, at risk <b>{at_risk}</b>",
            "<b>{n}</b> customers, expected spend <b>{money}</b>, at risk <b>{at_risk}</b>",
            number,
            money=say.short_money(totals["expected"] or 0.0),
            at_risk=say.short_money(totals["at_risk"] or 0.0),
        ),
        "place": say.text("page {page} of {pages}", page=say.count(page), pages=say.count(pages)),
        "earlier": turn(page=page - 1) if page > 1 else None,
        "later": turn(page=page + 1) if page < pages else None,
        "download": links.to("/customers.csv", **wanted.address(page=1)) if number else None,
        "tools": tool_links(
            lambda preset: links.to("/customers.csv", **wanted.address(page=1), preset=preset)
        )
        if number
        else [],
        "addresses": addresses(snapshot, say),
        "everybody": links.customers(Filter())
        if wanted.address(page=1, sort="at_risk", turned=False)
        else None,
        "columns": [
            _column(name, say, wanted, turn) for name in ("customer_id", "segment", "p_churn", *money, *days)
        ],
        "rows": [_row(row, snapshot, say, links, money, days) for row in found],
    }


def tool_links(address: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return the e-mail tools that a list can be downloaded for: names and addresses."""
    return [
        (_TOOLS.get(preset, preset.title()), address(preset)) for preset in presets() if preset != "generic"
    ]


def addresses(snapshot: Snapshot, say: Language) -> Markup:
    """Return what the lists for e-mail tools hold."""
    if snapshot.contacts is None:
        return say.text(
            "They hold customer numbers and no e-mail addresses: start with"
            " <code>clvml dashboard --contacts FILE</code>."
        )
    return say.text("Customers without an e-mail address are not in them.")


def customer(
    snapshot: Snapshot, say: Language, links: Links, customer_id: str, orders: Orders | None = None
) -> Page | None:
    """Return the page of a customer; None where there is no such."""
    found = snapshot.rows("select * from customers where customer_id = ? limit 1", [customer_id])
    if not found:
        return None
    row = found[0]
    days = snapshot.facts.horizon_days
    expected = {name: row[f"expected_spend{name}"] for name in ("", "_low", "_high")}
    horizons = {horizon: row[f"expected_spend_{horizon}d"] for horizon in HORIZONS}
    interval = None
    if None not in (expected["_low"], expected["_high"]):
        interval = say.span(expected["_low"], expected["_high"], say.money)
    horizons[days] = expected[""]
    ahead = {horizon: money for horizon, money in sorted(horizons.items()) if money is not None}
    largest = max([*ahead.values(), expected["_high"] or 0.0, row["historic_spend"] or 0.0, 1e-9])
    gap = row["usual_gap_days"]
    called = customer_id in [call["customer_id"] for call in snapshot.facts.calls]
    value = snapshot.facts.overview.get("value")
    margin_of = [say.plural("margin of a day", "margin of {n} days", value["horizon_days"])] if value else []
    cards = [
        (say.text("Spent so far"), say.money(row["historic_spend"]), None),
        (
            say.plural("Expected in the next day", "Expected in the next {n} days", days),
            say.money(expected[""]),
            interval and say.text("four times in five {interval}", interval=interval),
        ),
        (
            say.text("Lifetime value"),
            say.money(row["clv"]),
            Markup(" · ").join(
                [*margin_of, say.text("tier {tier}", tier=say.named(TIERS, row["value_tier"]))]
                if row["value_tier"]
                else margin_of
            ),
        ),
        (
            say.text("At risk"),
            say.money(row["at_risk"] or 0.0),
            say.plural("of the turnover of a day", "of the turnover of {n} days", days),
        ),
        (
            say.text("Last purchase"),
            _day(row["last_order_date"], say),
            gap and say.plural("usually every day", "usually every {n} days", round(gap)),
        ),
        (say.text("Monthly price"), say.money(row["monthly_price"]), None)
        if snapshot.facts.subscribers
        else (
            say.text("Next purchase"),
            _day(row["next_order_date"], say),
            say.text("if they come back, as likely before as after") if row["next_order_date"] else None,
        ),
    ]
    return {
        "title": row["customer_id"],
        "customer": row,
        "risk": (row["churn_risk"], say.percent(row["p_churn"]), _named(say, RISK_NAMES, row["churn_risk"])),
        "segment": segment_name(snapshot.facts, say, row["segment"]) if row["segment"] else Markup("–"),
        "segment_link": links.customers(Filter(segment=row["segment"] or "")),
        "cards": cards,
        "reasons": customer_lists.reasons(row, say),
        "value_reasons": customer_lists.reasons(row, say, "value_"),
        "called": called,
        "known": [(own_name(name, say), row[name]) for name in snapshot.own if row[name]],
        "orders": orders
        and order_history(orders.of(customer_id, snapshot.facts.as_of), row, snapshot.facts.as_of, days, say),
        "do": _what_to_do(None if snapshot.facts.subscribers else row["segment"], called, say),
        "ahead": [
            {
                "name": say.plural("next day", "next {n} days", horizon),
                "money": say.money(money),
                "bar": percentage(money, largest),
                "interval": interval if horizon == days else None,
                "low": percentage(expected["_low"], largest) if interval and horizon == days else None,
                "high": percentage(expected["_high"], largest) if interval and horizon == days else None,
            }
            for horizon, money in ahead.items()
        ],
        "so_far": {
            "money": say.money(row["historic_spend"]),
            "bar": percentage(row["historic_spend"], largest),
        },
    }


def unknown(say: Language, customer_id: str) -> Page:
    """Return the page of a customer who is not among the scored ones."""
    shown = customer_id[:LONGEST_SEARCH]
    title = say.text("“{customer}” is not in the scored file", customer=shown)
    return {"title": title, "wanted": shown, "status": 404}


def segments(snapshot: Snapshot, say: Language, links: Links) -> Page:
    """Return the page of the segments."""
    return {
        "title": say.text("Segments"),
        "segments": forecast.segments(snapshot.facts, say, None),
        "attributes": attributes(snapshot.facts, say),
        "segment_link": lambda segment: links.customers(Filter(segment=segment or "")),
        "moves": [
            [
                say.named(MOVES, row["move"]),
                say.count(row["customers"]),
                say.money(row["clv_before"]),
                say.money(row["clv_now"]),
                say.money(row["change"]),
            ]
            for row in snapshot.moves
        ],
        "notes": snapshot.notes,
    }


def evidence(snapshot: Snapshot, say: Language, links: Links, models: Models | None = None) -> Page:
    """Return the page of how far to trust the figures."""
    facts = snapshot.facts
    return {
        "title": say.text("Trust"),
        "again": links.to("/trust"),
        "drivers": trust.drivers(facts, say),
        "gains": trust.gains(facts, say),
        "calibration": trust.calibration(facts, say),
        "leaderboard": trust.leaderboard(facts, say),
        "quality": trust.quality(facts, say),
        "glossary": all_words(snapshot, say, models is not None),
        **model_sections(models, say),
    }


def _fields(snapshot: Snapshot, say: Language, wanted: Filter) -> list[dict[str, Any]]:
    """Return the lists of the form: name, label and options with their texts."""
    everything = ("", say.text("all"))
    rows = customer_lists.spend_rows(say)
    choices = [
        (
            "segment",
            say.text("Segment"),
            wanted.segment,
            [(key, segment_name(snapshot.facts, say, key)) for key in snapshot.segments],
        ),
        ("risk", say.text("Churn risk"), wanted.risk, [(key, say.named(RISK_NAMES, key)) for key in RISKS]),
        (
            "tier",
            say.text("Value tier"),
            wanted.tier,
            [(key, say.named(TIERS, key)) for key in snapshot.tiers],
        ),
        (
            "row",
            say.text("Spent so far"),
            "" if wanted.row is None else str(wanted.row),
            [(str(number), name) for number, name in enumerate(rows)],
        ),
    ]
    fields = [
        {"name": name, "label": label, "chosen": chosen, "options": [everything, *options]}
        for name, label, chosen, options in choices
        if options
    ]
    chosen = dict(wanted.own)
    fields += [
        {
            "name": f"{OWN}{column}",
            "label": own_name(column, say),
            "chosen": chosen.get(column, ""),
            "options": [everything, *((value, value) for value in values)],
        }
        for column, values in snapshot.groups.items()
    ]
    sort = f"{'-' if wanted.turned else ''}{wanted.sort}"
    sorts = [(key, say.text(SORT_NAMES[key])) for key in sortable(snapshot)]
    if wanted.turned:
        sorts.append((sort, say.text("{column}, turned", column=say.text(SORT_NAMES[wanted.sort]))))
    return [*fields, {"name": "sort", "label": say.text("Sort by"), "chosen": sort, "options": sorts}]


def _column(name: str, say: Language, wanted: Filter, turn: Callable[..., str]) -> dict[str, Any]:
    sorted_by = wanted.sort == name
    descending = SORTS[name] != wanted.turned
    return {
        "name": say.text(SORT_NAMES[name]),
        "number": name not in _WORDS,
        "link": turn(sort=name, turned=sorted_by and not wanted.turned, page=1),
        "sorted": ("descending" if descending else "ascending") if sorted_by else None,
    }


def _row(
    row: dict[str, Any], snapshot: Snapshot, say: Language, links: Links, money: list[str], days: list[str]
) -> dict[str, Any]:
    direction, why = customer_lists.reason(row, say)
    return {
        "customer": row["customer_id"],
        "link": links.customer(row["customer_id"]),
        "segment": segment_name(snapshot.facts, say, row["segment"]) if row["segment"] else Markup("–"),
        "risk": row["churn_risk"],
        "p_churn": say.percent(row["p_churn"]),
        "numbers": [say.money(row[name] or 0.0) for name in money],
        "days": [_day(row[name], say) for name in days],
        "direction": direction,
        "why": why,
    }


def _what_to_do(segment: str | None, called: bool, say: Language) -> Markup:
    """Return what to do: what the list of calls says of those on it, else what is done about the segment."""
    if called:
        return say.named(APPROACH, segment, "call: what is missing?")
    return say.named(ADVICE, segment, "look at them")


def _named(say: Language, names: dict[str, str], key: str | None) -> Markup:
    return say.named(names, key) if key else Markup("–")


def _day(text: str | None, say: Language) -> str:
    return say.date(date.fromisoformat(text)) if text else "–"
