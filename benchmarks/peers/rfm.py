"""Times how others summarise a purchase log per customer; runs in the peers' own environment.

    .venv-peers/bin/python benchmarks/peers/rfm.py PURCHASES.parquet TURNS

All make the same four columns: frequency, recency, T [days] and the mean value of the days after the first. Cases
start at the Parquet file and take turns; the wall and processor seconds of every turn go to stdout as
JSON.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

SUMMARY = ["frequency", "recency", "T", "monetary_value"]


def main() -> None:
    warnings.simplefilter("ignore")
    path, turns = sys.argv[1], int(sys.argv[2])
    cases: dict[str, tuple[str, Callable[[str], pd.DataFrame]]] = {
        "polars, group-by": ("polars", by_polars),
        "pandas, group-by": ("pandas", by_pandas),
        "lifetimes, summary_data_from_transaction_data": ("lifetimes", by_lifetimes),
        "pymc-marketing, rfm_summary": ("pymc-marketing", by_pymc_marketing),
    }
    for package, _ in cases.values():
        # Else the first turn would pay for it.
        importlib.import_module("pymc_marketing.clv" if package == "pymc-marketing" else package)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    found = {}
    for _ in range(turns):
        for name, (_, summarise) in cases.items():
            wall, processor = time.perf_counter(), time.process_time()
            found[name] = summarise(path)
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    expected = found["pandas, group-by"].sort_index()
    for name, summary in found.items():
        if not np.allclose(summary.sort_index()[SUMMARY], expected[SUMMARY]):
            sys.exit(f"'{name}' makes another summary than pandas: their times cannot be compared")
    versions = {package: importlib.metadata.version(package) for package, _ in cases.values()}
    print(json.dumps({"seconds": seconds, "versions": versions}))


def by_polars(path: str) -> pd.DataFrame:
    import polars as pl

    lines = pl.scan_parquet(path).with_columns(day=pl.col("order_date").dt.date())
    days = lines.group_by("customer_id", "day").agg(pl.col("amount").sum()).collect()
    first, last = pl.col("day").min(), pl.col("day").max()
    summary = days.group_by("customer_id").agg(
        frequency=pl.len() - 1,
        recency=(last - first).dt.total_days(),
        T=(pl.lit(days["day"].max()) - first).dt.total_days(),
        monetary_value=pl.col("amount").sort_by("day").slice(1).mean().fill_null(0.0),
    )
    return summary.to_arrow().to_pandas().set_index("customer_id")


def by_pandas(path: str) -> pd.DataFrame:
    lines = pd.read_parquet(path)
    keys = [lines["customer_id"], lines["order_date"].dt.normalize()]
    days = lines.groupby(keys, sort=True)["amount"].sum().reset_index()
    known = days.groupby("customer_id", sort=False)["order_date"].agg(["min", "max", "count"])
    later = days[days.duplicated("customer_id")].groupby("customer_id", sort=False)["amount"].mean()
    return pd.DataFrame(
        {
            "frequency": known["count"] - 1,
            "recency": (known["max"] - known["min"]).dt.days,
            "T": (known["max"].max() - known["min"]).dt.days,
            "monetary_value": later.reindex(known.index).fillna(0.0),
        }
    )


def by_lifetimes(path: str) -> pd.DataFrame:
    from lifetimes.utils import summary_data_from_transaction_data

    return summary_data_from_transaction_data(
        pd.read_parquet(path), "customer_id", "order_date", monetary_value_col="amount"
    )


def by_pymc_marketing(path: str) -> pd.DataFrame:
    from pymc_marketing.clv import rfm_summary

    return rfm_summary(pd.read_parquet(path), "customer_id", "order_date", "amount").set_index("customer_id")


if __name__ == "__main__":
    main()
