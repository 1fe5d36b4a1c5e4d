"""Workbooks of Excel and OpenDocument: which sheets hold a table, and their cells."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from clvml.errors import InputError, did_you_mean
from clvml.log.readers.headers import column_names, find_header
from clvml.log.readers.markup import read_markup
from clvml.log.readers.row_tables import Row, create_row_table
from clvml.log.values.numbers import Spelling, compare_formats

_SAMPLE_ROWS = 50
_LONGEST_WHOLE = 2**53
_LARGEST_BYTES = 1_000_000_000
# Excel's numbers of days of 1954 to 2119.
_FIRST_DAY, _LAST_DAY = 20_000, 80_000


@dataclass(frozen=True)
class Sheet:
    """A table of a workbook.

    Attributes
    ----------
    columns, types : tuple of str
        Header names and DuckDB types: of a column that holds one kind of cells BIGINT, DOUBLE or TIMESTAMP, and
        else VARCHAR.
    repeated : frozenset of str
        Header names that occur more than once.
    header_row : int
        Its number in the sheet, from 1.
    cells : list of list
        All of the sheet, the rows above the header included.
    """

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    repeated: frozenset[str]
    header_row: int
    cells: list[list[Any]]


def is_text(path: Path) -> bool:
    """Return whether what is called a workbook is delimited text."""
    start = _start(path)
    return start.startswith((b"\xff\xfe", b"\xfe\xff")) or bool(
        start and b"\0" not in start and not is_markup(path)
    )


def is_markup(path: Path) -> bool:
    """Return whether what is called a workbook is HTML or XML."""
    return _start(path)[:1] == b"<"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1000).removeprefix(b"\xef\xbb\xbf").lstrip()


def read_sheets(
    path: Path, wanted: Sequence[str], mapped: Sequence[str], encoding: str | None
) -> tuple[list[Sheet], list[str]]:
    """Return the sheets that hold the purchase log, and the names of those that do not.

    ``wanted`` are their names; without any, all are taken that have the ``mapped`` input columns, as far as any sheet
    has them. ``encoding`` is that of HTML or XML, None of other workbooks.

    Raises
    ------
    InputError
        The file is damaged, protected or no workbook, holds no table, or lacks a wanted sheet.
    """
    import python_calamine as calamine

    _check_size(path)
    try:
        if encoding:
            written = read_markup(path, encoding)
        else:
            with calamine.load_workbook(str(path)) as book:
                written = {
                    name: book.get_sheet_by_name(name).to_python(skip_empty_area=False)
                    if name in wanted or not wanted
                    else []
                    for name in book.sheet_names
                }
    except calamine.PasswordError:
        raise InputError(f"'{path}' is protected by a password; save it without one") from None
    except (calamine.CalamineError, OSError) as error:
        raise InputError(
            f"'{path}' cannot be read as a workbook; it may be cut off or of another kind: save it again"
            f" ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from None
    names = list(written)
    for name in wanted:
        if name not in names:
            raise InputError(
                f"'{path}' has no sheet '{name}'{did_you_mean(name, names)} (data.sheets); its sheets:"
                f" {', '.join(names)}"
            )
    found = [_describe(name, written[name]) for name in wanted or names]
    tables = [sheet for sheet in found if sheet is not None]
    if not tables:
        raise InputError(
            f"'{path}' holds no table; it needs a header row with column names and one row of data"
        )
    if wanted:
        return tables, []
    best = max(
        tables,
        key=lambda sheet: (sum(name in sheet.columns for name in mapped), 0 if mapped else len(sheet.cells)),
    )
    needed = {name for name in mapped if name in best.columns} or set(best.columns)
    kept = [sheet for sheet in tables if needed <= set(sheet.columns)]
    return kept, [name for name in names if name not in [sheet.name for sheet in kept]]


def _check_size(path: Path) -> None:
    """Refuse a workbook that unpacks to more than people keep in one: its sheets are read as a whole."""
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > _LARGEST_BYTES:
            raise InputError(
                f"'{path}' unpacks to {size / 1e9:.1f} GB, too much for a workbook; save it as CSV, which is read"
                " piece by piece"
            )


def copy_sheet(connection: duckdb.DuckDBPyConnection, sheet: Sheet, table: str) -> None:
    """Copy the rows below the header into the temporary ``table`` (line, broken, c0, c1, ...), blank ones left out."""

    body = sheet.cells[sheet.header_row :]
    writers = [
        _writer([row[index] for row in body if index < len(row)]) if kind == "VARCHAR" else _text
        for index, kind in enumerate(sheet.types)
    ]

    def rows() -> Iterator[Row]:
        for number, cells in enumerate(body, start=sheet.header_row + 1):
            texts = [write(cell) for write, cell in zip(writers, cells, strict=False)]
            if any(text is not None for text in texts):
                yield (number, None, *texts, *[None] * (len(sheet.columns) - len(texts)))

    create_row_table(connection, table, len(sheet.columns), rows())


def _describe(name: str, cells: list[list[Any]]) -> Sheet | None:
    """Return a sheet with its header, or None where it holds no table."""
    filled = [number for number, row in enumerate(cells) if any(_text(cell) is not None for cell in row)]
    sample = [[_text(cell) or "" for cell in cells[number]] for number in filled[:_SAMPLE_ROWS]]
    if len(filled) < 2:
        return None
    header = filled[find_header(sample)]
    titles = [_text(cell) or "" for cell in cells[header]]
    # A sheet may be formatted far to the right of its table.
    width = max(
        (index + 1 for row in cells[header:] for index, cell in enumerate(row) if _text(cell) is not None),
        default=0,
    )
    columns, repeated = column_names(titles[:width])
    if len(columns) < 2:
        return None
    types = tuple(_column_type(row[index] for row in cells[header + 1 :]) for index in range(len(columns)))
    return Sheet(name, columns, types, repeated, header + 1, cells)


def _column_type(cells: Iterator[Any]) -> str:
    kinds = {_kind(cell) for cell in cells if _text(cell) is not None}
    if kinds <= {"BIGINT", "DOUBLE"} and kinds:
        return "DOUBLE" if "DOUBLE" in kinds else "BIGINT"
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"


def _writer(cells: list[Any]) -> Callable[[Any], str | None]:
    """Return what writes the cells of a column of several kinds, so that all are read as the texts among them are.

    The number 1.125 beside the text 1.234,50 is written 1,125; a number beside dates is a day of which the cell lost
    its format, where all such numbers may be days.
    """
    numbers = [cell for cell in cells if _kind(cell) in ("BIGINT", "DOUBLE")]
    dates = sum(_kind(cell) == "TIMESTAMP" for cell in cells)
    if not numbers:
        return _text
    if dates * 10 >= len(numbers) and all(_FIRST_DAY <= cell < _LAST_DAY for cell in numbers):
        return lambda cell: _text(cell if _kind(cell) not in ("BIGINT", "DOUBLE") else _day(cell))
    texts = {cell for cell in cells if isinstance(cell, str) and any(map(str.isdigit, cell))}
    fitting = compare_formats([Spelling(text, 1, 0) for text in texts]).formats
    if texts and fitting and all(number.decimal == "," for number in fitting):
        return lambda cell: (_text(cell) or "").replace(".", ",") if _kind(cell) == "DOUBLE" else _text(cell)
    return _text


def _day(serial: float) -> datetime:
    return datetime(1899, 12, 30) + timedelta(seconds=round(serial * 86400))


def _kind(cell: Any) -> str:
    if isinstance(cell, float):
        return "BIGINT" if cell.is_integer() and abs(cell) < _LONGEST_WHOLE else "DOUBLE"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return "BIGINT"
    return "TIMESTAMP" if isinstance(cell, date) else "VARCHAR"


def _text(cell: Any) -> str | None:
    """Return a cell as text: numbers with a point, dates as ISO, None where it is empty."""
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, float) and _kind(cell) == "BIGINT":
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, bool):
        return str(cell).lower()
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
