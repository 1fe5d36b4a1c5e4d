"""Outputs: what is refused before the work begins."""

import os
import re
import socket
from pathlib import Path

import duckdb
import pytest

from clvml.errors import InputError
from clvml.storage.files import TABLES
from clvml.storage.outputs import check_output, is_same_output


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
    path = tmp_path / ("x" * 252 + ".csv")
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


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a folder with a file that is reached in many ways."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "orders.csv").write_text("raw")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "more.csv").write_text("raw")
    (tmp_path / "door").symlink_to(folder)
    os.link(folder / "2024" / "orders.csv", tmp_path / "hard.csv")
    (tmp_path / "soft.csv").symlink_to(folder / "2024" / "orders.csv")
    (tmp_path / "new.csv").symlink_to(folder / "2024" / "new.csv")
    return folder


@pytest.mark.parametrize("source", ["data", "door", "./data/", "data/../door/", "data/**", "data/**/*.csv"])
@pytest.mark.parametrize(
    "output",
    [
        "data/2024/orders.csv",
        "data/new.csv",
        "data/2024/../2024/new.csv",
        "nowhere/../data/2024/orders.csv",
        "door/2024/new.csv",
        "hard.csv",
        "soft.csv",
        "new.csv",
        "elsewhere/new.csv",
        "elsewhere/more.csv",
    ],
)
def test_no_spelling_and_no_link_leads_into_the_data(data, source, output):
    with pytest.raises(InputError, match="lies inside the data that is read"):
        check_output(Path(output), TABLES, source)


@pytest.mark.parametrize("source", ["data/2024/orders.csv", "door/2024/orders.csv", "soft.csv", "hard.csv"])
@pytest.mark.parametrize(
    "output", ["data/2024/orders.csv", "hard.csv", "soft.csv", "door/2024/orders.csv", "no/../hard.csv"]
)
def test_one_file_is_one_file_under_all_its_names(data, source, output):
    with pytest.raises(InputError, match="lies inside the data that is read"):
        check_output(Path(output), TABLES, source)


@pytest.mark.parametrize("output", ["data/2024/s.csv", "door/2024/../2024/s.csv"])
def test_a_new_file_that_a_pattern_would_find_is_refused(data, output):
    for source in ("data/2024/*.csv", "data/../data/20*/*.csv", "door/2024/[a-z]*.csv"):
        with pytest.raises(InputError, match="lies inside the data that is read"):
            check_output(Path(output), TABLES, source)
    check_output(Path(output), TABLES, "data/2024/o*.csv")


def test_the_file_of_a_database_that_is_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    duckdb.connect(str(tmp_path / "shop.csv")).close()
    os.link("shop.csv", "other.csv")
    for output in ("shop.csv", "./../" + tmp_path.name + "/shop.csv", "other.csv"):
        with pytest.raises(InputError, match="lies inside the data that is read"):
            check_output(Path(output), TABLES, "duckdb:///shop.csv?table=orders")


def test_what_is_no_file_is_no_output(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "null.csv").symlink_to("/dev/null")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.csv"))
        for name in ("pipe.csv", "null.csv", "loop.csv", "s.csv"):
            with pytest.raises(
                InputError, match="is not a file but a device, a pipe or a link that leads nowhere"
            ):
                check_output(tmp_path / name, TABLES)
    assert not Path("/dev/null").is_file()


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    # Permission bits do not bind root.
    monkeypatch.setattr("os.access", lambda place, mode: Path(place) != path)
    with refused(f"output '{path}' is there and write-protected; give another name"):
        check_output(path, TABLES)


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^the name of '.*sc\\xffores.csv' is not UTF-8; rename it$"):
        check_output(Path(os.fsdecode(os.fsencode(tmp_path) + b"/sc\xffores.csv")), TABLES)
    with pytest.raises(InputError, match="holds a character that no name can hold"):
        check_output(tmp_path / "a\0b.csv", TABLES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.csv", "./x/../a.csv"),
        ("a.csv", "link.csv"),
        ("a.csv", "door/a.csv"),
        ("a.csv", "hard.csv"),
        ("new.csv", "door/new.csv"),
        ("new.csv", "NEW.CSV"),
        ("é.csv", "e\u0301.csv"),
    ],
)
def test_two_names_of_one_output_are_told(tmp_path, monkeypatch, one, other):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "link.csv").symlink_to("a.csv")
    (tmp_path / "door").symlink_to(tmp_path)
    os.link("a.csv", "hard.csv")
    assert is_same_output(Path(one), Path(other))
    assert not is_same_output(Path(one), Path("b.csv"))
    assert not is_same_output(Path(one), Path("x/a.csv"))
