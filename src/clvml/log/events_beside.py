"""Events of customers that a server is sent with their purchases: rows of their own in one frame."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log.event_reading import read_events, store_events
from clvml.log.event_table import TABLE, EventTable
from clvml.log.purchase_log import PurchaseLog
from clvml.log.table import texts_of
from clvml.storage.sql import registered

_GIVEN = "clvml_given_events_beside"
# Larger floats are no exact whole numbers.
_LARGEST = 1e15


def columns_beside(data: DataConfig) -> dict[str, str]:
    """Return what the columns of ``data.events`` are called beside purchases, by the names in their own table.

    Date and type have ``event_`` before them where the purchases have a column of that name.
    """
    if data.events is None:
        raise ValueError("no events are asked for")
    taken = set(data.columns.mapped().values())
    own = [name for name in (data.events.date, data.events.type) if name]
    beside = {name: f"event_{name}" if name in taken else name for name in own}
    customer = data.events.customer_id or data.columns.customer_id
    return {customer: customer, **beside}


def split_events(frame: pd.DataFrame, data: DataConfig, ordered: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the purchases of a frame, and its events as texts under the names of their own table.

    A row with the date of an event is one, all others are purchases; ``ordered`` is the date of those.

    Raises
    ------
    InputError
        A column of events is not there, or a row has both dates.
    """
    called = columns_beside(data)
    lacking = [name for name in called.values() if name not in frame]
    dated = list(called.values())[1]
    if lacking:
        raise InputError(
            f"the model counts events of customers, and the input lacks column '{lacking[0]}'; give each event in a row"
            f" of its own beside the purchases, with its date in '{dated}', which is empty in purchases (without"
            " any event leave it empty), or give a feature table"
        )
    happened = texts_of(frame[[dated]])[dated].notna()
    both = happened & texts_of(frame[[ordered]])[ordered].notna()
    if both.any():
        raise InputError(
            f"the date of a purchase ('{ordered}') and that of an event ('{dated}') stand in one row, {both.sum():,}"
            f" times; give each purchase and each event in a row of its own, and leave '{dated}' of purchases empty"
        )
    purchases, events = frame[~happened], frame[happened]
    if happened.any():
        purchases, events = _whole(purchases), _whole(events)
    events = texts_of(events[list(called.values())]).set_axis(list(called), axis="columns")
    return purchases.reset_index(drop=True), events.reset_index(drop=True)


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with whole numbers as such: the empty cells of rows between them have made them floats."""
    known = {
        name: column.dropna() for name, column in rows.items() if pd.api.types.is_float_dtype(column.dtype)
    }
    # As text, 5.0 is not 5.
    whole = [
        name
        for name, numbers in known.items()
        if len(numbers) and (numbers % 1 == 0).all() and (numbers.abs() < _LARGEST).all()
    ]
    return rows.astype(dict.fromkeys(whole, "Int64"))


def with_events_beside(
    log: PurchaseLog, data: DataConfig, events: pd.DataFrame, recorded_from: date
) -> PurchaseLog:
    """Return a log with events that `split_events` returned; customers without one have none on record.

    Nothing was recorded before ``recorded_from``, or the first of them where that is earlier.

    Raises
    ------
    InputError
        Dates cannot be read, or all events are of customers without a purchase.
    """
    asked = data.events
    if asked is None:
        return log
    source = "rows of events beside the purchases"
    beside = asked.model_copy(update={"source": source})
    frame = read_events(data.model_copy(update={"events": beside}), events)
    known = f"(select customer_id from {log.table})"
    with registered(log.connection, _GIVEN, frame):
        store_events(log.connection, f"(from {_GIVEN} where day is not null and customer_id in {known})")
    ((counted, first),) = log.connection.execute(f"select count(*), min(day) from {TABLE}").fetchall()
    if len(frame) and not counted:
        raise InputError(
            f"the {source} are of no customer with a purchase (such as '{frame['customer_id'].iloc[0]}'); give the same"
            " ids, and the purchases of these customers"
        )
    table = EventTable((), asked.type is not None, min(recorded_from, first or recorded_from))
    return replace(log, events=table)
