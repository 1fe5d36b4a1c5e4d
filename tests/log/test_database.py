"""DuckDB, SQLite and PostgreSQL tables and queries."""

import re
import sqlite3
import sys
from contextlib import closing
from urllib.parse import quote

import duckdb
import pytest
from adbc_driver_postgresql import dbapi
from tests.servers import PASSWORD

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


def test_reads_queries(read, rows, duckdb_file, sqlite_file):
    query = "select * from {} where day <> '2024-01-06' or customer = 'a&b' ;"
    assert rows(read(source=f"duckdb:///{duckdb_file}?query={query.format('orders')}")) == ROWS[:1]
    query = query.format('"my orders"')
    assert rows(read(source=f"sqlite:///{sqlite_file}?query={query}")) == ROWS[:1]
    with pytest.raises(InputError, match=r"cannot be read: .*nosuch.*; check the table or the query"):
        read(source=f"duckdb:///{duckdb_file}?query=select * from nosuch")
    with pytest.raises(InputError, match="cannot be read as a SQLite database: no such table: nosuch"):
        read(source=f"sqlite:///{sqlite_file}?query=select * from nosuch")
    # Nothing is changed in what is read.
    with pytest.raises(InputError, match="cannot be read"):
        read(source=f"duckdb:///{duckdb_file}?query=delete from orders")


@pytest.fixture
def postgres_tables(postgres_url):
    """Fill tables, and return the address of their database."""
    statements = """
        drop schema if exists "old shop" cascade;
        create schema "old shop";
        create type "old shop".channel as enum ('web');
        create table "old shop"."orders, 1" (customer char(6), day timestamptz, amount numeric(10, 2), paid money,
            channel "old shop".channel, note jsonb, id uuid);
        insert into "old shop"."orders, 1" values
            ('ann', '2024-01-05 01:00+02', 10.00, 10, 'web', '{}', null), (null, '2024-01-05', 1, 1, null, null, null),
            ('bob', '2024-01-06', 20.5, -1234.5, 'web', null, '00000000-0000-0000-0000-000000000001');
        drop table if exists orders;
        create table orders (customer text, day date, amount double precision);
        insert into orders values ('ann', '2024-01-05', 10), ('', '2024-01-05', 1), ('bob', '2024-01-06', 20.5)
    """
    with dbapi.connect(postgres_url) as connection, connection.cursor() as cursor:
        for statement in statements.split(";"):
            cursor.execute(statement)
        connection.commit()
    return postgres_url


def test_reads_postgres(read, rows, reasons, postgres_tables):
    assert rows(read(source=f"{postgres_tables}?table=orders")) == ROWS
    assert rows(read(source=f"{postgres_tables}?table=public.orders")) == ROWS
    query = "select * from orders where customer = 'ann' or amount::int % 2 = 1;"
    assert rows(read(source=f"{postgres_tables}?application_name=clvml&query={query.replace('%', '%25')}"))
    # Types that Arrow does not have, and one whose moment is another day in London.
    odd = f"{postgres_tables}?table=old%20shop.orders, 1"
    assert rows(read(source=odd, timezone="Europe/London")) == [
        ("ann", "2024-01-04 23:00:00", 10.0),
        ROWS[1],
    ]
    paid = read(source=odd, columns={"amount": "paid"})
    assert rows(paid, "customer_id, amount") == [("ann", 10.0), ("bob", -1234.5)]
    assert reasons(paid)["missing customer id", "rejected"] == (1, 1.0)


def test_reads_many_rows_of_postgres(read, rows, postgres_url):
    chosen = "'c' || n %25 1000 as customer, date '2024-01-01' as day, n as amount"
    query = f"select {chosen} from generate_series(1, 300000) n"
    log = read(source=f"{postgres_url}?query={query}")
    assert rows(log, "count(*), sum(amount)") == [(300_000, 300_000 * 300_001 / 2)]


def test_refuses_what_postgres_refuses(read, postgres_tables, monkeypatch):
    def message(source):
        with pytest.raises(InputError) as refused:
            read(source=source)
        assert quote(PASSWORD) not in str(refused.value)
        assert PASSWORD not in str(refused.value)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    shown = postgres_tables.replace(quote(PASSWORD), "***")
    assert (
        "has no table 'order' (did you mean 'orders'?); its tables: 'old shop.orders, 1', 'orders'"
        in message(f"{postgres_tables}?table=order")
    )
    assert message(f"{postgres_tables}?query=select * from nosuch").startswith(
        f"'{shown}?query=select * from nosuch': relation \"nosuch\" does not exist; check the table or query"
    )
    wrong = message(f"{postgres_tables.replace(quote(PASSWORD), 'hunter2')}?table=orders")
    assert 'cannot be reached: password authentication failed for user "clvml"; check' in wrong
    assert "hunter2" not in wrong
    assert "cannot be reached: " in message("postgresql://ann:hunter2@127.0.0.1:1/shop?table=orders")
    assert "holds several @; write those" in message("postgresql://ann:hunt@er2@127.0.0.1/shop?table=orders")
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    assert message(f"{postgres_tables}?table=orders") == (
        "PostgreSQL needs a driver that is not installed; install it with: pip install 'clvml[postgres]'"
    )


def test_refuses_addresses_that_do_not_fit(read, duckdb_file, sqlite_file, tmp_path):
    forms = ("duckdb:///FILE", "sqlite:///FILE", "postgresql://USER@HOST/DATABASE")
    supported = f"{', '.join(f'{form}?table=NAME' for form in forms)}, or a file"
    with _raises(f"addresses of the kind 's3://' are not supported; supported: {supported}"):
        read(source="s3://bucket/orders.parquet")
    for source in ("duckdb://x.db?table=orders", f"duckdb:///{duckdb_file}", "sqlite:///?table=x"):
        scheme = source.split(":")[0]
        with _raises(f"'{source}' is not of the form {scheme}:///FILE?table=NAME or ...?query=SELECT ..."):
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
