"""Rows of events between those of purchases: told apart by their dates."""

import pandas as pd
import pytest

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.log.events_beside import columns_beside, split_events


def data_of(**keys):
    columns = {"customer_id": "who", "order_date": "day", "amount": "sum"}
    events = {"source": "tickets.csv", "date": "at"} | keys
    return parse_config(
        {"data": {"source": "x.csv", "columns": columns, "events": events}, "windows": {"horizon_days": 30}}
    ).data


def test_names_that_the_purchases_have_begin_with_event():
    assert columns_beside(data_of()) == {"who": "who", "at": "at"}
    named = columns_beside(data_of(customer_id="id", date="day", type="sum"))
    assert named == {"id": "id", "day": "event_day", "sum": "event_sum"}


def test_rows_with_the_date_of_an_event_are_events():
    frame = pd.DataFrame(
        {
            "who": ["1", "1", "2", "2"],
            "day": ["2024-01-01", None, "", "soon"],
            "sum": [5.0, None, None, 6.0],
            "at": [None, " 2024-01-02 ", pd.Timestamp("2024-01-03"), " "],
            "kind": [None, "call", "", "other"],
        },
        index=[7, 7, 8, 9],
    )
    purchases, events = split_events(frame, data_of(type="kind"), "day")
    assert purchases["day"].tolist() == ["2024-01-01", "soon"]
    assert events["who"].tolist() == ["1", "2"]
    assert [text[:10] for text in events["at"]] == ["2024-01-02", "2024-01-03"]
    assert events["kind"].fillna("-").tolist() == ["call", "-"]


def test_a_row_that_is_both_is_refused_and_so_are_purchases_alone():
    frame = pd.DataFrame({"who": ["1"], "day": ["2024-01-01"], "at": ["2024-01-02"]})
    with pytest.raises(InputError, match=r"that of an event \('at'\) stand in one row, 1 times"):
        split_events(frame, data_of(), "day")
    with pytest.raises(InputError, match="the input lacks column 'at'; give each event in a row of its own"):
        split_events(frame[["who", "day"]], data_of(), "day")
