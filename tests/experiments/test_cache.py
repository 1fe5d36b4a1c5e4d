"""Shared tables: built once, equal to what they stand for, and bounded."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

from clvml.customers.snapshots import CustomerDays
from clvml.experiments import cache
from clvml.experiments.cache import SharedDays

CUTOFF = date(2024, 3, 1)


@pytest.fixture
def days():
    with duckdb.connect() as connection:
        draw = np.random.default_rng(0)
        lines = pd.DataFrame(
            {
                "customer_id": [f"c{n}" for n in draw.integers(20, size=200)],
                "order_day": [date(2024, 1, 1) + timedelta(days=int(n)) for n in draw.integers(90, size=200)],
                "amount": 5.0,
            }
        )
        connection.register("lines", lines)
        connection.execute("create table log as select * replace (order_day::date as order_day) from lines")
        yield SharedDays(connection, "log")


@pytest.fixture
def built(monkeypatch):
    """Return the list of the tables that were really built."""
    names = []

    def spy(name):
        original = getattr(CustomerDays, name)

        def noted(self, *arguments):
            names.append((name, *map(str, arguments)))
            return original(self, *arguments)

        return noted

    for name in ("features", "snapshots", "daily_totals"):
        monkeypatch.setattr(CustomerDays, name, spy(name))
    return names


def test_tables_are_built_once_for_all_threads(days, built):
    def use(_):
        days.daily_totals(CUTOFF)
        return days.snapshots([CUTOFF], 20), days.features(CUTOFF, 20), days.snapshots([CUTOFF], 20, ["T"])

    with ThreadPoolExecutor(4) as threads:
        frames = list(threads.map(use, range(8)))
    assert len(built) == len(set(built)) == 4
    plain = CustomerDays(days.connection, "log")
    for shared in frames:
        pd.testing.assert_frame_equal(shared[0], plain.snapshots([CUTOFF], 20))
        pd.testing.assert_frame_equal(shared[1], plain.features(CUTOFF, 20))


def test_a_column_more_is_seen_by_nobody_else(days):
    frame = days.features(CUTOFF, 20)
    frame["mine"] = 1
    assert "mine" not in days.features(CUTOFF, 20)


def test_the_oldest_tables_go_when_there_are_too_many(days, built, monkeypatch):
    size = int(days.features(CUTOFF, 20).memory_usage().sum())
    monkeypatch.setattr(cache, "CACHE_BYTES", 2.5 * size)
    others = [CUTOFF - timedelta(days=n) for n in (1, 2)]
    for cutoff in (*others, CUTOFF, others[1], CUTOFF, others[0]):
        days.features(cutoff, 20)
    assert [cutoff for _, cutoff, _ in built] == [
        str(cutoff) for cutoff in (CUTOFF, others[0], others[1], CUTOFF, others[0])
    ]
