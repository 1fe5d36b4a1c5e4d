"""The MLflow model gives what `clvml score` gives: loaded, as a Spark UDF, served; from a log or from features."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import mlflow
import numpy as np
import pandas as pd
import pytest
import requests

from clvml.cli import main
from clvml.config import read_config
from clvml.engines.warehouse import feature_sql

AS_OF = "2024-05-01"
PARAMS = {"as_of": AS_OF}


@pytest.fixture(scope="module")
def log(shop):
    return shop.lines.astype({"customer_id": str, "order_date": str, "amount": float})


@pytest.fixture(scope="module")
def features(shop):
    """Return the feature table, as a warehouse makes it."""
    query = feature_sql(read_config(shop.config).data, "lines", date.fromisoformat(AS_OF), 60, "duckdb")
    with duckdb.connect() as connection:
        connection.register("lines", shop.lines)
        table = connection.sql(query).df()
    return table.assign(cutoff=AS_OF)


@pytest.fixture(scope="module")
def scores(shop, tmp_path_factory):
    path = tmp_path_factory.mktemp("scores") / "scores.parquet"
    command = ["clvml", "score", str(shop.log), "--output", str(path), "--as-of", AS_OF]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
        patch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 0
    return pd.read_parquet(path)


@pytest.fixture(scope="module")
def model_uri(shop):
    """Return the folder of the registered model."""
    earlier = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(shop.tracking)
    try:
        yield mlflow.artifacts.download_artifacts(shop.trained["model_uri"])
    finally:
        mlflow.set_tracking_uri(earlier)


def _same(found: pd.DataFrame, scores: pd.DataFrame):
    """Compare all columns but the version, which a model does not know of itself."""
    found = found.sort_values("customer_id", ignore_index=True).drop(columns="model_version")
    scores = scores.sort_values("customer_id", ignore_index=True).drop(columns="model_version")
    texts = list(scores.select_dtypes(["object", "string"]).columns)
    pd.testing.assert_frame_equal(
        found[texts].astype(object).where(found[texts].notna(), None),
        scores[texts].astype(object).where(scores[texts].notna(), None),
        check_dtype=False,
    )
    numbers = list(scores.columns.drop(texts))
    pd.testing.assert_frame_equal(found[numbers].astype(float), scores[numbers].astype(float), rtol=1e-6)


def test_loaded(model_uri, log, features, scores):
    model = mlflow.pyfunc.load_model(model_uri)
    from_log = model.predict(log, params=PARAMS)
    _same(from_log, scores)
    assert from_log["customer_id"].tolist() == scores["customer_id"].tolist()
    from_features = model.predict(features)
    _same(from_features, scores)
    # A row for each row.
    assert from_features["customer_id"].tolist() == features["customer_id"].tolist()
    _same(model.predict(features.drop(columns="cutoff"), params=PARAMS), scores)
    valued = model.predict(log, params={**PARAMS, "value_reasons": True})
    _same(valued[list(from_log)], scores)
    assert list(valued)[len(from_log.columns)] == "value_reason_1" and valued["value_reason_1"].notna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="cutoff"), "which day the features are of is not known"),
        (
            lambda table: table.assign(cutoff=["2024-01-01", *table["cutoff"][1:]]),
            "which day the features are of",
        ),
        (
            lambda table: table[["customer_id", "cutoff"]],
            "is not a purchase log .customer_id, order_date, amount",
        ),
        (lambda table: table.drop(columns="spend_sum"), "the feature table lacks spend_sum; give all that"),
        (lambda table: table.assign(spend_max=np.inf), "infinite or absurdly large values: spend_max"),
    ],
)
def test_refuses_what_is_neither(model_uri, features, change, message):
    with pytest.raises(ValueError, match=message):
        mlflow.pyfunc.load_model(model_uri).predict(change(features))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_spark_udf(spark, model_uri, features, scores):
    from pyspark.sql import functions

    kinds = {name: "double" if kind.kind == "f" else "string" for name, kind in scores.dtypes.items()}
    kinds["horizon_days"] = "bigint"
    result_type = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    score = mlflow.pyfunc.spark_udf(
        spark, model_uri, result_type=result_type, env_manager="local", params=PARAMS
    )
    spark.createDataFrame(features.to_numpy().tolist(), list(features.columns)).createOrReplaceTempView(
        "features"
    )
    table = spark.table("features").drop("cutoff")
    rows = table.select(score(functions.struct(*table.columns)).alias("scored")).select("scored.*")
    # MLflow makes text of what is missing in a column of text.
    _same(rows.toArrow().to_pandas().replace("<NA>", None), scores)


@contextmanager
def _served(model_uri, log):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model_uri), "-h", "127.0.0.1"]
    # MLflow calls uvicorn by its name, and has children of its own to be stopped.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "-p", str(port), "-w", "1", "--env-manager", "local"],
            stdout=output,
            stderr=output,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except requests.RequestException:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise RuntimeError(log.read_text()) from None
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def test_served(model_uri, log, features, scores, tmp_path):
    with _served(model_uri, tmp_path / "server.log") as address:
        for table in (log, features):
            body = {
                "dataframe_split": json.loads(table.to_json(orient="split", index=False)),
                "params": PARAMS,
            }
            answer = requests.post(address, json=body, timeout=120)
            assert answer.status_code == 200, answer.text
            _same(pd.DataFrame(answer.json()["predictions"]), scores)
        answer = requests.post(address, json={"dataframe_records": [{"customer_id": "a"}]}, timeout=120)
        assert answer.status_code == 400
        assert "is not a purchase log" in answer.text
