"""Spark sessions, and scoring on Spark."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from clvml.customers import available_features, customer_days_query, features_query, windows
from clvml.customers.attributes import with_known
from clvml.customers.events import with_counts
from clvml.customers.given import all_given
from clvml.customers.snapshots import OPTIONAL_COLUMNS
from clvml.engines.spark.faults import is_spark_error, worker_errors
from clvml.engines.spark.lines import SparkLog
from clvml.engines.warehouse import translate
from clvml.errors import InputError
from clvml.log.attribute_table import AttributeColumn
from clvml.scores.batches import APPENDED_ROWS, ScoredTable, explain_most_at_risk, strangers
from clvml.scores.columns import ACQUISITION_SOURCE
from clvml.scores.scorer import Scorer
from clvml.storage.workspace import temporary_folder

_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}

# PySpark warns of every pandas from version 3 on; what it is used for here is tested.
_OF_PANDAS = "PySpark does not yet fully support pandas"
# Scored rows that come here at a time; a million of them take some 400 MB.
_SLICE_ROWS = 4 * APPENDED_ROWS

_SPARK_TYPES = {"text": "string", "whole": "bigint", "number": "double"}


@contextmanager
def running(master: str | None = None) -> Iterator[Any]:
    """Yield a Spark session and stop it afterwards, unless it was there before.

    ``master`` is ``local[4]``, ``yarn``, ``spark://...``, ``k8s://...``, or ``sc://...`` of a Spark Connect server.
    Without one Spark decides (``SPARK_REMOTE``, its configuration, or this machine).

    Raises
    ------
    InputError
        PySpark or Java is missing, or Spark cannot be started or reached.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise InputError(
            "the Spark engine needs PySpark, which is not installed; install it with: pip install 'clvml[spark]'"
        ) from None
    present = SparkSession.getActiveSession()
    if present is not None:
        yield present
        return
    builder = SparkSession.builder.appName("clvml")
    if master is not None and master.startswith("sc://"):
        builder = builder.remote(master)
    else:
        builder = builder.master(master) if master else builder
        for key, value in _QUIET.items():
            builder = builder.config(key, value)
    try:
        with warnings.catch_warnings():
            # A Spark Connect server, which SPARK_REMOTE may name, keeps settings of its own.
            warnings.filterwarnings("ignore", "Failed to set spark", UserWarning)
            warnings.filterwarnings("ignore", _OF_PANDAS, FutureWarning)
            session = builder.getOrCreate()
        session.sql("select 1").collect()
        _use_this_python(session)
    except Exception as error:
        if not (is_spark_error(error) or isinstance(error, OSError | RuntimeError)):
            raise
        raise _not_started(master, error) from None
    try:
        yield session
    finally:
        session.stop()


