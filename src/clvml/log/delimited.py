"""CSV and TSV files: header, delimiter, and the slow exact reader for files that DuckDB cannot vouch for.

DuckDB reads well-formed files fast, but it skips blank lines silently and gives up on broken ones.
Its result is used only when it has as many rows as the file has lines; every other file is read here line
by line, which knows the exact line number of each row and quarantines broken lines one by one.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import duckdb
import pyarrow as pa

from clvml.errors import InputError
from clvml.storage.sql import literal

TOO_FEW_COLUMNS = "broken line: too few columns"
TOO_MANY_COLUMNS = "broken line: too many columns"
STRAY_QUOTE = "broken line: stray quote"
TOO_LONG = "broken line: field too long"
NOT_UTF8 = "broken line: not UTF-8"

_DELIMITERS = ",;\t|"
_BATCH_ROWS = 50_000
_BLOCK_BYTES = 1 << 20


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
    starts_blank : bool
        Blank lines stand before the header.
    """

    delimiter: str
    columns: tuple[str, ...]
    repeated: frozenset[str]
    starts_blank: bool


def read_layout(path: Path) -> Layout:
    """Read the header line of a delimited file.

    Raises
    ------
    InputError
        The file is empty, compressed data are damaged, or the text is not UTF-8.
    """
    with _damage_reported(path), _open_text(path) as text:
        skipped, first = next(((n, line) for n, line in enumerate(text) if line.strip()), (0, ""))
    if not first:
        raise InputError(
            f"'{path}' is empty; it needs a header line with column names and at least one data line"
        )
    if "\x00" in first or _has_undecodable(first):
        raise InputError(f"'{path}' is not UTF-8 text; save it as CSV with UTF-8 encoding")
    if ".tsv" in (suffix.lower() for suffix in path.suffixes[-2:]):
        delimiter = "\t"
    else:
        # Most columns wins; on a tie the earlier, commoner delimiter.
        delimiter = max(
            _DELIMITERS, key=lambda candidate: len(next(csv.reader([first], delimiter=candidate)))
        )
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
    repeated = frozenset(name for name in header if name and header.count(name) > 1)
    return Layout(delimiter, _unique(header), repeated, skipped > 0)


def count_lines(path: Path) -> int:
    """Return the number of physical lines, header included and blank lines at the end left out.

    Raises
    ------
    InputError
        The compressed file is damaged or cut off.
    """
    lines, pending, seen = 0, 0, False
    with _damage_reported(path), _open_bytes(path) as stream:
        while block := stream.read(_BLOCK_BYTES):
            body = block.rstrip(b"\r\n")
            if body:
                lines += pending + body.count(b"\n")
                pending, seen = 0, True
            pending += block.count(b"\n", len(body))
    return lines + seen


def delimited_relation(path: Path, layout: Layout) -> str:
    """Return the DuckDB table expression of a well-formed file: text columns ``c0``, ``c1``, ..."""
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(layout.columns)))
    compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower(), "none")
    # The path is escaped because DuckDB expands wildcards even where a file of that very name exists.
    return (
        f"read_csv({literal(glob.escape(str(path)))}, delim = {literal(layout.delimiter)}, quote = '\"', "
        f"escape = '\"', header = true, auto_detect = false, strict_mode = true, "
        f"compression = '{compression}', columns = {{{columns}}})"
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
    width = len(layout.columns)
    names = ["line", "broken", *(f"c{index}" for index in range(width))]
    columns = ", ".join(f"{name} VARCHAR" for name in names[1:])
    connection.execute(f"CREATE TEMP TABLE {table} (line BIGINT, {columns})")
    schema = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in names[1:])])
    rows: list[tuple[int | str | None, ...]] = []
    for row in _careful_rows(path, layout):
        rows.append(row)
        if len(rows) == _BATCH_ROWS:
            _insert(connection, table, schema, rows)
            rows = []
    if rows:
        _insert(connection, table, schema, rows)


def _careful_rows(path: Path, layout: Layout) -> Iterator[tuple[int | str | None, ...]]:
    width = len(layout.columns)
    recent: list[str] = []

    def remembered(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            recent.append(line)
            yield line

    with _damage_reported(path), _open_text(path) as text:
        reader = csv.reader(remembered(text), delimiter=layout.delimiter, strict=True)
        in_header = True
        while True:
            start = reader.line_num + 1
            recent.clear()
            broken = None
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields = [recent[0].rstrip("\r\n")]
                broken = TOO_LONG if "field limit" in str(error) else STRAY_QUOTE
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
            if any(map(_has_undecodable, fields)):
                broken = NOT_UTF8
                fields = [
                    field.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for field in fields
                ]
            if len(fields) > width:
                fields[width - 1 :] = [layout.delimiter.join(fields[width - 1 :])]
            yield (start, broken, *(field or None for field in fields), *[None] * (width - len(fields)))


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    schema: pa.Schema,
    rows: list[tuple[int | str | None, ...]],
) -> None:
    arrays = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    connection.register("clvml_batch", pa.Table.from_arrays(arrays, schema=schema))
    connection.execute(f"INSERT INTO {table} SELECT * FROM clvml_batch")
    connection.unregister("clvml_batch")


def _unique(header: list[str]) -> tuple[str, ...]:
    names: list[str] = []
    for position, name in enumerate(header, start=1):
        stem = name or f"column_{position}"
        candidate, copy = stem, 2
        while candidate in names:
            candidate, copy = f"{stem}_{copy}", copy + 1
        names.append(candidate)
    return tuple(names)


def _has_undecodable(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text)


def _open_bytes(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if suffix == ".zst":
        return cast("IO[bytes]", pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def _open_text(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline="")


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"'{path}' cannot be read to its end ({error}); it may be cut off: copy or export it again"
        ) from None
