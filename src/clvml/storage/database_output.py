"""Writing a database table so that a reader finds the old rows or the new ones, never some of each.

The rows of the table are replaced in one transaction: whatever ends it early, the old ones stay. The table itself
is kept, with its rights, indexes and the views on it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, repeat

import duckdb
import pyarrow as pa

from clvml.errors import InputError, first_of
from clvml.storage.addresses import Address, is_address, parse_address
from clvml.storage.postgres import connected
from clvml.storage.sql import identifier

_STAGING = "clvml_staging"


def check_database_output(url: str, columns: Iterable[str], source: str | None = None) -> None:
    """Refuse a table that could not be written at the end of the work, or that holds something else.

    ``columns`` will be written to the address ``url``; ``source`` is the address that is read.

    Raises
    ------
    InputError
        The address names no table, the database cannot be reached or written, or there is such a table with other
        columns.
    """
    address = parse_address(url)
    if address.table is None:
        raise InputError(f"output '{address.shown}' is a query; name a table with ?table=NAME")
    if source is not None and is_address(source):
        read = parse_address(source)
        if (read.kind, read.place, read.table) == (address.kind, address.place, address.table):
            raise InputError(f"output '{address.shown}' is the table that is read; name another")
    if address.kind != "postgresql" and not address.path.exists():
        folder = address.path.parent
        if not folder.is_dir():
            raise InputError(f"folder '{folder}' of the output does not exist; create it first")
        if not os.access(folder, os.W_OK):
            raise InputError(
                f"output '{address.shown}' cannot be written: no permission; choose another folder"
            )
        return
    nothing = pa.table({name: pa.array([], pa.string()) for name in columns})
    _WRITERS[address.kind](address, nothing, [nothing], rehearsal=True)


def write_database_table(batches: Iterable[pa.Table], url: str) -> None:
    """Replace the rows of a table by those of ``batches``, which all have the same columns; make it if need be.

    Raises
    ------
    InputError
        As for `check_database_output`, or the disk is full.
    """
    address = parse_address(url)
    rest = iter(batches)
    first = next(rest)
    _WRITERS[address.kind](address, first, chain([first], rest), rehearsal=False)


def _write_postgres(address: Address, first: pa.Table, batches: Iterable[pa.Table], rehearsal: bool) -> None:
    with connected(address) as connection, connection.cursor() as cursor:
        # Rows are collected in a table of this session's own, so that others wait only while they are moved.
        for mode, batch in zip(chain(["create"], repeat("append")), batches, strict=False):
            cursor.adbc_ingest(_STAGING, batch, mode=mode, temporary=True)
        target = _quoted(address.table)
        cursor.execute("SELECT to_regclass($1) IS NOT NULL", [target])
        if cursor.fetchone()[0]:
            cursor.execute(f"SELECT * FROM {target} LIMIT 0")
            _check_columns(address, cursor.fetch_arrow_table().schema.names, first.schema.names)
            if rehearsal:
                cursor.execute(f"DELETE FROM {target} WHERE false")
                return
            # Readers go on; of two writers one waits.
            cursor.execute(f"LOCK TABLE {target} IN EXCLUSIVE MODE")
            cursor.execute(f"DELETE FROM {target}")
            listed = ", ".join(map(identifier, first.schema.names))
            cursor.execute(f"INSERT INTO {target} ({listed}) SELECT {listed} FROM pg_temp.{_STAGING}")
        else:
            cursor.execute(f"CREATE TABLE {target} AS SELECT * FROM pg_temp.{_STAGING}")
        if not rehearsal:
            cursor.execute(f"DROP TABLE pg_temp.{_STAGING}")
            connection.commit()


def _write_duckdb(address: Address, first: pa.Table, batches: Iterable[pa.Table], rehearsal: bool) -> None:
    with _refused(address, duckdb.Error), duckdb.connect(address.path) as connection:
        target = _quoted(address.table)
        connection.execute("BEGIN")
        try:
            found = connection.execute(f"SELECT * FROM {target} LIMIT 0").description
        except duckdb.CatalogException:
            connection.execute("ROLLBACK; BEGIN")
            connection.register("clvml_batch", first.slice(0, 0))
            connection.execute(f"CREATE TABLE {target} AS FROM clvml_batch")
        else:
            _check_columns(address, [column[0] for column in found], first.schema.names)
            connection.execute(f"DELETE FROM {target}{' WHERE false' if rehearsal else ''}")
        for batch in batches:
            connection.register("clvml_batch", batch)
            connection.execute(f"INSERT INTO {target} BY NAME FROM clvml_batch")
        connection.execute("ROLLBACK" if rehearsal else "COMMIT")


def _write_sqlite(address: Address, first: pa.Table, batches: Iterable[pa.Table], rehearsal: bool) -> None:
    with (
        _refused(address, sqlite3.Error),
        closing(sqlite3.connect(address.path, isolation_level=None)) as connection,
    ):
        target = identifier(str(address.table))
        connection.execute("BEGIN IMMEDIATE")
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({target})")]
        if found:
            _check_columns(address, found, first.schema.names)
            connection.execute(f"DELETE FROM {target}{' WHERE false' if rehearsal else ''}")
        else:
            declared = ", ".join(
                f"{identifier(field.name)} {_sqlite_type(field.type)}" for field in first.schema
            )
            connection.execute(f"CREATE TABLE {target} ({declared})")
        listed = ", ".join(map(identifier, first.schema.names))
        places = ", ".join("?" * first.num_columns)
        for batch in batches:
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            connection.executemany(f"INSERT INTO {target} ({listed}) VALUES ({places})", rows)
        connection.execute("ROLLBACK" if rehearsal else "COMMIT")


_WRITERS = {"postgresql": _write_postgres, "duckdb": _write_duckdb, "sqlite": _write_sqlite}


def _check_columns(address: Address, found: list[str], wanted: list[str]) -> None:
    if set(found) != set(wanted):
        lacks = first_of(f"'{name}'" for name in wanted if name not in found)
        extra = first_of(f"'{name}'" for name in found if name not in wanted)
        differences = " and ".join(
            [f"lacks {lacks}"] * bool(lacks) + [f"has {extra}, which are not written"] * bool(extra)
        )
        raise InputError(
            f"output '{address.shown}' is a table of something else: it {differences}; name another table, or drop"
            " this one if it is an old one of scores"
        )


@contextmanager
def _refused(address: Address, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise InputError(
            f"output '{address.shown}' cannot be written: {str(error).splitlines()[0]}; the table is as it was"
        ) from None


def _sqlite_type(kind: pa.DataType) -> str:
    return "INTEGER" if pa.types.is_integer(kind) else "REAL" if pa.types.is_floating(kind) else "TEXT"


def _quoted(table: str | None) -> str:
    """Return the name, whose schema stands before a dot, as SQL."""
    return ".".join(map(identifier, str(table).split(".", 1)))
