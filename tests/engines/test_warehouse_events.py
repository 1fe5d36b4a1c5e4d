"""The feature SQL with a table of events, run where the engine can be had: equal to what `clvml score` computes."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pytest
import sqlglot
import yaml

from clvml import workflows
from clvml.cli import main
from clvml.config import parse_config
from clvml.customers.events import EventKind
from clvml.engines.warehouse import DIALECTS, counted_events, feature_sql
from clvml.errors import InputError

HORIZON = 30
FIRST = pd.Timestamp("2024-01-01")
KINDS = (
    EventKind("event_ticket", "Ticket", ("ticket",), "2023-01-01"),
    EventKind("event_o_clock_call", "o'clock call", ("o_clock_call",), "2023-01-01"),
    EventKind("events_rare", "", ("fax", ""), "2023-01-01"),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return the configuration, the lines, the events, and the features of the product's own."""
    folder = tmp_path_factory.mktemp("shop")
    days = FIRST + pd.to_timedelta([7 * n % 200 for n in range(900)], unit="D")
    lines = pd.DataFrame(
        {
            "who": [f"c{n % 90:03d}" for n in range(900)],
            "day": days,
            "total": [n % 77 / 4 + 1 for n in range(900)],
        }
    )
    kinds = ["Ticket", "o'clock call", None, "fax", "TICKET", "strike"]
    events = pd.DataFrame(
        {
            "id": [f"c{11 * n % 100:03d}" for n in range(600)],
            "at": FIRST + pd.to_timedelta([60 + 13 * n % 140 for n in range(600)], unit="D"),
            "kind": [kinds[n % 6] for n in range(600)],
        }
    )
    lines.to_parquet(folder / "orders.parquet", index=False)
    events.to_parquet(folder / "events.parquet", index=False)
    raw = {
        "data": {
            "source": str(folder / "orders.parquet"),
            "columns": {"customer_id": "who", "order_date": "day", "amount": "total"},
            "events": {
                "source": str(folder / "events.parquet"),
                "customer_id": "id",
                "date": "at",
                "type": "kind",
            },
        },
        "windows": {"horizon_days": HORIZON},
        "model": {"n_estimators": 10},
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(raw))
    config = parse_config(raw, "the test")
    log = workflows.prepare(config.data, datetime(2025, 1, 1, tzinfo=UTC)).log
    cutoff = log.last_day - timedelta(days=20)
    expected = workflows.days_of(log).counting(KINDS).features(cutoff, HORIZON)
    assert expected["event_ticket_30d"].sum() > 20 and expected["events_rare_days_since"].notna().sum() > 20
    assert expected["event_ticket_90d"].notna().all() and expected["event_ticket_365d"].isna().all()
    return folder, config.data, cutoff, lines, events, expected


def query_of(shop, dialect, orders="orders", events="events"):
    _, data, cutoff, *_ = shop
    return feature_sql(data, orders, cutoff, HORIZON, dialect, events=counted_events(data, events, KINDS))


def same(found, expected):
    assert list(found.columns) == list(expected.columns)
    found = found.sort_values("customer_id").reset_index(drop=True)
    assert found["customer_id"].tolist() == expected["customer_id"].tolist()
    pd.testing.assert_frame_equal(
        found.iloc[:, 2:].astype(float), expected.iloc[:, 2:].astype(float), rtol=1e-6, atol=1.1e-6
    )


def test_duckdb(shop):
    *_, lines, events, expected = shop
    with duckdb.connect() as connection:
        connection.register("orders", lines)
        connection.register("events", events)
        same(connection.sql(query_of(shop, "duckdb")).df(), expected)


def test_sqlite(shop):
    *_, lines, events, expected = shop
    with closing(sqlite3.connect(":memory:")) as connection:
        lines.to_sql("orders", connection, index=False)
        events.to_sql("events", connection, index=False)
        same(pd.read_sql(query_of(shop, "sqlite"), connection), expected)


def test_postgres(shop, postgres_url):
    import pyarrow as pa
    from adbc_driver_postgresql import dbapi

    *_, lines, events, expected = shop
    with dbapi.connect(postgres_url) as connection, connection.cursor() as cursor:
        for name, frame in (("event orders", lines), ("event events", events)):
            cursor.adbc_ingest(name, pa.Table.from_pandas(frame, preserve_index=False), mode="replace")
        cursor.execute(query_of(shop, "postgres", '"event orders"', '"event events"'))
        same(cursor.fetch_arrow_table().to_pandas(), expected)


def test_spark(shop, spark, tmp_path):
    *_, lines, events, expected = shop
    for name, frame in (("orders", lines), ("events", events)):
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False, coerce_timestamps="us")
        spark.read.parquet(str(tmp_path / f"{name}.parquet")).createOrReplaceTempView(name)
    same(spark.sql(query_of(shop, "spark")).toArrow().to_pandas(), expected)


def test_a_table_of_events_without_a_date_is_refused(shop, tmp_path):
    _, data, *_ = shop
    path = tmp_path / "tickets.csv"
    path.write_text("id,at,kind\nc001,,fax\n,2024-01-05,fax\n")
    events = data.events.model_copy(update={"source": str(path)})
    with pytest.raises(
        InputError, match=r"tickets.csv' \(data.events\) holds no event of a customer with a date"
    ):
        counted_events(data.model_copy(update={"events": events}), "events", KINDS)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_parses(shop, dialect):
    outer = sqlglot.parse_one(query_of(shop, dialect, "shop.orders", "crm.events"), read=dialect)
    names = [name for name in outer.named_selects if name != "*"]
    assert names == [one.name for kind in KINDS for one in kind.features]


def test_the_command_counts_what_the_model_does(shop, tmp_path, monkeypatch, capsys):
    folder, data, cutoff, *_ = shop
    config = parse_config(yaml.safe_load((folder / "shop.yaml").read_text()), "the test")
    prepared = workflows.prepare(data, datetime(2025, 1, 1, tzinfo=UTC))
    scorer = workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config).scorer
    (tmp_path / "model").mkdir()
    scorer.save(tmp_path / "model")

    def run(*arguments):
        options = ["-d", "duckdb", "--as-of", str(cutoff), "--config", str(folder / "shop.yaml")]
        monkeypatch.setattr("sys.argv", ["clvml", "sql", *options, *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    counted = counted_events(data, "crm.tickets", scorer.model.trees.events)
    expected = feature_sql(data, "orders", cutoff, HORIZON, "duckdb", events=counted)
    asked = ("--model", str(tmp_path / "model"), "--events", "crm.tickets")
    assert run(*asked) == (0, f"{expected};\n", "")
    assert "event_ticket_30d" in expected
    assert json.loads(run(*asked, "--json")[1])["events"] == "crm.tickets"
    assert run()[::2] == (
        2,
        "Error: a model says which types of events it counts (data.events); name it with --model, or leave them out"
        " with --set data.events=null\n",
    )
    code, printed, _ = run("--set", "data.events=null")
    assert code == 0 and "event" not in printed
    code, _, said = run("--set", "data.events=null", *asked)
    assert code == 2 and "are of events, and there are none" in said
