"""Training on Spark: the features of a sample of customers are those of DuckDB, and so is the model."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime

import duckdb
import pandas as pd
import pytest

from clvml.cli import main
from clvml.config import SparkConfig, read_config
from clvml.engines.spark import read_lines, sampled
from clvml.engines.spark.faults import worker_errors
from clvml.errors import InputError
from clvml.log import read_purchase_log
from clvml.scores.scorer import customer_days

NOW = datetime(2024, 7, 1, tzinfo=UTC)
TODAY = date(2024, 7, 1)


@pytest.fixture(scope="module")
def log(spark, shop):
    return read_lines(spark, read_config(shop.config).data, str(shop.log), NOW, None)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def everybody(log, shop, connection):
    return sampled(log, read_config(shop.config), TODAY, connection)


@pytest.fixture(scope="module")
def on_duckdb(shop):
    config = read_config(shop.config)
    return read_purchase_log(
        config.data,
        source=str(shop.log),
        now=NOW,
        as_of=TODAY,
        horizon_days=config.windows.horizon_days,
    )


def test_a_sample_is_all_lines_of_some_customers(log, shop, connection):
    config = read_config(shop.config)
    few = config.model_copy(update={"spark": SparkConfig.model_construct(sample_customers=50)})
    sample = sampled(log, few, TODAY, connection)
    assert sample.quality.customers == 50
    left_out = {reason.reason: reason for reason in sample.quality.reasons}[
        "customer not in the sample to train on"
    ]
    assert sample.quality.rows_out == log.quality.rows_out - left_out.rows
    assert sample.quality.money_out == pytest.approx(log.quality.money_out - left_out.money)
    ids = sample.frame(f"select distinct customer_id from {sample.table}")["customer_id"]
    lines = shop.lines[shop.lines["customer_id"].isin(ids)]
    assert len(lines.drop_duplicates()) == sample.quality.rows_out
    assert sampled(log, few, TODAY, connection).fingerprint == sample.fingerprint


def test_a_sample_of_everybody_is_described_as_the_log_is(everybody, on_duckdb):
    # Spark reads one format only, and says nothing of it.
    assert replace(everybody.quality, read_as=on_duckdb.quality.read_as) == on_duckdb.quality
    assert everybody.fingerprint == on_duckdb.fingerprint
    assert everybody.columns == on_duckdb.columns


def test_features_and_labels_are_those_of_duckdb(everybody, on_duckdb):
    ours, theirs = everybody.days(), customer_days(on_duckdb)
    assert (ours.first_day, ours.last_day) == (theirs.first_day, theirs.last_day)
    # A sample already, and its ids are no hashes.
    assert ours.sampled(TODAY, 10) is ours
    cutoffs = [date(2023, 9, 1), date(2024, 3, 1)]
    for found, expected in (
        (ours.snapshots(cutoffs, 60), theirs.snapshots(cutoffs, 60)),
        (ours.features(TODAY, 60), theirs.features(TODAY, 60)),
        (ours.labels(cutoffs[1], 60), theirs.labels(cutoffs[1], 60)),
    ):
        assert len(found) > 50
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6)
    pd.testing.assert_series_equal(ours.daily_totals(TODAY), theirs.daily_totals(TODAY))


def test_the_model_is_the_one_that_duckdb_trains(spark, shop, empty_store, tmp_path, monkeypatch, capsys):
    # A store of its own: other tests count the versions in the shop's.
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    command = ["clvml", "train", "--config", str(shop.config), "--data", str(shop.log), "--engine", "spark"]
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    metrics = json.loads(printed.out)["metrics"]
    assert metrics == pytest.approx(shop.trained["metrics"], rel=1e-6)


def test_what_a_worker_lacks_to_train_is_said(spark):
    def failing(*_):
        raise ModuleNotFoundError("No module named 'clvml'")

    rows = spark.range(1).mapInArrow(failing, "rows long")
    expected = "a Spark worker cannot do its part: No module named 'clvml'; the workers need this version"
    with pytest.raises(InputError, match=expected), worker_errors():
        rows.collect()
    # What is not a fault of a worker's stays what it is.
    with pytest.raises(ZeroDivisionError), worker_errors():
        raise ZeroDivisionError
