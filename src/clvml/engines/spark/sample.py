"""A sample of the customers of a log on Spark, to train on: features are made there, and only they come here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import count
from typing import Any, Self

import duckdb
import pandas as pd
import pyarrow as pa

from clvml.config import Config
from clvml.customers import customer_days_query
from clvml.customers.snapshots import OPTIONAL_COLUMNS, CustomerDays
from clvml.engines.spark.faults import worker_errors
from clvml.engines.spark.lines import SparkLog
from clvml.engines.warehouse import translate
from clvml.log.attribute_reading import fingerprint_with, store, with_columns_told
from clvml.log.attribute_table import TABLE, AttributeTable
from clvml.log.event_table import TABLE as EVENTS
from clvml.log.event_table import EventTable
from clvml.log.purchase_log import digest, hashed
from clvml.log.quality import QualityReport, build_quality
from clvml.log.rows.cleaning import ReasonCount
from clvml.storage.sql import registered

NOT_SAMPLED = "customer not in the sample to train on"
_SAMPLE = "clvml_sampled_lines"
_NUMBERS = count()


class SparkDays(CustomerDays):
    """`CustomerDays` in a Spark session: the same SQL in its dialect, whose rows alone come here.

    They are kept in ``connection``, because training asks for the same ones several times.
    """

    def __init__(
        self,
        session: Any,
        connection: duckdb.DuckDBPyConnection,
        purchases: str,
        columns: Collection[str] = (),
        attributes: AttributeTable | None = None,
        events: EventTable | None = None,
    ) -> None:
        self.session = session
        self._brought: dict[str, str] = {}
        super().__init__(connection, purchases, columns, attributes, events)

    def sampled(self, cutoff: date, most: int) -> Self:
        """Return these days, which are those of a sample already."""
        return self

    def _build(self, purchases: str) -> None:
        # Every cutoff asks for them.
        query = translate(customer_days_query(purchases, self.columns), "spark")
        self.session.sql(query).persist().createOrReplaceTempView(self.table)
        self._attributes = self.attributes.table if self.attributes else ""
        self._events = self.events.table if self.events else ""

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(query).collect()]

    def _named(self, query: str) -> str:
        # The days hold ids and no codes of them.
        return query

    def _frame(self, query: str) -> pd.DataFrame:
        return self.connection.execute(f"from {self._bring(query)} order by customer_id").df()

    def _run(self, query: str) -> pd.DataFrame:
        return self.connection.execute(f"from {self._bring(query)}").df()

    def _bring(self, query: str) -> str:
        """Return the table here with the rows of a query there."""
        if query not in self._brought:
            self._brought[query] = f"clvml_brought_{next(_NUMBERS)}"
            _copy(self.session, query, self.connection, self._brought[query])
        return self._brought[query]


@dataclass(frozen=True)
class SparkSample:
    """The lines of some customers of a `SparkLog`, on Spark; attributes and events as of `clvml.log.PurchaseLog`.

    ``connection`` takes what comes here.
    """

    session: Any
    connection: duckdb.DuckDBPyConnection
    quality: QualityReport
    columns: tuple[str, ...]
    first_day: date
    last_day: date
    fingerprint: str
    table: str = _SAMPLE
    attributes: AttributeTable | None = None
    events: EventTable | None = None

    def days(self) -> SparkDays:
        """Return the purchase days of the sampled customers."""
        optional = [name for name in self.columns if name in OPTIONAL_COLUMNS]
        return SparkDays(self.session, self.connection, self.table, optional, self.attributes, self.events)

    def frame(self, query: str) -> pd.DataFrame:
        """Return the rows of a query, written for DuckDB."""
        _copy(self.session, query, self.connection, "clvml_frame")
        return self.connection.execute("from clvml_frame").df()


def sampled(
    log: SparkLog, config: Config, reference_day: date, connection: duckdb.DuckDBPyConnection
) -> SparkSample:
    """Choose at most ``config.spark.sample_customers`` customers, by their ids alone, and describe their lines.

    ``reference_day`` is the day the age of the log is counted to; ``connection`` takes what comes here.
    """
    session, quality = log.session, log.quality
    session.sql(
        f"select customer_id from (select distinct customer_id from {log.table}) order by xxhash64(customer_id),"
        f" customer_id limit {config.spark.sample_customers}"
    ).createOrReplaceTempView("clvml_sample")
    lines = session.sql(
        f"select {', '.join(log.columns)} from {log.table} left semi join clvml_sample using (customer_id)"
    ).persist()
    lines.createOrReplaceTempView(_SAMPLE)
    rows, money = log.run(f"select count(*), sum(cast(amount as decimal(38, 6))) from {_SAMPLE}")[0]
    reasons = list(quality.reasons)
    if rows < quality.rows_out:
        left = quality.money_out - float(money)
        reasons.append(ReasonCount(NOT_SAMPLED, "dropped", quality.rows_out - rows, left))
    report = build_quality(
        log.run,
        _SAMPLE,
        log.columns,
        config.data,
        quality.rows_in,
        quality.money_in,
        reasons,
        reference_day,
        horizon_days=config.windows.horizon_days,
    )
    # By DuckDB on the workers, so that it is the one that DuckDB gives for the same lines.
    with worker_errors():
        parts = lines.mapInArrow(
            partial(_hashed, log.columns), "rows long, total string, mixed string"
        ).collect()
    fingerprint = digest(log.columns, ((int(part.rows), int(part.total), int(part.mixed)) for part in parts))
    if log.attributes is not None and log.customers is not None:
        store(connection, log.customers)
        report = with_columns_told(report, log.attributes, (), config.data)
        fingerprint = fingerprint_with(fingerprint, connection, TABLE)
    if log.event_rows is not None:
        with registered(connection, EVENTS, log.event_rows):
            fingerprint = fingerprint_with(fingerprint, connection, EVENTS)
    report = replace(report.with_warnings(quality.warnings, config.data), events=quality.events)
    return SparkSample(
        session,
        connection,
        report,
        log.columns,
        report.first_day,
        report.last_day,
        fingerprint,
        attributes=log.attributes,
        events=log.events,
    )


def _hashed(columns: tuple[str, ...], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with duckdb.connect() as connection:
        for batch in batches:
            connection.register("lines", pa.Table.from_batches([batch]))
            rows, total, mixed = hashed(connection, "lines", columns)
            yield pa.RecordBatch.from_pylist([{"rows": rows, "total": str(total), "mixed": str(mixed)}])


def _copy(session: Any, query: str, connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make a table here of the rows of a query there."""
    with registered(connection, "clvml_incoming", session.sql(translate(query, "spark")).toArrow()):
        connection.execute(f"create or replace table {table} as from clvml_incoming")
