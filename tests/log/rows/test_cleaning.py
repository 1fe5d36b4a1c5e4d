"""Every rule, with its rows and its money."""

import re
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clvml.errors import InputError

HEADER = "customer,day,amount\n"
ANN = "ann,2024-01-05,10\n"


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    "line, reason, money",
    [
        (",2024-01-05,4", "missing customer id", 4.0),
        ("  ,2024-01-05,4", "missing customer id", 4.0),
        ("NaN,2024-01-05,4", "missing customer id", 4.0),
        ("bob,,4", "missing date", 4.0),
        ("bob,NaT,4", "missing date", 4.0),
        ("bob,yesterday,4", "unparsable date", 4.0),
        ("bob,1900-01-01,4", "date that stands for none", 4.0),
        ("bob,1970-01-01 00:00:00,4", "date that stands for none", 4.0),
        ("bob,2024-01-05,", "missing amount", 0.0),
        ("bob,2024-01-05,4 pieces", "amount is not a number", None),
        ("bob,2024-01-05,-inf", "infinite or NaN amount", None),
        ("bob,2024-01-05,1e15", "amount of 1e15 or more", None),
        ("bob,2024-06-01 00:00:01,4", "date in the future", 4.0),
        (",yesterday,x", "missing customer id", None),
        ("bob,2025-01-01,x", "amount is not a number", None),
    ],
)
def test_rejects_by_one_reason(read, rows, reasons, line, reason, money):
    log = read(f"{HEADER}{ANN}{line}\n")
    assert reasons(log) == {(reason, "rejected"): (1, money)}
    assert rows(log, "customer_id") == [("ann",)]
    assert (log.quality.rows_in, log.quality.rows_out) == (2, 1)
    assert (log.quality.money_in, log.quality.money_out) == (10.0 + (money or 0), 10.0)


def test_now_is_local_wall_time(read):
    text = f"{HEADER}{ANN}bob,2024-01-05 20:00:00,1\n"
    assert read(text, now=datetime(2024, 1, 5, 20)).quality.rows_out == 2
    # 02:00 in Tokyo on the 6th
    aware = datetime(2024, 1, 5, 17, tzinfo=UTC)
    assert read(text, now=aware, timezone="Asia/Tokyo").quality.rows_out == 2
    assert read(text, now=aware).quality.rows_out == 1


def test_as_of_is_the_first_day_not_used(read, rows, reasons):
    text = f"{HEADER}{ANN}bob,2024-01-06 00:00:00,2\ncid,2024-01-05 23:59:59,3\ndan,2025-01-01,4\n"
    log = read(text, as_of=date(2024, 1, 6))
    assert rows(log, "customer_id") == [("ann",), ("cid",)]
    assert reasons(log) == {
        ("date in the future", "rejected"): (1, 4.0),
        ("at or after as_of", "dropped"): (1, 2.0),
    }
    with pytest.raises(TypeError, match="as_of must be a date without a time"):
        read(text, as_of=datetime(2024, 1, 6))


@pytest.mark.parametrize(
    "policy, treatment, kept", [("net", "kept", 2), ("drop", "dropped", 1), ("reject", "rejected", 1)]
)
def test_refunds(read, reasons, policy, treatment, kept):
    log = read(f"{HEADER}{ANN}ann,2024-01-07,-2.5\n", refunds=policy)
    assert reasons(log) == {("refund", treatment): (1, -2.5)}
    assert log.quality.rows_out == kept
    assert log.quality.refund_line_share == 0.5
    assert log.quality.refund_money_share == 0.25


@pytest.mark.parametrize(
    "policy, treatment, kept", [("keep", "kept", 3), ("drop", "dropped", 1), ("reject", "rejected", 1)]
)
def test_repeats_within_a_file(read, reasons, policy, treatment, kept):
    log = read(HEADER + ANN * 3, duplicates=policy)
    assert reasons(log) == {("repeat within one file", treatment): (2, 20.0)}
    assert log.quality.rows_out == kept


def test_repeats_across_files(read, reasons, tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + ANN + "bob,2024-01-06,1\n")
    (tmp_path / "b.csv").write_text(HEADER + ANN + ANN + "cid,2024-01-06,1\ncid,2024-01-06,1\n")
    assert reasons(read(source=tmp_path, duplicates="drop")) == {
        ("same line in two files", "dropped"): (1, 10.0),
        ("repeat within one file", "dropped"): (2, 11.0),
    }


