"""Delimited text: header, delimiter, and the slow exact reader for files that DuckDB cannot vouch for.

DuckDB reads well-formed files fast, but it skips blank lines silently and gives up on broken ones.
Its result is used only when it has as many rows as the file has lines; every other file is read here line
by line, which knows the exact line number of each row and quarantines broken lines one by one.
"""

from __future__ import annotations

import csv
import glob
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

import duckdb

from clvml.errors import InputError
from clvml.log.readers.datev import DAY_COLUMN, first_day_of_batch, with_year
from clvml.log.readers.headers import column_names, find_header
from clvml.log.readers.row_tables import Row, create_row_table
from clvml.log.readers.text_files import (
    LONGEST_LINE,
    bounded_lines,
    damage_reported,
    is_cut,
    open_text,
    scan_text,
)
from clvml.storage.sql import literal

TOO_FEW_COLUMNS = "broken line: too few columns"
TOO_MANY_COLUMNS = "broken line: too many columns"
STRAY_QUOTE = "broken line: stray quote"
TOO_LONG = "broken line: field too long"

_DELIMITERS = ",;\t|"
# What is kept of a line that is too long, for the rejects file.
_KEPT_LETTERS = 1_000
_LONGEST_NAME = 10_000
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 200, 1 << 20
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SEPARATOR_LINE = re.compile(r'"?sep=(.|\\t)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes
    ----------
    delimiter : str
        One character.
    columns : tuple of str
        Header names, trimmed and made unique; a blank one is called ``column_<position>``.
    repeated : frozenset of str
        Header names that occur more than once (the later ones got a suffix in ``columns``).
    header_line : int
        The line on which the header begins; titles, blank lines or ``sep=;`` stand above.
    encoding : str
        See `clvml.log.readers.text_files.scan_text`.
    first_day : date or None
        Of a posting batch of DATEV (`clvml.log.readers.datev`).
    """

    delimiter: str
    columns: tuple[str, ...]
    repeated: frozenset[str]
    header_line: int = 1
    encoding: str = "utf-8"
    first_day: date | None = None


def read_layout(path: Path, encoding: str | None = None) -> Layout:
    """Find the header of a delimited file and its delimiter; the encoding is found out unless it is given.

    Raises
    ------
    InputError
        The file is empty or no text, or packed data are damaged.
    """
    encoding = encoding or scan_text(path).encoding
    with damage_reported(path), open_text(path, encoding) as text:
        sample = _sample(text)
    first = next((number for number, line in enumerate(sample) if line.strip()), None)
    if first is None:
        raise InputError(
            f"'{path}' is empty; it needs a header line with column names and at least one data line"
        )
    delimiters = _DELIMITERS
    if said := _SEPARATOR_LINE.fullmatch(sample[first]):
        delimiters = "\t" if said[1] == "\\t" else said[1]
        first += 1
    elif ".tsv" in (suffix.lower() for suffix in path.suffixes[-2:]):
        delimiters = "\t"
    # Most columns that the lines below have as well; on a tie the earlier, commoner delimiter.
    _, delimiter, line, header = max(
        (_split_sample(sample[first:], delimiter) for delimiter in delimiters), key=lambda found: found[0]
    )
    if max(map(len, header)) > _LONGEST_NAME:
        raise InputError(
            f"the header of '{path}' (line {first + line}) has a name of more than {_LONGEST_NAME:,} letters: it is not"
            " a header; export it again, with column names and a line for each row"
        )
    columns, repeated = column_names(header)
    return Layout(delimiter, columns, repeated, first + line, encoding, first_day_of_batch(sample[first]))


def _sample(text: io.TextIOWrapper) -> list[str]:
    lines: list[str] = []
    room = _SAMPLE_CHARACTERS
    while room > 0 and len(lines) < _SAMPLE_LINES and (line := text.readline(room)):
        lines.append(line)
        room -= len(line)
    return lines


def _split_sample(lines: list[str], delimiter: str) -> tuple[float, str, int, list[str]]:
    """Return how well a delimiter fits the first lines, the delimiter, the header's line from 1, and its cells."""
    reader = csv.reader(lines, delimiter=delimiter)
    records: list[list[str]] = []
    starts: list[int] = []
    start = 1
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                records.append(record)
                starts.append(start)
            start = reader.line_num + 1
    except csv.Error:
        # A field that is too long for any reader: the layout is read from what stands before it.
        pass
    if not records:
        return 0.0, delimiter, 1, [lines[0].strip()] if lines else []
    number = find_header(records)
    width = len(records[number])
    # A delimiter may also end the lines, and not the header.
    matching = sum(len(record) >= width and not any(record[width:]) for record in records[number:])
    alike = matching / len(records[number:])
    # No name begins with a line break: that is where a quoted field ends which holds the delimiter.
    is_header = width > 1 and not any(cell.startswith(("\r", "\n")) for cell in records[number])
    return (width * alike if is_header else 0.0), delimiter, starts[number], records[number]


def delimited_relation(path: Path, layout: Layout) -> str:
    """Return the DuckDB table expression of a well-formed file: text columns ``c0``, ``c1``, ..."""
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(layout.columns)))
    compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower(), "none")
    # The path is escaped because DuckDB expands wildcards even where a file of that very name exists.
    return (
        f"read_csv({literal(glob.escape(str(path)))}, delim = {literal(layout.delimiter)}, quote = '\"', "
        f"escape = '\"', header = true, auto_detect = false, strict_mode = true, "
        f"compression = '{compression}', encoding = {literal(layout.encoding)}, columns = {{{columns}}})"
    )


