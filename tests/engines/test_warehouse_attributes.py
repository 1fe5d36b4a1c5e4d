"""The feature SQL with a table of customers, run where the engine can be had: equal to what `clvml score` computes."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlglot
import yaml

from clvml import workflows
from clvml.cli import main
from clvml.config import DataConfig
from clvml.customers import available_features
from clvml.engines.warehouse import DIALECTS, feature_sql
from clvml.log.attribute_reading import read_customer_table

CUTOFF, HORIZON = date(2024, 6, 1), 30
TOLD = ["attribute_sales_channel", "attribute_age", "attribute_joined", "attribute_plan"]


@pytest.fixture(scope="module")
def lines():
    draw = np.random.default_rng(5)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 200, 900), unit="D")
    ids = [f"c{who:03d}" for who in draw.integers(0, 90, 900)]
    return pd.DataFrame({"who": ids, "day": day, "total": draw.integers(1, 90, 900) / 4})


@pytest.fixture(scope="module", params=["of today", "dated"])
def shop(request, lines, tmp_path_factory):
    """Return how to read the log and its table of customers, that table, and the features of the product's own."""
    draw = np.random.default_rng(6)
    known = pd.DataFrame(
        {
            "id": [f"c{who:03d}" for who in range(85)],
            "Sales channel": draw.choice(["web", "fair, market", None], 85),
            "age": np.where(draw.random(85) < 0.1, np.nan, draw.integers(18, 80, 85)),
            # Some after the cutoff.
            "joined": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(-300, 300, 85), unit="D"),
            "plan": draw.integers(1, 4, 85),
            "mail": [f"m{who}@x.org" for who in range(85)],
        }
    )
    keys = {"customer_id": "id", "categories": ["plan"]}
    if request.param == "dated":
        later = known.assign(plan=known["plan"] % 3 + 1, since=pd.Timestamp("2024-05-31")).iloc[:60]
        never = known.assign(plan=9, since=pd.Timestamp("2024-06-01")).iloc[:30]
        known = pd.concat([known.assign(since=pd.Timestamp("2024-02-01")), later, never], ignore_index=True)
        keys["valid_from"] = "since"
    folder = tmp_path_factory.mktemp("shop")
    lines.to_parquet(folder / "orders.parquet", index=False)
    known.to_parquet(folder / "customers.parquet", index=False)
    data = DataConfig.model_validate(
        {
            "source": str(folder / "orders.parquet"),
            "columns": {"customer_id": "who", "order_date": "day", "amount": "total"},
            "attributes": {"source": str(folder / "customers.parquet"), **keys},
        }
    )
    log = workflows.prepare(data, datetime(2025, 1, 1, tzinfo=UTC)).log
    return data, known, workflows.days_of(log).features(CUTOFF, HORIZON)


def query_of(data, dialect, orders="orders", customers="customers"):
    told = read_customer_table(data)[1].useful
    return feature_sql(data, orders, CUTOFF, HORIZON, dialect, customers, told)


def same(found, expected):
    assert list(found.columns) == [name for name in expected.columns if name != "attribute_mail"]
    found = found.sort_values("customer_id").reset_index(drop=True)
    assert found["customer_id"].tolist() == expected["customer_id"].tolist()
    for name in ("attribute_sales_channel", "attribute_plan"):
        ours, theirs = (frame[name].astype(object).fillna("").tolist() for frame in (found, expected))
        assert ours == theirs
    numbers = [*expected.columns[2:].drop(["attribute_sales_channel", "attribute_plan", "attribute_mail"])]
    pd.testing.assert_frame_equal(
        found[numbers].astype(float), expected[numbers].astype(float), rtol=1e-6, atol=1.1e-6
    )


def test_duckdb(shop, lines):
    data, known, expected = shop
    # A table of today does not tell what was not known, such as the age of some and dates that lay ahead.
    assert expected["attribute_age"].isna().any()
    assert (expected["attribute_joined"] <= 0).any() == (data.attributes.valid_from is not None)
    with duckdb.connect() as connection:
        connection.register("orders", lines)
        connection.register("customers", known)
        same(connection.sql(query_of(data, "duckdb")).df(), expected)


def test_sqlite(shop, lines):
    data, known, expected = shop
    with closing(sqlite3.connect(":memory:")) as connection:
        lines.to_sql("orders", connection, index=False)
        known.to_sql("customers", connection, index=False)
        same(pd.read_sql(query_of(data, "sqlite"), connection), expected)


def test_postgres(shop, lines, postgres_url):
    import pyarrow as pa
    from adbc_driver_postgresql import dbapi

    data, known, expected = shop
    with dbapi.connect(postgres_url) as connection, connection.cursor() as cursor:
        for name, frame in (("attribute orders", lines), ("attribute customers", known)):
            cursor.adbc_ingest(name, pa.Table.from_pandas(frame, preserve_index=False), mode="replace")
        cursor.execute(query_of(data, "postgres", '"attribute orders"', '"attribute customers"'))
        same(cursor.fetch_arrow_table().to_pandas(), expected)


def test_spark(shop, lines, spark, tmp_path):
    data, known, expected = shop
    for name, frame in (("orders", lines), ("customers", known)):
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False, coerce_timestamps="us")
        spark.read.parquet(str(tmp_path / f"{name}.parquet")).createOrReplaceTempView(name)
    same(spark.sql(query_of(data, "spark")).toArrow().to_pandas(), expected)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_parses(shop, dialect):
    query = query_of(shop[0], dialect, "shop.orders", "shop.customers")
    outer = sqlglot.parse_one(query, read=dialect)
    assert [name for name in outer.named_selects if name != "*"] == TOLD
    (own,) = (one for one in outer.find_all(sqlglot.exp.Subquery) if one.alias == "own")
    named = own.this.named_selects
    assert named == ["customer_id", "cutoff", *(feature.name for feature in available_features(()))]


def test_the_command_reads_what_the_columns_hold(shop, tmp_path, monkeypatch, capsys):
    data = shop[0]
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump({"data": data.model_dump(exclude_defaults=True)}))

    def run(*arguments):
        options = ["-d", "duckdb", "--as-of", str(CUTOFF), "--horizon", str(HORIZON)]
        monkeypatch.setattr("sys.argv", ["clvml", "sql", *options, *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    config = ("--config", str(tmp_path / "shop.yaml"))
    assert run(*config, "--customers", "crm.people") == (
        0,
        query_of(data, "duckdb", customers="crm.people") + ";\n",
        "",
    )
    assert json.loads(run(*config, "--json")[1])["customers"] == "customers"
    for without in (("--set", "data.attributes=null"), ("--set", "model.leave_out=[attributes]")):
        printed = json.loads(run(*config, "--json", *without)[1])
        assert printed["customers"] is None and "attribute_" not in printed["sql"]
    code, _, err = run(*config, "--set", "data.attributes=null", "--customers", "people")
    assert (code, err) == (
        2,
        "Error: --customers names a table of attributes, and there are none; give a --config with data.attributes\n",
    )
