"""Tables in HTML and in the XML of Excel 2003, which shops and ERP systems give out as .xls."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from clvml.errors import InputError
from clvml.log.readers.text_files import Scan, damage_reported, open_text, scan_text

_HEAD, _BLOCK = 4_096, 1_000_000
# Where a table spans more columns, what it says is not meant.
_MOST_SPANNED = 1_000
# Latin-1 is said of many pages that are in another one.
_DECLARED = re.compile(
    rb"(?:charset|encoding)\s*=\s*[\"']?\s*((?:windows|cp|iso-8859-(?!1\b)|koi8|mac|gb|big5|shift|euc|ks_c)[\w-]*)",
    re.IGNORECASE,
)


def scan_markup(path: Path, code_page: str | None = None) -> Scan:
    """Return what `scan_text` does; without ``code_page``, the file is in the one that it names itself.

    Raises
    ------
    InputError
        The file mixes encodings or is not text.
    """
    with path.open("rb") as file:
        found = _DECLARED.search(file.read(_HEAD))
    if found and code_page is None:
        with suppress(LookupError):
            declared = codecs.lookup(found[1].decode()).name
            # What is no UTF-8 may still say so.
            is_page = not declared.startswith("utf") and "<".encode(declared) == b"<"
            code_page = declared if is_page else None
    return scan_text(path, code_page)


def read_markup(path: Path, encoding: str) -> dict[str, list[list[Any]]]:
    """Return the rows of each table by its name, all of one width; cells are text, or numbers where XML says so.

    Raises
    ------
    InputError
        The file has sections that are none of HTML.
    """
    reader = _Tables()
    with damage_reported(path), open_text(path, encoding) as text:
        try:
            while block := text.read(_BLOCK):
                reader.feed(block)
            reader.close()
        except AssertionError as error:
            # So the parser of the standard library refuses sections such as <![other[.
            raise InputError(
                f"'{path}' is no HTML or XML that can be read ({error}); save it as CSV"
            ) from None
    reader.end_tables()
    for rows in reader.tables.values():
        width = max(map(len, rows), default=0)
        for row in rows:
            row += [""] * (width - len(row))
    return reader.tables


class _Tables(HTMLParser):
    """Collects the cells of rows. Tags that end a cell or a row may be missing, as HTML allows."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[Any]]] = {}
        self._name = ""
        self._rows: list[list[Any]] = []
        self._row: list[Any] | None = None
        self._cell: list[str] | None = None
        self._spanned, self._is_number = 1, False
        self._around: list[tuple[list[list[Any]], list[Any] | None, list[str] | None, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        tag, said = tag.rpartition(":")[2], {name.rpartition(":")[2]: value or "" for name, value in attrs}
        if tag == "worksheet":
            self._name = said.get("name", "")
        elif tag == "table":
            # One inside a cell is a table of its own, and the cell goes on behind it.
            self._around.append((self._rows, self._row, self._cell, self._spanned))
            self._row = self._cell = None
            self._rows = self.tables[self._name or f"table {len(self.tables) + 1}"] = []
        elif tag in ("tr", "row"):
            self._end_row()
            self._row = []
        elif tag in ("td", "th", "cell"):
            self._end_cell()
            self._row = [] if self._row is None else self._row
            # XML leaves out empty cells, and numbers the next one.
            self._row += [""] * (min(_whole(said.get("index")), _MOST_SPANNED) - 1 - len(self._row))
            self._spanned = min(max(_whole(said.get("colspan")), 1), _MOST_SPANNED)
            self._cell, self._is_number = [], False
        elif tag == "data":
            self._is_number = said.get("type") == "Number"
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag in ("td", "th", "cell"):
            self._end_cell()
        elif tag in ("tr", "row", "table"):
            self._end_row()
        if tag == "table" and self._around:
            self._rows, self._row, self._cell, self._spanned = self._around.pop()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def unknown_decl(self, data: str) -> None:
        # XML may enclose text so: <![CDATA[Smith & Co]]>.
        if data.startswith("CDATA["):
            self.handle_data(data.removeprefix("CDATA["))

    def end_tables(self) -> None:
        """Add the rows that were begun to their tables."""
        self._end_row()
        while self._around:
            self.handle_endtag("table")

    def _end_row(self) -> None:
        self._end_cell()
        if self._row:
            self._rows.append(self._row)
        self._row = None

    def _end_cell(self) -> None:
        if self._cell is None or self._row is None:
            return
        value: Any = "".join(self._cell).strip()
        if self._is_number:
            with suppress(ValueError):
                value = float(value)
        self._row += [value, *[""] * (self._spanned - 1)]
        self._cell = None


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
