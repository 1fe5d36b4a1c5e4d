"""The table of what else is known of customers: read here, as for DuckDB, and taken to Spark."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pandas as pd
import pyarrow as pa

from clvml.config import DataConfig
from clvml.engines.spark.lines import SparkLog
from clvml.log.attribute_reading import missing_customers, read_customer_table

_NUMBERS = itertools.count(1)
_TYPES = {"category": pa.string(), "number": pa.float64(), "date": pa.date32()}


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
