"""The SQL of the features, written for DuckDB; `clvml.engines.warehouse` translates it.

`customer_days_query` finds the purchase days in the order lines, once for all cutoffs; `features_query` turns what
lies before one cutoff into one row per customer.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from clvml.customers.features import DECAYS, WINDOWS, available_features


def customer_days_query(purchases: str, columns: Collection[str] = ()) -> str:
    """Return SQL that marks the purchase days among the order lines.

    Parameters
    ----------
    purchases : str
        Relation of order lines with ``customer_id``, ``order_day`` and ``amount``.
    columns : collection of str
        Which of ``order_id``, ``product_id`` and ``quantity`` the relation has.

    Returns
    -------
    str
        One or more rows per customer and day, each either of purchases or of refunds and free items:
        ``customer_id, day, amount`` (negative for refunds), ``lines`` of positive amount and, where the log
        has them, ``orders, units, products, new_products`` of those lines. They all add up. One row of
        each purchase day stands for the day: ``purchase_amount`` (net of the refunds of that day) and
        ``gap`` [days since the purchase day before; null on the first] are null in every other row. No
        value depends on a later day.
    """
    names = ["lines", *(name for name, needs in _COUNTS.items() if needs in columns)]
    # Lines are counted after the sort, which costs less the narrower they are.
    counts = names if _has_distinct(columns) else [f"{_OF_A_LINE[name]} as {name}" for name in names]
    first_line = "amount > 0 and (previous is null or previous < day)"
    # Lines are not summed by day beforehand: sorting them for the window costs less than a hash table of
    # all customer days, and rows sorted by customer are then aggregated several times as fast.
    return f"""\
select
  customer_id, day, amount, {", ".join(counts)},
  case when {first_line} then day_amount end as purchase_amount,
  case when {first_line} then date_diff('day', previous, day) end as gap
from (
  select
    *,
    sum(amount) over (
      partition by customer_id order by day range between current row and current row
    ) as day_amount,
    lag(case when amount > 0 then day end ignore nulls) over (partition by customer_id order by day) as previous
  from ({_entries(purchases, columns)}) as entries
) as marked"""


def features_query(history: str, cutoff: date, horizon_days: int, columns: Collection[str] = ()) -> str:
    """Return SQL of the feature table of one cutoff: one row per customer of the history, in no order.

    Parameters
    ----------
    history : str
        SQL of the customer days before the cutoff (`clvml.customers.windows.history`).
    cutoff : date
        The first day not observed; it only dates the history.
    horizon_days : int
        Length of the target window [days].
    columns : collection of str
        The optional columns of the purchase log.

    Returns
    -------
    str
        ``customer_id, cutoff``, then the features in the order of `available_features`. Doubles are
        rounded to 6 decimals, because sums made in parallel differ in their last bits.
    """
    features = available_features(columns)
    # Rounded before they are divided as well, or 0.1 + 0.2 - 0.3 would be spend to take a share of.
    totals = ",\n    ".join(_rounded(f.sql, f.name) for f in features if f.grain == "day")
    ratios = ",\n    ".join(f"{f.sql} as {f.name}" for f in features if f.grain == "customer")
    rounded = ",\n  ".join(f.name if f.grain == "day" else _rounded(f.name, f.name) for f in features)
    return f"""\
with days as (
  {_weighted_days(history, cutoff, horizon_days)}
), totals as (
  select
    customer_id,
    {totals}
  from days
  group by customer_id
), ratios as (
  select
    *,
    {ratios}
  from totals
)
select
  customer_id,
  date '{cutoff}' as cutoff,
  {rounded}
from ratios"""


_COUNTS = {"orders": "order_id", "units": "quantity", "products": "product_id", "new_products": "product_id"}
_OF_A_LINE = {
    "lines": "case when amount > 0 then 1 else 0 end",
    "units": "coalesce(case when amount > 0 then quantity end, 0)",
}


def _has_distinct(columns: Collection[str]) -> bool:
    """Return whether something distinct is counted, so that lines have to be summed by day."""
    return not {"order_id", "product_id"}.isdisjoint(columns)


def _entries(purchases: str, columns: Collection[str]) -> str:
    """Return SQL of the lines; where something distinct is counted, summed by customer, day and sign."""
    if not _has_distinct(columns):
        quantity = ", quantity" if "quantity" in columns else ""
        return f"select customer_id, order_day as day, amount{quantity} from {purchases}"
    positive = "case when amount > 0 then {} end".format
    aggregates = ["sum(amount) as amount", f"count({positive(1)}) as lines"]
    if "order_id" in columns:
        aggregates.append(f"count(distinct {positive('order_id')}) as orders")
    if "quantity" in columns:
        aggregates.append(f"coalesce(sum({positive('quantity')}), 0) as units")
    if "product_id" in columns:
        aggregates.append(f"count(distinct {positive('product_id')}) as products")
        # A product is new on the day its customer first bought it: summed over days it counts the
        # different products up to any cutoff, without a count over the whole history for each cutoff.
        new = "case when amount > 0 and order_day = product_first_day then product_id end"
        aggregates.append(f"count(distinct {new}) as new_products")
        purchases = (
            f"(select *, min({positive('order_day')})"
            f" over (partition by customer_id, product_id) as product_first_day from {purchases})"
        )
    return (
        f"select customer_id, order_day as day, {', '.join(aggregates)}"
        f" from {purchases} as bought group by customer_id, order_day, amount > 0"
    )


def _weighted_days(history: str, cutoff: date, horizon_days: int) -> str:
    """Return SQL of the rows that day-grain features aggregate.

    To the columns of `customer_days_query` it adds ``age`` [days from the day to the cutoff, at least 1],
    ``purchase_age`` (null in all but one row of a purchase day), ``purchase`` (1 in that row, else 0),
    ``refund`` (positive) and weights: ``last_90d`` (1 up to that age, else 0), ``decay_90d`` (exp(-age / 90
    days)) and ``same_season`` (1 where the target window lay a year ago). Multiplying by a weight is
    several times faster than filtering.
    """
    weights = [f"case when age <= {days} then 1e0 else 0e0 end as last_{days}d" for days in WINDOWS]
    weights += [f"exp(-age / {days}e0) as decay_{days}d" for days in DECAYS]
    return f"""\
select
    *,
    case when purchase_amount is null then 0e0 else 1e0 end as purchase,
    case when purchase_amount is not null then age end as purchase_age,
    case when amount < 0 then -amount else 0e0 end as refund,
    {", ".join(weights)},
    case when age <= 365 and age > 365 - {horizon_days} then 1e0 else 0e0 end as same_season
  from (
    select *, date_diff('day', day, date '{cutoff}') as age
    from ({history}) as history
  ) as aged"""


def _rounded(sql: str, name: str) -> str:
    # round(x, 6) is several times slower in DuckDB.
    return f"round(({sql}) * 1e6) / 1e6 as {name}"
