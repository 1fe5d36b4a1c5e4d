"""Encodings and packed files: one per file, said, and no mix."""

import re
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from clvml.errors import InputError
from clvml.log.readers.text_files import scan_text

CASES = Path(__file__).parents[2] / "cases"
TEXT = "customer;day;amount\nZoë Müller;2024-01-05;10,50\nbob;2024-01-06;20\n"
ROWS = [("Zoë Müller", "2024-01-05 00:00:00", 10.5), ("bob", "2024-01-06 00:00:00", 20.0)]


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    "encoding, said",
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
def test_reads_an_encoding_and_says_it(read, rows, encoding, said):
    log = read(TEXT.encode(encoding))
    assert rows(log) == ROWS
    assert log.quality.read_as.get("encoding") == said


def test_what_latin_1_does_not_have_is_cp1252(read, rows):
    log = read(TEXT.replace("ë", "Œ").replace("10,50", "10,50 €").encode("cp1252"))
    assert rows(log)[0] == ("ZoŒ Müller", "2024-01-05 00:00:00", 10.5)


def test_cp1252_of_the_cases(read):
    columns = {
        "customer_id": "Customer ID",
        "order_date": "Order Date",
        "amount": "Sales",
        "order_id": "Order ID",
    }
    log = read(
        source=CASES / "cp1252_orders.csv", columns=columns, now=datetime(2026, 1, 1), max_unreadable=0.01
    )
    assert (log.quality.rows_out, log.quality.customers) == (4617, 400)
    assert round(log.quality.money_out, 2) == 156_826.89
    assert log.quality.read_as["encoding"] == "cp1252"


def test_refuses_a_mix(read, tmp_path):
    text = TEXT.encode() + "çelik;2024-01-05;1\n".encode("cp1252")
    with _raises(
        f"'{tmp_path / 'orders.csv'}' mixes encodings: line 2 is UTF-8 and line 4 is not; export it again in one "
        "encoding, UTF-8 if there is a choice"
    ):
        read(text)


def test_files_of_a_folder_may_differ(read, rows, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_bytes(TEXT.encode("cp1252"))
    (tmp_path / "in" / "b.csv").write_bytes(
        TEXT.replace("Zoë", "Anaïs").replace("bob", "eve").encode("utf-16")
    )
    log = read(source=tmp_path / "in")
    assert [row[0] for row in rows(log)] == ["Anaïs Müller", "Zoë Müller", "bob", "eve"]
    assert log.quality.read_as["encoding"] == "cp1252 or utf-16"


def test_refuses_what_is_no_text(read, tmp_path):
    message = f"'{tmp_path / 'orders.csv'}' is not a text file, whatever its name; save it as CSV with UTF-8 encoding"
    with _raises(message):
        read(b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256)) * 20)


def _zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def test_reads_a_zip_of_one_file(read, rows, tmp_path):
    path = _zip(tmp_path / "x.zip", orders__csv=TEXT.encode("cp1252"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._orders.csv", b"\x00\x05")
    assert rows(read(source=path)) == ROWS


def test_refuses_a_zip_of_several_files_or_of_none(read, tmp_path):
    path = _zip(tmp_path / "x.zip", a__csv=TEXT, b__csv=TEXT)
    with _raises(
        f"'{path}' holds 'a.csv', 'b.csv'; pack one file, or unpack it and give the file or its folder"
    ):
        read(source=path)
    path = _zip(tmp_path / "x.zip")
    with _raises(f"'{path}' holds no file; pack one file, or unpack it and give the file or its folder"):
        read(source=path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=re.escape(f"'{path}' cannot be read to its end")):
        read(source=path)


@pytest.mark.parametrize(
    "text, lines", [("", 0), ("a", 1), ("a\n", 1), ("a\n\n\n", 1), ("a\n\nb", 3), ("\n\na\n", 3)]
)
def test_counts_lines(tmp_path, text, lines):
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert scan_text(path)[0] == lines
