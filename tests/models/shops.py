"""Simulated shops whose customers the whole model is fitted on, and what holds of every prediction of it."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd

from clvml.config import parse_config
from clvml.customers.snapshots import CustomerDays
from clvml.models.outlook import HORIZONS

FIRST = date(2022, 1, 1)
END = date(2024, 1, 1)
MONEY = ["expected_spend_low", "expected_spend", "expected_spend_high"]
BY_HORIZON = [f"expected_spend_{days}d" for days in HORIZONS]


def simulate_log(customers, days, seed, season=None, joined=lambda uniform: None):
    """Draw an order log of MBG/NBD buyers from `FIRST` on, with a few refunds.

    ``season`` thins the purchases by day of the year; ``joined`` turns uniform numbers into days of arrival,
    which without it are spread evenly.
    """
    rng = np.random.default_rng(seed)
    uniform = rng.random(customers)
    now = joined(uniform)
    now = days * uniform if now is None else now.copy()
    rate, mean = rng.gamma(0.8, 1 / 40, customers), rng.gamma(3, 10, customers)
    dropout = rng.beta(0.6, 2.5, customers)
    active = np.ones(customers, dtype=bool)
    bought = []
    while active.any():
        bought += zip(np.flatnonzero(active), now[active], strict=True)
        active &= rng.random(customers) >= dropout
        now = now + rng.exponential(1 / rate)
        active &= now < days
    who, when = (np.array(part) for part in zip(*bought, strict=True))
    if season is not None:
        kept = rng.random(len(who)) < (season / season.max())[when.astype(int) % 365]
        who, when = who[kept], when[kept]
    amount = rng.gamma(4, mean[who] / 4) + 0.01
    refunded = rng.random(len(who)) < 0.03
    who, amount = np.r_[who, who[refunded]], np.r_[amount, -amount[refunded]]
    when = np.r_[when, np.minimum(when[refunded] + 5, days - 1)].astype(int)
    return log_of(np.char.add("c", np.char.zfill(who.astype(str), 6)), when, amount.round(2))


def log_of(customers, days, amounts):
    """An order log from customer ids, days since `FIRST` and amounts; one row per order."""
    dates = pd.Timestamp(FIRST) + pd.to_timedelta(np.asarray(days), unit="D")
    return pd.DataFrame({"customer_id": customers, "order_day": dates, "amount": np.asarray(amounts, float)})


def customer_days(log, columns=()):
    connection = duckdb.connect(config={"threads": 1})
    connection.register("frame", log)
    connection.execute("create table log as select * replace (order_day::date as order_day) from frame")
    return CustomerDays(connection, "log", columns)


def config(horizon_days=90, max_cutoffs=4, **model):
    small = {"n_estimators": 15, "learning_rate": 0.2, "n_jobs": 1}
    return parse_config(
        {
            "data": {
                "source": "log.csv",
                "columns": {"customer_id": "customer", "order_date": "date", "amount": "amount"},
            },
            "windows": {"horizon_days": horizon_days, "max_cutoffs": max_cutoffs},
            "model": small | model,
            "evaluation": {"bootstrap_samples": 100},
            "seed": 7,
        }
    )


def check_sane(predicted):
    """What the scored file promises of every row."""
    numbers = predicted.drop(columns="next_order_days")
    assert np.isfinite(numbers.to_numpy()).all()
    assert predicted["p_churn"].between(0, 1).all()
    assert (predicted["expected_orders"] >= 0).all()
    assert (predicted["expected_spend_low"] >= 0).all()
    assert (np.diff(predicted[MONEY], axis=1) >= 0).all()
    assert (np.diff(predicted[BY_HORIZON], axis=1, prepend=0.0) >= 0).all()
    assert (predicted["next_order_days"].isna() | predicted["next_order_days"].between(1, 365)).all()
