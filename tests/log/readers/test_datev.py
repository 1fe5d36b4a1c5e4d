"""Posting batches of DATEV, and dates that are no day of a year."""

from datetime import datetime

import pytest

from clvml.errors import InputError

BATCH = '"EXTF";700;21;"Buchungsstapel";12;20250701;;"RE";"";"";1;2;20230701;4;{};20240630;"";""\n'
COLUMNS = {"customer_id": "Konto", "order_date": "Belegdatum", "amount": "Umsatz"}
LINES = 'Umsatz;Konto;Belegdatum;Text\n12,50;10001;107;a\n1,00;10002;0107;b\n2,00;10001;3006;"c\nd"\n'


def test_dates_without_a_year_are_of_the_batch(read, rows):
    log = read(BATCH.format("20230701") + LINES, columns=COLUMNS, now=datetime(2025, 1, 1))
    assert rows(log, "order_day::VARCHAR, amount") == [
        ("2023-07-01", 1.0),
        ("2023-07-01", 12.5),
        ("2024-06-30", 2.0),
    ]


@pytest.mark.parametrize("above", ["", BATCH.format(""), "Buchungen\n"])
def test_without_a_batch_they_are_refused(read, above):
    with pytest.raises(InputError, match=r"'107' .* a date needs day, month and year in one column"):
        read(above + LINES, columns=COLUMNS)


@pytest.mark.parametrize(
    "text", ["5", "2024", "202401", "2024-01", "01/2024", "Jan 2024", "März 24", "2024-W05", "2024 Q1"]
)
def test_what_is_no_day_is_refused(read, text):
    with pytest.raises(InputError, match="a date needs day, month and year in one column"):
        read(f"customer,day,amount\nann,{text},5\nbob,{text},7\n")


def test_a_year_in_a_column_of_its_own_is_told(read):
    with pytest.raises(InputError, match="A date needs day, month and year in one column"):
        read("customer,Jahr,Monat,amount\nann,2024,1,5\n")
