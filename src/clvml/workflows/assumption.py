"""What is assumed of a source of which nothing is known but its columns and cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import pandas as pd

from clvml.config import (
    AnyConfig,
    ColumnsConfig,
    Config,
    DataConfig,
    assign,
    parse_any_config,
    parse_config,
    parse_keys,
)
from clvml.errors import InputError, first_of
from clvml.log.hints.discounts import less_discount
from clvml.log.hints.raw_columns import RawColumns, heading_column
from clvml.log.mapping import map_columns, propose_columns, propose_difference, propose_product
from clvml.log.presets import recognise
from clvml.log.readers.date_parts import is_part_of_date, with_dates
from clvml.log.readers.frame import FRAME
from clvml.log.readers.month_columns import with_months_as_rows
from clvml.log.readers.parts import Part, read_parts, readable
from clvml.log.subscription_mapping import currencies_of, end_of, subscription_columns
from clvml.storage.workspace import offline_database

ASSUMED_HORIZON_DAYS = 180
_ASSUMED_SUBSCRIBED_DAYS = 90
_REQUIRED = ("customer_id", "order_date", "amount")
_NAMED = {"columns", "preset"}
_REQUIRED_OF_SUBSCRIPTIONS = ("customer_id", "start", "end", "price")


def assume_any_config(source: str, overrides: list[str] | None = None) -> AnyConfig:
    """Return `assume_config`, or a configuration of `mode: subscription` where the columns are those of subscriptions.

    They are, too, where ``overrides`` say ``mode=subscription``, and are not where these name columns or a preset
    without it.

    Raises
    ------
    InputError
        As `assume_config`, or no column looks like a customer, a start, an end or a price.
    """
    raw: dict[str, Any] = {}
    for assignment in overrides or []:
        assign(raw, assignment)
    data = raw.setdefault("data", {})
    asked = raw.get("mode") == "subscription"
    if not isinstance(data, dict) or not (asked or ("mode" not in raw and data.keys().isdisjoint(_NAMED))):
        return assume_config(source, overrides)
    if "payments" in data:
        data["source"] = source
        raw.setdefault("windows", {"horizon_days": _ASSUMED_SUBSCRIBED_DAYS})
        return parse_any_config(raw, "--set")
    with _first_table(source, data) as table:
        if not asked and not table.subscribed:
            return _assume_purchases(source, overrides, table)
        first, columns = table.part, table.subscribed
        price = columns.get("price")
        currency = price and table.answer(lambda raw: currencies_of(raw, price))
    named = data.get("columns") or {}
    if not isinstance(named, dict) or not isinstance(raw.setdefault("windows", {}), dict):
        return parse_any_config(raw | {"data": data | {"source": source}}, "--set")
    data |= {"source": source, "columns": columns | named}
    unknown = [ours for ours in _REQUIRED_OF_SUBSCRIPTIONS if ours not in data["columns"]]
    if unknown:
        raise InputError(
            f"'{first.name}' looks like a table of subscriptions, and nothing in it looks like {', '.join(unknown)}."
            f" Its columns: {first_of(first.columns)}. Name the right ones with --set mode=subscription --set"
            f" data.columns.{unknown[0]}=COLUMN"
        )
    if currency and "," in currency:
        raise InputError(
            f"the prices in '{price}' of '{first.name}' are in {currency}; give a table in one currency, for revenue of"
            " several does not add up"
        )
    if currency:
        data.setdefault("currency", currency)
    if "period" not in data["columns"]:
        data.setdefault("period", "month")
    raw["mode"] = "subscription"
    raw["windows"].setdefault("horizon_days", _ASSUMED_SUBSCRIBED_DAYS)
    return parse_any_config(raw, "--set")


def assume_config(source: str, overrides: list[str] | None = None) -> Config:
    """Return a configuration for a log of which nothing is known but the names of its columns.

    Parameters
    ----------
    source : str
        The purchase log.
    overrides : list of str, optional
        ``a.b=c`` assignments; columns named there are taken as they are.

    Raises
    ------
    InputError
        The source cannot be read, or no column looks like a customer, a date or an amount.
    """
    return _assume_purchases(source, overrides)


def _assume_purchases(source: str, overrides: list[str] | None, opened: _Table | None = None) -> Config:
    raw: dict[str, Any] = {
        "data": {"source": source, "columns": {}},
        "windows": {"horizon_days": ASSUMED_HORIZON_DAYS},
    }
    for assignment in overrides or []:
        assign(raw, assignment)
    data = raw["data"]
    if isinstance(data, dict) and isinstance(data.get("columns"), dict):
        remedy = "Without --config, name it with --set data.columns.{ours}=COLUMN"
        raw["data"] = _proposed(source, data, remedy, opened)
    return parse_config(raw, "--set")


def assume_data(source: str | pd.DataFrame, raw: dict[str, Any]) -> DataConfig:
    """Return how to read a log, from what is known of it: keys of section ``data``, ``columns`` among them.

    Raises
    ------
    InputError
        As `assume_config`, or a key is unknown or of no use.
    """
    keys = raw | {"columns": raw.get("columns") or {}, "source": source if isinstance(source, str) else FRAME}
    keys = _proposed(source, keys, "Name it with columns={{'{ours}': COLUMN}}")
    return parse_keys(DataConfig, keys, "read_log")


@dataclass(frozen=True)
class _Table:
    """The first file or table of a source, and what is asked of its cells."""

    connection: duckdb.DuckDBPyConnection
    part: Part

    def answer(self, question: Callable[[RawColumns], str | None]) -> str | None:
        """Return what the columns answer, None where they cannot be read: reading says what is wrong with them."""
        try:
            return question(self._raw)
        except (duckdb.Error, InputError):
            return None

    @cached_property
    def _raw(self) -> RawColumns:
        part = readable(self.connection, self.part, "clvml_whole")
        return RawColumns(self.connection, [part], part.columns)

    @cached_property
    def subscribed(self) -> dict[str, str]:
        """The columns of a table of subscriptions by our names, empty where it looks like one of purchases."""
        if recognise(self.part.columns):
            return {}
        return subscription_columns(
            self.part.columns, lambda start, ends: self.answer(lambda raw: end_of(raw, start, ends))
        )

    def may_be(self, ours: str, name: str) -> bool:
        """Return whether a column holds several customers, digits of dates and numbers, or a currency without any."""
        cell = f"c{self.part.columns.index(name)}::VARCHAR"
        test = f"trim({cell}) <> ''"
        if ours in ("order_date", "amount", "quantity"):
            test = f"regexp_matches({cell}, '\\d')"
        elif ours == "currency":
            # Valuta is a currency and, in German, the day from which money counts.
            test += f" AND NOT regexp_matches({cell}, '\\d')"
        elif ours == "customer_id":
            # All revenue stands on one account of the books.
            test += f" AND {cell} <> (SELECT {cell} FROM {self.part.relation} WHERE {test} LIMIT 1)"
        query = f"SELECT 1 FROM {self.part.relation} WHERE {test} LIMIT 1"
        try:
            return bool(self.connection.execute(query).fetchall())
        except duckdb.Error:
            # Whatever is wrong with the file is said when it is read.
            return True


@contextmanager
def _first_table(source: str | pd.DataFrame, data: dict[str, Any]) -> Iterator[_Table]:
    with offline_database() as connection:
        yield _Table(connection, read_parts(connection, source, _told_of_files(data))[0])


def _proposed(
    source: str | pd.DataFrame, data: dict[str, Any], remedy: str, opened: _Table | None = None
) -> dict[str, Any]:
    """Return keys of section ``data`` with a preset or the likeliest columns; ``remedy`` ends an error."""
    named: dict[str, Any] = data["columns"]
    if data.get("preset"):
        return data
    with nullcontext(opened) if opened else _first_table(source, data) as table:
        first = with_months_as_rows(table.connection, [table.part])[0]
        table = table if first is table.part else _Table(table.connection, first)
        whole = [name for name in first.columns if not is_part_of_date(name)]
        own_date = propose_columns({}, whole, table.may_be).get("order_date")
        if own_date is None and (dated := with_dates(table.connection, [first])[0]) is not first:
            table, first = _Table(table.connection, dated), dated
        if not named and (preset := recognise(first.columns)):
            return data | {"preset": preset}
        if not named and table.subscribed:
            raise InputError(
                f"'{first.name}' looks like a table of subscriptions: '{table.subscribed['end']}' is when they ended,"
                " and empty for some. `clvml check FILE` proposes a configuration with mode: subscription. Are they"
                f" purchases? {remedy.format(ours='order_date')}"
            )
        fields = ColumnsConfig.model_fields
        known = {ours: theirs for ours, theirs in named.items() if isinstance(theirs, str) and ours in fields}
        if own_date and len(first.columns) - len(whole) > 2:
            # Beside year, month and day, a column called day is none of dates.
            known.setdefault("order_date", own_date)
        columns = _purchase_columns(table, known, named)
    unknown = [ours for ours in _REQUIRED if not columns.get(ours)]
    if unknown:
        try:
            map_columns(
                ColumnsConfig(**{ours: known.get(ours, ours) for ours in _REQUIRED}),
                first.columns,
                first.name,
                likeliest=columns,
            )
        except InputError as error:
            doubts = [f" {each.text}." for each in first.findings if each.code == "assumed-encoding"]
            raise InputError(f"{error} {remedy.format(ours=unknown[0])}{''.join(doubts[:1])}") from None
    return data | {"columns": columns}


def _purchase_columns(table: _Table, known: dict[str, str], named: dict[str, Any]) -> dict[str, Any]:
    """Return the likeliest columns by our names beside those ``named``, of which ``known`` are names of columns."""
    names = table.part.columns
    proposed = propose_columns(known, names)
    likeliest = propose_columns(known, names, table.may_be)
    filled = [name for name in names if name in likeliest.values() or name not in proposed.values()]
    columns = {ours: theirs for ours, theirs in likeliest.items() if theirs not in named.values()} | named
    amount = columns.get("amount")
    if "amount" not in named:
        if product := propose_product(filled, amount):
            columns["amount"] = table.answer(lambda raw: less_discount(raw, product)) or product
        elif difference := propose_difference(filled, amount):
            columns["amount"] = difference
    if "customer_id" not in columns and (day := columns.get("order_date")):
        heading = table.answer(lambda raw: heading_column(raw, day))
        columns |= {"customer_id": heading} if heading else {}
    # Better an empty column, of which reading says that it is, than none.
    empty = {o: theirs for o, theirs in proposed.items() if o in _REQUIRED and theirs not in columns.values()}
    return empty | columns


def _told_of_files(data: dict[str, Any]) -> DataConfig | None:
    """Return what keys of section ``data`` say of how files are read, before their columns are known."""
    told = {key: data[key] for key in ("encoding", "sheets") if data.get(key)}
    columns = dict(zip(_REQUIRED, _REQUIRED, strict=True))
    return parse_keys(DataConfig, {"source": FRAME, "columns": columns, **told}, "data") if told else None