def score_lines(
    log: SparkLog,
    scorer: Scorer,
    as_of: date,
    scored: ScoredTable,
    explain: Literal["all", "none"] | int = "all",
    acquired: pd.Series | None = None,
) -> None:
    """Fill ``scored`` with the scored rows of a log, as `clvml.scores.batches.score_in_batches` does.

    Features are made and the model is applied on Spark; one row per customer comes to this machine.
    ``acquired`` is each customer's `ACQUISITION_SOURCE`, by customer id.

    Raises
    ------
    InputError
        No line is dated before ``as_of``, the log lacks columns of the training data, the acquisition
        source of nobody is known, or the workers lack clvml.
    """
    optional = [name for name in OPTIONAL_COLUMNS if name in log.columns]
    told = scorer.attributes_of(log.attributes)
    known = log.attributes.columns if log.attributes else ()
    names = [feature.name for feature in available_features(optional)]
    kinds = scorer.model.trees.events if log.events else ()
    scorer.model.check_features([*names, *(one.name for one in (*known, *all_given((), kinds)))])
    session = log.session
    days = translate(customer_days_query(log.table, optional), "spark")
    session.sql(days).createOrReplaceTempView("clvml_days")
    history = windows.history("clvml_days", as_of)
    query = features_query(history, as_of, scorer.model.horizon_days, optional)
    if log.attributes:
        query = with_known(query, log.attributes.table, known, log.attributes.dated, as_of)
    if log.events and kinds:
        query = with_counts(query, log.events.table, kinds, log.events.first_day, as_of)
    features = session.sql(translate(query, "spark")).drop("cutoff")
    if acquired is not None:
        texts = {"customer_id": acquired.index.astype(str), ACQUISITION_SOURCE.name: acquired}
        came = session.createDataFrame(
            pa.table({name: pa.array(held, pa.string(), from_pandas=True) for name, held in texts.items()})
        )
        if session.table(log.table).join(came.dropna(), "customer_id", "left_semi").isEmpty():
            raise strangers(acquired)
        features = features.join(came, "customer_id", "left")
    scored.create()
    with temporary_folder() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", _OF_PANDAS, FutureWarning)
        scorer.save(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        load = partial(_load, files, scorer.version, scorer.run_id, scorer.value_reasons)
        apply = partial(_scored, load, as_of, log.first_day, explain == "all", told)
        schema = [f"`{column.name}` {_SPARK_TYPES[column.kind]}" for column in scored.columns]
        rows = features.mapInPandas(apply, ", ".join([*schema, "at_risk double"])).persist()
        try:
            with worker_errors():
                _bring(rows, scored)
        finally:
            rows.unpersist()
        if isinstance(explain, int) and explain:

            def features_of(chosen: pd.DataFrame) -> pd.DataFrame:
                ids = session.createDataFrame(chosen[["customer_id"]], "customer_id string")
                return pd.DataFrame(features.join(ids, "customer_id", "left_semi").toArrow().to_pandas())

            explain_most_at_risk(scorer, scored, explain, features_of, as_of, log.first_day)
    if not scored.customers:
        raise InputError(f"no order line is dated before {as_of}; choose a later --as-of")


def _bring(rows: Any, scored: ScoredTable) -> None:
    """Append the rows slice by slice, so that this machine holds one of them at a time."""
    slices = -(-rows.count() // _SLICE_ROWS)
    for number in range(slices):
        part = rows.where(f"pmod(xxhash64(customer_id), {slices}) = {number}").toArrow()
        for batch in part.combine_chunks().to_batches(APPENDED_ROWS):
            scored.append(batch.to_pandas())


def _use_this_python(session: Any) -> None:
    """Let the workers of this machine be of this Python, which has clvml; on a cluster PYSPARK_PYTHON says which."""
    context = getattr(session, "_sc", None)
    if context is not None and context.master.startswith("local") and context.pythonExec == "python3":
        context.pythonExec = sys.executable


def _load(files: dict[str, bytes], version: str, run_id: str, value_reasons: bool) -> Scorer:
    """Return the model on a worker, from the files of its folder."""
    with temporary_folder() as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return replace(Scorer.load(folder, version, run_id), value_reasons=value_reasons)


def _scored(
    load: Callable[[], Scorer],
    as_of: date,
    log_from: date,
    explain: bool,
    told: Sequence[AttributeColumn],
    batches: Iterator[pd.DataFrame],
) -> Iterator[pd.DataFrame]:
    scorer: Scorer | None = None
    for features in batches:
        if len(features):
            scorer = scorer or load()
            rows = scorer.rows(features, as_of, explain, log_from, told)
            # Spark takes None for a text that is not there.
            texts: list[str] = list(rows.select_dtypes("string").columns)
            rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), None)
            yield rows


def _not_started(master: str | None, error: Exception) -> InputError:
    said = str(error).strip().splitlines()
    return InputError(
        f"Spark {f'at {master!r} ' if master else ''}cannot be used: {said[0] if said else type(error).__name__};"
        " it needs Java 17 or newer (JAVA_HOME) on this machine, or --master with the address of a cluster that runs"
    )
