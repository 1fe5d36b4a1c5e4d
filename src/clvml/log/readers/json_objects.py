"""JSON: an object per line or a list of objects, whose keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import duckdb

from clvml.errors import InputError
from clvml.log.readers.row_tables import Row, create_row_table
from clvml.log.readers.text_files import LONGEST_LINE, bounded_lines, damage_reported, open_text

NOT_JSON = "broken line: no JSON object"
_LONGEST_WHOLE = 18
_MOST_COLUMNS = 5_000
_HEAD, _BLOCK = 65_536, 1_000_000
# What stands before the first object of a list, which may be the value of a key: {"count": 2, "orders": [
_BEGIN = re.compile(r'\s*(?:\{\s*(?:"[^"]*"\s*:\s*(?:"[^"]*"|[-+.\w]+)\s*,\s*)*"[^"]*"\s*:\s*)?\[\s*(?=\{)')
# Further objects behind the list, beside which single values and objects of their own are no matter.
_FURTHER = re.compile(r"^\s*[\[{]|\[\s*\{")
_BETWEEN = re.compile(r"[\s,]*")


class _Number(str):
    """The digits of a JSON number, which is clear in itself whatever a column of texts would leave open."""


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=str)


def copy_json(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, encoding: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy a file of JSON objects into the temporary ``table`` (line, broken, c0, c1, ...).

    Objects inside the object become columns of their own (``customer.email``); lists stay as JSON. Return the keys in
    the order in which they come, and their DuckDB types: BIGINT or DOUBLE where all values are numbers, and else
    VARCHAR.

    Raises
    ------
    InputError
        There is no object, one holds all others by their keys, a list is broken off, or the file cannot be read.
    """
    kinds: dict[str, str] = {}
    objects = 0
    for _, cells in _objects(path, encoding):
        objects += 1
        for name, value in (cells or {}).items():
            if value is not None:
                kinds[name] = _common(kinds.get(name, ""), _kind(value))
            else:
                kinds.setdefault(name, "")
        if len(kinds) > _MOST_COLUMNS:
            raise InputError(
                f"the objects of '{path}' have more than {_MOST_COLUMNS:,} different keys, too many for columns; export"
                " the same keys for every order"
            )
    if not kinds:
        raise InputError(
            f"'{path}' holds no JSON object; it needs one per line or a list of them, such as {{\"customer\": 7}}"
        )
    columns = tuple(kinds)
    if objects == 1:
        _refuse_rows_by_key(columns, path)

    def rows() -> Iterator[Row]:
        for line, cells in _objects(path, encoding):
            found = cells or {}
            broken = NOT_JSON if cells is None else None
            yield (line, broken, *(found.get(name) for name in columns))

    create_row_table(connection, table, len(columns), rows())
    return columns, tuple(kinds[name] or "VARCHAR" for name in columns)


def _refuse_rows_by_key(columns: tuple[str, ...], path: Path) -> None:
    """Refuse a single object of objects with the same keys, as in {"1": {"customer": 7}, "2": {"customer": 8}}."""
    inside: dict[str, list[str]] = {}
    for name in columns:
        key, _, rest = name.partition(".")
        inside.setdefault(key, []).append(rest)
    first = next(iter(inside.values()))
    if first != [""] and len(inside) > 1 and all(names == first for names in inside.values()):
        raise InputError(
            f"'{path}' is one object that holds objects with the same keys, '{columns[0]}' and so on; export a list of"
            " objects, or one per line"
        )


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str | None] | None]]:
    """Yield the lines in which something begins, with the flat object, None where it is not an object."""
    with damage_reported(path), open_text(path, encoding) as text:
        before = _before_list(text.readline(LONGEST_LINE), text.read(_HEAD))
    with damage_reported(path), open_text(path, encoding) as text:
        for line, found in _by_line(text) if before is None else _in_list(text, before, path):
            try:
                cells = dict(_flat(found)) if isinstance(found, dict) else None
            except RecursionError:
                cells = None
            yield line, cells


def _before_list(first: str, rest: str) -> int | None:
    """Return how many letters stand before the first object of a list, None in a file with an object per line.

    ``first`` is the first line, ``rest`` the beginning of the others.
    """
    begin = _BEGIN.match(first + rest)
    # An object in a line of its own may begin with a list, too.
    if begin and rest.lstrip().startswith("{") and isinstance(_decoded(first), dict):
        return None
    return begin.end() if begin else None


def _by_line(text: TextIO) -> Iterator[tuple[int, Any]]:
    for line, written in enumerate(bounded_lines(text), start=1):
        if written.strip():
            yield line, _decoded(written)


def _decoded(written: str) -> Any:
    try:
        return _DECODER.decode(written)
    except (ValueError, RecursionError):
        return None


def _in_list(text: TextIO, before: int, path: Path) -> Iterator[tuple[int, Any]]:
    """Yield what a list holds, one after the other; ``before`` letters stand in front of the first."""
    line, read, place = 1 + text.read(before).count("\n"), "", 0
    while True:
        gap = _BETWEEN.match(read, place)
        line += read.count("\n", place, gap.end() if gap else place)
        place = gap.end() if gap else place
        if read.startswith("]", place):
            behind = read[place + 1 :] + text.read()
            if _FURTHER.search(behind):
                raise InputError(
                    f"'{path}' holds more than one list, and only one can be read: behind line {line:,} another begins;"
                    " join them, keep the one of the purchases, or write one object per line"
                )
            return
        try:
            found, end = _DECODER.raw_decode(read, place)
        except (ValueError, RecursionError):
            # It may only go on in what was not read yet.
            more = text.read(_BLOCK)
            if not more or len(read) - place > LONGEST_LINE:
                raise InputError(
                    f"'{path}' is no JSON from line {line:,} on; it may be cut off: export it again, best with one"
                    " object per line"
                ) from None
            read, place = read[place:] + more, 0
            continue
        yield line, found
        line += read.count("\n", place, end)
        place = end


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, str) or value is None:
            yield prefix + name, value or None
        else:
            yield prefix + name, json.dumps(value, ensure_ascii=False, default=str)


def _kind(value: str) -> str:
    if not isinstance(value, _Number):
        return "VARCHAR"
    return "BIGINT" if value.lstrip("-").isdigit() and len(value) <= _LONGEST_WHOLE else "DOUBLE"


def _common(one: str, other: str) -> str:
    if one in ("", other):
        return other
    return "DOUBLE" if {one, other} == {"BIGINT", "DOUBLE"} else "VARCHAR"
