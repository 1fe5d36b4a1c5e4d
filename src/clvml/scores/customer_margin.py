"""Each customer's own margin, from a cost column or the categories of their purchases, and the CLV at that margin."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.config import DataConfig, ValueConfig
from clvml.errors import InputError
from clvml.expressions import Kind, parse_expression
from clvml.log import read_purchase_log
from clvml.log.rows.derived import cost_of
from clvml.storage.sql import MONEY

# Column beside the features; missing where a customer's margin is not known.
OWN_MARGIN = "own_margin"


def own_clv(clv: ArrayLike, margin: ArrayLike, value: ValueConfig) -> NDArray[np.float64]:
    """Return the CLV of customers at their own margin instead of the configured one, shape (n,) [currency].

    >>> own_clv([300.0, 300.0], [0.6, np.nan], ValueConfig(margin=0.3)).tolist()
    [600.0, 300.0]
    """
    worth = np.asarray(clv, dtype=float)
    own = np.asarray(margin, dtype=float)
    own = np.where(np.isnan(own), value.margin, own)
    return np.asarray((worth + value.retention_cost) * own / value.margin - value.retention_cost)


def margin_columns(value: ValueConfig) -> tuple[tuple[str, Kind], ...]:
    """Return the columns of the log that margins are computed from, and the type of each.

    >>> margin_columns(ValueConfig(cost="unit_cost * quantity"))
    (('unit_cost', 'number'), ('quantity', 'number'))
    """
    if value.margins is not None:
        return ((value.margins.column, "text"),)
    cost = cost_of(value)
    return () if cost is None else parse_expression(cost, "number", "value.cost").uses


def customer_margins(
    value: ValueConfig, data: DataConfig, source: str | pd.DataFrame | None, now: datetime, as_of: date
) -> pd.Series | None:
    """Return each customer's margin before a date as a share of net spend, by customer id; None if not configured.

    It is shrunk towards the margin of all customers, with the spend of one average customer as weight, so that a
    single order changes it little.

    Parameters
    ----------
    value : ValueConfig
    data : DataConfig
        How the log is read; this function reads it again.
    source : str, DataFrame or None
        The log; by default that of ``data``.
    now : datetime
    as_of : date
        The first day not observed.

    Raises
    ------
    InputError
        The column is not there, or holds no cost.
    """
    if not value.has_own_margins:
        return None
    if value.margins is not None and any(
        own.amount_per == "order" for own in (data.sources or {"": data}).values()
    ):
        raise InputError(
            "value.margins needs the money of each line, and data.amount_per is order; map the money of a line and set"
            " data.amount_per: line, or name the costs of the lines in value.cost"
        )
    # Refunds also reverse the cost.
    sources = {name: own.model_copy(update={"refunds": "net"}) for name, own in data.sources.items()}
    data = data.model_copy(update={"refunds": "net", "sources": sources})
    log = read_purchase_log(data, source=source, now=now, as_of=as_of, value=value)
    if value.margins is None:
        return shrunk_margins(
            log.frame(
                f"SELECT customer_id, sum(amount::{MONEY})::DOUBLE AS spend, sum((amount - cost)::{MONEY})::DOUBLE AS"
                f" earned FROM {log.table} WHERE cost IS NOT NULL GROUP BY ALL ORDER BY ALL"
            ).set_index("customer_id")
        )
    lines = log.frame(
        f"SELECT customer_id, category, sum(amount::{MONEY})::DOUBLE AS spend FROM {log.table} GROUP BY ALL"
        " ORDER BY ALL"
    )
    shares = lines["category"].map(value.margins.shares).fillna(value.margin).astype(float)
    lines["earned"] = lines["spend"] * shares
    return shrunk_margins(lines.groupby("customer_id")[["spend", "earned"]].sum())


def shrunk_margins(found: pd.DataFrame) -> pd.Series:
    """Return each customer's margin from ``spend`` and ``earned``, shrunk towards that of all, between -1 and 1.

    >>> found = pd.DataFrame({"spend": [100.0, 300.0], "earned": [80.0, 60.0]}, index=["a", "b"])
    >>> shrunk_margins(found).round(3).to_dict()  # .35 for all, with a weight of 200
    {'a': 0.5, 'b': 0.26}
    """
    total = float(found["spend"].sum())
    if total <= 0:
        raise InputError("no margin can be told: nothing was spent on balance by lines whose cost is known")
    overall = float(found["earned"].sum()) / total
    average = float(found["spend"].clip(lower=0.0).mean())
    spend = found["spend"].clip(lower=0.0)
    earned = found["earned"].where(found["spend"] > 0, 0.0)
    return ((earned + overall * average) / (spend + average)).clip(-1.0, 1.0)