def copy_carefully(connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout, table: str) -> None:
    """Copy a delimited file line by line into the temporary ``table`` (line, broken, c0, c1, ...).

    One row per line that holds data, in file order. ``broken`` is the reason why a line cannot be read, or
    NULL. Surplus fields that are empty are no harm and left out.

    Raises
    ------
    InputError
        A quote is opened and not closed on its line, so that following lines cannot be told apart.
    """
    # By itself the csv module takes shorter fields than DuckDB does.
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        create_row_table(connection, table, len(layout.columns), _careful_rows(path, layout))
    finally:
        csv.field_size_limit(before)


def _careful_rows(path: Path, layout: Layout) -> Iterator[Row]:
    width = len(layout.columns)
    days = [place for place, name in enumerate(layout.columns) if name == DAY_COLUMN]
    recent: list[str] = []
    too_long = False

    def remembered(lines: Iterable[str]) -> Iterator[str]:
        nonlocal too_long
        for line in lines:
            if is_cut(line):
                too_long = True
                # Without quotes, so that the next line is not taken for a part of this one.
                line = line[:_KEPT_LETTERS].replace('"', "") + "\n"
            recent.append(line)
            yield line

    above = layout.header_line - 1
    with damage_reported(path), open_text(path, layout.encoding) as text:
        for _ in islice(text, above):
            pass
        reader = csv.reader(
            remembered(bounded_lines(text)),
            delimiter=layout.delimiter,
            quoting=csv.QUOTE_NONE if _is_without_quotes(path, layout) else csv.QUOTE_MINIMAL,
            strict=True,
        )
        in_header = True
        while True:
            start = above + reader.line_num + 1
            recent.clear()
            too_long = False
            broken = None
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields = [recent[0].rstrip("\r\n")]
                broken = TOO_LONG if "field limit" in str(error) else STRAY_QUOTE
            if too_long and broken is None and len(recent) == 1:
                fields, broken = [recent[0].rstrip("\n")], TOO_LONG
            if len(fields) < 2 and not "".join(fields).strip() and broken is None:
                continue
            if in_header:
                in_header = False
                continue
            while len(fields) > width and not fields[-1]:
                fields.pop()
            if broken is None and len(fields) != width:
                broken = TOO_MANY_COLUMNS if len(fields) > width else TOO_FEW_COLUMNS
            if broken is not None and len(recent) > 1:
                raise InputError(
                    f"'{path}' line {start}: a quote (\") is opened and not closed before line "
                    f"{start + len(recent) - 1}, so lines cannot be told apart; close it, or write a quote "
                    'inside a quoted field twice ("")'
                )
            if len(fields) > width:
                fields[width - 1 :] = [layout.delimiter.join(fields[width - 1 :])]
            if layout.first_day and broken is None:
                for place in days:
                    fields[place] = with_year(fields[place], layout.first_day)
            yield (start, broken, *(field or None for field in fields), *[None] * (width - len(fields)))


def _is_without_quotes(path: Path, layout: Layout) -> bool:
    """Return whether quotes in a file with tabs are inches and titles, as Amazon writes them, and enclose no field.

    They are where more fields begin with a quote and do not end with one than are enclosed by them, in lines with as
    many fields as the header.
    """
    if layout.delimiter != "\t":
        return False
    enclosed = stray = 0
    with damage_reported(path), open_text(path, layout.encoding) as text:
        for cells in (line.rstrip("\r\n").split("\t") for line in bounded_lines(text) if '"' in line):
            if len(cells) == len(layout.columns):
                # The last one may end on another line.
                quoted = [cell for cell in cells[:-1] if cell.startswith('"')]
                whole = sum(bool(_QUOTED.fullmatch(cell)) for cell in quoted)
                enclosed, stray = enclosed + whole, stray + len(quoted) - whole
    return stray > enclosed
