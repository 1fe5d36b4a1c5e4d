"""The rejects file."""

import csv
import re

import duckdb
import pyarrow.parquet as pq
import pytest

from clvml.errors import InputError

HEADER = "customer,day,amount\n"


def _cells(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


def test_holds_reason_file_line_and_all_columns(read, tmp_path):
    text = (
        'customer,day,amount,note\nann,2024-01-05,10,a\n,2024-01-05,4,"b, c"\nbob,,5,\nann,2024-01-05,10,a\n'
    )
    rejects = tmp_path / "out.csv"
    read(text, rejects=rejects)
    source = str(tmp_path / "orders.csv")
    assert _cells(rejects) == [
        ["reason", "file", "line", "customer", "day", "amount", "note"],
        ["missing customer id", source, "3", "", "2024-01-05", "4", "b, c"],
        ["missing date", source, "4", "bob", "", "5", ""],
    ]
    read(text, rejects=rejects, duplicates="reject", refunds="reject")
    assert _cells(rejects)[-1] == ["repeat within one file", source, "5", "ann", "2024-01-05", "10", "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.csv", "out.csv"]


def test_several_files_and_parquet_output(read, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(HEADER + "ann,2024-01-05,10\n,2024-01-05,1\n")
    (folder / "b.csv").write_text(HEADER + "\nbob,x,2\n")
    (folder / "c.csv").write_text("amount,day,customer\n3,2024-01-05,\n")
    read(source=folder, rejects=tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["file"], row["line"], row["customer"], row["amount"]) for row in found] == [
        (str(folder / "a.csv"), 3, None, "1"),
        (str(folder / "b.csv"), 3, "bob", "2"),
        (str(folder / "c.csv"), 2, None, "3"),
    ]


def test_rows_of_parquet_are_numbered_from_one(read, tmp_path):
    source = tmp_path / "x.parquet"
    duckdb.sql(
        "SELECT CASE WHEN i % 1000 <> 7 THEN 'c' || i END AS customer, DATE '2024-01-05' AS day, "
        "i::DOUBLE AS amount "
        "FROM range(300000) AS t(i)"
    ).write_parquet(str(source))
    read(source=source, rejects=tmp_path / "out.parquet")
    found = duckdb.sql(f"SELECT line, amount::DOUBLE::BIGINT FROM '{tmp_path / 'out.parquet'}'").fetchall()
    assert found == [(number + 1, number) for number in range(7, 300_000, 1000)]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_lines_of_a_large_csv_are_exact(read, tmp_path, ending):
    # Many blocks and threads: a table that lost the input's order would reject other lines than it names.
    source = tmp_path / f"x.csv{ending}"
    duckdb.sql(
        "SELECT CASE WHEN i % 1000 <> 7 THEN 'c' || i END AS customer, DATE '2024-01-05' AS day, i AS "
        "amount, "
        "repeat('text ', 40) AS note FROM range(300000) AS t(i)"
    ).write_csv(str(source), compression="gzip" if ending else None)
    read(source=source, rejects=tmp_path / "out.parquet")
    found = duckdb.sql(f"SELECT line, amount::BIGINT FROM '{tmp_path / 'out.parquet'}'").fetchall()
    assert found == [(number + 2, number) for number in range(7, 300_000, 1000)]


def test_escapes_formulas_in_csv_only(read, tmp_path):
    cells = ["=1+1", "+cmd", "-2+3", "@sum", "\tx", "-12.50", "+5", "1e5", "plain", "-1,5", "-"]
    text = "customer,day,amount,=note\n" + "ann,2024-01-05,1,ok\n"
    text += "".join(f',2024-01-05,-1,"{cell}"\n' for cell in cells)
    read(text, rejects=tmp_path / "out.csv")
    found = _cells(tmp_path / "out.csv")
    assert found[0][-1] == "'=note"
    assert [row[-1] for row in found[1:]] == [
        *("'=1+1", "'+cmd", "'-2+3", "'@sum", "'\tx", "-12.50", "+5", "1e5", "plain", "-1,5", "'-"),
    ]
    assert {row[-2] for row in found[1:]} == {"-1"}
    read(text, rejects=tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names[-1] == "=note"
    assert table["=note"].to_pylist() == cells


def test_input_columns_may_be_called_like_ours(read, tmp_path):
    text = (
        'customer,day,amount,Reason,"li""ne",line,c0,purchase_log\n,2024-01-05,1,a,b,c,d,e\n'
        "ann,2024-01-05,1,,,,,\n"
    )
    read(text, rejects=tmp_path / "out.csv")
    header, row = _cells(tmp_path / "out.csv")
    assert header == [
        "reason",
        "file",
        "line",
        "customer",
        "day",
        "amount",
        "Reason_",
        'li"ne',
        "line_",
        "c0",
        "purchase_log",
    ]
    assert row[3:] == ["", "2024-01-05", "1", "a", "b", "c", "d", "e"]


def test_an_old_file_is_replaced_even_by_an_empty_one(read, tmp_path):
    rejects = tmp_path / "out.csv"
    rejects.write_text("old")
    read(HEADER + "ann,2024-01-05,1\n", rejects=rejects)
    assert _cells(rejects) == [["reason", "file", "line", "customer", "day", "amount"]]


def test_is_written_even_if_nothing_is_left(read, tmp_path):
    with pytest.raises(InputError, match="can be used"):
        read(HEADER + ",2024-01-05,1\n", rejects=tmp_path / "out.csv")
    assert len(_cells(tmp_path / "out.csv")) == 2


def test_counts_are_the_same_without_a_file(read, tmp_path):
    text = HEADER + "ann,2024-01-05,1\n,2024-01-05,1\n"
    assert read(text).quality == read(text, rejects=tmp_path / "out.csv").quality


def test_refuses_places_that_cannot_be(read, tmp_path):
    text = HEADER + "ann,2024-01-05,1\n"
    with _raises(f"rejects file '{tmp_path / 'out.txt'}' must end in .csv or .parquet"):
        read(text, rejects=tmp_path / "out.txt")
    with _raises(f"folder '{tmp_path / 'no'}' of the rejects file does not exist; create it first"):
        read(text, rejects=tmp_path / "no" / "out.csv")
    (tmp_path / "folder.csv").mkdir()
    with _raises(f"rejects file '{tmp_path / 'folder.csv'}' is a directory; give a file name"):
        read(text, rejects=tmp_path / "folder.csv")
    for source, rejects in [
        (tmp_path / "orders.csv", tmp_path / "orders.csv"),
        (tmp_path, tmp_path / "out.csv"),
        (tmp_path / "*.csv", tmp_path / "out.csv"),
    ]:
        inside = (
            f"lies inside the data that is read ('{source}'), which is never changed; write it somewhere else"
        )
        with _raises(f"rejects file '{rejects}' {inside}"):
            read(source=source, rejects=rejects)
    assert (tmp_path / "orders.csv").read_text() == text


def test_a_failing_write_leaves_the_old_file(read, tmp_path, monkeypatch):
    rejects = tmp_path / "out.csv"
    rejects.write_text("old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(InputError, match="cannot be written: disk full; make room"):
        read(HEADER + "ann,2024-01-05,1\n", rejects=rejects)
    assert rejects.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.csv", "out.csv"]
