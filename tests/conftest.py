"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pandas as pd
import pytest

from clvml.snapshots import OPTIONAL_COLUMNS, CustomerDays

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
