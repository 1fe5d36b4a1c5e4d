"""Tables with a column for each month."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import pandas as pd
import pytest

from clvml.log import read_purchase_log
from clvml.log.readers.month_columns import month_end, with_months_as_rows
from clvml.log.readers.parts import read_parts
from clvml.opened_log import read_log
from clvml.workflows import assume_config

NOW = datetime(2025, 1, 1)
PIVOT = """Kunde;Ort;Umsatz Jan 2024;Umsatz Feb 2024;Umsatz Mrz 2024;Gesamt
007;Köln;1.200,50;;30;1.230,50
012;Bonn;0,00;99;-;99
013;Bonn;7;1;2;10
Gesamt;;1.207,50;100;32;1.339,50
"""


def read(path) -> pd.DataFrame:
    log = read_purchase_log(assume_config(str(path)).data, now=NOW)
    return log.frame(f"select customer_id, order_day, amount from {log.table} order by all")


def test_each_month_with_money_is_a_purchase_on_its_last_day_and_totals_are_none(tmp_path):
    path = tmp_path / "pivot.csv"
    path.write_text(PIVOT, encoding="cp1252")
    lines = read(path)
    assert lines.to_numpy().tolist() == [
        ["007", pd.Timestamp("2024-01-31"), 1200.5],
        ["007", pd.Timestamp("2024-03-31"), 30.0],
        ["012", pd.Timestamp("2024-02-29"), 99.0],
        ["013", pd.Timestamp("2024-01-31"), 7.0],
        ["013", pd.Timestamp("2024-02-29"), 1.0],
        ["013", pd.Timestamp("2024-03-31"), 2.0],
    ]
    quality = read_purchase_log(assume_config(str(path)).data, now=NOW).quality
    assert "from 'Umsatz Jan 2024' to 'Umsatz Mrz 2024'" in quality.to_text().replace("\n            ", " ")
    assert [(count.reason, count.rows) for count in quality.reasons] == [("total line", 3)]


def test_files_of_several_years_are_read_together(tmp_path):
    for year in (2023, 2024):
        table = pd.DataFrame(
            {"client": ["a", "b"], **{f"{year}-{month:02}": [5.0, 0.0] for month in range(1, 5)}}
        )
        table.to_csv(tmp_path / f"{year}.csv", index=False)
    quality = read_purchase_log(assume_config(str(tmp_path)).data, now=NOW).quality
    assert [found.code for found in quality.warnings].count("months-as-columns") == 1
    lines = read(tmp_path)
    assert lines["order_day"].dt.strftime("%Y-%m-%d").tolist() == [
        str(month_end(f"{year}-{month}")) for year in (2023, 2024) for month in range(1, 5)
    ]


def test_cells_that_say_in_words_that_they_are_empty_are_no_rows(tmp_path):
    path = tmp_path / "pivot.csv"
    path.write_text("client,2024-01,2024-02,2024-03\na,5.5,NULL,nan\nb,n/a,7.25,-\n")
    quality = read_purchase_log(assume_config(str(path)).data, now=NOW).quality
    assert (quality.rows_in, quality.rows_out, quality.money_out) == (2, 2, 12.75)


def test_numbers_of_typed_tables_stay_numbers():
    table = pd.DataFrame(
        {"client": ["a", "b"], "2024-01": [1.125, None], "2024-02": 2.375, "2024-03": [3, 0]}
    )
    assert read_log(table).quality.money_in == 1.125 + 2 * 2.375 + 3


def test_a_month_that_is_not_over_is_left_out_and_counted(tmp_path):
    table = pd.DataFrame(
        {"client": ["a"], "2024-10": [5.0], "2024-11": [6.0], "2024-12": [7.0], "2025-01": [8.0]}
    )
    table.to_parquet(tmp_path / "pivot.parquet")
    quality = read_purchase_log(assume_config(str(tmp_path / "pivot.parquet")).data, now=NOW).quality
    assert [(count.reason, count.rows) for count in quality.reasons] == [("date in the future", 1)]


@pytest.mark.parametrize(
    "columns",
    [
        # A log of purchases with months beside it.
        ["customer", "date", "amount", "2024-01", "2024-02", "2024-03", "2024-04"],
        # Two things of each month.
        ["customer", "sales 2024-01", "sales 2024-02", "units 2024-01", "units 2024-02"],
        ["customer", "2024-01", "2024-02"],
        ["customer", "order", "total", "note", "2024-01", "2024-02", "2024-03"],
    ],
)
def test_other_tables_stay_as_they_are(columns):
    table = pd.DataFrame([["a"] * len(columns)], columns=columns)
    with duckdb.connect() as connection:
        parts = read_parts(connection, table)
        assert with_months_as_rows(connection, parts) == parts


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("2024-02", date(2024, 2, 29)),
        ("202312", date(2023, 12, 31)),
        ("2024-02-01 00:00:00", date(2024, 2, 29)),
        ("2024-02-29 23:59:59.999999", date(2024, 2, 29)),
        ("31.12.2023", date(2023, 12, 31)),
        ("03/2023", date(2023, 3, 31)),
        ("Januar 2023", date(2023, 1, 31)),
        ("Mar-24", date(2024, 3, 31)),
        ("févr. 24", date(2024, 2, 29)),
        ("2024 Dez", date(2024, 12, 31)),
        ("Sum of Sales Apr 2024", date(2024, 4, 30)),
        ("2024", None),
        ("13/2024", None),
        ("2024-02-15", None),
        ("Plan 24", None),
        ("Januar", None),
        ("order 2024", None),
    ],
)
def test_months_are_known_by_their_names(name, end):
    assert month_end(name) == end
