"""Make up where the customers of Online Retail II came from and what that cost, for docs/acquisition.md.

    python examples/acquisition.py 2011-06-01        into out/acquisition: acquired.csv, spend.csv

Each customer's source is drawn by a hash of the number, so that no source is truly better than another: differences in
value are chance. The cost of a month is what its customers would cost at 40 (search), 90 (fair) and 15 (referral) each.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
COSTS = {"search": 40.0, "fair": 90.0, "referral": 15.0}


def main(as_of: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = pd.read_parquet(
        ROOT / "data" / "online_retail_ii.parquet", columns=["customer_id", "order_date", "amount"]
    )
    lines = lines[(lines["order_date"] < as_of) & (lines["amount"] > 0)].dropna()
    first = lines.groupby("customer_id", as_index=False)["order_date"].min()
    sources = [list(COSTS)[zlib.crc32(name.encode()) % 3] for name in first["customer_id"]]
    acquired = pd.DataFrame(
        {
            "customer_id": first["customer_id"],
            "acquisition_source": sources,
            "acquisition_date": first["order_date"].dt.date,
        }
    )
    # The shop's customers of the first month may be older than the log.
    month = first["order_date"].dt.to_period("M")
    won = acquired.assign(month=month)[month > month.min()].groupby(["month", "acquisition_source"]).size()
    spend = won.rename("customers").reset_index()
    spend["spend"] = spend["customers"] * spend["acquisition_source"].map(COSTS)
    acquired.to_csv(folder / "acquired.csv", index=False)
    spend[["month", "acquisition_source", "spend"]].to_csv(folder / "spend.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "2011-12-10", ROOT / "out" / "acquisition")
