"""The feature SQL of every dialect, run where the engine can be had: equal to what `clvml score` computes."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlglot

from clvml.cli import main
from clvml.config import DataConfig
from clvml.customers import available_features
from clvml.engines.warehouse import DIALECTS, feature_sql
from clvml.errors import InputError
from clvml.log import read_purchase_log
from clvml.scores.scorer import customer_days

CUTOFF, HORIZON = date(2011, 6, 1), 90
DATA = Path(__file__).parents[2] / "data"
ODD_LINES = [(None, "2011-01-05", 9.0), (" ", "2011-01-05", 9.0), ("x", None, 9.0), ("x", "2011-01-05", None)]
COLUMNS = {"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"}
# Two real logs: with orders, products, refunds and repeats, and with nothing but days and money.
LOGS = {
    "retail": DataConfig(
        source=str(DATA / "online_retail_ii.parquet"),
        columns={**COLUMNS, "order_id": "order_id", "product_id": "product_id", "quantity": "quantity"},
    ),
    "cdnow": DataConfig(
        source=str(DATA / "cdnow.parquet"),
        columns={**COLUMNS, "currency": "currency"},
        duplicates="keep",
        refunds="drop",
        currency="USD",
    ),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return {log: (lines of some customers, feature table of `clvml.customers.snapshots`)}."""
    found = {}
    for name, data in LOGS.items():
        mapped = ", ".join(data.columns.mapped())
        # CDNOW's years are moved, so that one cutoff does for both.
        moved = "order_date + interval 13 years" if name == "cdnow" else "order_date"
        with duckdb.connect() as connection:
            lines = connection.sql(
                f"select * replace ({moved} as order_date) from (select {mapped} from '{data.source}'"
                " where hash(customer_id) % 40 = 0)"
            ).df()
            odd = pd.DataFrame(ODD_LINES, columns=list(COLUMNS)).assign(currency="USD")
            odd["order_date"] = pd.to_datetime(odd["order_date"])
            euro = lines.head(1).assign(currency="EUR", customer_id="x")
            lines = pd.concat([lines, odd, euro] if name == "cdnow" else [lines, odd])[list(lines.columns)]
            path = tmp_path_factory.mktemp("samples") / f"{name}.parquet"
            lines.to_parquet(path, index=False)
            log = read_purchase_log(
                data, source=str(path), now=datetime.now(UTC), as_of=CUTOFF, connection=connection
            )
            found[name] = (lines, customer_days(log).features(CUTOFF, HORIZON))
    assert (found["retail"][1]["refund_sum"] > 0).any()
    assert found["retail"][0].duplicated().any()
    return found


def _same(found: pd.DataFrame, expected: pd.DataFrame):
    assert list(found.columns) == list(expected.columns)
    found = found.sort_values("customer_id").reset_index(drop=True)
    numbers = list(expected.columns[2:])
    assert found["customer_id"].tolist() == expected["customer_id"].tolist()
    assert set(pd.to_datetime(found["cutoff"])) == {pd.Timestamp(CUTOFF)}
    # Both are rounded to six decimals, which may part them by one of these.
    pd.testing.assert_frame_equal(
        found[numbers].astype(float), expected[numbers].astype(float), rtol=1e-6, atol=1.1e-6
    )


@pytest.mark.parametrize("log", LOGS)
def test_duckdb(samples, log):
    lines, expected = samples[log]
    with duckdb.connect() as connection:
        connection.register("orders", lines)
        _same(connection.sql(feature_sql(LOGS[log], "orders", CUTOFF, HORIZON, "duckdb")).df(), expected)


@pytest.mark.parametrize("log", LOGS)
def test_sqlite(samples, log):
    lines, expected = samples[log]
    with closing(sqlite3.connect(":memory:")) as connection:
        lines.to_sql("orders", connection, index=False)
        _same(pd.read_sql(feature_sql(LOGS[log], "orders", CUTOFF, HORIZON, "sqlite"), connection), expected)


