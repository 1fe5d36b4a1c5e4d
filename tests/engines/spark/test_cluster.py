"""Spark gives what DuckDB gives: the same rows left out, the same scored file."""

import json
import sys
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from clvml.cli import main
from clvml.config import DataConfig
from clvml.engines.spark import read_lines, running
from clvml.errors import InputError
from clvml.log import read_purchase_log

NOW = datetime(2024, 7, 1, tzinfo=UTC)
COLUMNS = {
    "customer_id": "who",
    "order_date": "day",
    "amount": "money",
    "product_id": "item",
    "quantity": "units",
    "currency": "money of",
}
# A line for every rule, and for every way to write what is kept.
LINES = """who,day,money,item,units,money of,till
1.0,2024-01-05,10,a,1,gbp,1
2.0,2024-01-05 23:30:00,10.5,a,x,GBP,1
 3 ,2024-01-05T23:30:00Z,-3,"b,""c"" d",nan,GBP,1
3,2024-07-02,5,a,1,GBP,1
n/a,2024-01-05,1,a,1,GBP,1
,2024-01-05,1,a,1,GBP,1
4,,1,a,1,GBP,1
4,soon,1,a,1,GBP,1
4,2024-01-05,,a,1,GBP,1
4,2024-01-06,see note,a,1,GBP,1
4,2024-01-06,much,a,1,GBP,1
4,2024-01-06,inf,a,1,GBP,1
4,2024-01-06,1e15,a,1,GBP,1
4,2024-01-06,7,a,1,,1
4,2024-01-06,7,a,1,EUR,1
4,2024-05-01,7,a,1,GBP,1
5,2024-01-06,7,a,1,GBP,1
5,2024-01-06,7,a,1,GBP,1
5,2024-01-06,7,a,1,GBP,2
5,2024-01-06,7,,1,GBP,1
"""
AGAIN = """who,day,money,item,units,money of,till
5,2024-01-06,7,a,1,GBP,3
5,2024-01-06,7,a,1,GBP,3
6,2024-01-06,-1,a,1,GBP,3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    (folder / "1.csv").write_text(LINES)
    (folder / "2.csv").write_text(AGAIN)
    return folder


@pytest.mark.parametrize(
    "keys",
    [
        {"ignore_columns": ["till"]},
        {"duplicates": "keep", "refunds": "drop"},
        {"refunds": "reject", "timezone": "Asia/Tokyo"},
    ],
)
def test_the_same_lines_for_the_same_reasons(spark, folder, keys):
    data = DataConfig(source=str(folder), columns=COLUMNS, currency="GBP", max_unreadable=1, **keys)
    expected = read_purchase_log(data, now=NOW, as_of=date(2024, 4, 1))
    found = read_lines(spark, data, data.source, NOW, date(2024, 4, 1))
    for name in ("reasons", "rows_in", "rows_out", "money_in", "money_out"):
        assert getattr(found.quality, name) == getattr(expected.quality, name), name
    assert (found.columns, found.first_day, found.last_day) == (
        expected.columns,
        expected.first_day,
        expected.last_day,
    )
    lines = expected.connection.execute(f"select * from {expected.table} order by all").df()
    on_spark = spark.table(found.table).toArrow().to_pandas()[list(lines.columns)]
    on_spark = on_spark.sort_values(list(lines.columns)).reset_index(drop=True)
    for frame in (lines, on_spark):
        frame["order_day"] = pd.to_datetime(frame["order_day"]).astype("datetime64[us]")
    pd.testing.assert_frame_equal(
        on_spark.fillna({"product_id": ""}), lines.fillna({"product_id": ""}), check_dtype=False
    )


def test_a_second_log_leaves_the_first_one_alone(spark, folder):
    data = DataConfig(source=str(folder), columns=COLUMNS, currency="GBP", max_unreadable=1)
    early, late = (
        read_lines(spark, data, data.source, NOW, day) for day in (date(2024, 1, 6), date(2024, 4, 1))
    )
    assert [spark.table(log.table).count() for log in (early, late)] == [
        early.quality.rows_out,
        late.quality.rows_out,
    ]
    assert early.quality.rows_out < late.quality.rows_out


def test_the_same_scored_file(spark, shop, tmp_path, monkeypatch, capsys):
    def score(output, *options):
        command = ["clvml", "score", str(shop.log), "--output", str(output), "--json", *options]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert end.value.code == 0, printed.err
        return json.loads(printed.out), pd.read_parquet(output)

    # Rows come in more than one slice.
    monkeypatch.setattr("clvml.engines.spark.cluster._SLICE_ROWS", 100)
    for options in (("--as-of", "2024-05-01"), ("--explain", "20", "--value-reasons")):
        expected, duckdb_rows = score(tmp_path / "duckdb.parquet", *options)
        found, spark_rows = score(tmp_path / "spark.parquet", *options, "--engine", "spark")
        pd.testing.assert_frame_equal(spark_rows, duckdb_rows, rtol=1e-6, atol=1e-6)
        assert (spark_rows["reason_1"].notna().sum() == 20) == ("20" in options)
        assert ("value_reason_1" in spark_rows) == ("--value-reasons" in options)
        segments = [pd.DataFrame(summary.pop("segments")) for summary in (found, expected)]
        pd.testing.assert_frame_equal(*segments, atol=0.02)
        assert {**found, "output": ""} == {**expected, "output": ""}
    # The session was there before, so it is still there.
    assert spark.range(1).count() == 1


def test_says_what_a_worker_lacks(spark, shop, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
    monkeypatch.setattr("clvml.scores.scorer.Scorer.save", lambda self, folder: None)
    command = ["clvml", "score", str(shop.log), "--output", str(tmp_path / "x.csv"), "--engine", "spark"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "Error: a Spark worker cannot do its part: " in said
    assert "the workers need this version of clvml, and PYSPARK_PYTHON says which Python has it" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "who,day,money\na,03/04/2024,1\n",
            r"holds 1 dates that the Spark engine does not read, such as '03/04",
        ),
        ("who,day,money\na,2024-01-05,1,2\n", "has a line that does not have the columns of the header"),
        ("who,day,money\na,2024-01-05,one\n", r"column 'money' \(amount\) holds no number that can be read"),
        (
            "who,day,money\na,2024-01-05,7\nb,2024-01-05,1.250\n",
            r"nothing in it tells which sign is the decimal one",
        ),
        (
            'who,day,money\na,2024-01-05,7\nb,2024-01-05,"1,5"\n',
            r"numbers such as '1,5', which the Spark engine does not",
        ),
        (
            "who,day,money\na,2024-01-05,7\nb,2024-01-05,$1.50\n",
            r"numbers such as '\$1.50', which the Spark engine does",
        ),
        (
            "who,day,money\na,2024-01-05,7\nb,2024-01-05,x\n",
            r"1 of 2 texts are no number \(more than data.max_unread",
        ),
        (
            "who,day,money\na,2024-01-05,7\nb,soon,7\n",
            r"1 of 2 texts are no date \(more than data.max_unreadable",
        ),
        ("who,day,money\na,never,1\n", r"column 'day' \(order_date\) holds no date that can be read"),
        ("who,day,money\n,2024-01-05,1\n", r"can be used: 1 read, left out for missing customer id \(1\)"),
        ("\nwho,day,money\na,2024-01-05,1\n", "is written otherwise than Spark reads it"),
        ("who,date,money\na,2024-01-05,1\n", "Did you mean columns"),
    ],
)
def test_refuses_what_it_would_read_otherwise(spark, tmp_path, text, message):
    path = tmp_path / "orders.csv"
    path.write_text(text)
    columns = {name: COLUMNS[name] for name in ("customer_id", "order_date", "amount")}
    with pytest.raises(InputError, match=message):
        read_lines(spark, DataConfig(source="x", columns=columns), str(path), NOW, None)


def test_refuses_databases(spark):
    data = DataConfig(
        source="x", columns={name: COLUMNS[name] for name in ("customer_id", "order_date", "amount")}
    )
    with pytest.raises(InputError, match="the Spark engine reads Parquet and CSV, and no databases"):
        read_lines(spark, data, "postgresql://ann:secret@db/shop?table=orders", NOW, None)


def test_refuses_options_that_do_not_go_together(shop, tmp_path, monkeypatch, capsys):
    def error(*options):
        command = ["clvml", "score", str(shop.log), "--output", str(tmp_path / "scores.csv"), *options]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert "--master is for Spark" in error("--master", "local[2]")
    rejects = ("--rejects", str(tmp_path / "rejects.csv"))
    assert "counts the rows it rejects and does not keep them" in error("--engine", "spark", *rejects)


def test_names_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    message = r"needs PySpark, which is not installed; install it with: pip install 'clvml\[spark\]'"
    with pytest.raises(InputError, match=message), running():
        pass
