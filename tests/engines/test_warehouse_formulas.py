"""Row filters and computed amounts in the SQL of a warehouse."""

import sqlite3
from contextlib import closing
from datetime import date

import duckdb
import pandas as pd
import pytest

from clvml.config import DataConfig
from clvml.engines.warehouse import DIALECTS, feature_sql, utc_notes
from clvml.errors import InputError

LINES = pd.DataFrame(
    {
        "who": ["ann", "ann", "bob", "bob"],
        "day": ["2024-01-05", "2024-01-09", "2024-01-06", "2024-01-07"],
        "Amount": [10.0, 5.0, 7.0, 3.0],
        "Amount Refunded": [2.5, None, 0.0, 3.0],
        "State": ["paid", "paid", "it's void", None],
    }
)
DATA = DataConfig(
    source="orders",
    columns={"customer_id": "who", "order_date": "day", "amount": 'Amount - "Amount Refunded"'},
    where="State is null or State <> 'it''s void'",
    duplicates="drop",
)


def _spend(frame):
    return dict(zip(frame["customer_id"], frame["spend_sum"], strict=True))


def test_only_purchases_count_and_less_their_refunds():
    expected = {"ann": 12.5, "bob": 0.0}
    with duckdb.connect() as connection:
        connection.register("orders", LINES)
        found = connection.sql(feature_sql(DATA, "orders", date(2024, 2, 1), 90, "duckdb")).df()
    assert _spend(found) == expected
    with closing(sqlite3.connect(":memory:")) as connection:
        LINES.to_sql("orders", connection, index=False)
        assert (
            _spend(pd.read_sql(feature_sql(DATA, "orders", date(2024, 2, 1), 90, "sqlite"), connection))
            == expected
        )


def test_a_sign_that_another_column_tells():
    columns = DATA.columns.model_copy(
        update={"amount": "case when State = 'paid' then -Amount else Amount end"}
    )
    data = DATA.model_copy(update={"columns": columns, "where": None})
    with duckdb.connect() as connection:
        connection.register("orders", LINES)
        found = connection.sql(feature_sql(data, "orders", date(2024, 2, 1), 90, "duckdb")).df()
    assert _spend(found) == {"ann": -15.0, "bob": 10.0}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_says_it(dialect):
    assert "void" in feature_sql(DATA, "orders", date(2024, 2, 1), 90, dialect)


def test_totals_of_orders_are_refused():
    data = DATA.model_copy(update={"amount_per": "order"})
    with pytest.raises(InputError, match=r"make a view that has the money once per order"):
        feature_sql(data, "orders", date(2024, 2, 1), 90, "duckdb")


@pytest.mark.parametrize("keys", [{"guests": "reject"}, {"customer_ids": "casefold"}])
def test_ids_that_are_folded_or_left_out_are_refused(keys):
    data = DATA.model_copy(update=keys)
    with pytest.raises(InputError, match=r"customer ids as they are, .*data\.customer_ids=as_is"):
        feature_sql(data, "orders", date(2024, 2, 1), 90, "duckdb")


def test_cells_as_in_the_line_above_are_refused():
    data = DATA.model_copy(update={"fill_down": True})
    with pytest.raises(InputError, match=r"no order of lines, .*data\.fill_down=false"):
        feature_sql(data, "orders", date(2024, 2, 1), 90, "duckdb")


def test_times_called_utc_are_told_where_days_are_counted_elsewhere():
    columns = {"customer_id": "who", "order_date": "Created (UTC)", "amount": "Amount"}
    events = {"source": "e.csv", "date": "at_utc"}
    data = DataConfig(source="orders", columns=columns, timezone="Europe/Berlin", events=events)
    first, second = utc_notes(data)
    assert "'Created (UTC)'" in first and "counted them in Europe/Berlin" in first
    assert "'at_utc'" in second
    assert utc_notes(data.model_copy(update={"timezone": "UTC"})) == []
    assert utc_notes(DATA.model_copy(update={"timezone": "Europe/Berlin"})) == []
