"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from clvml.threads import WAIT

# Before anything loads OpenMP: threads that wait for work must not burn the cores of those that have some.
os.environ.update(WAIT | dict(os.environ))

import duckdb
import pandas as pd
import pytest
from hypothesis import settings
from tests.servers import mlflow_server, postgres_cluster, postgres_programs

from clvml.cli import main
from clvml.customers.snapshots import OPTIONAL_COLUMNS, CustomerDays

# The same examples each time, so that a red run can be made again; `--hypothesis-profile search` looks further.
settings.register_profile("search", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

BuildDays = Callable[[pd.DataFrame], CustomerDays]


@pytest.fixture(scope="session")
def build_days() -> Iterator[BuildDays]:
    """Return a function from order lines (customer_id, order_day, amount, ...) to their CustomerDays.

    One database serves them all: what an earlier call returned must not be used after a later one.
    """
    with duckdb.connect() as connection:

        def build(lines: pd.DataFrame) -> CustomerDays:
            connection.register("lines", lines)
            connection.execute(
                "create or replace table purchase_log as select * replace (cast(order_day as date) as order_day)"
                " from lines"
            )
            connection.unregister("lines")
            return CustomerDays(connection, "purchase_log", [c for c in OPTIONAL_COLUMNS if c in lines])

        yield build


@dataclass(frozen=True)
class Shop:
    """A shop's log, and the model that `clvml train` made of it."""

    folder: Path
    log: Path
    config: Path
    tracking: str
    trained: dict[str, Any]

    @property
    def lines(self) -> pd.DataFrame:
        return pd.read_csv(self.log, dtype={"customer_id": str})


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without runs: creating one takes seconds, copying it none."""
    from clvml.tracking.session import open_store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with open_store(f"sqlite:///{path}") as store:
        store.client.search_experiments()
    return path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Shop:
    """Return a shop of 240 customers and one and a half years, with its model trained once for all tests.

    The configuration names a file that is not there: the log is given by --data.
    """
    folder = tmp_path_factory.mktemp("shop")
    log, config, tracking = folder / "orders.csv", folder / "shop.yaml", f"sqlite:///{folder}/mlflow.db"
    shop_lines().to_csv(log, index=False)
    shutil.copy(empty_store, folder / "mlflow.db")
    config.write_text(
        "data:\n"
        "  source: last-year.csv\n"
        "  columns: {customer_id: customer_id, order_date: order_date, amount: amount, order_id: order_id,"
        " product_id: product_id}\n"
        "  currency: EUR\n"
        "windows: {horizon_days: 60}\n"
        "model: {n_estimators: 20}\n"
        "evaluation: {folds: 2, bootstrap_samples: 100}\n",
        encoding="utf-8",
    )
    # Whoever imports shap first is kept alive by it, with all it holds: an open database at the end of Python.
    import clvml.explain.driver_plots  # noqa: F401

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("MLFLOW_TRACKING_URI", tracking)
        patch.setattr("sys.argv", ["clvml", "train", "--config", str(config), "--data", str(log), "--json"])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 0
    return Shop(folder, log, config, tracking, json.loads(printed.getvalue()))


def shop_lines() -> pd.DataFrame:
    """Return order lines from 2023-01-01 to 2024-06-30, some of odd customers whom no model is needed for."""
    draw = random.Random(7)
    rows: list[tuple[str, str, str, float, str]] = []

    def order(customer: str, day: int, *amounts: float) -> None:
        when = (date(2023, 1, 1) + timedelta(days=day)).isoformat()
        number = f"O{len(rows):05d}"
        rows.extend(
            (customer, when, number, round(amount, 2), f"P{draw.randrange(30)}") for amount in amounts
        )

    for number in range(240):
        day, rhythm, size = draw.uniform(0, 400), draw.gammavariate(2, 25), draw.lognormvariate(3.3, 0.7)
        while day < 546:
            order(
                f"C{number:04d}", int(day), *(size * draw.uniform(0.2, 1) for _ in range(draw.randint(1, 3)))
            )
            if draw.random() < 0.05:
                order(f"C{number:04d}", min(int(day) + 3, 545), -size / 3)
            if draw.random() < 0.15:
                break
            day += 1 + draw.expovariate(1 / rhythm)
    for customer in ("=1+1", "@x", "-5", "'=2", "Zoë", "007"):
        order(customer, 100, 20.0)
        order(customer, 500, 30.0, 5.5)
    order("only-refunds", 400, -12.0)
    order("only-refunds", 545, -3.0)
    frame = pd.DataFrame(rows, columns=["customer_id", "order_date", "order_id", "amount", "product_id"])
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="session")
def mlflow_address(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[str]:
    """Return the address of an MLflow server on SQLite, its artifacts proxied: one for all tests."""
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copy(empty_store, folder / "server.db")
    with mlflow_server(folder) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return the URL of a PostgreSQL database, password included; tests make schemas or tables of their own."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb on the path or in /usr/lib/postgresql/*/bin")
    with postgres_cluster(programs) as url:
        yield url


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Return a local Spark session. It takes ten seconds to start: the tests share it."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java is installed")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", "2")
    # Little data: compiling the queries would take longer than running them.
    for name in ("spark.ui.enabled", "spark.sql.codegen.wholeStage", "spark.sql.adaptive.enabled"):
        builder = builder.config(name, "false")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