def test_without_an_order_number_repeats_within_a_file_are_kept(read, reasons, tmp_path):
    log = read(HEADER + ANN * 3)
    assert reasons(log) == {("repeat within one file", "kept"): (2, 20.0)}
    (warning,) = [found for found in log.quality.warnings if found.code == "repeats-without-order-number"]
    assert (warning.rows, warning.money) == (2, 20.0)
    for answer in ("keep", "drop"):
        codes = [found.code for found in read(HEADER + ANN * 3, duplicates=answer).quality.warnings]
        assert "repeats-without-order-number" not in codes
    numbered = HEADER.replace("\n", ",no\n") + ANN.replace("\n", ",7\n") * 3
    assert reasons(read(numbered, columns={"order_id": "no"})) == {
        ("repeat within one file", "dropped"): (2, 20.0)
    }


def test_the_second_copy_of_two_files_is_one_line(read, reasons, tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + ANN * 2)
    (tmp_path / "b.csv").write_text(HEADER + ANN * 3)
    log = read(source=tmp_path)
    assert reasons(log) == {
        ("same line in two files", "dropped"): (2, 20.0),
        ("repeat within one file", "kept"): (2, 20.0),
    }
    assert log.quality.rows_out == 3


def test_all_columns_but_the_ignored_tell_lines_apart(read):
    text = (
        "customer,day,amount,note,sheet\nann,2024-01-05,10,x,1\nann,2024-01-05,10,y,1\n"
        "ann,2024-01-05,10,x,2\n"
    )
    assert read(text, duplicates="drop").quality.rows_out == 3
    assert read(text, duplicates="drop", ignore_columns=["sheet", "absent"]).quality.rows_out == 2
    assert read(text, duplicates="drop", ignore_columns=["sheet", "note"]).quality.rows_out == 1


def test_swapped_and_empty_columns_are_no_repeats(read):
    text = (
        "customer,day,amount,a,b\nann,2024-01-05,10,x,y\nann,2024-01-05,10,y,x\nann,2024-01-05,10,,x\n"
        "ann,2024-01-05,10,x,\n"
    )
    assert read(text).quality.rows_out == 4


def test_currencies(read, reasons):
    text = (
        "customer,day,amount,cur\nann,2024-01-05,10,GBP\nbob,2024-01-05,5,gbp \ncid,2024-01-05,7,EUR\n"
        "dan,2024-01-05,1,\n"
    )
    log = read(text, columns={"currency": "cur"}, currency="gbp")
    assert reasons(log) == {
        ("missing currency", "rejected"): (1, 1.0),
        ("other currency", "rejected"): (1, 7.0),
    }
    assert log.quality.rows_out == 2
    assert "currency" not in log.columns
    with _raises(
        "column 'cur' holds several currencies: GBP (2 lines), EUR (1 lines); set data.currency to "
        "the one to use, "
        "for example GBP (lines in others are rejected, or converted by data.rates)"
    ):
        read(text, columns={"currency": "cur"})
    with _raises(
        "no line is in data.currency 'USD'; column 'cur' holds GBP (2 lines), EUR (1 lines); correct "
        "data.currency "
        "or data.columns.currency"
    ):
        read(text, columns={"currency": "cur"}, currency="USD")
    assert read(text, currency="USD").quality.rows_out == 4


def test_ids(read, rows, reasons):
    text = "customer,day,amount,no,sku\n12345.0,2024-01-05,10, A1 ,1.0\n00012,2024-01-05,1,A2.0,\n"
    log = read(text, columns={"order_id": "no", "product_id": "sku"})
    assert log.columns == ("customer_id", "order_ts", "order_day", "amount", "order_id", "product_id")
    assert rows(log, "customer_id, order_id, product_id") == [("00012", "A2.0", None), ("12345", "A1", "1")]
    assert reasons(log) == {
        ("blanks around an id", "changed"): (1, 10.0),
        ("id written as a decimal number", "changed"): (1, 10.0),
    }


def test_decimal_ids_stay_where_the_column_has_others(read, rows):
    log = read(f"{HEADER}12345.0,2024-01-05,10\nx1,2024-01-05,1\n")
    assert rows(log, "customer_id") == [("12345.0",), ("x1",)]


