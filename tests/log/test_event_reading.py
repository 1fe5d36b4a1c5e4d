"""A table of events: what of it counts, what is left out and why, and what of it is refused."""

from datetime import date

import pandas as pd
import pytest

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log.event_reading import with_events

LOG = "customer,day,amount\n" + "".join(f"c{n},2024-01-{n:02d},10\n" for n in range(1, 25))
UNTIL = date(2024, 3, 1)
HEAD = "customer,at,kind\n"


@pytest.fixture
def joined(read, tmp_path):
    """Return a function that reads a log and a table of events, given as text."""

    def _joined(text, log=LOG, until=UNTIL, name="tickets.csv", data=None, **keys):
        path = tmp_path / name
        path.write_text(text)
        asked = DataConfig.model_validate(
            {
                "source": "orders.csv",
                "columns": {"customer_id": "customer", "order_date": "day", "amount": "amount"},
                "events": {"source": str(path), "date": "at", "type": "kind"} | keys,
                **(data or {}),
            }
        )
        return with_events(read(log, **(data or {})), asked, until)

    return _joined


def test_events_are_counted_by_day_and_type_and_the_others_by_reason(joined):
    log = joined(
        HEAD
        + "c1,2024-01-05 08:00,Plan change\nc1,2024-01-05 09:30,plan-change\nc2,2024-02-01,Plan change\n"
        + "c2,2024-02-03,\nc3,2024-02-29 23:59,ticket\n"
        + "c3,2024-03-01 00:00,ticket\n,2024-01-07,ticket\nc4,,ticket\nx1,2023-12-24,ticket\nx1,2024-01-24,ticket\n"
    )
    rows = log.connection.execute(
        f"select customer_id, day::varchar, type, number from {log.events.table} order by all"
    ).fetchall()
    assert rows == [
        ("c1", "2024-01-05", "plan_change", 2.0),
        ("c2", "2024-02-01", "plan_change", 1.0),
        ("c2", "2024-02-03", "", 1.0),
        ("c3", "2024-02-29", "ticket", 1.0),
    ]
    # What those did who never bought was recorded, too.
    assert log.events.first_day == date(2023, 12, 24)
    assert [tuple(one) for one in log.events.types] == [
        ("plan_change", "Plan change", 3),
        ("", "", 1),
        ("ticket", "ticket", 1),
    ]
    told = log.quality.events
    assert (told.rows, told.customers, told.first_day, told.last_day) == (
        5,
        3,
        date(2024, 1, 5),
        date(2024, 2, 29),
    )
    assert told.left_out == {
        "ids without a purchase (1)": 2,
        "no customer id": 1,
        "no readable date": 1,
        "on 2024-03-01 or later": 1,
    }
    text = log.quality.to_text()
    assert "events                5 of 3 customers, 2024-01-05 to 2024-02-29" in text
    assert "  types     Plan change 3, without a type 1, ticket 1" in text
    assert "  left out            2 events: ids without a purchase (1)" in text
    assert log.quality.to_dict()["events"]["types"] == {"Plan change": 3, "": 1, "ticket": 1}


def test_days_are_those_of_the_zone_of_the_purchases(joined):
    table = HEAD + "c1,2024-01-05T23:30:00Z,ticket\nc1,2024-01-06T00:30:00+02:00,ticket\n"
    log = joined(table, data={"timezone": "Europe/Paris"})
    days = log.connection.execute(f"select distinct day::varchar from {log.events.table} order by 1")
    assert days.fetchall() == [("2024-01-05",), ("2024-01-06",)]
    assert joined(table).quality.events.last_day == date(2024, 1, 5)


def test_times_in_a_column_called_utc_are_moved_as_those_of_purchases_are(joined):
    """The column is called alike in both files."""
    head, name = "customer,Created (UTC),kind\n", "Created (UTC)"
    rows = "c1,2024-01-05 23:30,ticket\nc1,2024-01-08T23:30:00+01:00,ticket\n"
    keys = {"columns": {"customer_id": "customer", "order_date": name, "amount": "kind"}}
    zone = {"timezone": "Europe/Berlin"}
    log = joined(head + rows, log=(head + rows).replace("ticket", "5"), date=name, data=zone | keys)
    for table, day in ((log.table, "order_day"), (log.events.table, "day")):
        found = log.connection.execute(f"select {day}::varchar from {table} order by 1").fetchall()
        assert found == [("2024-01-06",), ("2024-01-08",)]
    dates = joined(head + "c1,2024-01-05,ticket\n", date=name, data={"timezone": "America/New_York"})
    assert dates.quality.events.last_day == date(2024, 1, 5)


