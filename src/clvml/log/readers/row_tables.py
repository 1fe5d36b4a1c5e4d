"""Rows that Python read, put into a temporary DuckDB table in batches."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from clvml.storage.sql import registered

Row = tuple[int | str | None, ...]
"""Line, why it cannot be read (or None), and the cells as text."""

_BATCH_ROWS = 50_000
# Where rows are long, few of them are a batch.
_BATCH_LETTERS = 32_000_000


def create_row_table(
    connection: duckdb.DuckDBPyConnection, table: str, width: int, rows: Iterable[Row]
) -> None:
    """Create or replace the temporary ``table`` (line, broken, c0, c1, ...) of text, one row per row."""
    names = ["line", "broken", *(f"c{index}" for index in range(width))]
    columns = ", ".join(f"{name} VARCHAR" for name in names[1:])
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} (line BIGINT, {columns})")
    schema = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in names[1:])])
    batch: list[Row] = []
    letters = 0
    for row in rows:
        batch.append(row)
        letters += sum(len(cell) for cell in row if isinstance(cell, str))
        if len(batch) == _BATCH_ROWS or letters > _BATCH_LETTERS:
            _insert(connection, table, schema, batch)
            batch, letters = [], 0
    if batch:
        _insert(connection, table, schema, batch)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, rows: list[Row]) -> None:
    arrays = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    with registered(connection, "clvml_batch", pa.Table.from_arrays(arrays, schema=schema)):
        connection.execute(f"INSERT INTO {table} FROM clvml_batch")
