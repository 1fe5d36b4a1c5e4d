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
from clvml.storage.sql import identifier

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


# Whoever writes an address must not be able to do more than read the database that it names.
NOT_ONE_SELECT = [
    "delete from orders",
    "select * from orders; drop table orders",
    "select 1 as customer; copy orders to 'OUT'",
    "copy orders to 'OUT'",
    "copy (select * from orders) to 'OUT'",
    "export database 'OUT'",
    "attach 'OUT'",
    "attach 'OUT' as other; select * from orders",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "pragma enable_logging",
    "create table t as select 1",
    "insert into orders select * from orders",
    "checkpoint",
    "select * from orders) as q; drop table orders; select * from (select 1",
    "select * from orders) union (delete from orders returning *",
    "",
    " ;",
    "-- nothing",
    "select * from orders /* unclosed",
    "call pragma_version()",
]
OTHER_FILES = [
    "select * from read_csv('SECRET')",
    "select * from 'SECRET'",
    "select content from read_text('SECRET')",
    "select * from glob('FOLDER/*')",
    "from read_blob('SECRET')",
    "select * from sniff_csv('SECRET')",
    "select * from orders where customer in (select content from read_text('SECRET'))",
    "select * from parquet_metadata('SECRET')",
]


@pytest.mark.parametrize("query", NOT_ONE_SELECT)
def test_a_duckdb_query_is_one_select(read, duckdb_file, tmp_path, query):
    before = duckdb_file.read_bytes(), sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as refused:
        read(source=f"duckdb:///{duckdb_file}?query={query.replace('OUT', str(tmp_path / 'out'))}")
    assert "\n" not in str(refused.value)
    assert (duckdb_file.read_bytes(), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize("query", OTHER_FILES)
def test_a_duckdb_query_reads_no_other_file(read, duckdb_file, tmp_path, query):
    secret = tmp_path / "secret.csv"
    secret.write_text("customer,day,amount\nhunter2,2024-01-01,1\n")
    with pytest.raises(InputError) as refused:
        read(
            source=f"duckdb:///{duckdb_file}?query="
            + query.replace("SECRET", str(secret)).replace("FOLDER", str(tmp_path))
        )
    assert "hunter2" not in str(refused.value)


def test_a_duckdb_query_sees_nothing_of_ours_and_changes_no_setting(read, duckdb_file):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE ours (customer VARCHAR)")
    with pytest.raises(InputError, match="ours"):
        read(source=f"duckdb:///{duckdb_file}?query=select * from memory.ours", connection=connection)
    read(source=f"duckdb:///{duckdb_file}?query=from orders", connection=connection)
    assert connection.execute("SELECT current_setting('enable_external_access')").fetchone()[0]
    assert connection.execute("SELECT current_setting('arrow_lossless_conversion')").fetchone() == (False,)


@pytest.mark.parametrize(
    "query",
    [
        "from orders",
        "table orders",
        "with o as (select * from orders) select * from o",
        "select * from orders -- all",
    ],
)
def test_a_select_may_be_written_in_any_way(read, rows, duckdb_file, query):
    assert rows(read(source=f"duckdb:///{duckdb_file}?query={query}")) == ROWS


def test_wide_numbers_and_odd_types_of_a_query_come_as_they_are(read, rows, duckdb_file):
    query = (
        "select 123456789012345678901234567890::hugeint as customer, timestamptz '2024-01-05 00:30:00+02' as day,"
        " sum(7) as amount, uuid() as u, '101'::bit as b, 'a'::enum('a') as e"
    )
    log = read(source=f"duckdb:///{duckdb_file}?query={query}", timezone="Europe/Berlin")
    assert rows(log, "customer_id, order_day::VARCHAR, amount") == [
        ("123456789012345678901234567890", "2024-01-04", 7.0)
    ]


def test_a_view_may_read_files_that_its_owner_chose(read, rows, duckdb_file, tmp_path):
    (tmp_path / "more.csv").write_text("customer,day,amount\nann,2024-01-05,10\n")
    with duckdb.connect(duckdb_file) as connection:
        connection.execute(f"CREATE VIEW more AS FROM read_csv('{tmp_path / 'more.csv'}')")
    assert rows(read(source=f"duckdb:///{duckdb_file}?table=more")) == ROWS[:1]


@pytest.mark.parametrize(
    "query",
    [
        'select * from "my orders"; drop table "my orders"',
        'delete from "my orders"',
        "attach 'OUT' as other",
        'select 1) union select * from (select 2); delete from "my orders"; select * from (select 1',
        "pragma user_version = 7",
        "vacuum into 'OUT'",
        "select load_extension('OUT')",
        "",
        "--",
    ],
)
def test_a_sqlite_query_is_one_select(read, sqlite_file, tmp_path, query):
    before = sqlite_file.read_bytes(), sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as refused:
        read(source=f"sqlite:///{sqlite_file}?query={query.replace('OUT', str(tmp_path / 'out'))}")
    assert "\n" not in str(refused.value)
    assert (sqlite_file.read_bytes(), sorted(tmp_path.iterdir())) == before


def test_a_name_with_a_nul_is_refused(read, duckdb_file, sqlite_file):
    for source in (
        f"duckdb:///{duckdb_file}?table=a%00b",
        f"sqlite:///{sqlite_file}?query=select 1%00; drop",
    ):
        with pytest.raises(InputError, match="holds a character that no name can hold"):
            read(source=source)


HOSTILE = [
    'say "hi"',
    "d'or",
    "a;b",
    "x; drop table orders; --",
    "new\nline",
    "ünï 😀",
    "back\\slash",
    "{a}",
    "100%s",
    "`",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_hostile_names_of_tables_and_columns_are_names(read, rows, tmp_path, kind, name):
    path = tmp_path / "odd.db"
    columns = [f"{name} {ours}" for ours in ("customer", "day", "amount")]
    connect = duckdb.connect if kind == "duckdb" else sqlite3.connect
    table = name.replace(".", "")
    with closing(connect(path)) as connection:
        listed = ", ".join(identifier(column) for column in columns)
        connection.execute(f"CREATE TABLE {identifier(table)} ({listed.replace(',', ' TEXT,')} TEXT)")
        connection.execute(
            f"INSERT INTO {identifier(table)} VALUES ('ann', '2024-01-05', '10'), (NULL, '', '1')"
        )
        connection.commit()
    log = read(
        source=f"{kind}:///{path}?table={quote(table)}",
        columns=dict(zip(("customer_id", "order_date", "amount"), columns, strict=True)),
        rejects=tmp_path / "rejects.csv",
    )
    assert rows(log) == ROWS[:1]


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


@pytest.mark.parametrize(
    "query",
    [
        "select * from orders; drop table orders",
        "select 1) as q; drop table orders; select * from (select 1",
        "delete from orders returning *",
        "select * from (delete from orders returning *) as gone",
        "with gone as (delete from orders returning *) select * from gone",
        "select set_config('transaction_read_only', 'off', true) from orders",
        "copy orders to '/tmp/clvml-out'",
        "select lo_create(0)",
        "create table t as select 1",
        "",
    ],
)
def test_a_postgres_query_is_one_select_that_only_reads(read, rows, postgres_tables, query):
    with pytest.raises(InputError) as refused:
        read(source=f"{postgres_tables}?query={query}")
    assert "\n" not in str(refused.value)
    assert rows(read(source=f"{postgres_tables}?table=orders")) == ROWS


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