def test_float_ids_of_parquet(read, rows, tmp_path):
    path = tmp_path / "x.parquet"
    ids = pa.array([12345.0, None, float("nan"), 1234567890123456.0])
    pq.write_table(
        pa.table({"customer": ids, "day": ["2024-01-05"] * 4, "amount": [1.0, 2.0, 3.0, 4.0]}), path
    )
    log = read(source=path)
    assert rows(log, "customer_id") == [("12345",), ("1234567890123456",)]


def test_quantity(read, rows, reasons, tmp_path):
    text = "customer,day,amount,units\nann,2024-01-05,10,2\nann,2024-01-06,11,two\nann,2024-01-07,12,\n"
    log = read(text, columns={"quantity": "units"})
    assert rows(log, "order_day::VARCHAR, quantity") == [
        ("2024-01-05", 2.0),
        ("2024-01-06", None),
        ("2024-01-07", None),
    ]
    assert reasons(log) == {("quantity is not a number below 1e15 (left empty)", "changed"): (1, 11.0)}
    with _raises(
        f"column 'units' (quantity) of '{tmp_path / 'orders.csv'}' holds no number that can be read, for example 'two' "
        "(1 line, the first line 2); name another column in data.columns.quantity, or their format in data.formats "
        '(such as {quantity: "1.234,56"})'
    ):
        read("customer,day,amount,units\nann,2024-01-05,10,two\n", columns={"quantity": "units"})


def test_refuses_an_amount_column_without_numbers(read, tmp_path):
    start = (
        f"column 'amount' (amount) of '{tmp_path / 'orders.csv'}' holds no number that can be read, for "
        "example"
    )
    end = (
        "name another column in data.columns.amount, or their format in data.formats (such as "
        '{amount: "1.234,56"})'
    )
    with _raises(f"{start} 'x' (2 lines, the first line 2), 'y' (1 line, the first line 3); {end}"):
        read(f"{HEADER}ann,2024-01-05,x\nann,2024-01-05,y\nbob,2024-01-05,x\n")


def test_a_few_unreadable_amounts_are_rejected_and_more_refused(read, reasons, tmp_path):
    lines = [f"c{index},2024-01-05,{index + 1}.5\n" for index in range(99)]
    few = read(HEADER + "".join(lines) + "bob,2024-01-05,see note\n", max_unreadable=0.01)
    assert reasons(few) == {("amount is not a number", "rejected"): (1, None)}
    assert few.quality.reasons[0].unread == 1
    assert "1 lines" not in few.quality.to_text()
    assert "money unread: amount is not a number" in few.quality.to_text()
    assert few.quality.to_dict()["reasons"][0]["money"] is None
    with _raises(
        f"column 'amount' (amount) of '{tmp_path / 'orders.csv'}': 2 of 101 texts are no number written as 1234.56 "
        "(2.0%, more than data.max_unreadable): 'see note' (2 lines, the first line 101); correct them, name another "
        'column in data.columns.amount, or their format in data.formats (such as {amount: "1.234,56"}), or reject '
        "them with --set data.max_unreadable=0.02"
    ):
        read(HEADER + "".join(lines) + "bob,2024-01-05,see note\n" * 2, max_unreadable=0.01)


def test_money_that_could_not_be_read_is_told_beside_the_rest(read, reasons):
    log = read(HEADER + ANN + ",2024-01-05,3\n,2024-01-05,x\n")
    assert reasons(log) == {("missing customer id", "rejected"): (2, 3.0)}
    assert "3.00: missing customer id (rejected), 1 unread" in log.quality.to_text()


def test_says_why_nothing_is_left(read, tmp_path):
    end = "check data.columns, data.timezone and the as-of date against the file"
    with _raises(
        f"no line of '{tmp_path / 'orders.csv'}' can be used: 3 read, left out for date in the future (2), "
        f"missing customer id (1); {end}"
    ):
        read(f"{HEADER},2024-01-05,1\nann,2025-01-05,1\nbob,2025-01-05,1\n")
    with _raises(
        f"no line of '{tmp_path / 'orders.csv'}' can be used before 2024-01-01: 1 read, left out for "
        "at or after "
        f"as_of (1); {end}"
    ):
        read(HEADER + ANN, as_of=date(2024, 1, 1))


def test_money_is_exact(read):
    log = read(HEADER + "".join(f"c{index},2024-01-05,0.1\n" for index in range(1000)))
    assert log.quality.money_in == log.quality.money_out == 100.0


