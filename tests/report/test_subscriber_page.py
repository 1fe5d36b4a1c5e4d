"""The report on a scored file of subscriptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.catalogue import extract
from tests.pages import Texts, left_in_english
from tests.report.conftest import AS_OF, overview_of, scored_frame

from clvml.customers.subscription_snapshots import MONTH_DAYS
from clvml.errors import InputError
from clvml.evaluation.subscription_rules import KAPLAN_MEIER, LOGISTIC, NO_CHANGE, SBG
from clvml.report.document import build_page
from clvml.report.facts import Facts, read_facts
from clvml.report.language import LANGUAGES, Language
from clvml.report.subscriber_words import PAYMENTS, SUBSCRIBERS
from clvml.scores.columns import SUBSCRIBERS as COLUMNS

Write = Callable[[pd.DataFrame], Path]


def subscriber_frame(customers: int = 400) -> pd.DataFrame:
    """Return rows as `clvml score` writes them of subscriptions, made up."""
    frame = scored_frame(customers)
    number = np.arange(customers)
    return frame.assign(
        plan=np.asarray(["basic", "pro", "team"])[number % 3],
        monthly_price=9.0 + 10 * (number % 3),
        tenure_days=30 + number,
        reason_1="first subscribed 40 days ago (lowers churn risk)",
        reason_1_key="tenure_days-",
        reason_1_values="40",
        reason_2="tickets in the first days: 2 (raises churn risk)",
        reason_2_key="early_tickets+",
        reason_2_values="2",
        value_tier="gold",
        run_id=None,
        expected_spend_low=0.9 * frame["expected_spend"],
        expected_spend_high=1.1 * frame["expected_spend"],
        **{f"expected_spend_{days}d": frame["expected_spend"] for days in (30, 90, 180, 365)},
    )[[column.name for column in COLUMNS]]


def subscriber_facts(write: Write, frame: pd.DataFrame, **changed: Any) -> Facts:
    overview = overview_of(scored_frame(len(frame)))
    for step in overview["outlook"]:
        step |= {"expected_spend_low": None, "expected_spend_high": None}
    ours = {"segments": [], "cohorts": [], "new_customers": None, "retention": RETENTION}
    evidence = overview["evidence"]
    drivers = [
        {"group": group, "share": 0.25, "direction": direction}
        for group, direction in (
            ("billing", "stay"),
            ("tenure", "leave"),
            ("plan", "leave"),
            ("early signs", "stay"),
        )
    ]
    models = {name: {"wape": 0.2, "top_10_share": 0.3} for name in (SBG, KAPLAN_MEIER, LOGISTIC, NO_CHANGE)}
    models["clvml"] = evidence["models"]["clvml"]
    evidence |= {"coverage": None, "drivers": drivers, "models": models}
    return read_facts(write(frame), {**overview, **ours, "evidence": evidence, **changed})


RETENTION = [
    {"quarter": quarter, "customers": customers, "month": month, "retention": kept, "revenue_retention": left}
    for quarter, customers, month, kept, left in (
        ("2023Q1", 30, 0, 1.0, 1.0),
        ("2023Q1", 30, 1, 0.9, 1.2),
        ("2023Q1", 30, 12, 0.6, 0.8),
        ("2023Q2", 10, 0, 1.0, None),
        ("2023Q2", 10, 1, 0.7, None),
        ("2023Q2", 10, 12, 0.2, None),
    )
]


def test_every_replaced_text_is_one_of_the_pages() -> None:
    known = {message.id for message in extract()}
    for words in (SUBSCRIBERS, PAYMENTS):
        assert set(words) | set(words.values()) <= known


def test_payments_are_called_so(write: Write) -> None:
    quality = overview_of(scored_frame())["quality"] | {"found": "3 subscriptions, billed 3 by the month"}
    page = build_page(subscriber_facts(write, subscriber_frame(), quality=quality))
    assert (
        "10 of 1,000 payments were left out" in page and "What the data check left out, and the money" in page
    )
    assert "10 of 1,000 subscriptions were left out" in build_page(
        subscriber_facts(write, subscriber_frame())
    )


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_speaks_of_subscribers(write: Write, code: str) -> None:
    page = build_page(subscriber_facts(write, subscriber_frame()), code, today=AS_OF)
    assert not re.search(r"<script|<link|<img|https?:", page)
    if code == "en":
        text = re.sub("<[^>]+>", " ", page.partition("<body>")[2])
        assert re.findall(r"(?i)purchase|\borders|turnover|shop|segment|spent|spend error", text) == []
        assert "Subscribers: what is coming and whom to call" in page
        assert "first subscribed 40 days ago" in page or "tickets in the first days: 2" in page
    else:
        assert left_in_english(page) == []


def test_plans_are_the_segments_and_keep_their_names(write: Write) -> None:
    frame = subscriber_frame()
    frame["plan"] = np.asarray(["VIP", "lost", "<b>&{n}"])[np.arange(len(frame)) % 3]
    frame["monthly_price"] = 10.0
    facts = subscriber_facts(write, frame)
    assert {row["segment"] for row in facts.segments} == set(frame["plan"])
    # A plan of that name is not the segment that is left alone.
    assert any(row["segment"] == "lost" for row in facts.calls)
    assert facts.call.curve[-1][0] == len(frame)
    page = build_page(facts, "de")
    assert "<b>&{n}" not in page and "&lt;b&gt;&amp;{n}" in page and ">lost<" in page
    sums = frame.groupby("plan")["monthly_price"].sum()
    assert {row["segment"]: row["monthly_price"] for row in facts.segments} == pytest.approx(sums.to_dict())


def test_at_risk_is_the_price_of_the_horizon_times_the_risk(write: Write) -> None:
    frame = subscriber_frame().set_index("customer_id")
    facts = subscriber_facts(write, frame.reset_index())
    at_risk = frame["p_churn"] * frame["monthly_price"] * 90 / MONTH_DAYS
    # Nobody is on the list for whom a call does not pay.
    gain = 0.1 * frame["p_churn"] * frame["clv"] / np.maximum(1 - frame["p_churn"], 0.15) - facts.call.cost
    paying = at_risk[gain > 0]
    assert [row["customer_id"] for row in facts.calls] == paying.nlargest(10).index.tolist()
    assert len(paying) == facts.call.customers < len(frame)
    assert facts.calls[0]["at_risk"] == pytest.approx(paying.max())
    first = facts.calls[0]
    since = AS_OF - pd.Timedelta(days=int(frame.loc[first["customer_id"], "tenure_days"]))
    assert date.fromisoformat(first["last_order_date"]) == since


def test_retention_is_a_mean_by_customers_and_has_a_row_per_quarter(write: Write) -> None:
    page = build_page(subscriber_facts(write, subscriber_frame()))
    # (30 * 0.6 + 10 * 0.2) / 40, and of the revenue only the quarter that had any.
    assert "50% are still subscribed after 12 months" in page
    assert "80% of their monthly revenue is left after 12 months" in page
    assert ">120%</td>" in page and page.count('<th scope="row">Q2 2023</th>') == 2
    young = [row for row in RETENTION if row["month"] < 12]
    said = build_page(subscriber_facts(write, subscriber_frame(), retention=young))
    assert "85% are still subscribed after 1 month<" in said
    nobody = build_page(subscriber_facts(write, subscriber_frame(), retention=[]))
    assert (
        "are still subscribed after 1" not in nobody and "The money is spread" in nobody
    ) or "Few customers" in nobody


def test_a_scored_file_alone_makes_a_page(write: Write) -> None:
    for customers in (1, 2, 7):
        page = build_page(read_facts(write(subscriber_frame(customers)), None))
        assert "could not be tested" in page and "In five sentences" in page
    nothing = subscriber_frame().assign(expected_spend=0.0, clv=0.0, historic_spend=0.0, monthly_price=0.0)
    assert "nan" not in build_page(read_facts(write(nothing), None)).lower()


@pytest.mark.parametrize(
    "change",
    [{"monthly_price": None}, {"tenure_days": "long"}, {"as_of": "soon"}, {"plan": None, "p_churn": 2.0}],
)
def test_a_changed_file_is_one_message(write: Write, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="was changed since it was written"):
        read_facts(write(subscriber_frame().assign(**change)), None)


@pytest.mark.parametrize(
    ("code", "key", "values", "words"),
    [
        ("en", "tenure_days-", "1", "first subscribed 1 day ago"),
        ("fr", "pauses+", "1", "1 pause entre abonnements"),
        ("de", "days_to_renewal+", "4", "4 Tage bis zur nächsten Verlängerung"),
        ("de", "running+", "1", "1 Abonnement zugleich"),
        ("fr", "early_tickets+", "1", "tickets dans les premiers jours\u00a0: 1"),
    ],
)
def test_a_reason_in_words(code: str, key: str, values: str, words: str) -> None:
    assert Language(code).reason(key, values) == (1 if key.endswith("+") else -1, words)


def test_the_page_says_subscribers_and_not_customers(write: Write) -> None:
    page = build_page(subscriber_facts(write, subscriber_frame()), "en")
    said = " ".join(Texts(page).texts)
    # What the table of subscriptions lacks is said in its own words.
    left = re.findall(
        r"[^.]*\b(?:customers?|bought|purchases?)\b[^.]*", said.replace("missing customer id", "")
    )
    assert left == []
    assert "subscribers called, best first" in said
