"""Excel workbooks: sheets, types of cells, titles, and files that are not workbooks."""

import re
import zipfile
from datetime import date, datetime

import pytest
from tests.log.workbooks import write_ods, write_xlsx

from clvml.errors import InputError

HEADER = ["customer", "day", "amount"]
ANN, BOB = ["ann", date(2024, 1, 5), 10], ["bob", datetime(2024, 1, 6, 18, 30), 20.5]
ROWS = [("ann", "2024-01-05 00:00:00", 10.0), ("bob", "2024-01-06 18:30:00", 20.5)]


@pytest.fixture
def workbook(tmp_path):
    """Return a function that writes a workbook and returns its path."""

    def _workbook(**sheets):
        write_xlsx(tmp_path / "orders.xlsx", sheets)
        return tmp_path / "orders.xlsx"

    return _workbook


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


def test_reads_tables_of_opendocument(read, rows, tmp_path):
    write_ods(tmp_path / "orders.ods", {"Tabelle1": [HEADER, ANN, BOB], "Leer": []})
    assert rows(read(source=tmp_path / "orders.ods")) == ROWS


def test_reads_typed_cells(read, rows, workbook):
    log = read(source=workbook(Orders=[HEADER, ANN, BOB]))
    assert rows(log) == ROWS
    assert log.quality.read_as == {}


def test_titles_blank_rows_and_line_breaks_in_the_header(read, rows, workbook, tmp_path):
    header = ["customer", "day", "Total\namount"]
    path = workbook(Orders=[["Export of 2024"], [], header, ANN, [None, None, None], BOB, [None, BOB[1], 3]])
    log = read(source=path, columns={"amount": "Total amount"}, rejects=tmp_path / "out.csv")
    assert rows(log) == ROWS
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith(f"missing customer id,{path},7,")


def test_all_sheets_that_fit_are_read_and_the_others_told(read, rows, workbook):
    path = workbook(
        Notes=[["see", "below"], ["a", "b"]], Y2023=[HEADER, ANN], Y2024=[["x", *HEADER], ["y", *BOB]]
    )
    log = read(source=path)
    assert rows(log) == ROWS
    finding = log.quality.warnings[0]
    assert finding.code == "sheets-left-out"
    assert finding.text == f"'{path}': sheets 'Notes' were left out; name those to read in data.sheets"
    assert rows(read(source=path, sheets=["Y2024"])) == ROWS[1:]


def test_a_sheet_that_is_not_there(read, workbook):
    path = workbook(Orders=[HEADER, ANN])
    with _raises(f"'{path}' has no sheet 'Order' (did you mean 'Orders'?) (data.sheets); its sheets: Orders"):
        read(source=path, sheets=["Order"])


def test_numbers_stored_as_text_and_serial_days(read, rows, workbook):
    path = workbook(Orders=[HEADER, ["ann", 45296, "1.250,50 €"], ["bob", 45297.5, "7"]])
    log = read(source=path)
    assert rows(log) == [("ann", "2024-01-05 00:00:00", 1250.5), ("bob", "2024-01-06 12:00:00", 7.0)]
    assert log.quality.read_as == {"order_date": "excel", "amount": "1.234,56"}


def test_whole_ids_stay_whole(read, rows, workbook):
    path = workbook(Orders=[HEADER, [17850, *ANN[1:]], [1234567890123456, *BOB[1:]]])
    assert [row[0] for row in rows(read(source=path))] == ["1234567890123456", "17850"]


@pytest.mark.parametrize(
    "text, value", [("1.250,50", 1250.5), ("1,250.50", 1250.5), ("7,5", 7.5), ("8", 8.0)]
)
def test_numbers_beside_texts_are_what_they_are(read, rows, workbook, text, value):
    day = date(2024, 1, 5)
    path = workbook(
        Orders=[HEADER, ["ann", day, 12.5], ["bob", day, text], ["cat", day, 1250], ["dan", day, 1.125]]
    )
    assert [row[2] for row in rows(read(source=path))] == [12.5, value, 1250.0, 1.125]


def test_a_day_that_lost_its_format_stands_beside_days(read, rows, workbook):
    path = workbook(Orders=[HEADER, ["ann", date(2024, 1, 5), 20], ["bob", 45297.5, 30]])
    assert [row[1] for row in rows(read(source=path))] == ["2024-01-05 00:00:00", "2024-01-06 12:00:00"]


def test_days_and_months_that_a_spreadsheet_swapped_are_refused(read, rows, workbook):
    texts = [["ann", f"01/{day}/2024", day] for day in range(13, 29)]
    # 01/02/2024 was the second of January.
    cells = [["bob", date(2024, day, 1), day] for day in range(1, 13)]
    path = workbook(Orders=[HEADER, *cells, *texts])
    with pytest.raises(
        InputError, match=r"'2024-01-01 .* all up to the 12th .* '01/13/2024' .* swapped day and month"
    ):
        read(source=path)
    named = read(source=path, formats={"order_date": "%m/%d/%Y"}, now=datetime(2025, 1, 1))
    assert named.quality.rows_out == 28
    whole = workbook(Orders=[HEADER, *cells, ["cat", date(2024, 1, 13), 1], *texts])
    assert read(source=whole, now=datetime(2025, 1, 1)).quality.rows_out == 29


def test_refuses_what_is_no_workbook(read, workbook, tmp_path):
    path = workbook(Orders=[HEADER, ANN])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match=re.escape(f"'{path}' cannot be read as a workbook; it may be cut off")
    ):
        read(source=path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(f"'{path}' cannot be read as a workbook")):
        read(source=path)
    path = workbook(Empty=[], Header=[HEADER])
    with _raises(f"'{path}' holds no table; it needs a header row with column names and one row of data"):
        read(source=path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_text_that_is_called_a_workbook_is_read_as_text(read, rows, tmp_path, encoding):
    path = tmp_path / "orders.xls"
    path.write_bytes("customer\tday\tamount\nJürgen\t2024-01-05\t10\n".encode(encoding))
    assert rows(read(source=path)) == [("Jürgen", "2024-01-05 00:00:00", 10.0)]


def test_a_repeated_column_is_refused(read, workbook):
    path = workbook(Orders=[[*HEADER, "amount"], [*ANN, 3]])
    with _raises(f"'{path}' has several columns called 'amount'; rename all but one"):
        read(source=path)


def test_a_workbook_that_unpacks_to_gigabytes_is_refused_before_it_is_read(read, tmp_path, monkeypatch):
    monkeypatch.setattr("clvml.log.readers.workbook._LARGEST_BYTES", 10_000_000)
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sheet.xml", "w") as sheet,
    ):
        for _ in range(50):
            sheet.write(bytes(1_000_000))
    with pytest.raises(InputError, match=r"unpacks to 0.1 GB, too much for a workbook; save it as CSV"):
        read(source=path)
