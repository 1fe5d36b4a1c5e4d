"""The table by the attribute that tells the values of customers apart most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kruskal
from tests.report.conftest import scored_frame

from clvml.report import attribute_facts
from clvml.report.attribute_facts import ByAttribute
from clvml.report.document import build_page
from clvml.report.facts import read_facts

Write = Callable[[pd.DataFrame], Path]


def with_columns(**columns: object) -> pd.DataFrame:
    return scored_frame(400).assign(**columns)


def by_attribute(write: Write, frame: pd.DataFrame) -> ByAttribute | None:
    return read_facts(write(frame), None).by_attribute


@pytest.fixture
def channel() -> np.ndarray:
    """Who is worth more than the middle came by the web, but for every fifth; of every tenth it is not known."""
    clv = scored_frame(400)["clv"]
    number = np.arange(400)
    web = (clv > clv.median()) ^ (number % 5 == 0)
    return np.where(number % 10 == 9, "", np.where(web, "web", "shop"))


def test_the_column_that_tells_values_apart_is_found_with_its_sums(write: Write, channel: np.ndarray) -> None:
    noise = np.random.default_rng(0).choice(list("abc"), 400)
    frame = with_columns(noise=noise, sales_channel=channel, one="same", each=np.arange(400))
    found = by_attribute(write, frame)
    assert found is not None and (found.column, found.rest) == ("sales_channel", None)
    wanted = frame.groupby("sales_channel")["clv"].agg(["size", "sum"]).sort_values("sum", ascending=False)
    assert [row["value"] or "" for row in found.rows] == wanted.index.tolist()
    assert [row["customers"] for row in found.rows] == wanted["size"].tolist()
    assert [row["clv"] for row in found.rows] == pytest.approx(wanted["sum"].tolist())


@pytest.mark.parametrize("columns", [{}, {"one": "same"}, {"each": range(400)}, {"coin": "noise"}])
def test_nothing_is_found_where_nothing_tells_values_apart(write: Write, columns: dict[str, object]) -> None:
    draw = np.random.default_rng(0)
    made = {name: draw.choice(list("ab"), 400) if of == "noise" else of for name, of in columns.items()}
    assert by_attribute(write, with_columns(**made)) is None
    assert "worth most" not in build_page(read_facts(write(with_columns(**made)), None))


def test_values_beyond_the_first_stand_in_one_row(write: Write) -> None:
    frame = scored_frame(400)
    frame["band"] = pd.qcut(frame["clv"].rank(method="first"), 20, labels=[f"b{n:02}" for n in range(20)])
    found = by_attribute(write, frame)
    assert found is not None and found.rest is not None
    assert len(found.rows) == 8 and found.rows[0]["value"] == "b19"
    rest = frame[frame["band"].astype(str) < "b12"]
    assert found.rest["customers"] == len(rest)
    assert found.rest["p_churn"] == pytest.approx(rest["p_churn"].mean())
    assert found.rest["clv"] == pytest.approx(rest["clv"].sum())


def test_who_is_worth_most_may_stand_beyond_the_first(write: Write) -> None:
    number = np.arange(1_100)
    # Fewer customers than of the others, and more money of each.
    frame = scored_frame(1_100).assign(clv=np.where(number < 40, 50.0, 20.0 + number % 7 / 100))
    frame["country"] = np.where(number < 40, "few", [f"c{n // 106}" for n in number])
    found = by_attribute(write, frame)
    assert found is not None and found.rest is not None and found.best is not None
    assert found.best["value"] == "few" not in [row["value"] for row in found.rows]
    assert "“few” is worth most: 50 a customer" in build_page(read_facts(write(frame), None))
    assert "a few tell little" not in build_page(read_facts(write(frame), None))
    # A single large account says nothing of its country, and the table shows it all the same.
    lone = frame.assign(country=np.where(number == 50, "lone", frame["country"]))
    lone.loc[50, "clv"] = 9_999.0
    page = build_page(read_facts(write(lone), None))
    assert "“few” is worth most: 50 a customer" in page
    assert "Values that fewer than 30 have do not count for the title: a few tell little." in page
    # One against a handful is not worth most.
    one = frame.assign(country=np.where(number < 20, "few", "many"))
    found = by_attribute(write, one)
    assert found is not None and found.best is None


@pytest.mark.parametrize("name", ["value", "of_value", "own", "n", 'a "b"', "<b>"])
@pytest.mark.parametrize("code", ["en", "de", "fr"])
def test_the_page_says_it_whatever_the_column_is_called(
    write: Write, channel: np.ndarray, name: str, code: str
) -> None:
    named = np.where(channel == "web", "<i>{web}", channel)
    page = build_page(read_facts(write(with_columns(**{name: named})), None), code)
    assert "&lt;i&gt;{web}" in page and "<i>{web}" not in page and "<b></th>" not in page
    assert {"en": "not known", "de": "nicht bekannt", "fr": "inconnu"}[code] in page


def test_chance_is_ruled_out_by_the_test_of_kruskal_and_wallis() -> None:
    draw = np.random.default_rng(0)
    # Many are worth the same.
    scored = pd.DataFrame(
        {"clv": draw.integers(0, 30, 500).astype(float), "channel": draw.choice(list("abc"), 500)}
    )
    scored.loc[scored["channel"] == "a", "clv"] += 4.0
    scored = scored.assign(customer_id=np.arange(500).astype(str), p_churn=0.5, expected_spend=1.0)
    wanted = kruskal(*(rows["clv"] for _, rows in scored.groupby("channel")))
    with duckdb.connect() as connection:
        connection.execute("create table scored as select * from scored")
        assert attribute_facts.by_attribute(connection, subscribers=False) is not None
        share, chance = attribute_facts._explained(connection, "channel")
    assert (share * 499, chance) == pytest.approx((wanted.statistic, wanted.pvalue))
