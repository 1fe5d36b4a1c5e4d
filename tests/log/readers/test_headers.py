"""Where a table begins."""

import pytest
from tests.log.workbooks import write_xlsx

from clvml.errors import InputError
from clvml.log.readers.headers import column_names, find_header

PLAIN = ["customer", "day", "amount"]
VALUES = ["ann", "2024-01-05", "10"]


@pytest.mark.parametrize(
    "above",
    [
        [],
        [["Orders 2024"]],
        [["Orders 2024", "", ""], ["printed on", "", ""]],
        [["Shop", "Main Street", "7", "Springfield"], ["", "", ""]],
        [["who", "order", "order"]],
        [["who", "", "order"]],
        [["Orders 2024", "", ""], ["who", "order", "order"]],
    ],
)
def test_titles_stand_above(above):
    assert find_header([*above, PLAIN, VALUES, VALUES]) == len(above)


@pytest.mark.parametrize(
    "records",
    [
        [PLAIN],
        [["one"], ["1"], ["2"]],
        [["", "day", "amount"], VALUES],
        [["2019", "2020", "2021"], ["a", "b", "c"]],
        [["customer", "", ""], VALUES, VALUES],
        [["", "segment", "town"], ["ann", "gold", "Bonn"], ["bob", "gold", "Kiel"]],
        [
            ["", "segment", "segment"],
            ["ann", "gold", "Bonn"],
            ["bob", "tier 2", "Kiel"],
            ["eve", "gold", "Kiel"],
        ],
        [],
    ],
)
def test_else_the_first_line_is_it(records):
    assert find_header(records) == 0


@pytest.mark.parametrize(
    "below",
    [
        ",(yyyy-mm-dd),EUR",
        "text,date,number",
        "Kunde,Datum,Betrag",
        ",,[EUR]",
        "---,---,---",
    ],
)
def test_units_and_other_names_below_a_header_are_no_line(read, reasons, below):
    text = ",".join(PLAIN) + f"\n{below}\n" + "ann,2024-01-05,10\nbob,2024-01-06,20\n"
    log = read(text, max_unreadable=0.01)
    assert reasons(log) == {("header line", "rejected"): (1, 0.0)}
    assert log.quality.money_out == 30


@pytest.mark.parametrize("line", ["eve,soon,5", "eve,2024-01-07,five"])
def test_a_first_line_with_a_date_or_an_amount_is_no_header(read, reasons, line):
    assert ("header line", "rejected") not in reasons(read(f"{','.join(PLAIN)}\n{line}\nann,2024-01-05,10\n"))


def test_names_are_trimmed_and_told_apart():
    names, repeated = column_names(["a", "", "a ", "A", "Order\r\n date", ""])
    assert names == ("a", "column_2", "a_2", "A", "Order date", "column_6")
    assert repeated == {"a"}


REPEATED = "customer,amount,day,amount\n"


@pytest.mark.parametrize(
    ("above", "encoding", "field"),
    [("", "utf-8", "a"), ("Report\n\n", "utf-8", "a"), ("", "cp1252", "é"), ("", "utf-8", '"a\nb"')],
)
def test_of_two_columns_of_one_name_the_filled_one_is_read(read, rows, above, encoding, field):
    text = f"{above}{REPEATED}{field},,2024-01-05,10\nbob, ,2024-01-06,20\n"
    log = read(text.encode(encoding))
    assert {row[2] for row in rows(log)} == {10.0, 20.0}
    (found,) = [warning for warning in log.quality.warnings if warning.code == "empty-column-passed-over"]
    assert "several columns called 'amount'" in found.text


def test_in_a_folder_each_file_has_its_own_filled_column(read, rows, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(f"{REPEATED}ann,,2024-01-05,10\n")
    (tmp_path / "in" / "b.csv").write_text(f"{REPEATED}bob,20,2024-01-06,\n")
    assert [row[2] for row in rows(read(source=tmp_path / "in"))] == [10.0, 20.0]


def test_two_filled_columns_of_one_name_are_refused(read):
    with pytest.raises(InputError, match="several columns called 'amount'; rename all but one"):
        read(f"{REPEATED}ann,1,2024-01-05,10\nbob,,2024-01-06,20\n")


def test_the_filled_column_of_a_sheet(read, rows, tmp_path):
    sheet = [["customer", "amount", "day", "amount"], ["ann", None, "2024-01-05", 10.5]]
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": sheet})
    assert [row[2] for row in rows(read(source=tmp_path / "orders.xlsx"))] == [10.5]
