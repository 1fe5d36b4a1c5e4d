"""Formats of whole columns: what a careful person reads in a file, or one question."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from clvml.errors import InputError

CASES = Path(__file__).parents[2] / "cases"
KUNDEN = {
    "customer_id": "Kundennr.",
    "order_date": "Bestelldatum",
    "amount": "Umsatz (€)",
    "order_id": "Auftragsnr.",
}
HEADER = "customer;day;amount;units\n"


@pytest.fixture
def read_case(read):
    """Return a function that reads a file of `tests/cases`."""

    def _read_case(name, **keys):
        keys.setdefault("columns", KUNDEN)
        return read(source=CASES / name, now=datetime(2026, 1, 1), max_unreadable=0.01, **keys)

    return _read_case


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    "name, rows, money, read_as",
    [
        ("thousands_comma.csv", 2267, 3_025_939.75, "1,234.56"),
        ("decimal_comma_mixed.csv", 2267, 121_037.59, "1234,56"),
    ],
)
def test_numbers_of_the_cases(read_case, name, rows, money, read_as):
    quality = read_case(name).quality
    assert (quality.rows_out, quality.money_out, quality.rows_in, quality.money_in) == (
        rows,
        money,
        rows,
        money,
    )
    assert quality.read_as == {"order_date": "%d.%m.%Y", "amount": read_as}
    assert f"read as     order_date %d.%m.%Y, amount {read_as}" in quality.to_text().splitlines()


def test_whole_euros_are_asked_about(read_case):
    with _raises(
        f"column 'Umsatz (€)' (amount) of '{CASES / 'whole_euros_with_points.csv'}' holds '1.461' (line 7), and "
        "nothing in it tells whether that is 1461 or 1.461; name the format with an example: data.formats: "
        '{amount: "1.234,56"} or {amount: "1234.56"}'
    ):
        read_case("whole_euros_with_points.csv")
    for key in ("amount", "Umsatz (€)"):
        quality = read_case("whole_euros_with_points.csv", formats={key: "1.234,56"}).quality
        assert (quality.rows_out, quality.money_out) == (2267, 1_270_965)


def test_nanoseconds_with_a_zone(read_case):
    columns = {name: name for name in ("customer_id", "order_date", "amount")}
    quality = read_case("timestamps_ns_utc.parquet", columns=columns).quality
    assert quality.rows_in == quality.rows_out > 0


def test_five_rows(read_case):
    columns = {"customer_id": "id", "order_date": "date", "amount": "value"}
    log = read_case("five_rows.csv", columns=columns)
    assert (log.quality.rows_out, log.quality.customers) == (5, 3)
    assert log.quality.read_as["order_date"] == "%d/%m/%Y"


def test_two_ways_in_one_column_are_refused(read, tmp_path):
    with _raises(
        f"column 'amount' (amount) of '{tmp_path / 'orders.csv'}' writes numbers in two ways: '1.250,00' (line 2) and "
        "'1,250.00' (line 4); export them in one, or name the right one in data.formats (such as "
        '{amount: "1.234,56"}): lines written otherwise are then rejected'
    ):
        read(HEADER + "a;2024-01-05;1.250,00;1\nb;2024-01-05;7;1\nc;2024-01-05;1,250.00;1\n")


def test_a_named_format_rejects_the_others(read, rows, reasons):
    text = HEADER + "a;2024-01-05;1.250,00;1\nb;2024-01-05;7;1\nc;2024-01-05;1,250.00;1\n"
    log = read(text, formats={"amount": "1.234,56"})
    assert rows(log, "customer_id, amount") == [("a", 1250.0), ("b", 7.0)]
    assert reasons(log) == {("amount is not a number", "rejected"): (1, None)}


def test_quantities_are_read_as_amounts_are(read, rows):
    text = HEADER + "a;2024-01-05;3,50;1,5\nb;2024-01-05;12;(2)\n"
    assert rows(read(text, columns={"quantity": "units"}), "amount, quantity") == [(3.5, 1.5), (12.0, -2.0)]


def test_another_column_of_the_file_tells_and_is_named(read, rows, tmp_path):
    text = HEADER + "a;2024-01-05;1,250.50;1,000\nb;2024-01-05;12;5\n"
    log = read(text, columns={"quantity": "units"})
    assert rows(log, "quantity") == [(5.0,), (1000.0,)]
    (finding,) = [found for found in log.quality.warnings if found.code != "few-returns"]
    assert (finding.code, finding.rows) == ("assumed-format", 1)
    assert finding.text == (
        f"column 'units' (quantity) of '{tmp_path / 'orders.csv'}' leaves open how '1,000' is meant; it is read as "
        "1,234.56, as column 'amount' is written; another format is named in data.formats (such as "
        '{quantity: "1.234,56"})'
    )
    with pytest.raises(InputError, match="tells whether that is"):
        read(text, columns={"quantity": "units"}, formats={"amount": "1,234.56"})


def test_files_may_differ_if_each_is_clear(read, rows, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "de.csv").write_text(HEADER + "a;13.01.2024;1.250,00;1\n")
    (folder / "us.csv").write_text(HEADER + "b;01/13/2024;1,250.00;1\nc;02/03/2024;5;1\n")
    log = read(source=folder)
    assert rows(log) == [
        ("a", "2024-01-13 00:00:00", 1250.0),
        ("b", "2024-01-13 00:00:00", 1250.0),
        ("c", "2024-02-03 00:00:00", 5.0),
    ]
    assert log.quality.read_as == {"order_date": "%d.%m.%Y or %m/%d/%Y", "amount": "1.234,56 or 1,234.56"}
    # A third that leaves it open takes neither.
    (folder / "xx.csv").write_text(HEADER + "d;13.01.2024;1.250;1\n")
    with pytest.raises(InputError, match=re.escape(f"holds '1.250' (line 2 of '{folder / 'xx.csv'}')")):
        read(source=folder)


def test_what_one_file_tells_holds_for_the_others(read, rows, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(HEADER + "a;13/01/2024;12,50;1\n")
    (folder / "b.csv").write_text(HEADER + "b;01/02/2024;1.250;1\n")
    assert rows(read(source=folder)) == [
        ("a", "2024-01-13 00:00:00", 12.5),
        ("b", "2024-02-01 00:00:00", 1250.0),
    ]


def test_several_currencies_are_not_added_up(read, rows, tmp_path):
    text = "customer;day;amount;cur\na;2024-01-05;€ 5;EUR\nb;2024-01-05;$7.50;USD\nc;2024-01-05;9;EUR\n"
    with _raises(
        f"column 'amount' (amount) of '{tmp_path / 'orders.csv'}' holds amounts in several currencies: EUR (1 line, "
        "the first line 2), USD (1 line, the first line 3); export one of them, or export the currency as a column and "
        "map it in data.columns.currency"
    ):
        read(text)
    assert rows(read(text, columns={"currency": "cur"}, currency="EUR"), "amount") == [(5.0,), (9.0,)]


@pytest.mark.parametrize(
    "key, value", [("amount", "1.234"), ("order_date", "%d/%m"), ("order_date", "1.234,56")]
)
def test_a_format_that_says_nothing_is_refused(read, key, value):
    with pytest.raises(InputError, match=re.escape(f"data.formats.{key} must be a ")):
        read(HEADER + "a;2024-01-05;5;1\nb;13/01/2024;5;1\n", formats={key: value})


def test_a_format_of_no_column_is_refused(read, tmp_path):
    with _raises(
        f"data.formats names 'amont', which is not a column of '{tmp_path / 'orders.csv'}' (did you mean 'amount'?)"
    ):
        read(HEADER + "a;2024-01-05;5;1\n", formats={"amont": "1.234,56"})


def test_a_format_of_an_amount_that_is_an_expression_is_refused(read):
    text = "customer;day;amount2;units\nann;2024-01-05;1.250;2\n"
    keys = {"columns": {"amount": "units * amount2"}}
    with _raises(
        "data.formats.amount says nothing where data.columns.amount is an expression; name its columns there instead:"
        " units, amount2"
    ):
        read(text, formats={"amount": "1.234,56"}, **keys)
    assert read(text, formats={"amount2": "1.234,56"}, **keys).quality.money_out == 2500.0


def test_large_orders_without_quotes_are_not_left_out_in_silence(read, tmp_path):
    lines = "".join(f"ann,2024-01-{day:02},1,{day}00\n" for day in range(1, 6))
    text = f"customer,day,amount\nbob,2024-01-05,5\n{lines}"
    with _raises(
        f"'{tmp_path / 'orders.csv'}': 5 of 6 lines cannot be read (83.3%, more than data.max_unreadable): broken line:"
        " too many columns, the first line 3; a field that holds the sign between the columns or a quote needs quotes"
        " around it: export it again, or reject these lines with --set data.max_unreadable=0.84"
    ):
        read(text, max_unreadable=0.01)
    assert read(text, max_unreadable=0.84).quality.rows_out == 1


def test_a_currency_beside_some_amounts_only(read):
    text = HEADER + "ann;2024-01-05;USD 5.00;1\nbob;2024-01-05;7.00;1\nbob;2024-01-06;8.50;1\n"
    (found,) = [each for each in read(text).quality.warnings if each.code == "currency-on-some-lines"]
    assert found.rows == 2
    assert "says USD beside 1 line and no currency beside 2" in found.text
    for other in (read(text, currency="USD"), read(text.replace("USD ", ""))):
        assert "currency-on-some-lines" not in [each.code for each in other.quality.warnings]
    (other,) = [each for each in read(text, currency="EUR").quality.warnings if each.code == "other-currency"]
    assert "says USD beside 'USD 5.00'" in other.text
    assert "and data.currency is EUR" in other.text
    for sign, code in (("$", "CAD"), ("¥", "JPY"), ("US$", "USD")):
        warnings = read(text.replace("USD ", sign), currency=code).quality.warnings
        assert "other-currency" not in [each.code for each in warnings]


def test_credit_and_debit_behind_amounts_are_explained(read):
    lines = "".join(f"c,2024-01-05,{n}.50{' CR' if n % 3 == 0 else ''}\n" for n in range(1, 13))
    with pytest.raises(InputError, match="CR and DR tell credit from debit: write a minus"):
        read(f"customer,day,amount\n{lines}", max_unreadable=0.01)


def test_digits_of_another_script_may_stand_in_some_lines_only(read):
    log = read(
        "customer,day,amount\nann,2024-01-05,10\nbob,２０２４/０１/０６,١٢٫٥\ncem,2024-01-07,7.25\n",
        max_unreadable=0,
    )
    assert (log.quality.rows_out, log.quality.money_out) == (3, 29.75)


@pytest.mark.parametrize("amount", ["1.2k", "1,5 Mio", "3,5 Tsd. €", "$1.2M", "4k EUR", "2 mln"])
def test_amounts_in_thousands_or_millions_are_explained(read, amount):
    with pytest.raises(InputError, match="to thousands or millions do not add up: export them in full"):
        read(f"customer;day;amount\nann;2024-01-05;{amount}\nbob;2024-01-06;{amount}\n")


@pytest.mark.parametrize(
    "day", ["5. Januar", "5-Jan", "Jan 5", "05.01.", "31/12", "Mars", "2024", "Jan 2024"]
)
def test_dates_that_lack_a_part_are_explained(read, day):
    with pytest.raises(InputError, match="a date needs day, month and year in one column"):
        read(f"customer;day;amount\nann;{day};5\nbob;{day};6\n")
