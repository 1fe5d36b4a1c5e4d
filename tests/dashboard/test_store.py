"""The scored file, which may change while it is looked at."""

from __future__ import annotations

import re
import threading
from html import unescape
from pathlib import Path

from tests.dashboard.conftest import Client, Serve, dashboard_frame, served, write
from tests.pages import Texts
from tests.report.conftest import scored_frame

from clvml.dashboard.store import Snapshots
from clvml.scores.columns import COLUMNS


def test_a_file_replaced_while_it_runs(serve: Serve) -> None:
    old, new = dashboard_frame(60), dashboard_frame(90, seed=1).assign(model_version="4")
    client, path = serve(old)
    assert "60 customers" in client.get("/").text
    write(new, path)
    page = client.get("/").text
    assert "90 customers" in page and "model 4" in page and "60 customers" not in page


def test_old_or_new_and_never_mixed(serve: Serve) -> None:
    """Readers beside a writer see a whole scoring each time, or one message between file and overview."""
    sizes = {60: "3", 90: "4"}
    frames = {n: dashboard_frame(n, seed=n).assign(model_version=version) for n, version in sizes.items()}
    client, path = serve(frames[60])
    stop = threading.Event()
    faults: list[str] = []

    def read() -> None:
        own = Client(client.address)
        while not stop.is_set():
            answer = own.get("/customers")
            text = " ".join(Texts(answer.text).texts)
            number = int(re.findall(r" (\d+) customers", text)[0]) if answer.status_code == 200 else 0
            if answer.status_code not in (200, 503):
                faults.append(f"{answer.status_code}")
            elif number and not (
                f"model {sizes[number]}" in text and f"page 1 of {-(-number // 25)}" in text
            ):
                faults.append(text[:300])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in (90, 60, 90, 60):
        write(frames[number], path)
        client.get("/")
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []


def test_a_file_that_is_gone_or_damaged_is_one_clear_page(serve: Serve) -> None:
    client, path = serve(dashboard_frame(30))
    content = path.read_bytes()
    for damaged, words in (
        (None, "does not exist"),
        (b"", "scored file"),
        (b"a,b\n1,2\n", "is not a scored file: it lacks"),
        (content.replace(b"low", b"mud"), "was changed since it was written"),
        (
            content.replace(b"2024-02-01", b"2024-02-31"),
            "last_order_date is missing or no such value in 30 rows",
        ),
        (content.replace(b",90,", b",ninety,"), "horizon_days is missing or no such value"),
        (content.replace(b",90,0.303718,", b",90,1.7,"), "p_churn is missing or no such value in 1 rows"),
        (content.replace(b"C00007", b""), "customer_id is missing or no such value in 1 rows"),
        (content[: content.index(b"\n") + 1], "holds no customer"),
    ):
        path.unlink(missing_ok=True)
        if damaged is not None:
            path.write_bytes(damaged)
        for page in ("/", "/customers", "/customers.csv", "/customer?id=C00001"):
            answer = client.get(page)
            assert answer.status_code == 503, (damaged, page)
            assert words in unescape(answer.text) and "Traceback" not in answer.text
    path.write_bytes(content)
    assert client.get("/").status_code == 200


def test_old_databases_are_removed(serve: Serve) -> None:
    client, path = serve(dashboard_frame(30))
    for seed in range(4):
        write(dashboard_frame(30 + seed, seed), path)
        client.get("/")
    assert len(list(path.parent.glob("*.duckdb"))) <= 2


def test_a_file_of_an_older_version_and_without_an_overview(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    frame = scored_frame(1)
    frame[[name for name in frame if not name.endswith(("_key", "_values"))]].to_csv(path, index=False)
    with served(Snapshots(path, tmp_path)) as client:
        for page in (
            "/",
            "/customers",
            f"/customer?id={frame['customer_id'][0]}",
            "/segments",
            "/plan",
            "/trust",
            "/customers.csv",
        ):
            assert client.get(page).status_code == 200, page
        assert "value_tier" not in client.get("/customers.csv").text


def test_who_moved(tmp_path: Path) -> None:
    now = dashboard_frame(40)
    before = now.assign(as_of="2024-01-01", last_order_date="2023-12-01", next_order_date=None).reindex(
        columns=COLUMNS
    )
    before["run_id"], before["expected_orders"] = "r", 1.0
    before = before[before["customer_id"] != now["customer_id"][0]]
    before.to_csv(tmp_path / "before.csv", index=False)
    path = write(now, tmp_path / "scores.csv")
    with served(Snapshots(path, tmp_path, tmp_path / "before.csv")) as client:
        shown = " ".join(Texts(client.get("/segments").text).texts)
    assert "stayed Customers 39 " in shown and "new Customers 1 Before €0 " in shown


def test_a_download_under_way_is_of_one_scoring(serve: Serve) -> None:
    old = dashboard_frame(12_000)
    client, path = serve(old)
    with client.session.get(client.address + "/customers.csv", stream=True, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        write(dashboard_frame(30, seed=1), path)
        assert "30 customers" in Client(client.address).get("/").text
        assert sum(1 for _ in lines) == len(old)
