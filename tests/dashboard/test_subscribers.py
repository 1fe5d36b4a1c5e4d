"""The dashboard on a scored file of subscriptions."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.dashboard.conftest import Client, served
from tests.dashboard.test_orders import read
from tests.decide.conftest import scored
from tests.pages import Texts, left_in_english
from tests.report.conftest import overview_of, scored_frame
from tests.report.test_subscriber_page import subscriber_frame

from clvml.dashboard.store import Snapshots
from clvml.errors import InputError
from clvml.report.facts import read_facts
from clvml.scores.columns import SUBSCRIBERS
from clvml.scores.subscriber_overview import _all

PAGES = ("/", "/customers", "/segments", "/plan", "/trust", "/customer?id=C00007")


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    # A plan may be called as a segment that is left alone.
    frame = subscriber_frame()
    return frame.assign(plan=frame["plan"].replace("team", "lost"), region="north")


@pytest.fixture(scope="module")
def client(scores: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("subscribers")
    path = folder / "scores.csv"
    scores.to_csv(path, index=False)
    ours = {"segments": [_all(scores)], "cohorts": [], "new_customers": None}
    overview = overview_of(scored_frame(len(scores))) | ours
    path.with_suffix(".overview.json").write_text(json.dumps(overview), encoding="utf-8")
    with served(Snapshots(path, folder)) as reader:
        yield reader


@pytest.mark.parametrize("lang", ["en", "fr", "de"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_speaks_of_subscribers(client: Client, page: str, lang: str) -> None:
    answer = client.get(f"{page}{'&' if '?' in page else '?'}lang={lang}")
    assert answer.status_code == 200
    said = {"en": "Subscribers", "fr": "Abonnés", "de": "Abonnenten"}[lang]
    assert f">{said}</a>" in answer.text
    unfit = {"en": "Next purchase", "fr": "Prochain achat", "de": "Nächster Kauf"}[lang]
    assert unfit not in answer.text
    if lang != "en":
        assert left_in_english(answer.text) == []


def test_a_plan_is_no_segment_and_can_be_filtered(client: Client, scores: pd.DataFrame) -> None:
    page = client.get("/customers?segment=lost&lang=de").text
    of_plan = (scores["plan"] == "lost").sum()
    assert f"<b>{of_plan}</b> Abonnenten" in page
    assert '<option value="lost" selected>lost</option>' in page
    assert "Monatspreis" in page and re.search(r">29\b", page)


def test_the_list_is_sorted_by_price_and_the_risk_is_that_of_the_report(
    client: Client, scores: pd.DataFrame, tmp_path: Path
) -> None:
    page = client.get("/customers?sort=monthly_price").text
    first = scores[scores["customer_id"] == re.findall(r"/customer\?id=(\w+)", page)[0]]
    assert first["monthly_price"].item() == scores["monthly_price"].max()
    usual = re.findall(r"/customer\?id=(\w+)", client.get("/customers").text)
    # A column of purchases is none of subscribers: the usual order.
    asked = client.get("/customers?sort=next_order_date").text
    assert re.findall(r"/customer\?id=(\w+)", asked) == usual
    path = tmp_path / "scores.csv"
    scores.to_csv(path, index=False)
    most = read_facts(path, None).calls[0]["customer_id"]
    assert usual[0] == most


def test_the_segments_are_the_plans_with_their_sums(client: Client, scores: pd.DataFrame) -> None:
    page = " ".join(Texts(client.get("/segments").text).texts)
    for plan, own in scores.groupby("plan"):
        assert re.search(rf"\b{plan}\b.*?\b{len(own)}\b", page), plan


def test_purchases_beside_subscriptions_are_refused(scores: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    scores.to_csv(path, index=False)
    purchases = scored(len(scores)).assign(
        as_of="2024-01-01", last_order_date="2023-12-01", next_order_date=None
    )
    purchases["customer_id"] = scores["customer_id"].to_numpy()
    purchases.to_csv(tmp_path / "before.csv", index=False)
    with pytest.raises(InputError, match=r"earlier scores are of purchases .* leave --before out"):
        Snapshots(path, tmp_path, tmp_path / "before.csv").newest()
    log = pd.DataFrame({"customer_id": scores["customer_id"], "order_date": "2024-01-05", "amount": 1.0})
    orders = read(log, tmp_path)
    with pytest.raises(InputError, match=r"scores are of subscriptions .* leave --data out"):
        orders.check(Snapshots(path, tmp_path).newest())
    orders.close()


def test_a_download_has_the_columns_of_the_file(client: Client, scores: pd.DataFrame) -> None:
    got = pd.read_csv(io.StringIO(client.get("/customers.csv?segment=lost").text), dtype={"customer_id": str})
    assert list(got.columns) == [*(column.name for column in SUBSCRIBERS), "region"]
    wanted = scores[scores["plan"] == "lost"].set_index("customer_id")
    assert got.set_index("customer_id")["monthly_price"].to_dict() == wanted["monthly_price"].to_dict()
    assert set(got["plan"]) == {"lost"}


def test_everybody_may_be_on_a_plan(client: Client, scores: pd.DataFrame) -> None:
    listed = pd.read_csv(io.StringIO(client.get("/plan.csv?cost=0.01").text), dtype=str)
    plans = scores.set_index("customer_id")["plan"]
    assert set(plans.loc[listed["customer_id"]]) == {"basic", "pro", "lost"}
    assert "segment not in" not in client.get("/plan.yaml?cost=0.01").text


@pytest.mark.parametrize("page", ["/", "/customers", "/segments", "/plan", "/customer?id=C00007"])
def test_pages_say_subscribers_and_not_customers(client: Client, page: str) -> None:
    said = " ".join(Texts(client.get(page).text).texts).replace("They hold customer numbers", "")
    assert re.findall(r".{20}\b(?:[Cc]ustomers?|bought|purchases?)\b.{20}", said) == []
