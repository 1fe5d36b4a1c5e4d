from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.pages import left_in_english
from tests.report.conftest import AS_OF, overview_of, scored_frame, won

from clvml.evaluation.backtest import MODEL_NAME
from clvml.evaluation.baselines import BASELINES
from clvml.report.document import build_page
from clvml.report.facts import Facts, read_facts
from clvml.report.language import LANGUAGES, Language
from clvml.report.sections.glossary import MEANINGS
from clvml.report.vocabulary import DOUBTS, METHODS
from clvml.scores.overview import read_overview, write_overview

Write = Callable[[pd.DataFrame], Path]


def of(write: Write, frame: pd.DataFrame) -> Facts:
    return read_facts(write(frame), overview_of(frame))


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_stands_alone(facts: Facts, code: str) -> None:
    page = build_page(facts, code, name="Shop", today=AS_OF)
    assert f'<html lang="{code}">' in page
    assert not re.search(r"<script|<link|<img|@import|url\(|https?:", page)
    assert len(page.encode()) < 300_000
    assert page == build_page(facts, code, name="Shop", today=AS_OF)


@pytest.mark.parametrize("code", ["fr", "de"])
def test_nothing_is_left_in_english(facts: Facts, code: str) -> None:
    assert left_in_english(build_page(facts, code)) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [("en", "Hardly anybody came back"), ("de", "Kaum jemand kam wieder"), ("fr", "Presque personne")],
)
def test_doubts_of_the_data_check_are_said_in_the_language(
    facts: Facts, code: str, words: str, tmp_path: Path
) -> None:
    found = [
        {"code": "few-returns", "text": "only 7 purchases", "rows": None, "money": None},
        {"code": "old-rates", "text": "rates of yore", "rows": 1200, "money": 5300.0},
        {"code": "not-known-yet", "text": "new <words>"},
    ]
    quality = facts.overview["quality"] | {"warnings": found}
    # As they come from the file beside the scores.
    write_overview(facts.overview | {"quality": quality}, tmp_path / "scores.csv")
    page = build_page(replace(facts, overview=read_overview(tmp_path / "scores.csv") or {}), code)
    say = Language(code, "EUR")
    assert words in page and f"{say.count(1200)}" in page and say.money(5300) in page
    assert say.text("Something in the data is doubtful.") in page
    assert "only 7 purchases" not in page and "of yore" not in page and "words&" not in page


def test_every_method_of_the_test_is_explained(facts: Facts) -> None:
    assert {*MEANINGS} == {*METHODS, MODEL_NAME} >= {*BASELINES} - {"zero"}
    named = {name: {"wape": 0.5} for name in MEANINGS}
    shown = facts.overview | {"evidence": facts.overview["evidence"] | {"models": named}}
    page = build_page(replace(facts, overview=shown))
    words = page[page.index("What the words mean") :]
    assert all(f"<dt>{METHODS.get(name, name)}</dt>" in words for name in named)


def test_every_warning_of_a_scoring_has_its_words() -> None:
    page = (Path(__file__).parents[2] / "docs" / "your-export.md").read_text(encoding="utf-8")
    warnings = page[page.index("## Warnings") : page.index("reads the file again")]
    codes = re.findall(r"^\| `([a-z-]+)` \|", warnings, re.MULTILINE)
    assert len(codes) > 10
    assert set(codes) <= set(DOUBTS)


def test_what_a_customer_may_cost_needs_one_margin_of_all(facts: Facts) -> None:
    own = facts.overview["value"] | {"cost": "unit_cost"}
    assert "A new customer may cost up to" in build_page(facts)
    assert "A new customer may cost up to" not in build_page(
        replace(facts, overview=facts.overview | {"value": own})
    )


def test_ids_and_segments_are_text(write: Write) -> None:
    frame = scored_frame()
    evil = "<script>alert(1)</script>\u202e{0}%s"
    frame["customer_id"] = [f"{evil}{number}" for number in range(len(frame))]
    frame["segment"] = "<img src=x onerror=1> & {segment}"
    page = build_page(of(write, frame))
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;" in page and "&lt;img src=x onerror=1&gt; &amp; {segment}" in page


