"""Dates in text: ISO, day or month first, words, zones."""

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log import read_purchase_log

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
        ("2024.01.05", "2024-01-05 00:00:00"),
        ("13. 1. 2024", "2024-01-13 00:00:00"),
        ("5. Januar 2024", "2024-01-05 00:00:00"),
        ("Mi., 13. März 2024", "2024-03-13 00:00:00"),
        ("31. Dez. 2023", "2023-12-31 00:00:00"),
        ("13.1.2024 um 8:05 Uhr", "2024-01-13 08:05:00"),
        ("5 janv. 2024", "2024-01-05 00:00:00"),
        ("12 févr. 2024 10h05", "2024-02-12 10:05:00"),
        ("1er avril 2024", "2024-04-01 00:00:00"),
        ("5 de enero de 2024", "2024-01-05 00:00:00"),
        ("mar. 16/01/2024", "2024-01-16 00:00:00"),
        ("mar 16-01-2024 10:11", "2024-01-16 10:11:00"),
        ("mar. 16 janv. 2024", "2024-01-16 00:00:00"),
        ("Mar 16 2024", "2024-03-16 00:00:00"),
        ("mar. 16, 2024", "2024-03-16 00:00:00"),
        ("January 5th, 2024 6:05 p.m.", "2024-01-05 18:05:00"),
        ("Fri, 05 Jan 2024 10:00:00", "2024-01-05 10:00:00"),
        ("05JAN2024", "2024-01-05 00:00:00"),
        ("2024-Jan-05", "2024-01-05 00:00:00"),
        ("20240105T101112", "2024-01-05 10:11:12"),
        ("20240105101112", "2024-01-05 10:11:12"),
        ("13012024", "2024-01-13 00:00:00"),
        ("01132024", "2024-01-13 00:00:00"),
        ("20101999", "1999-10-20 00:00:00"),
        ("2024年1月5日 10:11", "2024-01-05 10:11:00"),
        ("٢٠٢٤/٠١/٠٥", "2024-01-05 00:00:00"),
        ("2024-01-05T10:11:12.1234567", "2024-01-05 10:11:12.123456"),
        ("13/01/2024 10:11:12,5", "2024-01-13 10:11:12.5"),
        ("1704449472", "2024-01-05 10:11:12"),
        ("1704449472.5", "2024-01-05 10:11:12.5"),
        ("1704449472123", "2024-01-05 10:11:12.123"),
        ("1704449472123456", "2024-01-05 10:11:12.123456"),
        ("1704449472123456789", "2024-01-05 10:11:12.123456"),
        ("867715200", "1997-07-01 00:00:00"),
        ("45296", "2024-01-05 00:00:00"),
        ("45296.75", "2024-01-05 18:00:00"),
        ("45296,75", "2024-01-05 18:00:00"),
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
    assert _read_dates(read(_file("03042024", "13042024"))) == ["2024-04-03 00:00:00", "2024-04-13 00:00:00"]


