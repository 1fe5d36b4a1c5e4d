"""Purchase logs in a database: a table or a query of DuckDB, SQLite or PostgreSQL.

A table has no line numbers and may change between two queries, so it is copied once, in batches.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa

from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.readers.row_tables import create_row_table
from clvml.storage.addresses import Address
from clvml.storage.files import no_room
from clvml.storage.postgres import connected
from clvml.storage.sql import identifier, literal, registered, setting
from clvml.storage.workspace import offline_database

_BATCH_ROWS = 50_000
# What Arrow says as PostgreSQL means it; the others, such as numeric, are read as text.
_PLAIN_TYPES = (
    *("bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar"),
    *("date", "timestamp", "timestamptz"),
)
Columns = tuple[tuple[str, ...], tuple[str, ...]]


def copy_table(connection: duckdb.DuckDBPyConnection, address: Address, copy: str) -> Columns:
    """Copy a database table into the temporary table ``copy`` (broken, c0, c1, ...; of SQLite also line).

    Return the names of the table's columns and their DuckDB types (all text for SQLite, whose columns have no type).

    Raises
    ------
    InputError
        The file, server or table does not exist or cannot be read, or the query is not one.
    """
    if "\0" in f"{address.place}{address.table}{address.query}":
        raise InputError(f"'{address.shown}' holds a character that no name can hold; correct it")
    if address.kind == "postgresql":
        return _copy_postgres(connection, address, copy)
    in_memory = address.kind == "duckdb" and address.place == ":memory:"
    if in_memory and address.table is not None:
        raise InputError(
            f"'{address.shown}' is empty: a database in memory holds no table; give ?query=SELECT ..."
        )
    if not in_memory and not address.path.is_file():
        raise InputError(
            f"database '{address.path}' does not exist; check the path (four slashes start an absolute one)"
        )
    return (_copy_duckdb if address.kind == "duckdb" else _copy_sqlite)(connection, address, copy)


def _copy_duckdb(connection: duckdb.DuckDBPyConnection, address: Address, copy: str) -> Columns:
    path, table = address.path, address.table
    read_only = "" if address.place == ":memory:" else "(TYPE duckdb, READ_ONLY)"
    # A database of its own, in which nothing of ours can be seen or changed.
    with offline_database() as source:
        try:
            source.execute(f"ATTACH {literal(str(path))} AS clvml_source {read_only}")
        except duckdb.Error as error:
            raise InputError(
                f"'{path}' cannot be opened as a DuckDB database: {str(error).splitlines()[0]}"
            ) from None
        # A query names the tables of its own database.
        source.execute("USE clvml_source")
        _share_limits(connection, source)
        if table is None and read_only:
            # A view may read files, which its owner chose. A query comes from an address, which anybody may write.
            source.execute("SET enable_external_access = false")
        source.execute("SET lock_configuration = true")
        try:
            origin = _duckdb_query(source, address) if table is None else _duckdb_table(source, path, table)
            described = source.execute(f"DESCRIBE SELECT * FROM {origin}").fetchall()
            renamed = ", ".join(f"{identifier(row[0])} AS c{index}" for index, row in enumerate(described))
            reader = source.sql(f"SELECT {renamed} FROM {origin}").to_arrow_reader(_BATCH_ROWS)
            with setting(connection, "arrow_lossless_conversion", "true"):
                _copy_batches(connection, reader, copy)
        except duckdb.Error as error:
            if no_room(error):
                raise
            raise _unreadable(str(path), error) from None
    return tuple(row[0] for row in described), tuple(row[1] for row in described)


def _share_limits(connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection) -> None:
    """Let a second database take half of what the first may, and spill beside it."""
    limit, folder, threads = connection.execute(
        "SELECT current_setting('memory_limit'), current_setting('temp_directory'), current_setting('threads')"
    ).fetchall()[0]
    number, unit = limit.split()
    source.execute(f"SET memory_limit = {literal(f'{float(number) / 2}{unit}')}")
    source.execute(f"SET threads = {threads}")
    if folder:
        source.execute(f"SET temp_directory = {literal(f'{folder}-source')}")


def _duckdb_query(source: duckdb.DuckDBPyConnection, address: Address) -> str:
    query = str(address.query)
    kinds = [statement.type for statement in source.extract_statements(query)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise _no_select(address)
    return f"({query}\n) AS query"


def _duckdb_table(source: duckdb.DuckDBPyConnection, path: Path, table: str) -> str:
    found = source.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'clvml_source'"
    ).fetchall()
    known = {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in found}
    if table not in known:
        raise _no_table(str(path), table, list(known))
    return ".".join(identifier(name) for name in ("clvml_source", *known[table]))


def _copy_sqlite(connection: duckdb.DuckDBPyConnection, address: Address, copy: str) -> Columns:
    # Python's own reader, because DuckDB's extension has to be fetched from the network first.
    path, table = address.path, address.table
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            known = [
                row[0]
                for row in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            ]
            if table is not None and table not in known:
                raise _no_table(str(path), table, known)
            origin = f"({address.query}\n)" if table is None else identifier(table)
            cursor = database.execute(f"SELECT * FROM {origin}")
            columns = tuple(column[0] for column in cursor.description)
            rows = ((line, None, *map(_text, row)) for line, row in enumerate(cursor, start=1))
            create_row_table(connection, copy, len(columns), rows)
    except (sqlite3.Error, sqlite3.Warning) as error:
        if "one statement at a time" in str(error):
            raise _no_select(address) from None
        raise InputError(f"'{path}' cannot be read as a SQLite database: {error}") from None
    return columns, ("VARCHAR",) * len(columns)


def _copy_postgres(connection: duckdb.DuckDBPyConnection, address: Address, copy: str) -> Columns:
    with connected(address) as database, database.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        if address.table is None:
            origin = f"({address.query}\n) AS query"
        else:
            # The first part of a name that has a dot of its own is still its schema.
            cursor.execute(
                "SELECT n.nspname, c.relname, n.nspname = ANY (current_schemas(false)) FROM pg_class AS c"
                " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')"
                " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            )
            known: dict[str, tuple[str, str]] = {}
            for schema, name, is_usual in cursor.fetchall():
                known[f"{schema}.{name}"] = (schema, name)
                if is_usual:
                    known[name] = (schema, name)
            if address.table not in known:
                listed = [name for name in known if not name.startswith("public.")]
                raise _no_table(address.shown, address.table, listed)
            origin = ".".join(map(identifier, known[address.table]))
        cursor.execute(f"SELECT * FROM {origin} LIMIT 0")
        chosen = [_read_postgres(field) for field in cursor.fetch_arrow_table().schema]
        cursor.execute(f"SELECT {', '.join(chosen)} FROM {origin}")
        reader = cursor.fetch_record_batch()
        columns = tuple(reader.schema.names)
        reader = pa.RecordBatchReader.from_batches(
            pa.schema([field.with_name(f"c{index}") for index, field in enumerate(reader.schema)]),
            (batch.rename_columns([f"c{index}" for index in range(len(columns))]) for batch in reader),
        )
        try:
            _copy_batches(connection, reader, copy)
        except duckdb.Error as error:
            raise _unreadable(address.shown, error) from None
    described = connection.execute(f"DESCRIBE {copy}").fetchall()
    return columns, tuple(row[1] for row in described)


def _copy_batches(connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, copy: str) -> None:
    with registered(connection, "clvml_batches", reader):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {copy} AS FROM clvml_batches")


def _read_postgres(field: pa.Field) -> str:
    kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    name = identifier(field.name)
    if kind in _PLAIN_TYPES:
        return name
    # Money comes with the sign of its currency.
    return f"{name}{'::numeric' if kind == 'money' else ''}::text AS {name}"


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _no_select(address: Address) -> InputError:
    return InputError(f"the query of '{address.shown}' is not one SELECT; give exactly one, which only reads")


def _no_table(place: str, table: str, known: list[str]) -> InputError:
    listed = first_of((f"'{name}'" for name in sorted(known)), longest=500) or "none"
    return InputError(f"'{place}' has no table '{table}'{did_you_mean(table, known)}; its tables: {listed}")


def _unreadable(place: str, error: Exception) -> InputError:
    return InputError(f"'{place}' cannot be read: {str(error).splitlines()[0]}; check the table or the query")
