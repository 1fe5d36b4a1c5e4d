"""Excel workbooks: sheets, types of cells, titles, and files that are none."""

import re
import zipfile
from datetime import date, datetime

import pytest
from tests.log.workbooks import write_xlsx

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


def test_typed_and_written_amounts_that_contradict_each_other_are_refused(read, workbook):
    with pytest.raises(
        InputError, match=r"writes numbers in two ways: '12.5' \(line 2\) and '1.250,50' \(line 3\)"
    ):
        read(
            source=workbook(
                Orders=[HEADER, ["ann", date(2024, 1, 5), 12.5], ["bob", date(2024, 1, 5), "1.250,50"]]
            )
        )


def test_refuses_what_is_no_workbook(read, workbook, tmp_path):
    path = workbook(Orders=[HEADER, ANN])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match=re.escape(f"'{path}' cannot be read as an Excel workbook; it may be cut off")
    ):
        read(source=path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(f"'{path}' cannot be read as an Excel workbook")):
        read(source=path)
    path = workbook(Empty=[], Header=[HEADER])
    with _raises(f"'{path}' holds no table; it needs a header row with column names and one row of data"):
        read(source=path)


def test_a_repeated_column_is_refused(read, workbook):
    path = workbook(Orders=[[*HEADER, "amount"], [*ANN, 3]])
    with _raises(f"'{path}' has several columns called 'amount'; rename all but one"):
        read(source=path)


def test_a_workbook_that_unpacks_to_gigabytes_is_refused_before_it_is_read(read, tmp_path, monkeypatch):
    monkeypatch.setattr("clvml.log.workbook._LARGEST_BYTES", 10_000_000)
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sheet.xml", "w") as sheet,
    ):
        for _ in range(50):
            sheet.write(bytes(1_000_000))
    with pytest.raises(InputError, match=r"unpacks to 0.1 GB, too much for a workbook; save it as CSV"):
        read(source=path)
