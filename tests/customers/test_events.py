"""Events as features: counted before a cutoff, missing where nothing was recorded."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from clvml.customers.events import MOST_TYPES, EventKind, event_kinds
from clvml.customers.snapshots import CustomerDays
from clvml.log.event_table import EventTable, EventType

TICKET = EventKind("event_ticket", "Ticket", ("ticket",), "2023-01-01")
RARE = EventKind("events_rare", "", ("fax", "telex"), "2023-01-01")
NAMES = [one.name for one in (*TICKET.features, *RARE.features)]
ROWS = [
    ("a", "2023-03-31", "ticket", 1),
    ("a", "2024-03-02", "ticket", 2),
    ("a", "2024-03-31", "ticket", 1),
    ("a", "2024-04-01", "ticket", 9),
    ("a", "2024-03-01", "fax", 1),
    ("b", "2024-01-02", "telex", 3),
    ("b", "2024-04-02", "strike", 4),
    ("x", "2024-01-03", "ticket", 1),
]


@pytest.fixture
def days():
    """Return a function that gives the days of customers a, b and c, with events recorded from a day on."""

    def _days(first_day, rows=ROWS):
        connection = duckdb.connect(config={"threads": 1})
        connection.execute(
            "create table log as select * from (values ('a', date '2023-01-01', 5.0), ('b', date '2024-02-01', 6.0),"
            " ('c', date '2024-04-01', 7.0)) as v(customer_id, order_day, amount)"
        )
        connection.execute(
            "create table customer_events(customer_id text, day date, type text, number double)"
        )
        connection.executemany("insert into customer_events values (?, ?, ?, ?)", rows)
        return CustomerDays(connection, "log", events=EventTable((), True, first_day))

    return _days


def counted(days, cutoff, kinds=(TICKET, RARE)):
    features = days.counting(kinds).features(cutoff, 30).set_index("customer_id")
    return features[NAMES].astype(object).where(features[NAMES].notna(), None).T.to_dict("list")


def test_events_before_the_cutoff_are_counted_in_windows(days):
    found = counted(days(date(2023, 1, 1)), date(2024, 4, 1))
    # The 2nd of March is 30 days before, the 1st is 31; a year has 366 days here.
    assert found == {
        "a": [3.0, 3.0, 3.0, 1.0, 0.0, 1.0, 1.0, 31.0],
        "b": [0.0, 0.0, 0.0, None, 0.0, 3.0, 3.0, 90.0],
    }
    later = counted(days(date(2023, 1, 1)), date(2024, 4, 2))
    assert later["a"][:4] == [10.0, 12.0, 12.0, 1.0]
    assert later["c"] == [0.0, 0.0, 0.0, None, 0.0, 0.0, 0.0, None]


def test_windows_that_begin_before_the_first_event_are_missing(days):
    assert counted(days(date(2024, 1, 2)), date(2024, 4, 1))["a"] == [3, 3, None, 1, 0, 1, None, 31]
    assert counted(days(date(2024, 1, 3)), date(2024, 4, 1))["b"] == [0, None, None, None, 0, None, None, 90]
    assert counted(days(date(2024, 3, 3)), date(2024, 4, 1))["b"] == [*7 * [None], 90]


def test_nothing_is_counted_that_is_not_asked_for(days):
    both = days(date(2023, 1, 1))
    names = set(both.features(date(2024, 4, 1), 30))
    assert not [name for name in names if name.startswith("event")]
    assert set(both.counting([TICKET]).features(date(2024, 4, 1), 30)) - names == set(NAMES[:4])
    snapshot = both.counting([TICKET]).snapshots([date(2024, 4, 1)], 30)
    assert list(snapshot["event_ticket_30d"]) == [3.0, 0.0]
    # What others ask of the days stays as it is.
    assert set(both.features(date(2024, 4, 1), 30)) == names


def test_customers_of_each_type_are_those_seen_before_the_cutoff(days):
    read = days(date(2023, 1, 1))
    assert read.customers_of_events(date(2024, 4, 1)) == {"ticket": 1, "fax": 1, "telex": 1}
    assert read.customers_of_events(date(2024, 4, 3)) == {"ticket": 1, "fax": 1, "telex": 1, "strike": 1}


def table(*keys, typed=True):
    return EventTable(tuple(EventType(key, key.upper(), 1) for key in keys), typed, date(2023, 1, 1))


def test_frequent_types_count_on_their_own_and_rare_ones_together():
    kinds, note = event_kinds(table("a", "b", "c", "d"), {"a": 20, "b": 300, "c": 19, "d": 1})
    assert [(kind.name, kind.label, kind.types) for kind in kinds] == [
        ("event_b", "B", ("b",)),
        ("event_a", "A", ("a",)),
        ("events_rare", "", ("c", "d")),
    ]
    assert note == "events of rare types counted together: 'C', 'D'"
    kinds, note = event_kinds(table("a", "c"), {"a": 20, "c": 19})
    assert [kind.name for kind in kinds] == ["event_a"]
    assert note == "events of rare types left out: 'C'"
    many = {f"t{n:02d}": 50 for n in range(MOST_TYPES + 5)}
    kinds, _ = event_kinds(table(*many), many)
    assert [len(kind.types) for kind in kinds] == [1] * MOST_TYPES + [5]


def test_a_table_without_types_is_one_kind():
    kinds, note = event_kinds(table("", typed=False), {"": 20})
    assert [(kind.name, kind.types, note) for kind in kinds] == [("events", ("",), "")]
    assert event_kinds(table("", typed=False), {"": 19})[0] == ()
    kinds, _ = event_kinds(table("", "a"), {"": 30, "a": 30})
    assert [kind.name for kind in kinds] == ["event_a", "events_rare"]


def test_a_model_reads_numbers():
    first = TICKET.features[0]
    assert first.feature.description == "events in the last 30 days: Ticket"
    read = first.read(pd.Series(["1", None, "3"], dtype=object))
    assert (read.dtype, list(read[[0, 2]]), bool(np.isnan(read[1]))) == (np.float32, [1, 3], True)
