"""Scoring in batches: a customer base of any size in bounded memory, with the same rows as all at once.

The features of all customers become a table in DuckDB, which spills to disk; Python reads a few batches at a time. A
customer's row depends only on that customer, so that the size of a batch changes no value.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError, first_of
from clvml.models.intervals import SpendIntervals
from clvml.scores.columns import ACQUISITION_SOURCE, SCORED, Column, scored_columns, typed
from clvml.scores.customer_margin import OWN_MARGIN
from clvml.scores.scorer import Scorer
from clvml.scores.segments import ALL
from clvml.storage.files import FORMULA, NUMBER, replacing
from clvml.storage.sql import identifier, registered

Progress = Callable[[int, int], None]

# Enough to hide the overhead of a call, few enough that an interrupt, which waits for the running call, is quick.
BATCH_ROWS = 32_768
# The size of a row group of DuckDB. It would rewrite a smaller one at each addition.
APPENDED_ROWS = 122_880
# NumPy and XGBoost release Python's lock for another thread; more than two would mostly wait for each other.
_AT_A_TIME = 2
_FEATURES = "customer_features"
_INCOMING = "clvml_rows"
_BESIDE = "clvml_beside"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class ScoredTable:
    """Scored rows in DuckDB: appended in any order, read best value first.

    Attributes
    ----------
    name : str
        Table with ``columns`` and ``place``, the row number of the customer in the table of features. The default is a
        new name.
    overview : dict or None
        Summary of all customers (`clvml.scores.overview`), written beside a file.
    columns : tuple of Column
        The columns that are written.
    """

    connection: duckdb.DuckDBPyConnection
    name: str = field(default_factory=lambda: f"scored_{next(_NUMBERS)}")
    overview: dict[str, Any] | None = None
    columns: tuple[Column, ...] = SCORED

    def create(self) -> None:
        """Make the table, empty; an earlier one of the same name is replaced."""
        columns = ", ".join(f"{identifier(column.name)} {column.sql_type}" for column in self.columns)
        self.connection.execute(
            f"create or replace table {self.name} ({columns}, place BIGINT, at_risk DOUBLE)"
        )

    def append(self, *frames: pd.DataFrame) -> None:
        """Add scored rows: ``columns`` and, where they are known, ``place`` and ``at_risk``.

        Fewer than `APPENDED_ROWS` at a time take several times as long.
        """
        tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
        with registered(self.connection, _INCOMING, pa.concat_tables(tables)):
            self.connection.execute(f"insert into {self.name} by name select * from {_INCOMING}")

    def set_reasons(self, reasons: pd.DataFrame) -> None:
        """Write the reasons of some customers: ``customer_id`` and columns of reasons. Empty texts become missing."""
        given = reasons.replace("", pd.NA)
        listed = ", ".join(f"{name} = given.{name}" for name in given.columns.drop("customer_id"))
        with registered(self.connection, _INCOMING, pa.Table.from_pandas(given, preserve_index=False)):
            self.connection.execute(
                f"update {self.name} set {listed} from {_INCOMING} as given"
                f" where {self.name}.customer_id = given.customer_id"
            )

    @property
    def customers(self) -> int:
        """How many rows there are."""
        return int(self.connection.execute(f"select count(*) from {self.name}").fetchall()[0][0])

    def total(self, column: str) -> float:
        """Return the sum of a column of money, the same in any order of the rows."""
        # Whole cents, so that the order does not matter; a double holds them exactly up to 9e15.
        cents = f"sum(round({column} * 100)::HUGEINT)"
        return float(self.connection.execute(f"select {cents} from {self.name}").fetchall()[0][0] or 0) / 100

    def segments(self, intervals: SpendIntervals) -> pd.DataFrame:
        """Return the sums over each segment, the most valuable first, and over all customers.

        Columns ``segment`` (``all`` in the last row), ``customers``, ``p_churn`` (mean), ``expected_spend``,
        ``expected_spend_low``, ``expected_spend_high`` (of the total, which is not a sum of the customers' intervals)
        and ``clv`` [currency].
        """
        sums = self.connection.execute(
            f"select segment, count(*) as customers, avg(p_churn) as p_churn, sum(expected_spend) as expected_spend,"
            f" sum(clv) as clv from {self.name} group by segment order by clv desc, segment"
        ).df()
        sums["variance"] = sums["segment"].map(self.variances(intervals))
        everyone = {
            "segment": ALL,
            "p_churn": float((sums["p_churn"] * sums["customers"]).sum() / sums["customers"].sum()),
            **sums[["customers", "expected_spend", "clv", "variance"]].sum().to_dict(),
        }
        sums = pd.concat([sums, pd.DataFrame([everyone])], ignore_index=True)
        pairs = zip(sums["expected_spend"], sums.pop("variance"), strict=True)
        ends = [intervals.total_interval(total, variance) for total, variance in pairs]
        sums["expected_spend_low"], sums["expected_spend_high"] = zip(*ends, strict=True)
        # Rounded, since the order of a sum changes its last bits.
        places = {name: 6 if name == "p_churn" else 2 for name in sums.columns.drop(["segment", "customers"])}
        return sums.astype({"customers": int}).round(places)

    def variances(self, intervals: SpendIntervals) -> dict[str, float]:
        """Return the sum of the variances of the customers' spend, by segment: what `total_interval` takes."""
        variances: dict[str, float] = {}
        rows = self.connection.sql(f"select segment, expected_spend, p_churn from {self.name}")
        for batch in rows.to_arrow_reader(1_048_576):
            part = batch.to_pandas()
            variance = pd.Series(intervals.variance(part["expected_spend"], part["p_churn"]))
            for segment, own in variance.groupby(part["segment"]).sum().items():
                variances[str(segment)] = variances.get(str(segment), 0.0) + float(own)
        return variances

    def frames(self, rows: int = BATCH_ROWS) -> Iterator[pd.DataFrame]:
        """Yield ``columns`` in frames of at most so many rows, by ``clv`` falling, then by ``customer_id``."""
        for batch in self._ordered(self._listed, rows):
            yield typed(batch.to_pandas(), self.columns)

    def frame(self) -> pd.DataFrame:
        """Return all rows at once."""
        return pd.concat(self.frames(), ignore_index=True)

    def write(self, path: Path) -> None:
        """Write the rows in batches; a CSV file has the same bytes as from `clvml.storage.files.write_table`.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        with replacing(path) as draft:
            if path.suffix.lower() == ".parquet":
                schema = pa.Schema.from_pandas(typed(pd.DataFrame(), self.columns), preserve_index=False)
                with pq.ParquetWriter(draft, schema) as writer:
                    for batch in self._ordered(self._listed, 1_048_576):
                        writer.write_table(pa.Table.from_batches([batch]).cast(schema))
                return
            with draft.open("wb") as file:
                file.write(f"{','.join(column.name for column in self.columns)}\n".encode())
                for batch in self._ordered(_line_sql(self.columns), BATCH_ROWS):
                    file.write(_text_bytes(batch.column(0)))

    @property
    def _listed(self) -> str:
        return ", ".join(identifier(column.name) for column in self.columns)

    def _ordered(self, expressions: str, rows: int) -> Iterator[pa.RecordBatch]:
        query = f"select {expressions} from {self.name} order by clv desc, customer_id"
        yield from self.connection.sql(query).to_arrow_reader(rows)


def score_in_batches(
    scorer: Scorer,
    days: CustomerDays,
    as_of: date,
    explain: Literal["all", "none"] | int = "all",
    progress: Progress = lambda done, of: None,
    batch_rows: int = BATCH_ROWS,
    margins: pd.Series | None = None,
    acquired: pd.Series | None = None,
) -> ScoredTable:
    """Score every customer with a line before ``as_of``, as `Scorer.score` does, in bounded memory.

    Parameters
    ----------
    scorer : Scorer
    days : CustomerDays
        The purchase days of the log; tables are made beside them.
    as_of : date
        The first day not observed.
    explain : "all", "none" or int
        Whose reasons to give; a number: those of so many customers with most value at risk.
    progress : callable
        Called with the number of customers scored so far, and of all.
    batch_rows : int
        Customers that are scored together.
    margins : Series, optional
        Each customer's own margin, by customer id; the configured margin applies where it is not known.
    acquired : Series, optional
        Each customer's `ACQUISITION_SOURCE`, by customer id; adds this column to the rows.

    Raises
    ------
    InputError
        No line is dated before ``as_of``, the log lacks columns of the training data, or no customer of the log has an
        acquisition source.
    """
    connection = days.connection
    query = days.counting(scorer.model.trees.events).features_query(as_of, scorer.model.horizon_days)
    beside_it = {OWN_MARGIN: margins, ACQUISITION_SOURCE.name: acquired}
    beside = pd.DataFrame({name: known for name, known in beside_it.items() if known is not None})
    if len(beside.columns):
        beside = beside.set_axis(beside.index.astype(str)).rename_axis("customer_id").reset_index()
        connection.register(_BESIDE, pa.Table.from_pandas(beside, preserve_index=False))
        query = f"select * from ({query}) left join {_BESIDE} using (customer_id)"
    connection.execute(f"create or replace table {_FEATURES} as {query}")
    if len(beside.columns):
        connection.unregister(_BESIDE)
    (customers,) = connection.execute(f"select count(*) from {_FEATURES}").fetchall()[0]
    if not customers:
        raise InputError(f"no order line is dated before {as_of}; choose a later --as-of")
    if acquired is not None:
        named = f"select count({ACQUISITION_SOURCE.name}) from {_FEATURES}"
        if not connection.execute(named).fetchall()[0][0]:
            raise strangers(acquired)
    told = scorer.attributes_of(days.attributes)
    columns = scored_columns(scorer.value_reasons, acquired is not None, told)
    scored = ScoredTable(connection, columns=columns)
    scored.create()
    progress(0, customers)
    done = 0
    waiting: list[pd.DataFrame] = []
    for rows in _in_parallel(
        lambda features: scorer.rows(features, as_of, explain == "all", days.first_day, told).assign(
            place=features["place"]
        ),
        (
            _features(connection, f"rowid >= {start} and rowid < {start + batch_rows}")
            for start in range(0, customers, batch_rows)
        ),
    ):
        waiting.append(rows)
        done += len(rows)
        if done == customers or sum(map(len, waiting)) >= APPENDED_ROWS:
            scored.append(*waiting)
            waiting.clear()
        progress(done, customers)
    if isinstance(explain, int) and explain:

        def features_of(chosen: pd.DataFrame) -> pd.DataFrame:
            rows = pa.Table.from_pandas(chosen[["place"]], preserve_index=False)
            with registered(connection, _INCOMING, rows):
                return _features(connection, f"rowid in (select place from {_INCOMING})")

        explain_most_at_risk(scorer, scored, explain, features_of, as_of, days.first_day, batch_rows)
    return scored


def strangers(acquired: pd.Series) -> InputError:
    """Return the error where no customer with an acquisition source is in the log."""
    return InputError(
        f"no customer of the log is among the {len(acquired):,} with a known acquisition source; their ids are such"
        f" as {first_of(acquired.index, most=3)}"
    )


def explain_most_at_risk(
    scorer: Scorer,
    scored: ScoredTable,
    customers: int,
    features_of: Callable[[pd.DataFrame], pd.DataFrame],
    as_of: date,
    log_from: date,
    batch_rows: int = BATCH_ROWS,
) -> None:
    """Add the reasons of so many customers with most value at risk to the scored rows.

    ``features_of`` returns the features for a frame of ``customer_id, place``, in any order, so that any engine can
    compute them; ``as_of`` and ``log_from`` are as in `Scorer.rows`.
    """
    chosen = scored.connection.execute(
        f"select customer_id, place from {scored.name} order by at_risk desc nulls last, customer_id limit {customers}"
    ).df()
    for start in range(0, len(chosen), batch_rows):
        features = features_of(chosen.iloc[start : start + batch_rows])
        scored.set_reasons(
            scorer.reasons(features, as_of, log_from).assign(customer_id=features["customer_id"])
        )


def _in_parallel(
    work: Callable[[pd.DataFrame], pd.DataFrame], batches: Iterator[pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    """Yield the result of ``work`` for each batch, in order; batches are read only when a worker is free."""
    pool = ThreadPoolExecutor(_AT_A_TIME)
    under_way: deque[Future[pd.DataFrame]] = deque()
    try:
        for batch in batches:
            under_way.append(pool.submit(work, batch))
            if len(under_way) == _AT_A_TIME:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # An interrupt waits only for the batches that have started.
        pool.shutdown(cancel_futures=True)


def _features(connection: duckdb.DuckDBPyConnection, where: str) -> pd.DataFrame:
    # Through Arrow, which takes a third of the time of DuckDB's own conversion.
    rows = connection.sql(f"select * exclude (cutoff), rowid as place from {_FEATURES} where {where}")
    return pd.DataFrame(rows.to_arrow_table().to_pandas(split_blocks=True))


def _text_bytes(texts: pa.StringArray) -> memoryview:
    """Return the concatenated bytes of the texts, without a copy."""
    _, offsets, content = texts.cast(pa.string()).buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset :]
    return memoryview(content)[ends[0] : ends[len(texts)]]


def _line_sql(columns: Iterable[Column]) -> str:
    """Return SQL of a row as a line of CSV, with the same bytes as from pandas."""
    *cells, last = map(_cell_sql, columns)
    # A single call, since each || would copy the line so far.
    return f"concat_ws(',', {', '.join(cells)}, concat({last}, chr(10))) as line"


def _cell_sql(column: Column) -> str:
    name = identifier(column.name)
    if column.kind == "whole" or (column.kind == "text" and column.own):
        return f"coalesce({name}::VARCHAR, '')"
    if column.kind == "number":
        # Python switches to exponents one power of ten later.
        long = f"abs({name}) >= 1e15 and abs({name}) < 1e16"
        return f"coalesce(case when {long} then printf('%.1f', {name}) else {name}::VARCHAR end, '')"
    formula, number = (pattern.replace("'", "''") for pattern in (FORMULA, NUMBER))
    runs = f"regexp_matches({name}, '{formula}') and not regexp_matches({name}, '{number}')"
    escaped = f"case when {runs} then '''' || {name} else {name} end"
    quoted = (
        f"when regexp_matches({name}, '[,\"\\r\\n]') then '\"' || replace({escaped}, '\"', '\"\"') || '\"'"
    )
    # Almost every text is plain, and needs this one test only.
    usual = f"when regexp_full_match({name}, '[0-9A-Za-z][^,\"\\r\\n]*') then {name}"
    return f"coalesce(case {usual} {quoted} else {escaped} end, '')"
