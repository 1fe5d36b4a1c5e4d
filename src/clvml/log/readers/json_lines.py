"""JSON lines: one object per line, whose keys are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from clvml.errors import InputError
from clvml.log.readers.row_tables import Row, create_row_table
from clvml.log.readers.text_files import bounded_lines, damage_reported, open_text, scan_text

NOT_JSON = "broken line: no JSON object"
_LONGEST_WHOLE = 18
_MOST_COLUMNS = 5_000


class _Number(str):
    """The digits of a JSON number, which is clear in itself whatever a column of texts would leave open."""


def copy_json_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy a file of JSON lines into the temporary ``table`` (line, broken, c0, c1, ...).

    Objects inside the object become columns of their own (``customer.email``); lists stay as JSON. Return the keys in
    the order in which they come, and their DuckDB types: BIGINT or DOUBLE where all values are numbers, and else
    VARCHAR.

    Raises
    ------
    InputError
        No line holds an object, or the file cannot be read.
    """
    encoding = scan_text(path).encoding
    kinds: dict[str, str] = {}
    for _, cells in _objects(path, encoding):
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
        with damage_reported(path), open_text(path, encoding) as text:
            is_list = text.read(100).lstrip().startswith("[")
        if is_list:
            raise InputError(
                f"'{path}' holds one JSON list, not an object per line; jq -c '.[]' writes the one as the other"
            )
        raise InputError(f"'{path}' holds no JSON object; it needs one per line, such as {{\"customer\": 7}}")
    columns = tuple(kinds)

    def rows() -> Iterator[Row]:
        for line, cells in _objects(path, encoding):
            found = cells or {}
            broken = NOT_JSON if cells is None else None
            yield (line, broken, *(found.get(name) for name in columns))

    create_row_table(connection, table, len(columns), rows())
    return columns, tuple(kinds[name] or "VARCHAR" for name in columns)


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str | None] | None]]:
    """Yield the lines that hold something, with the flat object, None where a line is not an object."""
    with damage_reported(path), open_text(path, encoding) as text:
        for line, written in enumerate(bounded_lines(text), start=1):
            if not written.strip():
                continue
            try:
                found = json.loads(written, parse_float=_Number, parse_int=_Number, parse_constant=str)
                cells = dict(_flat(found)) if isinstance(found, dict) else None
            except (ValueError, RecursionError):
                cells = None
            yield line, cells


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