@pytest.mark.parametrize(
    "text, money",
    [
        ("customer;day;amount\nann;2024-01-05;1.000,50\nbob;2024-01-06;2\nTotal;;1.002,50\n", 1002.5),
        ("customer;day;amount\nann;2024-01-05;1.000,50\nbob;2024-01-06;2\nSumme:;;1.002,50\n;;\n", 1002.5),
        (
            "no;customer;day;amount\n1;ann;2024-01-05;1.000,50\n2;bob;2024-01-06;2\nGesamt;;;1.002,50\n",
            1002.5,
        ),
        ("day;customer;amount\n2024-01-05;ann;1.000,50\n2024-01-06;bob;2\nTotal général;;1.002,50\n", 1002.5),
        ("customer;day;amount\nann;2024-01-05;1.000,50\nbob;2024-01-06;2\nTotal;1.002,50\n", None),
    ],
)
def test_totals_below_the_table_are_told_with_their_money(read, rows, reasons, text, money):
    log = read(text, max_unreadable=0)
    assert rows(log, "customer_id, amount") == [("ann", 1000.5), ("bob", 2.0)]
    assert reasons(log)[("total line", "rejected")] == (1, money)


def test_a_customer_without_a_date_is_no_total(read, reasons):
    log = read(HEADER + ANN + "totalia,,4\n" + "Total,2024-01-05,4\n")
    assert reasons(log) == {("missing date", "rejected"): (1, 4.0)}


@pytest.mark.parametrize("day", ["0000-05-05", "0001-01-01", "0044-03-15", "1799-12-31 23:59:59"])
def test_a_date_of_no_shop_is_rejected(read, rows, reasons, day):
    log = read(f"customer,day,amount\nann,{day},1\nbob,1800-01-01,2\n")
    assert rows(log) == [("bob", "1800-01-01 00:00:00", 2.0)]
    said = "unparsable date" if day.startswith("0000") else "date before 1800"
    assert reasons(log) == {(said, "rejected"): (1, 1.0)}


def test_typed_dates_beyond_the_calendar_are_rejected(read, rows, reasons, tmp_path):
    path = tmp_path / "x.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT * FROM (VALUES ('ann', DATE '0044-03-15 (BC)', 1.0), ('bob', DATE '2024-01-05', 2.0),"
            " ('cid', DATE '99999-01-01', 4.0), ('dan', 'infinity'::DATE, 8.0), ('eve', '-infinity'::DATE, 16.0))"
            f" AS t(customer, day, amount)) TO '{path}'"
        )
    log = read(source=path)
    assert rows(log) == [("bob", "2024-01-05 00:00:00", 2.0)]
    assert reasons(log) == {("unparsable date", "rejected"): (4, 29.0)}


def test_quantities_whose_sum_no_number_holds_are_left_empty(read, rows, reasons):
    text = "customer,day,amount,units\n" + "".join(
        f"ann,2024-01-0{n},1,{q}\n"
        for n, q in enumerate(
            ("1e308", "-1e308", "1.7e308", "1e15", "999999999999999", "inf", "nan"), start=1
        )
    )
    log = read(text, columns={"quantity": "units"})
    assert rows(log, "sum(quantity)") == [(999999999999999.0,)]
    assert reasons(log)["quantity is not a number below 1e15 (left empty)", "changed"][0] >= 5


@pytest.mark.parametrize("nothing", ["\\N", "NULL", "n/a", "nan", "NaT"])
def test_words_that_databases_write_for_nothing_are_no_customer(read, reasons, nothing):
    log = read(f"customer\tday\tamount\nann\t2024-01-05\t1\n{nothing}\t2024-01-05\t2\nbob\t{nothing}\t3\n")
    assert reasons(log) == {
        ("missing customer id", "rejected"): (1, 2.0),
        ("missing date", "rejected"): (1, 3.0),
    }


def test_an_ignored_column_that_the_file_writes_otherwise_is_told(read):
    text = "customer,day,amount,FileName\nann,2024-01-05,5,a\nann,2024-01-05,5,b\n"
    found = {
        each.code: each.text for each in read(text, ignore_columns=["filename", "sheet"]).quality.warnings
    }
    assert (
        "names 'filename', which" in found["misspelt-column"]
        and "calls 'FileName'" in found["misspelt-column"]
    )
    assert "misspelt-column" not in {
        each.code for each in read(text, ignore_columns=["FileName"]).quality.warnings
    }
