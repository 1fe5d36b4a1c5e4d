"""Tables of DuckDB, SQLite and PostgreSQL are replaced whole or stay as they are."""

import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from tests.servers import PASSWORD

from clvml.errors import InputError
from clvml.storage.database_output import check_database_output, write_database_table

COLUMNS = ["customer_id", "clv", "segment"]
OLD = [("ann", 1.0, "VIP")]
NEW = [("bob", 2.5, None), ('it\'s "cy"', None, "lost"), ("dan", 0.1, "lost")]


def _batch(rows):
    schema = pa.schema(
        [("customer_id", pa.large_string()), ("clv", pa.float64()), ("segment", pa.large_string())]
    )
    return pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema)


class Database:
    """One kind of database, with tables of its own."""

    def __init__(self, kind, folder, postgres_url):
        self.kind = kind
        self.url = postgres_url if kind == "postgresql" else f"{kind}:///{folder}/shop.db"
        self.path = folder / "shop.db"
        if kind == "postgresql":
            for name in ("scores", "Sc ores"):
                self.execute(f'drop table if exists "{name}" cascade')

    def execute(self, sql):
        if self.kind == "postgresql":
            with dbapi.connect(self.url) as connection, connection.cursor() as cursor:
                cursor.execute(sql)
                rows = cursor.fetchall() if cursor.description else []
                connection.commit()
            return rows
        connect = duckdb.connect if self.kind == "duckdb" else sqlite3.connect
        with closing(connect(self.path)) as connection:
            rows = connection.execute(sql).fetchall()
            connection.commit()
        return rows

    def rows(self, table="scores"):
        return sorted(self.execute(f'select customer_id, clv, segment from "{table}"'))


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def database(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return Database(request.param, tmp_path, url)


def test_replaces_the_rows(database):
    url = f"{database.url}?table=scores"
    check_database_output(url, COLUMNS)
    write_database_table([_batch(OLD)], url)
    assert database.rows() == OLD
    # What hangs on the table stays: it is not made anew.
    database.execute("create view lost as select customer_id from scores where segment = 'lost'")
    check_database_output(url, COLUMNS)
    assert database.rows() == OLD
    write_database_table([_batch(NEW[:2]), _batch(NEW[2:])], url)
    assert database.rows() == sorted(NEW)
    assert len(database.execute("select * from lost")) == 2


def test_names_are_quoted(database):
    write_database_table([_batch(OLD)], f"{database.url}?table=Sc%20ores")
    assert database.rows("Sc ores") == OLD


def test_a_failure_leaves_the_old_rows(database):
    url = f"{database.url}?table=scores"
    write_database_table([_batch(OLD)], url)

    def batches():
        yield _batch(NEW[:1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_database_table(batches(), url)
    assert database.rows() == OLD
    write_database_table([_batch(NEW)], url)
    assert database.rows() == sorted(NEW)


WRITER = """
import sys
import pyarrow as pa
from clvml.storage.database_output import write_database_table

def batches():
    for batch in range(6):
        names = [f"new {batch} {row}" for row in range(20_000)]
        yield pa.table({"customer_id": names, "clv": [1.0] * len(names), "segment": ["lost"] * len(names)})
        print(batch, flush=True)

write_database_table(batches(), sys.argv[1])
"""


@pytest.mark.parametrize(("batch", "seconds"), [(0, 0), (3, 0), (5, 0), (5, 0.02), (5, 0.1)])
def test_killed_while_it_writes_the_old_rows_stay_or_the_new_ones_are_there(database, batch, seconds):
    url = f"{database.url}?table=scores"
    write_database_table([_batch(OLD)], url)
    process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
    with process:
        while process.stdout.readline().strip() != str(batch):
            assert process.poll() is None
        # After the last batch comes the end of the transaction.
        time.sleep(seconds)
        process.kill()
    # PostgreSQL ends what the dead one was at when it finds out.
    rows = database.rows()
    assert rows == OLD or (batch == 5 and len(rows) == 120_000)
    write_database_table([_batch(NEW)], url)
    assert database.rows() == sorted(NEW)


# DuckDB lets nobody else in while one writes.
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_reader_sees_the_old_rows_until_the_new_ones_are_there(database):
    url = f"{database.url}?table=scores"
    write_database_table([_batch(OLD)], url)
    seen = []

    def batches():
        for row in NEW:
            yield _batch([row])
            seen.append(database.rows())

    write_database_table(batches(), url)
    assert seen == [OLD] * 3
    assert database.rows() == sorted(NEW)


def test_refuses_a_table_of_something_else(database):
    database.execute("create table scores (customer_id text, amount int)")
    url = f"{database.url}?table=scores"
    words = "is a table of something else: it lacks 'clv', 'segment' and has 'amount', which are not written"
    for refused in (
        lambda: check_database_output(url, COLUMNS),
        lambda: write_database_table([_batch(NEW)], url),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            refused()
    with pytest.raises(InputError, match="is the table that is read; name another"):
        check_database_output(url, COLUMNS, source=url)
    with pytest.raises(InputError, match="is a query; name a table with"):
        check_database_output(f"{database.url}?query=select 1", COLUMNS)


def test_refuses_files_that_cannot_be_written(tmp_path):
    for kind in ("duckdb", "sqlite"):
        with pytest.raises(
            InputError, match=r"folder '.*nowhere' of the output does not exist; create it first"
        ):
            check_database_output(f"{kind}:///{tmp_path}/nowhere/x.db?table=scores", COLUMNS)
        (tmp_path / "text.db").write_text("no database at all, only text" * 100)
        with pytest.raises(
            InputError, match=r"text\.db\?table=scores' cannot be written: .*the table is as it was"
        ):
            check_database_output(f"{kind}:///{tmp_path}/text.db?table=scores", COLUMNS)
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("create table scores (customer_id)")
        other.execute("begin exclusive")
        with pytest.raises(InputError, match="database is locked"):
            check_database_output(f"sqlite:///{path}?table=scores", COLUMNS)


def test_refuses_what_postgres_refuses(postgres_url):
    read_only = f"{postgres_url}?options=-cdefault_transaction_read_only%3Don&table=fresh"
    with pytest.raises(
        InputError, match="in a read-only transaction; check the table or query and the rights"
    ):
        check_database_output(read_only, COLUMNS)
    with pytest.raises(InputError) as refused:
        check_database_output(f"{postgres_url}?table=nowhere.scores", COLUMNS)
    assert 'schema "nowhere" does not exist' in str(refused.value)
    assert quote(PASSWORD) not in str(refused.value)
