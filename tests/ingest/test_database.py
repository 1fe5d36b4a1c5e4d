"""DuckDB and SQLite tables."""

import re
import sqlite3
from contextlib import closing

import duckdb
import pytest

from clvml.errors import InputError

ROWS = [("ann", "2024-01-05 00:00:00", 10.0), ("bob", "2024-01-06 00:00:00", 20.5)]


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


@pytest.fixture
def duckdb_file(tmp_path):
    path = tmp_path / "shop's.db"
    with duckdb.connect(path) as database:
        database.execute(
            """CREATE TABLE orders AS SELECT * FROM (VALUES ('ann', DATE '2024-01-05', 10.0::DOUBLE),
            (NULL, DATE '2024-01-05', 1.0), ('bob', DATE '2024-01-06', 20.5)) AS t(customer, day, amount)"""
        )
        database.execute('CREATE SCHEMA old; CREATE TABLE old."odd ""name" AS FROM orders')
    return path


@pytest.fixture
def sqlite_file(tmp_path):
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute('CREATE TABLE "my orders" (customer, day, amount)')
        database.executemany(
            'INSERT INTO "my orders" VALUES (?, ?, ?)',
            [("ann", "2024-01-05", 10), (None, "2024-01-05", 1.0), (b"bob", "2024-01-06", "20.5")],
        )
        database.commit()
    return path


@pytest.mark.parametrize("table", ["orders", 'old.odd%20"name'])
def test_reads_duckdb(read, rows, tmp_path, duckdb_file, table):
    source = f"duckdb:///{duckdb_file}?table={table}"
    rejects = tmp_path / "rejects.csv"
    assert rows(read(source=source, rejects=rejects)) == ROWS
    assert rejects.read_text().splitlines()[1].endswith(",2,,2024-01-05,1.0")


def test_reads_sqlite(read, rows, tmp_path, sqlite_file, monkeypatch):
    rejects = tmp_path / "rejects.csv"
    source = f"sqlite:///{sqlite_file}?table=my%20orders"
    assert rows(read(source=source, rejects=rejects)) == ROWS
    assert rejects.read_text().splitlines()[1] == f"missing customer id,{source},2,,2024-01-05,1.0"
    monkeypatch.chdir(tmp_path)
    assert rows(read(source="sqlite:///shop.sqlite?table=my orders")) == ROWS


def test_refuses_addresses_that_do_not_fit(read, duckdb_file, sqlite_file, tmp_path):
    with _raises("postgresql:// is not supported yet; export the table to Parquet or CSV and give that file"):
        read(source="postgresql://user:secret@host/shop?table=orders")
    supported = "duckdb:///FILE?table=NAME and sqlite:///FILE?table=NAME, or a file"
    with _raises(f"addresses of the kind 's3://' are not supported; supported: {supported}"):
        read(source="s3://bucket/orders.parquet")
    for source in ("duckdb://x.db?table=orders", f"duckdb:///{duckdb_file}", "sqlite:///?table=x"):
        scheme = source.split(":")[0]
        with _raises(f"'{source}' is not of the form {scheme}:///FILE?table=NAME"):
            read(source=source)
    with _raises("database 'no.db' does not exist; check the path (four slashes start an absolute one)"):
        read(source="duckdb:///no.db?table=orders")
    with _raises(
        f"'{duckdb_file}' has no table 'order' (did you mean 'orders'?); its tables: 'old.odd "
        "\"name', 'orders'"
    ):
        read(source=f"duckdb:///{duckdb_file}?table=order")
    with _raises(f"'{sqlite_file}' has no table 'x'; its tables: 'my orders'"):
        read(source=f"sqlite:///{sqlite_file}?table=x")
    (tmp_path / "text.db").write_text("no database at all, only text" * 100)
    with pytest.raises(InputError, match=r"text\.db' cannot be read as a SQLite database: "):
        read(source=f"sqlite:///{tmp_path / 'text.db'}?table=x")
    with pytest.raises(InputError, match=r"text\.db' cannot be opened as a DuckDB database: "):
        read(source=f"duckdb:///{tmp_path / 'text.db'}?table=x")
