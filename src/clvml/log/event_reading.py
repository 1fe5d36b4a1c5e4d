"""A table of events beside the purchase log: when which customer did what."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from clvml.config import DataConfig
from clvml.config.event_keys import EventsConfig
from clvml.errors import InputError
from clvml.log.attribute_reading import check_columns, fingerprint_with, ids_as_logged, ids_found
from clvml.log.attribute_table import words_of
from clvml.log.event_table import TABLE, EventCount, EventTable, EventType
from clvml.log.finding import Finding
from clvml.log.purchase_log import PurchaseLog
from clvml.log.table import days_of, read_table
from clvml.log.values.time_zones import says_utc
from clvml.storage.addresses import hide_password, is_address, parse_address
from clvml.storage.sql import registered

_GIVEN = "clvml_given_events"
_KEY = "data.events"
_NO_CUSTOMER, _NO_DATE, _UNKNOWN = "no customer id", "no readable date", "ids without a purchase"
# Events that begin so much later than the purchases, or end so much earlier, are told: half-recorded windows mislead.
_LATE_DAYS = 30


def with_events(log: PurchaseLog, data: DataConfig, until: date) -> PurchaseLog:
    """Return a log with the events of its customers before ``until`` (``data.events``), counted by day and type.

    The fingerprint is then also of the events.

    Raises
    ------
    InputError
        The table cannot be read, lacks a column, has too many dates that cannot be read (``data.max_unreadable``), or
        no event of a customer of the log before ``until``.
    """
    if data.events is None:
        return log
    span = log.first_day, log.last_day
    events, told, found = count_events(log.connection, log.table, read_events(data), data, until, span)
    quality = replace(log.quality.with_warnings(found, data), events=told)
    fingerprint = fingerprint_with(log.fingerprint, log.connection, TABLE)
    return replace(log, events=events, quality=quality, fingerprint=fingerprint)


def read_events(data: DataConfig, given: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the table of ``data.events``: ``customer_id`` as in the log, ``day``, ``type`` (a key) and ``label``.

    ``given`` are its rows as texts, maybe none, where they are not read from ``data.events.source``. Ids and days
    that are not there are missing. Errors are those of `with_events`, but that of other customers.
    """
    asked, where = _asked(data)
    texts = read_table(asked.source, _KEY) if given is None else given
    id_column = asked.customer_id or data.columns.customer_id
    check_columns(texts, id_column, [asked.date, *([asked.type] if asked.type else [])], _KEY, where)
    if texts.empty and given is None:
        raise InputError(f"{where} holds no event; export it again, or leave {_KEY} out")
    dates = texts[asked.date]
    days = days_of(dates, f"{where}: column '{asked.date}'", data.timezone, in_utc=says_utc(asked.date))
    unread = np.isnat(days) & dates.notna().to_numpy()
    if unread.sum() > data.max_unreadable * len(texts):
        raise InputError(
            f"{where}: {unread.sum():,} of {len(texts):,} events have no date in '{asked.date}', such as"
            f" '{dates[unread].iloc[0]}'; correct {_KEY}.date or the table"
        )
    written = texts[asked.type].fillna("") if asked.type else pd.Series("", index=texts.index)
    codes, spelled = pd.factorize(written)
    keys = np.asarray([words_of(str(one)) for one in spelled], dtype=object)
    return pd.DataFrame(
        {
            "customer_id": ids_as_logged(texts[id_column], data).to_numpy(object),
            "day": days,
            "type": keys[codes],
            "label": np.asarray(spelled, dtype=object)[codes] if asked.type else _called(asked.source),
        }
    )


def _asked(data: DataConfig) -> tuple[EventsConfig, str]:
    """Return what is asked for, and what messages call it."""
    if data.events is None:
        raise ValueError("no events are asked for")
    return data.events, f"'{hide_password(data.events.source)}' ({_KEY})"


def _called(source: str) -> str:
    """Return the name of a table that tells no types apart: that of its file, or of its table in a database."""
    if not is_address(source):
        return Path(source).stem
    return (parse_address(source).table or "event").rpartition(".")[2]


