"""A purchase log read and cleaned, and the date up to which it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

import duckdb
import pandas as pd

from clvml.config import Config, DataConfig, SubscriptionConfig, SubscriptionData, ValueConfig
from clvml.customers.windows import HistoryVerdict, check_history
from clvml.engines.spark import (
    SparkLog,
    SparkSample,
    read_lines,
    sampled,
    with_customer_table,
    with_event_table,
)
from clvml.errors import InputError
from clvml.expressions import Kind
from clvml.log import PurchaseLog, read_purchase_log
from clvml.log.attribute_reading import with_attributes
from clvml.log.event_reading import with_events
from clvml.log.payments import read_subscription_log
from clvml.log.readers.frame import FRAME
from clvml.log.subscriptions import SubscriptionLog
from clvml.scores.customer_margin import customer_margins

# From so many days without an order on, a log looks cut off.
_SILENCE_DAYS = 31


Log = TypeVar("Log", PurchaseLog, SparkLog, SparkSample, SubscriptionLog)


@dataclass(frozen=True)
class Prepared(Generic[Log]):
    """A log that was read, of purchases or of subscriptions, the date up to which it is used, and a note on that date.

    Attributes
    ----------
    margins : callable
        Given section ``value`` of a configuration and a date, each customer's own margin before it, by customer id
        (`clvml.scores.customer_margin`), or None where all are alike. The log is read once
        more, or twice, when first asked; Spark reads none.
    """

    log: Log
    as_of: date
    note: str
    margins: Callable[[ValueConfig, date], pd.Series | None] = lambda value, as_of: None


def prepare(
    data: DataConfig,
    now: datetime,
    source: str | pd.DataFrame | None = None,
    as_of: date | None = None,
    rejects: Path | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    horizon_days: int | None = None,
    hints: bool = False,
    crosswalk: Path | None = None,
    example: Collection[tuple[str, Kind]] | None = None,
    value: ValueConfig | None = None,
) -> Prepared[PurchaseLog]:
    """Read and clean a purchase log; ``as_of`` is the day after its last line unless given.

    The log's table is made in ``connection`` (`clvml.storage.workspace`), or in a new database in memory. Its warnings
    compare ``horizon_days`` with the customers' rhythm; with ``hints`` they tell what columns say that are not used.
    The other parameters are those of `clvml.log.read_purchase_log`.
    """
    if source is not None and data.sources and crosswalk is None:
        data = data.with_source(source if isinstance(source, str) else FRAME)
    log = read_purchase_log(
        data,
        source=source,
        connection=connection,
        now=now,
        as_of=as_of,
        rejects=rejects,
        horizon_days=horizon_days,
        hints=hints,
        crosswalk=crosswalk,
        example=example,
        value=value,
    )
    until, note = _dated(log.last_day, as_of)
    log = with_events(with_attributes(log, data), data, until)

    known: dict[str, pd.Series | None] = {}

    def margins(value: ValueConfig, until: date) -> pd.Series | None:
        asked = f"{value!r} {until}"
        if asked not in known:
            known[asked] = customer_margins(value, data, source, now, until)
        return known[asked]

    return Prepared(log, until, note, margins)


def prepare_subscriptions(
    data: SubscriptionData, now: datetime, source: str | None = None, as_of: date | None = None
) -> Prepared[SubscriptionLog]:
    """Read a table of subscriptions; ``as_of`` is the day after the last one began, up to now, unless given.

    Raises
    ------
    InputError
        The table cannot be read, or nothing in it has begun.
    """
    read = read_subscription_log(data, source, as_of, now.date())
    return dated_subscriptions(replace(read, currency=data.currency), now.date(), as_of)


def dated_subscriptions(
    log: SubscriptionLog, today: date, as_of: date | None = None
) -> Prepared[SubscriptionLog]:
    """Return a table of subscriptions with the date up to which it is used; see `prepare_subscriptions`."""
    starts = log.frame["start"]
    until = pd.Timestamp(as_of or today + timedelta(days=1))
    begun = starts[starts < until]
    if begun.empty:
        raise InputError(
            f"no subscription begins before {until.date()}; the first begins on {log.first_day}: choose a later"
            " --as-of, or correct data.columns.start"
        )
    notes = []
    if as_of is None:
        as_of, newest = begun.max().date() + timedelta(days=1), "subscription began"
        if log.last_payment is not None:
            as_of, newest = log.last_payment + timedelta(days=1), "payment"
        notes.append(f"as of {as_of}, the day after the last {newest}; --as-of sets another date")
    if len(begun) < len(starts):
        notes.append(
            f"{len(starts) - len(begun):,} subscriptions that begin on {as_of} or later are not used"
        )
    return Prepared(log, as_of, "; ".join(notes))


def prepare_on_spark(
    session: Any, data: DataConfig, now: datetime, source: str | None = None, as_of: date | None = None
) -> Prepared[SparkLog]:
    """Read and clean a purchase log in a Spark session; see `prepare`."""
    if data.sources and source is None:
        raise InputError(
            "Spark reads one source; write what data.sources name into one file with 'clvml check --config FILE --log"
            " log.parquet' and give that as DATA (--data), or leave out --engine"
        )
    if data.rates and data.columns.currency:
        raise InputError(
            "Spark converts no currencies, and data.rates are given; give a log in one currency and leave out"
            " data.rates, or leave out --engine"
        )
    log = with_customer_table(read_lines(session, data, source or data.source, now, as_of), data)
    until, note = _dated(log.last_day, as_of)
    return Prepared(with_event_table(log, data, until), until, note)


def sample_on_spark(
    prepared: Prepared[SparkLog], config: Config, connection: duckdb.DuckDBPyConnection
) -> Prepared[SparkSample]:
    """Choose some of the customers of a log on Spark, to train on; their features come into ``connection``."""
    log = sampled(prepared.log, config, prepared.as_of, connection)
    return Prepared(log, prepared.as_of, prepared.note)


def sources_of(data: DataConfig | SubscriptionData) -> list[str]:
    """Return every file, folder or address that a configuration reads."""
    return list(data.places().values())


def check_length(prepared: Prepared[Any], config: Config) -> HistoryVerdict:
    """Return whether there is enough history for the horizon of the configuration."""
    return check_history(prepared.log.first_day, prepared.as_of, config.windows)


def check_subscription_length(
    prepared: Prepared[SubscriptionLog], config: SubscriptionConfig
) -> tuple[bool, str]:
    """Return whether there is enough history for the horizon of the configuration, and the same in words."""
    windows, log = config.windows, prepared.log
    needed = windows.horizon_days + config.data.grace_days + windows.min_history_days
    days = (prepared.as_of - log.first_day).days
    told = "enough" if days >= needed else "not enough, and a training would be refused"
    return days >= needed, (
        f"the table has {days:,} days before {prepared.as_of}; a horizon of {windows.horizon_days:,} days needs"
        f" {needed:,}: {told}"
    )


def _dated(last_day: date, as_of: date | None) -> tuple[date, str]:
    """Return the date up to which a log is used, and a note on it."""
    if as_of is None:
        chosen = last_day + timedelta(days=1)
        return chosen, f"as of {chosen}, the day after the last order; --as-of sets another date"
    return as_of, silence_note(last_day, as_of)


def silence_note(last_day: date, as_of: date) -> str:
    """Return what to know where the log ends long before ``as_of``, else nothing."""
    silent = (as_of - last_day).days
    if silent <= _SILENCE_DAYS:
        return ""
    return (
        f"no order in the {silent:,} days before {as_of}: if orders are missing since {last_day}, customers look"
        " likelier to leave than they are; give newer orders or, to train and to score, leave --as-of out"
    )