def test_a_table_without_types_is_called_as_its_file_and_the_fingerprint_is_also_of_events(joined, read):
    log = joined(HEAD + "c1,2024-01-05,a\nc1,2024-01-06,b\n", type=None)
    assert [tuple(one) for one in log.events.types] == [("", "tickets", 2)]
    assert not log.events.typed
    assert log.quality.events.types == {}
    again = joined(HEAD + "c1,2024-01-06,c\nc1,2024-01-05,\n", type=None)
    other = joined(HEAD + "c1,2024-01-05,a\nc1,2024-01-07,b\n", type=None)
    assert log.fingerprint == again.fingerprint
    assert len({log.fingerprint, other.fingerprint, read(LOG).fingerprint}) == 3


def test_what_was_not_recorded_all_the_time_is_told(joined):
    purchases = LOG + "c1,2023-06-01,5\n"
    codes = {one.code: one.text for one in joined(HEAD + "c1,2023-10-01,a\n", log=purchases).quality.warnings}
    assert "begins on 2023-10-01, 122 days after the purchases" in codes["events-begin-late"]
    assert "ends on 2023-10-01, 115 days before the purchases" in codes["events-end-early"]
    whole = joined(HEAD + "c1,2023-06-05,a\nc1,2024-01-20,a\n", log=purchases).quality.warnings
    assert not [one for one in whole if one.code.startswith("events-")]


def test_a_database_says_what_a_file_says(joined, stored):
    text = HEAD + "c1,2024-01-05 08:00:00,call\nc1,2024-01-05 09:30:00,call\nc2,2024-02-01 00:00:00,visit\n"
    expected = joined(text)
    rows = [tuple(line.split(",")) for line in text.splitlines()[1:]]
    url = stored("shop_events", 'customer varchar(9), "at" timestamp, kind varchar(9)', rows)
    for wanted, name in (("table=shop_events", "shop_events"), ("query=select * from shop_events", "event")):
        found = joined("unused\n", source=f"{url}?{wanted}")
        assert found.events == expected.events
        ours, theirs = (log.frame("select * from customer_events order by all") for log in (found, expected))
        pd.testing.assert_frame_equal(ours, theirs)
        assert found.fingerprint == expected.fingerprint
        untyped = joined("unused\n", source=f"{url}?{wanted}", type=None)
        assert [tuple(one) for one in untyped.events.types] == [("", name, 3)]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (HEAD, {}, r"tickets.csv' \(data.events\) holds no event; export it again, or leave data.events out"),
        (
            "id,at,kind\nc1,2024-01-05,a\n",
            {},
            "has no column 'customer'.*name the id with data.events.customer",
        ),
        (
            HEAD + "c1,2024-01-05,a\n",
            {"date": "day"},
            "has no column 'day'; its columns are customer, at, kind",
        ),
        (HEAD + "c1,2024-01-05,a\n", {"type": "typ"}, "has no column 'typ'; its columns are"),
        (HEAD + "c1,soon,a\nc2,2024-01-05,a\n", {}, "1 of 2 events have no date in 'at', such as 'soon'"),
        (HEAD + "c1,01/02/2024,a\n", {}, "column 'at' holds '01/02/2024', and nothing in it tells day"),
        (
            HEAD + "17,2024-01-05,a\n",
            {},
            "has no event of a customer of the purchase log.*'17' there, 'c1' here",
        ),
        (HEAD + "c1,2024-05-05,a\n", {}, "has no event of a customer before 2024-03-01"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_message(joined, text, keys, message):
    with pytest.raises(InputError, match=message):
        joined(text, **keys)


def test_a_table_that_is_not_there_is_refused_and_columns_differ(joined):
    with pytest.raises(InputError, match=r"data.events file 'none.csv' does not exist"):
        joined(HEAD + "c1,2024-01-05,a\n", source="none.csv")
    with pytest.raises(ValueError, match="'at' is given for two things; a column is id, date or type"):
        joined(HEAD, type="at")


def test_ids_with_an_apostrophe_before_a_formula_are_found(joined):
    log = joined(HEAD + "'=2,2024-01-05,call\nc1,2024-01-05,call\n", log=LOG + "'=2,2024-01-02,5\n")
    assert log.quality.events.customers == 2
