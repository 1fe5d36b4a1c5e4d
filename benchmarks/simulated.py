"""Purchase logs that no purchase model of this benchmark describes: the price of a wrong prior can be seen on them.

Two and a half years of 2,000 customers each, who come over the first two years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

CUSTOMERS = 2_000
DAYS = 900
START = pd.Timestamp("2021-01-01")
Orders = Iterator[tuple[float, float]]


def bursts(first: float, rng: np.random.Generator) -> Orders:
    """Yield orders of 1 in busy and quiet months, of which the last order tells less than the month."""
    day, busy = first, rng.random() < 0.5
    rates = (rng.gamma(1, 0.004), rng.gamma(2, 0.05))
    while day < DAYS:
        months = rng.exponential(120)
        for moment in np.sort(day + months * rng.random(rng.poisson(rates[busy] * months))):
            yield float(moment), 1.0
        day, busy = day + months, not busy


def drift(first: float, rng: np.random.Generator) -> Orders:
    """Yield orders at a rate that wanders, and mostly falls, instead of stopping at once."""
    day, log_rate, mean = first, rng.normal(-3.5, 0.8), np.exp(rng.normal(3.5, 1.0))
    while day < DAYS:
        yield day, mean * np.exp(rng.normal(0, 0.5))
        log_rate += rng.normal(-0.02, 0.35)
        day += rng.exponential(np.exp(-log_rate))


def clockwork(first: float, rng: np.random.Generator) -> Orders:
    """Yield weekly, monthly, quarterly or yearly orders, nearly on the day."""
    day, mean = first, np.exp(rng.normal(3.5, 1.0))
    gap, leaves = rng.choice([7, 30, 91, 365], p=[0.2, 0.4, 0.3, 0.1]), rng.beta(1, 12)
    while day < DAYS:
        yield day, mean * np.exp(rng.normal(0, 0.3))
        if rng.random() < leaves:
            return
        day += gap * rng.gamma(20, 1 / 20)


def growth(first: float, rng: np.random.Generator) -> Orders:
    """Yield orders that become larger and more frequent; half leave after the first, few later."""
    day, mean, count = first, np.exp(rng.normal(3.5, 1.0)), 0
    while day < DAYS:
        yield day, mean * (1 + 0.15 * count) * np.exp(rng.normal(0, 0.5))
        count += 1
        if rng.random() < (0.45 if count == 1 else 0.12 if count < 5 else 0.03):
            return
        day += rng.exponential(90 / (1 + 0.3 * min(count, 10)))


def accounts(first: float, rng: np.random.Generator) -> Orders:
    """Yield a wholesaler's orders: few accounts hold most of the money, half of them have a season of their own."""
    day, mean = first, np.exp(rng.normal(4.0, 1.8))
    gap, leaves = rng.gamma(3, 10), rng.beta(1, 25)
    opens, season = rng.uniform(0, 365), rng.choice([90, 365])
    while day < DAYS:
        yield day, mean * np.exp(rng.normal(0, 0.6))
        if rng.random() < leaves:
            return
        day += rng.exponential(gap)
        closed = (day - opens) % 365 - season
        day += 365 - season - closed if closed > 0 else 0


KINDS: dict[str, Callable[[float, np.random.Generator], Orders]] = {
    "bursts": bursts,
    "drift": drift,
    "clockwork": clockwork,
    "growth": growth,
    "accounts": accounts,
}


def simulated(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write a log of a kind, unless it is there, and return the Parquet file."""
    path = folder / f"{kind}-{seed}.parquet"
    if not path.exists():
        rng = np.random.default_rng(seed)
        rows = [
            (f"c{customer:05d}", START + pd.Timedelta(days=day), amount)
            for customer in range(CUSTOMERS)
            for day, amount in KINDS[kind](rng.uniform(0, DAYS * 0.8), rng)
            if day < DAYS
        ]
        frame = pd.DataFrame(rows, columns=["id", "date", "amount"])
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)
    return path