def test_titles_turn_with_the_figures(write: Write) -> None:
    frame = scored_frame()
    said = build_page(of(write, frame))
    safe = build_page(of(write, frame.assign(p_churn=0.1, churn_risk="low")))
    assert "of the best fifth are likely gone" in said and "None of the best fifth is likely gone" in safe
    facts = of(write, frame)
    evidence = facts.overview["evidence"]
    off = replace(facts, overview=facts.overview | {"evidence": evidence | {"total_off": 0.4}})
    assert "more than the sum" not in build_page(facts) and "more than the sum" in build_page(off)
    worse = evidence | {"verdicts": {"wape": "worse", "roc_auc": "better"}}
    assert "worse than one in 1" in build_page(replace(facts, overview=facts.overview | {"evidence": worse}))


def test_a_banner_says_that_the_data_is_old(facts: Facts) -> None:
    assert "Old data." not in build_page(facts, today=AS_OF)
    assert "The scores are 184 days old" in build_page(facts, today=date(2024, 9, 1))


def test_a_scored_file_alone_makes_a_page(write: Write) -> None:
    page = build_page(read_facts(write(scored_frame()), None))
    assert "could not be tested" in page and "In five sentences" in page


@pytest.mark.parametrize("customers", [1, 2, 7])
def test_few_customers_make_a_page(write: Write, customers: int) -> None:
    assert "In five sentences" in build_page(of(write, scored_frame(customers)))


def test_many_segments_are_summed_up(write: Write) -> None:
    frame = scored_frame(900)
    frame["segment"] = [f"own segment {number % 300}" for number in range(len(frame))]
    page = build_page(of(write, frame))
    assert "and 288 more segments with" in page and len(page.encode()) < 300_000


def test_nothing_to_expect_makes_a_page(write: Write) -> None:
    frame = scored_frame().assign(expected_spend=0.0, clv=0.0, historic_spend=0.0)
    page = build_page(of(write, frame))
    assert "A call pays for nobody" in page and "nan" not in page.lower()


def test_sources_are_told_by_what_they_bring(facts: Facts) -> None:
    page = build_page(facts)
    assert "Every source pays; “fair” brings 4.0 times its cost" in page
    assert "200 customers of no known source, or won in a month without a spend, are left out." in page
    one = build_page(replace(facts, won=won(fair=4.0, ads=0.8)))
    assert "“ads” costs more than its customers bring" in one and ">–</td>" in one
    two = build_page(replace(facts, won=won(fair=0.9, ads=0.8)))
    assert "2 sources cost more than their customers bring; most is spent on “fair”" in two
    many = build_page(replace(facts, won=won(**{f"source{n}": 2.0 for n in range(40)})))
    assert "source11" in many and "source12" not in many
    free = won(fair=1.0).assign(spend=0.0, value_to_cost=float("nan"))
    assert "Value to cost" not in build_page(replace(facts, won=free))


PLAN = {
    "campaign": "spring",
    "planned": 40,
    "control": 4,
    "customers": 400,
    "cost": 50.0,
    "profit": 400.0,
    "profit_low": 100.0,
    "profit_high": 700.0,
    "nothing_more_pays_at": 120.0,
    "curve": [
        {"budget": 0.0, "profit": 0.0},
        {"budget": 50.0, "profit": 400.0},
        {"budget": 120.0, "profit": 500.0},
    ],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ["With £50 the plan is expected to bring £400 after cost", "40 customers, 4 of them held out"]),
        ({"profit_low": -100.0}, ['<span class="amount">-£100</span> to']),
        ({"planned": 0, "control": 0, "cost": 0.0}, ["The plan spends nothing: its budget is too small"]),
        (
            {
                "planned": 0,
                "cost": 0.0,
                "nothing_more_pays_at": 0.0,
                "curve": [{"budget": 0.0, "profit": 0.0}],
            },
            [
                "The plan spends nothing: no action pays for itself",
                "From a budget of £0 on nothing more pays.",
            ],
        ),
    ],
)
def test_a_plan_stands_in_the_place_of_an_assumed_call(
    facts: Facts, change: dict[str, object], said: list[str]
) -> None:
    page = build_page(replace(facts, plan={**PLAN, **change}, currency="GBP"))
    for words in said:
        assert words in page
    assert "calls the next one no longer pays" not in page


@pytest.mark.parametrize("code", ["fr", "de"])
def test_nothing_of_a_plan_is_left_in_english(facts: Facts, code: str) -> None:
    assert left_in_english(build_page(replace(facts, plan=PLAN), code)) == []
