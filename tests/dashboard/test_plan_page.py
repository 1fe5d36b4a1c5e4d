from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.dashboard.conftest import Client, dashboard_frame
from tests.pages import Texts

from clvml.dashboard.contact_plan import number_text
from clvml.decide.plan import make_plan
from clvml.decide.playbook import parse_playbook


def contacted(client: Client, query: str = "") -> pd.DataFrame:
    answer = client.get(f"/plan.csv{query}")
    assert answer.status_code == 200
    return pd.read_csv(io.StringIO(answer.text), dtype=str)


def said(client: Client, query: str = "", **headers: str) -> str:
    answer = client.get(f"/plan{query}", **headers)
    assert answer.status_code == 200
    return " ".join(Texts(answer.text).texts)


@pytest.mark.parametrize("budget", [None, 30.0, 100.0])
def test_the_playbook_makes_the_same_plan(client: Client, frame: pd.DataFrame, budget: float | None) -> None:
    query = "?cost=2.5&save=8" + (f"&budget={budget:g}" if budget else "")
    playbook = parse_playbook(yaml.safe_load(client.get(f"/plan.yaml{query}").text))
    scores = frame.assign(run_id="r")
    made = make_plan(scores, playbook, budget)
    treated = made.table[made.table["group"] == "treated"]
    rows = contacted(client, query)
    assert len(rows) > 5 and set(rows["customer_id"]) == set(treated["customer_id"])
    assert set(frame.set_index("customer_id").loc[rows["customer_id"], "segment"]) == {
        "VIP",
        "regular",
        "lapsing",
    }
    shown = said(client, query)
    assert f"Contact {len(rows)} customers" in shown
    assert f"bring €{made.summary['profit']:,.0f} after cost" in shown
    assert f"From a budget of €{made.summary['nothing_more_pays_at']:,.0f} on nothing more pays" in shown


def test_of_equal_customers_those_are_contacted_that_the_playbook_takes(serve: Any) -> None:
    frame = dashboard_frame(2_500).assign(p_churn=0.5, segment="VIP", clv=lambda rows: rows["clv"].round(-2))
    frame = frame.sort_values(["clv", "customer_id"], ascending=[False, True], ignore_index=True)
    client, _ = serve(frame)
    query = "?cost=2&save=8&budget=1001"
    playbook = parse_playbook(yaml.safe_load(client.get(f"/plan.yaml{query}").text))
    table = make_plan(frame.assign(run_id="r"), playbook, 1001.0).table
    treated = table.loc[table["group"] == "treated", "customer_id"]
    assert len(treated) > 400 and set(contacted(client, query)["customer_id"]) == set(treated)


def test_those_with_most_to_gain_stand_first(client: Client, frame: pd.DataFrame) -> None:
    rows = contacted(client, "?cost=1&save=10")
    p = frame["p_churn"]
    stake = pd.Series((p * frame["clv"] / (1 - p).clip(lower=0.15)).to_numpy(), index=frame["customer_id"])
    assert (np.diff(stake[rows["customer_id"]]) <= 0).all()


def test_more_budget_brings_more_until_nothing_more_pays(client: Client) -> None:
    few, more, all_of = (len(contacted(client, f"?cost=2&budget={budget}")) for budget in (20, 80, 1e6))
    assert 0 < few < more < all_of
    assert "The next €100 of budget would bring" in said(client, "?cost=2&budget=20")
    assert "More budget would bring nothing" in said(client, "?cost=2")


def test_numbers_are_read_as_the_language_writes_them(client: Client) -> None:
    for query, address in (
        ("?budget=1,000&lang=en", "budget=1000&lang=en"),
        ("?budget=1.000&lang=de", "budget=1000&lang=de"),
        ("?budget=1%E2%80%AF000,5&lang=fr", "budget=1000.5&lang=fr"),
        ("?budget=1,000&lang=fr", "budget=1&lang=fr"),
    ):
        # The address then means the same to whoever opens it.
        assert client.get(f"/plan{query}").url.partition("?")[2] == address
    assert 'value="1.000,5"' in client.get("/plan?budget=1000.5", Accept_Language="de").text
    assert 'value="1,000.5"' in client.get("/plan?budget=1000.5").text


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("cost=0", ["cost"]),
        ("cost=x&budget=-1&save=100.01", ["budget", "cost", "save"]),
        ("cost=nan", ["cost"]),
        ("budget=1e9", ["budget"]),
        ("budget=9999999999999", ["budget"]),
        ("save=<script>", ["save"]),
        ("save=-1", ["save"]),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(client: Client, query: str, fields: list[str]) -> None:
    answer = client.get(f"/plan?{query}")
    assert answer.status_code == 400
    assert re.findall('name="([a-z]+)"[^>]* aria-invalid="true"', answer.text) == fields
    assert re.findall('id="([a-z]+)-fault" role="alert">Give ', answer.text) == fields
    assert "<svg" not in answer.text and "<script>" not in answer.text
    assert client.get(f"/plan.csv?{query}").status_code == 400


def test_where_nothing_pays(client: Client) -> None:
    assert "A contact pays for nobody" in said(client, "?cost=1000000")
    assert "The budget pays for no contact" in said(client, "?cost=2&budget=0")
    assert len(contacted(client, "?cost=1000000")) == 0
    assert "A contact pays for nobody" in said(client, "?save=0")
    assert 'href="/plan.csv' not in client.get("/plan?save=0").text


@pytest.mark.parametrize(
    "frame_of",
    [
        lambda: dashboard_frame(1),
        lambda: dashboard_frame(30).assign(segment="lost"),
        lambda: dashboard_frame(30).assign(clv=0.0),
        lambda: dashboard_frame(30).assign(segment=None),
        lambda: dashboard_frame(30).drop(columns="value_tier"),
    ],
)
def test_scores_with_little_to_plan(serve: Any, frame_of: Any) -> None:
    client, _ = serve(frame_of())
    shown = said(client, "?cost=0.01")
    assert "Contact" in shown or "pays for nobody" in shown


def test_a_customer_twice_is_one_clear_page(serve: Any) -> None:
    twice = dashboard_frame(30)
    twice.loc[1, "customer_id"] = twice.loc[0, "customer_id"]
    client, _ = serve(twice)
    answer = client.get("/plan")
    assert answer.status_code == 503 and "twice; give those of one scoring" in answer.text


def test_numbers_in_addresses() -> None:
    assert [number_text(value) for value in (0.1 + 0.2, 1e12, 0.005, 12.50)] == [
        "0.3",
        "1000000000000",
        "0.01",
        "12.5",
    ]


def test_ids_that_a_spreadsheet_would_run_are_text(serve: Any) -> None:
    frame = dashboard_frame(4).assign(clv=1000.0, p_churn=0.5, segment="VIP")
    frame["customer_id"] = ["=cmd()", "<script>x</script>", "\u202eevil", "C1"]
    client, _ = serve(frame)
    rows = client.get("/plan.csv?cost=1").text
    assert rows.count("\n") > 1 and not re.search("^=", rows, re.MULTILINE)
    assert "<script>x" not in client.get("/plan?cost=1").text