@pytest.mark.parametrize("log", LOGS)
def test_postgres(samples, log, postgres_url):
    import pyarrow as pa
    from adbc_driver_postgresql import dbapi

    lines, expected = samples[log]
    with dbapi.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("sql test", pa.Table.from_pandas(lines, preserve_index=False), mode="create")
        cursor.execute(feature_sql(LOGS[log], '"sql test"', CUTOFF, HORIZON, "postgres"))
        _same(cursor.fetch_arrow_table().to_pandas(), expected)


@pytest.mark.parametrize("log", LOGS)
def test_spark(samples, log, spark, tmp_path):
    lines, expected = samples[log]
    lines.to_parquet(tmp_path / "lines.parquet", index=False, coerce_timestamps="us")
    spark.read.parquet(str(tmp_path / "lines.parquet")).createOrReplaceTempView("orders")
    rows = spark.sql(feature_sql(LOGS[log], "orders", CUTOFF, HORIZON, "spark")).toArrow().to_pandas()
    _same(rows, expected)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("log", LOGS)
def test_every_dialect_parses(dialect, log):
    query = sqlglot.parse_one(feature_sql(LOGS[log], "shop.orders", CUTOFF, HORIZON, dialect), read=dialect)
    features = available_features(LOGS[log].columns.mapped())
    assert query.named_selects == ["customer_id", "cutoff", *(feature.name for feature in features)]


def test_names_are_quoted():
    columns = {"customer_id": 'who "x"', "order_date": "select", "amount": "a; drop table x"}
    data = DataConfig(source="x", columns=columns)
    query = feature_sql(data, "shop.orders", CUTOFF, HORIZON, "postgres")
    for name in ('"who ""x"""', '"select"', '"a; drop table x"', '"shop"."orders"', '"T"'):
        assert name in query
    # Snowflake folds plain names to upper case: quotes would make customer_id another column.
    assert "shop.orders" in feature_sql(LOGS["cdnow"], "shop.orders", CUTOFF, HORIZON, "snowflake")


def test_ignored_columns():
    data = LOGS["retail"].model_copy(update={"ignore_columns": ["sheet"]})
    assert "EXCEPT (sheet)" in feature_sql(data, "t", CUTOFF, HORIZON, "bigquery").replace("`", "")
    with pytest.raises(InputError, match=re.escape("data.ignore_columns (sheet)")):
        feature_sql(data, "t", CUTOFF, HORIZON, "postgres")


def test_refuses_what_is_unknown():
    with pytest.raises(
        InputError, match=re.escape("dialect 'sparc' is not supported (did you mean 'spark'?)")
    ):
        feature_sql(LOGS["cdnow"], "t", CUTOFF, HORIZON, "sparc")
    with pytest.raises(InputError, match=re.escape("table 'a..b.' is not a name of a table in spark")):
        feature_sql(LOGS["cdnow"], "a..b.", CUTOFF, HORIZON, "spark")


def test_command(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["clvml", "sql", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    columns = "customer_id=who,order_date=day,amount=total"
    options = ("-d", "postgresql", "--columns", columns, "--horizon", "30", "--as-of", "2024-01-01")
    code, query, _ = run(*options, "--table", "shop.lines")
    data = DataConfig(source="x", columns=dict(pair.split("=") for pair in columns.split(",")))
    assert (code, query) == (0, feature_sql(data, "shop.lines", date(2024, 1, 1), 30, "postgres") + ";\n")
    code, printed, _ = run(*options, "--json")
    assert code == 0
    tables = '"table": "orders", "customers": null, "events": null'
    assert f'"dialect": "postgres", {tables}, "as_of": "2024-01-01", "horizon_days": 30' in printed
    assert run("-d", "spark", "--as-of", "2024-01-01")[0] == 2
    assert (
        run("-d", "spark")[2]
        == "Error: the query needs a date; add --as-of YYYY-MM-DD, the first day not used\n"
    )
