"""Purchase logs in a database: ``duckdb:///file.db?table=orders`` and ``sqlite:///file.db?table=orders``.

A table has no line numbers and may change between two queries, so it is copied once.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import duckdb
import pyarrow as pa

from clvml.errors import InputError, did_you_mean
from clvml.ingest.sql import identifier, literal

_SUPPORTED = "duckdb:///FILE?table=NAME and sqlite:///FILE?table=NAME"
_BATCH_ROWS = 50_000


def is_database(source: str) -> bool:
    """Return whether ``source`` is an address (``scheme://...``) and not a path.

    >>> is_database("sqlite:///shop.db?table=orders"), is_database("data/orders.csv")
    (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def copy_table(
    connection: duckdb.DuckDBPyConnection, url: str, copy: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy a database table into the temporary table ``copy`` (line, broken, c0, c1, ...).

    Three slashes start a path relative to the current folder, four an absolute one.

    Returns
    -------
    columns, types : tuple of str
        The table's column names and their DuckDB types (all text for SQLite, whose columns have no type).

    Raises
    ------
    InputError
        The address is not supported or not well-formed, or the file or table does not exist.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme in ("postgresql", "postgres"):
        # The address is not repeated: it may hold a password.
        raise InputError(
            "postgresql:// is not supported yet; export the table to Parquet or CSV and give that file"
        )
    if scheme not in ("duckdb", "sqlite"):
        raise InputError(
            f"addresses of the kind '{scheme}://' are not supported; supported: {_SUPPORTED}, or a file"
        )
    tables = parse_qs(parts.query).get("table", [])
    if parts.netloc or len(parts.path) < 2 or len(tables) != 1:
        raise InputError(f"'{url}' is not of the form {scheme}:///FILE?table=NAME")
    path = Path(unquote(parts.path[1:]))
    if not path.is_file():
        raise InputError(
            f"database '{path}' does not exist; check the path (four slashes start an absolute one)"
        )
    return (_copy_duckdb if scheme == "duckdb" else _copy_sqlite)(connection, path, tables[0], copy)


def _copy_duckdb(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, copy: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS clvml_source (TYPE duckdb, READ_ONLY)")
    except duckdb.Error as error:
        raise InputError(
            f"'{path}' cannot be opened as a DuckDB database: {str(error).splitlines()[0]}"
        ) from None
    try:
        found = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_catalog = 'clvml_source'"
        ).fetchall()
        known = {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in found}
        if table not in known:
            raise _no_table(path, table, list(known))
        full_name = ".".join(identifier(name) for name in ("clvml_source", *known[table]))
        described = connection.execute(f"DESCRIBE SELECT * FROM {full_name}").fetchall()
        renamed = ", ".join(f"{identifier(row[0])} AS c{index}" for index, row in enumerate(described))
        connection.execute(
            f"CREATE TEMP TABLE {copy} AS SELECT NULL::VARCHAR AS broken, {renamed} FROM {full_name}"
        )
    finally:
        connection.execute("DETACH clvml_source")
    return tuple(row[0] for row in described), tuple(row[1] for row in described)


def _copy_sqlite(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, copy: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    # Python's own reader, because DuckDB's extension has to be fetched from the network first.
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            known = [
                row[0]
                for row in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            ]
            if table not in known:
                raise _no_table(path, table, known)
            cursor = database.execute(f"SELECT * FROM {identifier(table)}")
            columns = tuple(column[0] for column in cursor.description)
            names = [f"c{index}" for index in range(len(columns))]
            declared = ", ".join(f"{name} VARCHAR" for name in names)
            connection.execute(f"CREATE TEMP TABLE {copy} (line BIGINT, broken VARCHAR, {declared})")
            line = 1
            while rows := cursor.fetchmany(_BATCH_ROWS):
                texts = [
                    pa.array([_text(value) for value in column], pa.string())
                    for column in zip(*rows, strict=True)
                ]
                lines = pa.array(range(line, line + len(rows)), pa.int64())
                connection.register("clvml_batch", pa.table([lines, *texts], names=["line", *names]))
                connection.execute(f"INSERT INTO {copy} BY NAME SELECT * FROM clvml_batch")
                connection.unregister("clvml_batch")
                line += len(rows)
    except sqlite3.Error as error:
        raise InputError(f"'{path}' cannot be read as a SQLite database: {error}") from None
    return columns, ("VARCHAR",) * len(columns)


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _no_table(path: Path, table: str, known: list[str]) -> InputError:
    listed = ", ".join(f"'{name}'" for name in sorted(known)) or "none"
    return InputError(f"'{path}' has no table '{table}'{did_you_mean(table, known)}; its tables: {listed}")