def test_refuses_to_guess(read, tmp_path):
    start = f"column 'day' (order_date) of '{tmp_path / 'orders.csv'}'"
    message = (
        f"{start} holds dates such as '03/04/2024' (line 2), and nothing in it tells day, month and year apart; name "
        'the format, for example data.formats: {order_date: "%d/%m/%Y"} or {order_date: "%m/%d/%Y"}'
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(_file("03/04/2024", "05/06/2024"))
    with pytest.raises(InputError, match=re.escape('{order_date: "%d-%m-%Y"} or {order_date: "%m-%d-%Y"}')):
        read(_file("03-04-2024", "05-06-2024"))
    with pytest.raises(InputError, match=re.escape('{order_date: "%d%m%Y"} or {order_date: "%m%d%Y"}')):
        read(_file("03042024", "05062024"))
    message = (
        f"{start} writes dates in two ways: '13/04/2024' (line 2) and '04/13/2024' (line 3); export them in one, or "
        'name the right one in data.formats (such as {order_date: "%d/%m/%Y"}): lines written otherwise are then '
        "rejected"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(_file("13/04/2024", "04/13/2024"))


@pytest.mark.parametrize(
    "text, why",
    [
        (_file("03.04.2024", "05.06.2024 10:00"), "dates with points are written"),
        (_file("03.04.2024", "soon", "05.06.2024"), "dates with points are written"),
        (
            'customer;day;amount\nc0;03/04/2024;"1,5"\nc1;05/06/2024;1\n',
            "dates beside decimal commas are written",
        ),
    ],
)
def test_custom_says_that_the_day_comes_first(read, text, why):
    log = read(text, now=datetime(2025, 1, 1))
    assert [day[:10] for day in _read_dates(log)] == ["2024-04-03", "2024-06-05"]
    (finding,) = [each for each in log.quality.warnings if each.code == "assumed-format"]
    assert why in finding.text
    assert finding.rows == text.count("2024")
    named = read(text, formats={"order_date": log.quality.read_as["order_date"].split(",")[0]})
    assert "assumed-format" not in [each.code for each in named.quality.warnings]


@pytest.mark.parametrize("texts", [("03.04.2024", "05/06/2024"), ("03.04.2024", "05.06.05")])
def test_custom_says_nothing_of_dates_that_are_written_otherwise(read, texts):
    with pytest.raises(InputError, match="nothing in it tells day, month and year apart"):
        read(_file(*texts))


def test_what_other_dates_tell_counts_more_than_custom(read):
    assert _read_dates(read(_file("03.04.2024", "04.13.2024")))[0] == "2024-03-04 00:00:00"


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
        "2024-01-05 23:30 UTC",
        "2024-01-05 18:30 EST",
        "2024-01-06 00:30:00 CET",
        "2024-01-06 00:30 Europe/Paris",
        "2024-01-05 18:30:00 America/New_York",
        "6 Jan 2024 08:30 +0900",
        "Sat, 06 Jan 2024 00:30:00 +0100",
        "Sat Jan 06 2024 00:30:00 GMT+0100 (Central European Standard Time)",
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


@pytest.mark.parametrize(
    "text",
    ["2024-01-05 10:00 XYZ", "2024-01-05 10:00 IST", "2024-01-05 10:00:00+15:00", "2024-01-05 10:00:00 -13:00",
     "2024-01-05 10:00 Mars/Olympus", "2024-01-05 10:00:00+99"],
)  # fmt: skip
def test_a_zone_that_is_not_known_is_never_dropped(read, reasons, text):
    log = read(_file(text, "2024-01-05 23:30:00"))
    assert reasons(log) == {("unparsable date", "rejected"): (1, 1.0)}


def test_a_year_that_could_be_a_day_is_asked_about(read):
    with pytest.raises(InputError, match="nothing in it tells day, month and year apart"):
        read(_file("23/01/15", "23/01/16", "23/02/17", "24/01/01"))
    log = read(_file("23/01/15", "23/01/16"), formats={"order_date": "%y/%m/%d"})
    assert _read_dates(log) == ["2023-01-15 00:00:00", "2023-01-16 00:00:00"]


@pytest.mark.parametrize(
    "texts", [("45000", "1704412800"), ("2024-01-05", "1704412800"), ("1704412800", "1704412800123")]
)
def test_numbers_of_several_kinds_are_refused(read, texts):
    with pytest.raises(InputError, match="writes dates in two ways"):
        read(_file(*texts))


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("excel", "367", "1901-01-01 00:00:00"),
        ("epoch seconds", "86400", "1970-01-02 00:00:00"),
        ("epoch milliseconds", "86400000", "1970-01-02 00:00:00"),
        ("%d%m%Y", "05012024", "2024-01-05 00:00:00"),
        ("%Y/%m/%d at %H.%M", "2024/01/05 at 10.30", "2024-01-05 10:30:00"),
        ("%A, %d %B %Y", "Freitag, 5 Januar 2024", "2024-01-05 00:00:00"),
    ],
)
def test_a_name_says_what_no_column_tells(read, name, text, expected):
    assert _read_dates(read(_file(text), formats={"order_date": name})) == [expected]


PATTERNS = (
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%d %b %Y",
    "%B %d, %Y",
    "%d/%m/%y",
    "%Y%m%d",
    "%m-%d-%Y",
)


@settings(max_examples=60)
@given(
    st.lists(st.datetimes(datetime(2001, 10, 1), datetime(2023, 12, 31)), min_size=1, max_size=8),
    st.sampled_from(PATTERNS),
)
def test_a_column_is_read_back_or_asked_about(dates, pattern):
    texts = [date.strftime(pattern) for date in dates]
    meant = sorted(datetime.strptime(text, pattern) for text in texts)
    columns = {"customer_id": "customer", "order_date": "day", "amount": "amount"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_text(_file(*texts))
        data = DataConfig(source=str(path), columns=columns)
        try:
            log = read_purchase_log(data, now=datetime(2030, 1, 1))
        except InputError as error:
            assert "nothing in it tells" in str(error)
            log = read_purchase_log(
                data.model_copy(update={"formats": {"order_date": pattern}}), now=datetime(2030, 1, 1)
            )
        found = [
            row[0]
            for row in log.connection.execute("SELECT order_ts FROM purchase_log ORDER BY 1").fetchall()
        ]
        log.connection.close()
    assert found == meant


def test_a_weekday_in_front_hides_neither_day_nor_year(read, rows):
    def days(*texts):
        lines = "".join(f"ann,{text},{amount}\n" for amount, text in enumerate(texts, start=5))
        return [row[1][:10] for row in rows(read("customer;day;amount\n" + lines.replace(",", ";")))]

    assert days("Sa. 18.11.2023", "Do. 02.02.2023") == ["2023-02-02", "2023-11-18"]
    assert days("Fri 01/13/2023", "Mon 01/02/2023") == ["2023-01-02", "2023-01-13"]
    with pytest.raises(
        InputError, match=r"'Mon 01/02/2023' .* nothing in it tells day, month and year apart"
    ):
        days("Mon 01/02/2023", "Wed 03/01/2023")


@pytest.mark.parametrize("text", ["5 янв. 2024", "5 января 2024", "05/13/2024 10:00:00 a. m."])
def test_words_of_more_languages(read, text):
    assert read(f"customer,day,amount\nann,{text},5\n").quality.rows_out == 1
