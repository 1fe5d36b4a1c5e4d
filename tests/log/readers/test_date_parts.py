"""Year, month and day in three columns."""

from datetime import datetime

import pytest

from clvml.errors import InputError
from clvml.log import read_purchase_log
from clvml.workflows import assume_config

NOW = datetime(2025, 1, 1)


def _read(path, text):
    path.write_text(text)
    return read_purchase_log(assume_config(str(path)).data, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "Customer,Year,Month,Day,Amount\nann,2024,1,5,7\nbob,2024,2,14,8\n",
        "Kunde;Jahr;Monat;Tag;Betrag\nann;2024;01;05;7,00\nbob;2024;02;14;8,00\n",
        "Client,Jour,Mois,Année,Montant\nann,5,janvier,2024,7\nbob,14,février,2024,8\n",
        "Customer,Year,Month,Day,Amount\nann,2024.0,1.0,5.0,7\nbob,2024.0,2.0,14.0,8\n",
        # As Power BI exports a date.
        "Year,Quarter,Month,Day,Customer,Amount\n2024,Q1,January,5,ann,7\n2024,Q1,February,14,bob,8\n",
    ],
)
def test_they_are_read_as_one_date(tmp_path, rows, text):
    log = _read(tmp_path / "orders.csv", text)
    assert rows(log, "customer_id, order_day::VARCHAR, amount") == [
        ("ann", "2024-01-05", 7.0),
        ("bob", "2024-02-14", 8.0),
    ]
    assert [each.code for each in log.quality.warnings if "date" in each.code] == ["date-in-three-columns"]


def test_a_line_without_one_of_them_has_no_date(tmp_path, reasons):
    log = _read(tmp_path / "orders.csv", "Customer,Year,Month,Day,Amount\nann,2024,1,5,7\nbob,2024,,14,8\n")
    assert reasons(log) == {("missing date", "rejected"): (1, 8.0)}


@pytest.mark.parametrize("name", ["Order Date", "timestamp", "Datum", "ts"])
def test_a_date_of_its_own_comes_first(tmp_path, rows, name):
    log = _read(tmp_path / "orders.csv", f"Customer,{name},Year,Month,Day,Amount\nann,2024-01-05,1,1,1,7\n")
    assert rows(log, "order_day::VARCHAR") == [("2024-01-05",)]


def test_a_month_alone_is_no_date(tmp_path):
    with pytest.raises(InputError, match="join those that hold them"):
        _read(tmp_path / "orders.csv", "Customer,Year,Month,Amount\nann,2024,1,7\nbob,2024,2,8\n")


def test_several_files_are_told_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"Customer,Year,Month,Day,Amount\n{name},2024,1,5,7\n")
    log = read_purchase_log(assume_config(str(tmp_path)).data, now=NOW)
    assert [each.code for each in log.quality.warnings].count("date-in-three-columns") == 1
    assert log.quality.rows_out == 2
