"""Rows of events between those of purchases: told apart by their dates."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.log.events_beside import columns_beside, split_events
from clvml.log.reading import read_purchase_log


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


def test_whole_numbers_stay_whole_beside_rows_that_lack_them():
    orders = pd.DataFrame(
        {"who": [1, 2], "day": "2024-01-01", "sum": [5.5, 6.0], "store": [5, None], "big": 1e300}
    )
    calls = pd.DataFrame({"id": [1, 2], "at": "2024-01-02", "kind": [7, 8]})
    frame = pd.concat([orders, calls], ignore_index=True)
    purchases, events = split_events(frame, data_of(type="kind", customer_id="id"), "day")
    assert purchases["who"].astype(str).tolist() == ["1", "2"]
    assert purchases["store"].astype("string").fillna("-").tolist() == ["5", "-"]
    assert purchases["sum"].tolist() == [5.5, 6.0]
    assert purchases["big"].tolist() == [1e300, 1e300]
    assert (events["id"].tolist(), events["kind"].tolist()) == (["1", "2"], ["7", "8"])


def test_a_text_condition_keeps_purchases_between_events(rows):
    frame = pd.DataFrame(
        {"who": "1", "day": ["2024-01-01", None], "sum": [5.0, None], "store": [5, None], "at": None}
    )
    frame.loc[1, "at"] = "2024-01-02"
    purchases, _ = split_events(frame, data_of(), "day")
    data = data_of().model_copy(update={"where": "store = '5'"})
    log = read_purchase_log(data, source=purchases, now=datetime(2025, 1, 1, tzinfo=UTC))
    assert rows(log, "amount") == [(5.0,)]


def test_a_row_that_is_both_is_refused_and_so_are_purchases_alone():
    frame = pd.DataFrame({"who": ["1"], "day": ["2024-01-01"], "at": ["2024-01-02"]})
    with pytest.raises(
        InputError, match=r"that of an event \('at'\) stand in one row, 1 times.*leave 'at' of purch"
    ):
        split_events(frame, data_of(), "day")
    with pytest.raises(InputError, match="the input lacks column 'at'; give each event in a row of its own"):
        split_events(frame[["who", "day"]], data_of(), "day")
