"""What else is known of customers, and what else they did: read here, as for DuckDB, and taken to Spark."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import duckdb
import pandas as pd
import pyarrow as pa

from clvml.config import DataConfig
from clvml.engines.spark.lines import SparkLog
from clvml.log.attribute_reading import ids_found, missing_customers, read_customer_table
from clvml.log.event_reading import count_events, read_events
from clvml.storage.files import FORMULA

_NUMBERS = itertools.count(1)
_TYPES = {"category": pa.string(), "number": pa.float64(), "date": pa.date32()}


def with_event_table(log: SparkLog, data: DataConfig, until: date) -> SparkLog:
    """Return a log with the events of its customers before ``until`` (``data.events``), counted by day and type.

    Raises
    ------
    InputError
        As `clvml.log.event_reading.with_events`.
    """
    if data.events is None:
        return log
    frame, session = read_events(data), log.session
    with duckdb.connect() as connection:
        connection.register("known", _known(log, frame["customer_id"]))
        span = log.first_day, log.last_day
        here, told, found = count_events(connection, "known", frame, data, until, span)
        rows = connection.sql(f"from {here.table}").to_arrow_table()
    there = replace(here, table=f"clvml_events_{next(_NUMBERS)}")
    session.createDataFrame(rows).persist().createOrReplaceTempView(there.table)
    quality = replace(log.quality, warnings=(*log.quality.warnings, *found), events=told)
    return replace(log, events=there, event_rows=rows, quality=quality)


def with_customer_table(log: SparkLog, data: DataConfig) -> SparkLog:
    """Return a log with the attributes of its customers (``data.attributes``).

    Raises
    ------
    InputError
        As `clvml.log.attribute_reading.with_attributes`.
    """
    if data.attributes is None:
        return log
    frame, here = read_customer_table(data)
    if frame["customer_id"].str.match(FORMULA).any():
        with duckdb.connect() as connection:
            connection.register("known", _known(log, frame["customer_id"]))
            frame["customer_id"] = ids_found(connection, "known", frame["customer_id"])
    # A name of its own, so that a second log leaves the first one alone.
    there = replace(here, table=f"clvml_attributes_{next(_NUMBERS)}")
    types = {one.name: _TYPES[one.kind] for one in there.columns}
    names = [str(name) for name in frame if name != "valid_from"]
    columns = {name: _column(frame[name], types.get(name, pa.string())) for name in names}
    if there.dated:
        columns["valid_from"] = _column(frame["valid_from"], pa.date32())
    log.session.createDataFrame(pa.table(columns)).persist().createOrReplaceTempView(there.table)
    found = missing_customers(log.run, log.table, there, data)
    quality = replace(log.quality, warnings=tuple(found))
    return replace(log, attributes=there, customers=frame, quality=quality)


def _known(log: SparkLog, ids: pd.Series) -> pa.Table:
    """Return those of the ids that the log knows, with an apostrophe before a formula or without, and one more.

    That one is for the message where it knows none.
    """
    asked = pd.concat([ids, "'" + ids[ids.str.match(FORMULA)]]).drop_duplicates()
    there = log.session.createDataFrame(pa.table({"customer_id": _column(asked, pa.string())}))
    lines = log.session.table(log.table)
    return there.join(lines, "customer_id", "left_semi").union(lines.selectExpr("min(customer_id)")).toArrow()


def _column(values: pd.Series, kind: pa.DataType) -> pa.Array:
    held = values.to_numpy("M8[D]") if kind == pa.date32() else values.to_numpy(object)
    return pa.array(held, kind, from_pandas=True)
