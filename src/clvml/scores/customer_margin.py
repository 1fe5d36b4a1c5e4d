"""A customer's own margin, from a cost column of the log or from the categories they buy, and their value at it."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.config import DataConfig, ValueConfig
from clvml.errors import InputError
from clvml.expressions import Kind, parse_expression
from clvml.log import read_purchase_log
from clvml.log.derived import cost_of
from clvml.storage.sql import MONEY

# Column beside the features; missing for a customer of whom it is not known.
OWN_MARGIN = "own_margin"


def own_clv(clv: ArrayLike, margin: ArrayLike, value: ValueConfig) -> NDArray[np.float64]:
    """Return what customers are worth at their own margin instead of that of all, shape (n,) [currency].

    >>> own_clv([300.0, 300.0], [0.6, np.nan], ValueConfig(margin=0.3)).tolist()
    [600.0, 300.0]
    """
    worth = np.asarray(clv, dtype=float)
    own = np.asarray(margin, dtype=float)
    own = np.where(np.isnan(own), value.margin, own)
    return np.asarray((worth + value.retention_cost) * own / value.margin - value.retention_cost)


def margin_columns(value: ValueConfig) -> tuple[tuple[str, Kind], ...]:
    """Return the columns of the log that tell margins, and what each is read as.

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
    """Return each customer's margin before a date as a share of net spend, by customer id; None where all are alike.

    What a customer bought so far is drawn to the margin of all as if by the spend of one average customer more, so that
    a single order tells little.

    Parameters
    ----------
    value : ValueConfig
    data : DataConfig
        How the log is read; it is read once more.
    source : str, DataFrame or None
        The log; that of ``data`` where left out.
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
    # Refunds take their cost back.
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
    """Return the margin of each customer from ``spend`` and ``earned``, drawn to that of all, between -1 and 1.

    >>> found = pd.DataFrame({"spend": [100.0, 300.0], "earned": [80.0, 60.0]}, index=["a", "b"])
    >>> shrunk_margins(found).round(3).to_dict()  # .35 of all, and a customer of 200 more
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
