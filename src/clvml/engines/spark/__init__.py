"""Spark in the place of DuckDB, for logs that one machine cannot hold: the same rules, features and model."""

from clvml.engines.spark.cluster import running, score_lines
from clvml.engines.spark.lines import SparkLog, SparkQuality, read_lines
from clvml.engines.spark.sample import SparkSample, sampled
from clvml.engines.spark.tables_beside import with_customer_table, with_event_table
