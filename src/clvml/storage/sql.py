"""SQL helpers: names and text quoted so that no input can change a statement, and settings put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from clvml.errors import InputError

# Whole millionths of money add up to the same sum in any order; sums of floats do not.
MONEY = "DECIMAL(38, 6)"
# Returns the rows of a query, which is written for DuckDB, from wherever the table is.
Run = Callable[[str], list[tuple[Any, ...]]]


def identifier(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier.

    >>> identifier('say "hi"')
    '"say ""hi\"""'
    """
    return _quoted(name, '"')


def literal(text: str) -> str:
    """Return ``text`` as a SQL string literal.

    >>> literal("d'Artagnan.csv")
    "'d''Artagnan.csv'"
    """
    return _quoted(text, "'")


def numbered(column: str, texts: Iterable[str]) -> str:
    """Return the SQL of the text whose place in ``texts`` a column holds, counted from 0.

    >>> numbered("number", ["shop", "till"])
    "CASE number WHEN 0 THEN 'shop' WHEN 1 THEN 'till' END"
    """
    cases = " ".join(f"WHEN {number} THEN {literal(text)}" for number, text in enumerate(texts))
    return f"CASE {column} {cases} END"


def _quoted(text: str, mark: str) -> str:
    """Return a text in quotation marks; InputError where it holds a NUL, at which a database ends the statement."""
    if "\0" in text:
        raise InputError(f"{text[:100]!r} holds a NUL, which no database takes in a name or text; correct it")
    return mark + text.replace(mark, 2 * mark) + mark


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: Any) -> Iterator[None]:
    """Let SQL read rows of Python under a name inside a ``with`` block."""
    connection.register(name, rows)
    try:
        yield
    finally:
        connection.unregister(name)


@contextmanager
def setting(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> Iterator[None]:
    """Set a DuckDB setting inside a ``with`` block and put the earlier value back afterwards."""
    earlier = connection.execute("SELECT current_setting(?)", [name]).fetchall()[0][0]
    connection.execute(f"SET {name} = {value}")
    try:
        yield
    finally:
        connection.execute(f"SET {name} = {earlier}")
