"""Write a small file, read it as a purchase log."""

import sqlite3
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from clvml.config import DataConfig
from clvml.log import PurchaseLog, read_purchase_log

NOW = datetime(2024, 6, 1)
COLUMNS = {"customer_id": "customer", "order_date": "day", "amount": "amount"}


@pytest.fixture
def read(tmp_path):
    """Return a function that reads text (written to ``name``) or an existing source."""

    def _read(
        text: str | bytes | None = None,
        *,
        source: str | Path | None = None,
        name: str = "orders.csv",
        now: datetime = NOW,
        as_of: date | None = None,
        rejects: Path | None = None,
        connection=None,
        columns: dict | None = None,
        horizon_days: int | None = None,
        hints: bool = False,
        **keys,
    ) -> PurchaseLog:
        path = tmp_path / name if source is None else source
        if text is not None:
            Path(path).write_bytes(text.encode() if isinstance(text, str) else text)
        # A single odd line is more than one per cent of such a file.
        usual = {} if "preset" in keys else COLUMNS
        data = DataConfig.model_validate(
            {"source": str(path), "columns": {**usual, **(columns or {})}, "max_unreadable": 1, **keys}
        )
        return read_purchase_log(
            data,
            now=now,
            as_of=as_of,
            rejects=rejects,
            connection=connection,
            horizon_days=horizon_days,
            hints=hints,
        )

    return _read


@pytest.fixture
def rows():
    """Return a function that gives the purchase log's rows, sorted."""

    def _rows(log: PurchaseLog, columns: str = "customer_id, order_ts::VARCHAR, amount"):
        return log.connection.execute(f"SELECT {columns} FROM {log.table} ORDER BY ALL").fetchall()

    return _rows


@pytest.fixture
def reasons():
    """Return a function that gives ``{(reason, treatment): (rows, money)}`` of a log's report."""

    def _reasons(log: PurchaseLog):
        return {(count.reason, count.treatment): (count.rows, count.money) for count in log.quality.reasons}

    return _reasons


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def stored(tmp_path, request):
    """Return a function that makes a table in a database of each kind, and returns its address."""

    def _stored(name, columns, rows):
        statements = (
            f"drop table if exists {name}",
            f"create table {name} ({columns})",
            f"insert into {name} values {', '.join(map(str, rows))}",
        )
        if request.param == "postgresql":
            url = request.getfixturevalue("postgres_url")
            dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
            with dbapi.connect(url) as database, database.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                database.commit()
            return url
        path = tmp_path / f"shop.{request.param}"
        connect = duckdb.connect if request.param == "duckdb" else sqlite3.connect
        with closing(connect(path)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
        return f"{request.param}:///{path}"

    return _stored