def count_events(
    connection: duckdb.DuckDBPyConnection,
    customers: str,
    frame: pd.DataFrame,
    data: DataConfig,
    until: date,
    span: tuple[date, date],
) -> tuple[EventTable, EventCount, list[Finding]]:
    """Make the table `TABLE` of the events that count, and return what it holds, what is told of it, and doubts.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Takes the table.
    customers : str
        Relation there that has every ``customer_id`` of the log.
    frame : DataFrame
        What `read_events` returned.
    data : DataConfig
    until : date
        The first day whose events do not count.
    span : (date, date)
        First and last day of the purchases.

    Raises
    ------
    InputError
        No event of a customer lies before ``until``.
    """
    asked, where = _asked(data)
    frame = frame.assign(customer_id=ids_found(connection, customers, frame["customer_id"]))
    known = f"customer_id in (select customer_id from {customers})"
    after = f"on {until} or later"
    reason = (
        f"case when customer_id is null then '{_NO_CUSTOMER}' when day is null then '{_NO_DATE}'"
        f" when day >= date '{until}' then '{after}' when not {known} then '{_UNKNOWN}' end"
    )
    with registered(connection, _GIVEN, frame):
        counted = connection.execute(
            f"select {reason} as reason, count(*), count(distinct customer_id) from {_GIVEN} group by 1"
            " order by 2 desc, 1"
        ).fetchall()
        left_out = {
            f"{why} ({ids:,})" if why == _UNKNOWN else why: rows
            for why, rows, ids in counted
            if why is not None
        }
        if None not in (row[0] for row in counted):
            raise InputError(
                _nothing_left(connection, customers, frame, [row[0] for row in counted], until, where)
            )
        usable = f"(select * from {_GIVEN} where ({reason}) is null)"
        store_events(connection, usable)
        # Recorded is also what those did who never bought.
        (begins,) = connection.execute(
            f"select min(day)::date from {_GIVEN} where customer_id is not null"
        ).fetchall()[0]
        types = connection.execute(
            f"select type, arg_max(label, (rows, label)), sum(rows)::bigint from (select type, label, count(*) as rows"
            f" from {usable} group by all) group by type order by 3 desc, 1"
        ).fetchall()
    rows, holders, first, last = connection.execute(
        f"select sum(number)::bigint, count(distinct customer_id), min(day), max(day) from {TABLE}"
    ).fetchall()[0]
    named = {label: events for _, label, events in types} if asked.type else {}
    told = EventCount(rows, holders, named, first, last, left_out)
    table = EventTable(tuple(EventType(*one) for one in types), asked.type is not None, begins)
    return table, told, _gaps(span, begins, last, where)


def store_events(connection: duckdb.DuckDBPyConnection, usable: str) -> None:
    """Make the table `TABLE` of the events that count, a relation of ``customer_id``, ``day`` and ``type``."""
    connection.execute(
        f"create or replace table {TABLE} as select customer_id, day::date as day, type, count(*)::double as number"
        f" from {usable} group by all"
    )


def _nothing_left(
    connection: duckdb.DuckDBPyConnection,
    customers: str,
    frame: pd.DataFrame,
    why: list[str],
    until: date,
    where: str,
) -> str:
    if _UNKNOWN in why:
        ((ours,),) = connection.execute(f"select min(customer_id) from {customers}").fetchall()
        theirs = frame["customer_id"].dropna().min()
        return (
            f"{where} has no event of a customer of the purchase log (ids such as '{theirs}' there, '{ours}' here);"
            f" name its column of the same id with {_KEY}.customer_id"
        )
    return f"{where} has no event of a customer before {until}; correct {_KEY}, or leave it out"


def _gaps(span: tuple[date, date], first: date, last: date, where: str) -> list[Finding]:
    found = []
    if (late := (first - span[0]).days) > _LATE_DAYS:
        found.append(
            Finding(
                "events-begin-late",
                f"{where} begins on {first}, {late:,} days after the purchases; what customers did in windows before"
                " that is not known, and counts as missing, not as nothing",
            )
        )
    if (early := (span[1] - last).days) > _LATE_DAYS:
        found.append(
            Finding(
                "events-end-early",
                f"{where} ends on {last}, {early:,} days before the purchases; customers look as if nothing had"
                " happened since. Export it again",
            )
        )
    return found
