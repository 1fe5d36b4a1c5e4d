"""What the customers of a plan would have done, had its campaign kept a known share of those who left.

    clvml plan scores-june.parquet --budget 5000 --playbook configs/playbook.yaml --set control.share=0.5 -o plan.csv
    python benchmarks/campaign.py plan.csv data/online_retail_ii.parquet --comes-true 0.5 --output orders.parquet
    clvml readback plan.csv --data orders.parquet --config configs/online_retail.yaml

The log stays as it is, but for the treated customers who did not come back: each is kept with ``--comes-true`` times
the save rate that the plan believed, and orders once in the window, for about what was expected of them. The control
group stays as it was, so that the true effect is known.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from clvml.decide.plan_file import TREATED, read_plan


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plan", type=Path)
    parser.add_argument("log", type=Path, help="the log of Online Retail II (.parquet)")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--comes-true", type=float, default=0.5, help="share of the believed save rates")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.seed)
    table, record = read_plan(arguments.plan)
    log = pd.read_parquet(arguments.log)
    start = pd.Timestamp(record.as_of)
    window = log["order_date"].between(
        start, start + pd.Timedelta(days=record.horizon_days), inclusive="left"
    )
    back = set(log.loc[window & (log["amount"] > 0), "customer_id"].dropna())
    treated = table[table["group"] == TREATED]
    away = treated[~treated["customer_id"].isin(back)]
    saved = away[generator.random(len(away)) < arguments.comes_true * away["save_rate"]]
    spent = (
        saved["expected_spend"]
        / np.maximum(1 - saved["p_churn"], 0.15)
        * generator.lognormal(-0.125, 0.5, len(saved))
    )
    lines = pd.DataFrame(
        {
            "customer_id": saved["customer_id"].to_numpy(),
            "order_id": [f"kept-{place}" for place in range(len(saved))],
            "order_date": start
            + pd.to_timedelta(generator.integers(1, record.horizon_days, len(saved)), unit="D"),
            "product_id": "kept",
            "quantity": 1,
            "price": spent.round(2).to_numpy(),
            "amount": spent.round(2).to_numpy(),
            "country": "United Kingdom",
            "sheet": "Year 2010-2011",
        }
    )
    pd.concat([log, lines.astype({"order_date": log["order_date"].dtype})], ignore_index=True).to_parquet(
        arguments.output, index=False
    )
    print(f"{len(saved):,} of {len(away):,} treated customers who did not come back were kept")
    for action, rows in saved.groupby("action"):
        print(f"  {action}: {len(rows):,}")


if __name__ == "__main__":
    main()
