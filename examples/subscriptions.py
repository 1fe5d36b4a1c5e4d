"""Makes up a table of subscriptions whose rates of leaving are known, into out/subscriptions/subscriptions.csv.

    python examples/subscriptions.py [CUSTOMERS]
    clvml train --config configs/subscriptions.yaml

Every customer leaves at each renewal with a rate of their own, Beta(1, 9) of those who pay by the month and Beta(1, 3)
of those who pay by the year. One in five of those who leave returns after some weeks, and some change the plan.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

FIRST, LAST = date(2023, 1, 1), date(2025, 12, 31)
PLANS = {"basic": 9.0, "pro": 29.0, "team": 79.0}


def subscriptions(customers: int, seed: int = 0) -> pd.DataFrame:
    """Return one row per subscription: customer, begun, ended (empty while it runs), plan, price, billing."""
    chance = np.random.default_rng(seed)
    days = (LAST - FIRST).days
    rows = []
    for number in range(customers):
        yearly = chance.random() < 0.25
        plan = str(chance.choice(list(PLANS), p=[0.6, 0.3, 0.1]))
        rate = chance.beta(1, 3 if yearly else 9)
        start = int(chance.integers(0, days))
        while start < days:
            period = 365 if yearly else 30
            renewals, switched = 1, False
            while chance.random() > rate and start + renewals * period < days:
                # Who stays may change the plan: up twice as often as down.
                switched = chance.random() < 0.03
                if switched:
                    break
                renewals += 1
            end = start + renewals * period
            rows.append((f"c{number:05}", start, end if end < days else None, plan, yearly))
            if switched:
                plan = str(chance.choice(list(PLANS), p=[0.2, 0.4, 0.4]))
                start = end
            elif chance.random() < 0.2:
                start = end + int(chance.integers(5, 90))
            else:
                break
    table = pd.DataFrame(rows, columns=["customer", "begun", "ended", "plan", "yearly"])
    for name in ("begun", "ended"):
        table[name] = [
            None if pd.isna(day) else (FIRST + timedelta(days=int(day))).isoformat() for day in table[name]
        ]
    yearly = table.pop("yearly")
    price = table["plan"].map(PLANS)
    return table.assign(price=price.where(~yearly, 10 * price), billing=np.where(yearly, "year", "month"))


def main() -> None:
    folder = Path("out", "subscriptions")
    folder.mkdir(parents=True, exist_ok=True)
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
    subscriptions(customers).to_csv(folder / "subscriptions.csv", index=False)


if __name__ == "__main__":
    main()
