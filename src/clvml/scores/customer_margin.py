"""A customer's own margin, from a cost column of the log or from the categories they buy, and their value at it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.config import DataConfig, ValueConfig
from clvml.errors import InputError, naming
from clvml.expressions import Kind, parse_expression
from clvml.log import read_purchase_log
from clvml.log.mapping import written

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
    if value.cost is None:
        return ()
    return parse_expression(_expression(value.cost), "number", "value.cost").uses


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
        How the log is read; it is read once more, or twice.
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
    if any(own.amount_per == "order" for own in (data.sources or {"": data}).values()):
        raise InputError(
            "own margins (value.cost, value.margins) need the money of each line, and data.amount_per is order: the"
            " costs of further lines would be lost; map the money of a line and set data.amount_per: line, or give"
            " known margins to 'clvml worth --costs'"
        )
    # Refunds take their cost back.
    data = _changed(data, lambda own: {"refunds": "net"})
    if value.margins is not None:
        kinds = _changed(data, partial(_mapped, product_id=value.margins.column))
        with naming("value.margins"):
            lines = _sums(kinds, source, now, as_of, "product_id")
        shares = lines["kind"].map(value.margins.shares).fillna(value.margin).astype(float)
        found = pd.DataFrame({"spend": lines["spend"], "earned": lines["spend"] * shares})
        return shrunk_margins(found.groupby(lines["customer_id"].astype(str)).sum())
    cost = str(value.cost)
    known = f"({_expression(cost)}) is not null"
    told = _changed(data, lambda own: {"where": f"({own.where}) and {known}" if own.where else known})
    with naming("value.cost"):
        spend, costs = (
            _sums(each, source, now, as_of).set_index("customer_id")["spend"]
            for each in (told, _changed(told, partial(_mapped, amount=cost)))
        )
    earned = spend - costs.reindex(spend.index).fillna(0.0)
    return shrunk_margins(pd.DataFrame({"spend": spend, "earned": earned}))


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


def _changed(data: DataConfig, change: Callable[[DataConfig], dict[str, Any]]) -> DataConfig:
    """Return the keys with a change, in each of several sources as well."""
    sources = {name: own.model_copy(update=change(own)) for name, own in data.sources.items()}
    return data.model_copy(update={**change(data), "sources": sources})


def _mapped(data: DataConfig, **columns: str) -> dict[str, Any]:
    return {"columns": data.columns.model_copy(update=columns)}


def _sums(
    data: DataConfig, source: str | pd.DataFrame | None, now: datetime, as_of: date, kind: str = ""
) -> pd.DataFrame:
    log = read_purchase_log(data, source=source, now=now, as_of=as_of)
    also = f", {kind} as kind" if kind else ""
    return log.connection.execute(
        f"select customer_id{also}, sum(amount)::double as spend from {log.table} where order_day < ? group by all"
        " order by all",
        [as_of],
    ).df()


def _expression(cost: str) -> str:
    """Return a column or expression as it stands in a condition."""
    try:
        parse_expression(cost, "number", "value.cost")
    except InputError:
        return written(cost)
    return cost
