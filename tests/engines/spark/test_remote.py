"""A Spark elsewhere: its server sees this machine's files, but nothing else of the process that asks."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from tests.servers import spark_connect_server


def test_a_spark_connect_server_scores_as_duckdb_does(shop, tmp_path):
    pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java is installed")

    def score(output, **more):
        words = ["score", str(shop.log), "--output", str(output), "--config", str(shop.config)]
        words += ["--engine", "spark"] if more else []
        environment = {**os.environ, "MLFLOW_TRACKING_URI": shop.tracking, **more}
        command = [sys.executable, "-m", "clvml", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        return pd.read_parquet(output)

    expected = score(tmp_path / "duckdb.parquet")
    with spark_connect_server(tmp_path) as address:
        found = score(tmp_path / "spark.parquet", SPARK_REMOTE=address)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6)
