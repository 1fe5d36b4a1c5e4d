"""Outputs: refused early, written whole, safe in a spreadsheet."""

import csv
import errno
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvml.errors import InputError
from clvml.storage.files import TABLES, check_output, escaped, replacing, write_table


def refused(message: str):
    """Expect an InputError with exactly this message."""
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_writable_output_is_accepted_and_nothing_is_left(tmp_path):
    check_output(tmp_path / "scores.csv", TABLES, str(tmp_path / "orders.csv"))
    check_output(tmp_path / "SCORES.PARQUET", TABLES)
    assert files(tmp_path) == []


def test_an_existing_output_is_kept_by_the_check(tmp_path):
    (tmp_path / "scores.csv").write_text("old")
    check_output(tmp_path / "scores.csv", TABLES)
    assert (tmp_path / "scores.csv").read_text() == "old"


@pytest.mark.parametrize("name", ["scores.xlsx", "scores", "scores.csv.gz", ".csv"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=f"^output '.*{re.escape(name)}' must end in .csv or .parquet$"):
        check_output(tmp_path / name, TABLES)


def test_a_directory_is_refused(tmp_path):
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(InputError, match=r"is a directory; give a file name$"):
        check_output(tmp_path / "scores.csv", TABLES)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "orders.csv").write_text("")
    for folder in ("missing", "orders.csv"):
        with pytest.raises(InputError, match=r"of the output does not exist; create it first$"):
            check_output(tmp_path / folder / "scores.csv", TABLES)


def test_a_folder_that_takes_no_file_is_refused(tmp_path):
    # Permission bits do not bind root; a name that is too long binds everyone.
    path = tmp_path / ("x" * 250 + ".csv")
    message = f"rejects file '{path}' cannot be written: File name too long; choose another folder"
    with refused(message):
        check_output(path, TABLES, what="rejects file")


@pytest.mark.parametrize(
    "source", ["data", "data/orders.csv", "data/*.csv", "data/../data/orders.csv", "data/link.csv", "d?ta/*"]
)
def test_the_input_is_never_written(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text("raw")
    (tmp_path / "data" / "link.csv").symlink_to(tmp_path / "data" / "orders.csv")
    message = (
        f"output 'data/orders.csv' lies inside the data that is read ('{source}'), which is never changed;"
        " write it somewhere else"
    )
    with refused(message):
        check_output(Path("data/orders.csv"), TABLES, source)
    assert (tmp_path / "data" / "orders.csv").read_text() == "raw"


def test_a_new_file_beside_the_input_is_fine(tmp_path):
    (tmp_path / "orders.csv").write_text("raw")
    for source in ("orders.csv", "orders*.csv", "missing"):
        check_output(tmp_path / "scores.csv", TABLES, str(tmp_path / source))


def test_replacing_keeps_the_old_file_when_the_work_dies(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as draft:
        draft.write_text("ne")
        raise KeyboardInterrupt
    assert files(tmp_path) == ["scores.csv"]
    assert path.read_text() == "old"
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert files(tmp_path) == ["scores.csv"]
    assert path.read_text() == "new"


def test_a_full_disk_is_said_in_one_line(tmp_path):
    message = (
        f"output '{tmp_path}/a.csv' cannot be written: No space left on device; make room or choose another"
        " folder"
    )
    with refused(message), replacing(tmp_path / "a.csv") as draft:
        draft.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["=1+1", "+1-1", "-1+1", "@x", "\tx", "\rx", "\nx", "=", "＝1", "'=1", "-", "+a"]
)
def test_what_a_spreadsheet_would_run_is_escaped(text):
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "C1", "-5", "+3.5", "-1,234.50", "-.5", "1e5", "-1E-5", "O'Brien", "'", "a=1"]
)
def test_plain_text_and_numbers_are_not(text):
    assert escaped(text) == text


@given(st.text())
def test_one_apostrophe_off_gives_the_text_back(text):
    written = escaped(text)
    assert written in (text, f"'{text}")
    if written.startswith("'"):
        assert text in (written, written[1:])
        # What was escaped is told from what began with an apostrophe by itself.
        assert (escaped(written[1:]) == written) == (text == written[1:])


def test_both_formats_hold_the_same_table(tmp_path):
    table = pd.DataFrame(
        {
            "id": pd.Series(["=1", "-5", "007", 'Zoë, "x"\nline'], dtype="string"),
            "text": pd.Series(["a", pd.NA, "", pd.NA], dtype="string"),
            "number": [0.1, -2.5, 1e-6, 3.0],
            "whole": [1, 2, 3, 4],
        }
    )
    before = table.copy()
    write_table(table, tmp_path / "t.csv")
    write_table(table, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(table, before)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == (
        'id,text,number,whole\n\'=1,a,0.1,1\n-5,,-2.5,2\n007,,1e-06,3\n"Zoë, ""x""\nline",,3.0,4\n'
    )
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["whole"] for row in csv.DictReader(stream)] == ["1", "2", "3", "4"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)
    assert files(tmp_path) == ["t.csv", "t.parquet"]
