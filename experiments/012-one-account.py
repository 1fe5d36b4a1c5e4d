"""What does one account with most of the money do to the forecasts of others? Writes 012-one-account.md beside itself.

.venv/bin/python experiments/012-one-account.py
"""

from __future__ import annotations

import sys
from datetime import date
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from accuracy import Log  # noqa: E402

from clvml.customers.snapshots import CustomerDays  # noqa: E402
from clvml.models import trees  # noqa: E402
from clvml.models.customer_model import fit_customer_model  # noqa: E402

HORIZON_DAYS = 90
CUTOFFS = {
    "cdnow": ("1998-01-01",),
    "online_retail": ("2011-06-01",),
    "simulated_orders": ("2014-07-01", "2014-10-01"),
}
# What the account spends in a year beside all others together, and the days between its orders on the mean.
SIZES = (0.5, 2.0, 10.0)
WAITS = (60, 400)
ACCOUNT = "one account"


def main() -> None:
    """Forecast with and without the account, measure, write the page."""
    rows = []
    for name, cutoffs in CUTOFFS.items():
        log = Log(name)
        days = with_account(log, 0.0, WAITS[0])
        alone = {cutoff: others_spend(log, days, cutoff) for cutoff in map(date.fromisoformat, cutoffs)}
        for size, wait in product(SIZES, WAITS):
            days = with_account(log, size, wait)
            for cutoff, spend in alone.items():
                lifted = others_spend(log, days, cutoff) / spend
                with mock.patch.object(trees, "deciding_spend", lambda now: None):
                    by_all = others_spend(log, days, cutoff) / spend
                rows.append({"log": name, "size": size, "the level of all": by_all, "of the others": lifted})
                print(name, size, wait, cutoff, f"{by_all:.2f} {lifted:.2f}", flush=True)
    write(pd.DataFrame(rows))


def with_account(log: Log, size: float, wait: int) -> CustomerDays:
    """Return the days of the log and, if ``size`` is above 0, of one customer more, with exponential waits."""
    first, last = log.days.first_day, log.days.last_day
    connection, length = log.days.connection, (last - first).days
    waits = np.random.default_rng(round(1000 * size) + wait).exponential(wait, length).cumsum()
    orders = pd.DataFrame({"after": waits[waits < length].astype(int)})
    yearly = log.days.daily_totals(last).sum() * 365 / length
    connection.register("orders_of_account", orders)
    connection.execute(
        "create or replace table with_account as"
        f" select customer_id, order_day, amount from {log.prepared.log.table} union all"
        f" select '{ACCOUNT}', date '{first}' + after::integer, {size * yearly * wait / 365} from orders_of_account"
        f" where {size} > 0"
    )
    return CustomerDays(connection, "with_account")


def others_spend(log: Log, days: CustomerDays, cutoff: date) -> float:
    """Return what all customers but the account are expected to spend."""
    features = days.features(cutoff, HORIZON_DAYS)
    predicted = fit_customer_model(days, cutoff, log.config(HORIZON_DAYS)).predict(features, cutoff)
    return float(predicted["expected_spend"][(features["customer_id"] != ACCOUNT).to_numpy()].sum())


def write(table: pd.DataFrame) -> None:
    """Write the page: by log and size of the account, the median and the largest factor."""
    lines = ["| log | account, beside all others | the level of all | of the others |", "|---" * 4 + "|"]
    for (name, size), part in table.groupby(["log", "size"], sort=False):
        cells = [
            f"{part[level].median():.2f} ({part[level].min():.2f} to {part[level].max():.2f})"
            for level in ("the level of all", "of the others")
        ]
        lines.append(f"| {name} | {size:g} x | {' | '.join(cells)} |")
    text = f"""# 012: one account with most of the money

**Question.** The level of all forecasts is that of the total. What do others get where one account holds most of it?

**Answer.** [Decision 016](../docs/decisions/016-large-accounts-and-long-horizons.md). To each log one account is added,
with orders at random dates, {" or ".join(map(str, WAITS))} days apart on the mean, that spends so many times what all
others do. The table holds what all others are expected to spend in {HORIZON_DAYS} days, over what they
are expected to spend without the account: the median over waits and dates, and the range. It should be 1.

Re-made by `.venv/bin/python experiments/012-one-account.py`.

{chr(10).join(lines)}
"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
