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
from clvml.log.attribute_reading import missing_customers, read_customer_table
from clvml.log.event_reading import count_events, read_events

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
    asked = session.createDataFrame(
        pa.table({"customer_id": _column(frame["customer_id"].drop_duplicates(), pa.string())})
    )
    lines = session.table(log.table)
    # Those of the table that the log knows, and one more for the message where it knows none.
    known = asked.join(lines, "customer_id", "left_semi").union(lines.selectExpr("min(customer_id)"))
    with duckdb.connect() as connection:
        connection.register("known", known.toArrow())
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


def _column(values: pd.Series, kind: pa.DataType) -> pa.Array:
    held = values.to_numpy("M8[D]") if kind == pa.date32() else values.to_numpy(object)
    return pa.array(held, kind, from_pandas=True)
