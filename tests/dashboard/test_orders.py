from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from tests.dashboard.conftest import Client, dashboard_frame, served, write
from tests.pages import Texts

from clvml.config import DataConfig
from clvml.dashboard.orders import Orders
from clvml.dashboard.store import Snapshots
from clvml.errors import InputError

AS_OF, NOW = date(2024, 3, 1), datetime(2024, 6, 1, tzinfo=UTC)
LOG = pd.DataFrame(
    [
        ("C00001", "2020-01-15", 100.0),
        ("C00001", "2023-12-24", 30.0),
        ("C00001", "2024-01-10", 20.0),
        ("C00001", "2024-01-10", 2.5),
        ("C00001", "2024-02-01", -10.0),
        ("C00001", "2024-04-01", 999.0),
        ("C00002", "2024-01-01", 5.0),
    ],
    columns=["customer_id", "order_date", "amount"],
)


def read(log: pd.DataFrame, folder: Path) -> Orders:
    path = folder / "orders.csv"
    log.to_csv(path, index=False)
    data = DataConfig(
        source=str(path),
        columns={"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"},
    )
    return Orders(data, NOW, folder)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    read_ = read(LOG, tmp_path_factory.mktemp("orders"))
    yield read_
    read_.close()


@pytest.fixture(scope="module")
def client(orders: Orders, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("dashboard")
    with served(Snapshots(write(frame, folder / "scores.csv"), folder), orders=orders) as client:
        yield client


def test_days_of_a_customer_before_the_scoring(orders: Orders) -> None:
    assert orders.of("C00001", AS_OF) == [
        (date(2020, 1, 15), 100.0),
        (date(2023, 12, 24), 30.0),
        (date(2024, 1, 10), 22.5),
        (date(2024, 2, 1), -10.0),
    ]
    assert orders.of("C00009", AS_OF) == [] == orders.of("' or 1=1 --", AS_OF)


@pytest.mark.parametrize("code", ["en", "fr", "de"])
def test_a_customers_page_shows_the_orders(client: Client, frame: pd.DataFrame, code: str) -> None:
    page = client.get(f"/customer?id=C00001&lang={code}").text
    expected = frame.set_index("customer_id").loc["C00001", "expected_spend"]
    title = unescape(re.findall("<h3>(.*?)</h3>", page)[0])
    # Of the last ninety days, with the refund, and without what came after the scoring.
    assert re.findall(r"\d+", title)[:2] == [str(round(30 + 22.5 - 10)), "90"]
    assert str(round(expected)) in title.replace("\u202f", "").replace(",", "").replace(".", "")
    assert page.count('<polyline class="before"') == 3 == page.count('<path class="whisker"')
    assert "999" not in page


def test_a_customer_without_orders_has_no_such_section(client: Client) -> None:
    shown = " ".join(Texts(client.get("/customer?id=C00003").text).texts)
    assert "What they bought" not in shown and "What is coming" in shown


def test_the_line_ends_where_the_forecast_begins(client: Client) -> None:
    page = client.get("/customer?id=C00001").text
    before, coming = (
        re.findall(f'<polyline class="{kind}" points="([^"]*)"', page)[0].split()
        for kind in ("before", "forecast")
    )
    assert before[-1] == coming[0]
    heights = [float(place.partition(",")[2]) for place in coming]
    assert heights == sorted(heights, reverse=True) and len(coming) == 5


def test_a_file_without_intervals_and_horizons(orders: Orders, tmp_path: Path) -> None:
    frame = dashboard_frame(5)
    frame = frame.drop(columns=[name for name in frame if name.startswith("expected_spend_")])
    with served(Snapshots(write(frame, tmp_path / "scores.csv"), tmp_path), orders=orders) as client:
        page = client.get("/customer?id=C00001").text
    assert '<polyline class="before"' in page and "whisker" not in page


def test_a_log_of_other_customers_is_refused(tmp_path: Path) -> None:
    frame = dashboard_frame(5)
    snapshot = Snapshots(write(frame, tmp_path / "scores.csv"), tmp_path).newest()
    own = frame.assign(order_date="2024-01-05", amount=frame["historic_spend"])[list(LOG)]
    # After the scoring they may have bought more.
    own = pd.concat([own, own.assign(order_date="2024-05-01", amount=1_000.0)])
    for log, said in (
        (own, ""),
        (own[own["customer_id"] != "C00003"], ""),
        (own.assign(customer_id="somebody"), "holds orders of 0 of 5 scored customers"),
        (own.assign(amount=7.0), "the same spend so far of 0 of 5 customers"),
    ):
        orders = read(log, tmp_path)
        if said:
            with pytest.raises(InputError, match=said):
                orders.check(snapshot)
        else:
            orders.check(snapshot)
        orders.close()
        (tmp_path / "orders.duckdb").unlink()


def test_many_orders_stay_a_small_page(tmp_path: Path, frame: pd.DataFrame) -> None:
    days = [(AS_OF - timedelta(days=1 + n % 900)).isoformat() for n in range(5_000)]
    many = read(pd.DataFrame({"customer_id": "C00001", "order_date": days, "amount": 1.0}), tmp_path)
    with served(Snapshots(write(frame, tmp_path / "scores.csv"), tmp_path), orders=many) as client:
        assert len(client.get("/customer?id=C00001").content) < 150_000
    many.close()
