"""Row filters and computed amounts: Spark gives what DuckDB gives."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clvml.config import DataConfig
from clvml.engines.spark import read_lines
from clvml.log import read_purchase_log

NOW = datetime(2025, 7, 1, tzinfo=UTC)
CASES = Path(__file__).parents[2] / "cases"
ODD = """who,day,a,b,what,ok
1,2024-01-01,5,2,Paid,true
2,2024-01-02,,2,Paid ,yes
3,2024-01-03,0.3,,paid,0
4,2024-01-04,x,1,,False
5,2024-01-05,1e3,nan,"it's ü",no
6,2024-01-06,,,\\Paid,1
7,2024-01-07,0.3,0.1,Pa id,1
8,2024-01-08,inf,1,Paid,1
"""
ROWS = {"customer_id": "who", "order_date": "day"}


@pytest.mark.parametrize(
    "source, columns, keys",
    [
        ("stripe_payments.csv", {}, {"preset": "stripe", "timezone": "America/Los_Angeles"}),
        (None, {**ROWS, "amount": "a - b + 1 - 0.1 * a / b"}, {}),
        (None, {**ROWS, "amount": "case when what ilike 'pa%' and b > 1 then -a else a end"}, {}),
        (None, {**ROWS, "amount": "a"}, {"where": "what is null or what ilike 'PA_d%' or what = 'it''s ü'"}),
        (
            "shopify_orders.csv",
            {},
            {"preset": "shopify", "guests": "reject", "guest_ids": ["shopper0048@example.com"]},
        ),
        (None, {**ROWS, "amount": "b"}, {"where": "ok or what > 'Q' and a between -1 and 1e3 and not a < b"}),
    ],
)
def test_the_same_rows_with_the_same_money(spark, tmp_path, source, columns, keys):
    path = tmp_path / "rows.csv"
    if source is None:
        path.write_text(ODD)
    else:
        # Spark reads no field of several lines.
        pd.read_csv(CASES / source, dtype=str).replace("\n", " ", regex=True).to_csv(path, index=False)
    data = DataConfig.model_validate({"source": str(path), "columns": columns, "max_unreadable": 1, **keys})
    expected = read_purchase_log(data, now=NOW)
    found = read_lines(spark, data, data.source, NOW, None)
    for name in ("reasons", "rows_in", "rows_out", "money_in", "money_out"):
        assert getattr(found.quality, name) == getattr(expected.quality, name), name
    chosen = f"select {', '.join(found.columns)} from"
    theirs = expected.connection.execute(f"{chosen} {expected.table} order by all").fetchall()
    ours = sorted((tuple(row) for row in spark.sql(f"{chosen} {found.table}").collect()), key=_key)
    assert ours == sorted(theirs, key=_key)
    assert ours


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_times_in_nanoseconds(spark, tmp_path, zone):
    """As pandas 2 writes them; Spark knows microseconds only."""
    days = ["1950-06-06 06:06:06.123456", "1969-12-31 23:59:59.999999", "1970-01-02", "2023-03-26 02:30"]
    days += ["2023-10-29 00:30:00.000001", "2023-10-29 01:30", "2023-06-01 23:59:59.999999"]
    times = pa.array([datetime.fromisoformat(day) for day in days], pa.timestamp("ns", zone))
    columns = {
        "who": [str(number) for number in range(len(days))],
        "day": times,
        "a": [1.0] * len(days),
        "seen": times,
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    data = DataConfig.model_validate(
        {
            "source": str(tmp_path / "log.parquet"),
            "columns": {**ROWS, "amount": "a"},
            "timezone": "Europe/Berlin",
        }
    )
    expected = read_purchase_log(data, now=NOW)
    found = read_lines(spark, data, data.source, NOW, None)
    assert found.quality.reasons == expected.quality.reasons
    chosen = "select customer_id, order_ts from"
    theirs = expected.connection.execute(f"{chosen} {expected.table} order by all").fetchall()
    assert [
        tuple(row) for row in spark.sql(f"{chosen} {found.table} order by customer_id").collect()
    ] == theirs
    # One moment of 1969 is 1970-01-01 in Berlin, a day that stands for none.
    assert len(theirs) == len(days) - (zone is not None)


def _key(row):
    return tuple((value is not None, value) for value in row)
