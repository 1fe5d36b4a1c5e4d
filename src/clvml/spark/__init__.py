"""Spark in the place of DuckDB, for logs that one machine cannot hold: the same rules, features and model."""

from clvml.spark.engine import running, sampled, score_lines
from clvml.spark.lines import SparkLog, SparkQuality, read_lines

__all__ = ["SparkLog", "SparkQuality", "read_lines", "running", "sampled", "score_lines"]
