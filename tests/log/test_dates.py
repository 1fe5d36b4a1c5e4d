"""Dates in text: ISO, day or month first, words, zones."""

import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clvml.errors import InputError

HEADER = "customer,day,amount\n"


def _file(*dates: str) -> str:
    return HEADER + "".join(f'c{index},"{date}",1\n' for index, date in enumerate(dates))


def _read_dates(log):
    found = log.connection.execute(
        "SELECT order_ts::VARCHAR FROM purchase_log ORDER BY customer_id"
    ).fetchall()
    return [row[0] for row in found]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2024-01-05", "2024-01-05 00:00:00"),
        ("2024-01-05 18:30", "2024-01-05 18:30:00"),
        ("2024-01-05T18:30:15.250", "2024-01-05 18:30:15.25"),
        ("2024/01/05", "2024-01-05 00:00:00"),
        ("20240105", "2024-01-05 00:00:00"),
        ("5 Jan 2024", "2024-01-05 00:00:00"),
        ("05-JAN-24 18:30", "2024-01-05 18:30:00"),
        ("January 5, 2024", "2024-01-05 00:00:00"),
        ("13/01/2024", "2024-01-13 00:00:00"),
        ("01/13/2024 6:30 PM", "2024-01-13 18:30:00"),
        ("13.01.24 18:30:01", "2024-01-13 18:30:01"),
        ("05/05/2024", "2024-05-05 00:00:00"),
    ],
)
def test_reads_one_date(read, text, expected):
    assert _read_dates(read(_file(text))) == [expected]


def test_other_dates_tell_day_from_month(read):
    assert _read_dates(read(_file("03/04/2024", "13/04/2024"))) == [
        "2024-04-03 00:00:00",
        "2024-04-13 00:00:00",
    ]
    assert _read_dates(read(_file("3/4/24", "4/13/24"))) == ["2024-03-04 00:00:00", "2024-04-13 00:00:00"]


def test_refuses_to_guess(read, tmp_path):
    start = f"column 'day' (order_date) of '{tmp_path / 'orders.csv'}'"
    message = (
        f"{start} holds dates such as '03/04/2024' (line 2), and nothing in it tells day, month and year apart; name "
        'the format, for example data.formats: {order_date: "%d/%m/%Y"} or {order_date: "%m/%d/%Y"}'
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(_file("03/04/2024", "05/06/2024"))
    message = (
        f"{start} writes dates in two ways: '13/04/2024' (line 2) and '04/13/2024' (line 3); export them in one, or "
        'name the right one in data.formats (such as {order_date: "%d/%m/%Y"}): lines written otherwise are then '
        "rejected"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(_file("13/04/2024", "04/13/2024"))


@pytest.mark.parametrize(
    "pattern, expected",
    [("%d/%m/%Y", ["2024-04-03 00:00:00", "2024-04-13 00:00:00"]), ("%m/%d/%Y", ["2024-03-04 00:00:00"])],
)
def test_a_named_format_answers(read, reasons, pattern, expected):
    log = read(_file("03/04/2024", "13/04/2024"), formats={"order_date": pattern})
    assert _read_dates(log) == expected
    assert reasons(log) == ({} if len(expected) == 2 else {("unparsable date", "rejected"): (1, 1.0)})


def test_odd_dates_are_rejected(read, reasons):
    log = read(
        _file("2024-01-01", "2024-01-02", "infinity", "epoch", "2024-02-30", "0000-01-01", "2024-01-05 BC")
    )
    assert len(_read_dates(log)) == 2
    assert reasons(log) == {("unparsable date", "rejected"): (5, 5.0)}


def test_refuses_a_column_without_dates(read, tmp_path):
    message = (
        f"column 'day' (order_date) of '{tmp_path / 'orders.csv'}' holds no date that can be read, for example 'soon' "
        "(1 line, the first line 2), 'later' (1 line, the first line 3); name another column in "
        'data.columns.order_date, or their format in data.formats (such as {order_date: "%d/%m/%Y"})'
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(_file("soon", "later", ""))


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-05T23:30:00Z",
        "2024-01-06 01:30:00+02",
        "2024-01-05 18:30:00 -0500",
        "2024-01-05 23:30:00 UTC",
        "2024-01-05 23:30:00 z",
        "2024-01-06T05:00+05:30",
    ],
)
def test_converts_zones(read, reasons, text):
    log = read(_file(text, "2024-01-05 23:30:00"), timezone="Europe/Paris")
    assert _read_dates(log) == ["2024-01-06 00:30:00", "2024-01-05 23:30:00"]
    assert reasons(log) == {("time converted to data.timezone", "changed"): (1, 1.0)}
    days = log.connection.execute(
        "SELECT order_day::VARCHAR FROM purchase_log ORDER BY customer_id"
    ).fetchall()
    assert days == [("2024-01-06",), ("2024-01-05",)]


def test_converts_parquet_instants(read, reasons, tmp_path):
    instants = pa.array([datetime(2024, 7, 5, 23, 30, tzinfo=UTC), None], pa.timestamp("ms", "UTC"))
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"customer": ["c0", "c1"], "day": instants, "amount": [1, 2]}), path)
    log = read(source=path, timezone="America/New_York", now=datetime(2025, 1, 1))
    assert _read_dates(log) == ["2024-07-05 19:30:00"]
    assert reasons(log) == {
        ("missing date", "rejected"): (1, 2.0),
        ("time converted to data.timezone", "changed"): (1, 1.0),
    }
