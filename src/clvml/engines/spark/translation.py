"""Row filters and amounts that are expressions, worked out by Spark as `clvml.log.rows.derived` does by DuckDB."""

from __future__ import annotations

from typing import Any

from clvml.config import DataConfig
from clvml.log.rows.derived import IN_WHERE, Formulas, check_order_number, filled_columns


def apply_formulas(
    session: Any, formulas: Formulas, data: DataConfig, view: str, mapped: tuple[str, ...]
) -> None:
    """Add to a view of typed lines the columns that are computed, and whether a line passes the row filter.

    Raises
    ------
    InputError
        Money is to count once per order, and no order number is mapped.
    """
    for ours, expression in formulas.computed.items():
        made = [
            f"{formulas.amount_sql(expression)} as {ours}",
            f"{formulas.text_sql(expression)} as {ours}_text",
        ]
        _extend(session, view, made)
    if data.amount_per == "order":
        check_order_number(mapped)
        _count_orders_once(session, view, filled_columns(mapped, formulas))
    if formulas.where is not None:
        _extend(session, view, [f"{formulas.sql(formulas.where)} as {IN_WHERE}"])


def _count_orders_once(session: Any, view: str, filled: list[str]) -> None:
    order = "over (partition by part, order_id)"
    # Spark knows no order of lines; of two rows of equal money either may be the one that counts.
    ranked = "row_number() over (partition by part, order_id order by amount desc nulls last)"
    changed = {name: f"coalesce({name}, max({name}) {order})" for name in filled}
    further = f"{ranked} > 1 and max(amount) {order} is not null"
    changed["amount"] = f"case when {further} then 0 else amount end"
    changed["amount_text"] = f"case when not ({further}) then amount_text end"
    frame = session.table(view)
    chosen = [
        f"case when order_id is null then {name} else {changed[name]} end as {name}"
        if name in changed
        else f"`{name}`"
        for name in frame.columns
    ]
    _replace(session, view, chosen)


def move_from_utc(session: Any, timezone: str, view: str) -> None:
    """Move times without a zone from UTC, as `clvml.log.rows.staging` does where the name of their column says it."""
    timed = f"select bool_or(order_ts <> date_trunc('day', order_ts)) from {view} where not zoned"
    if timezone == "UTC" or not session.sql(timed).first()[0]:
        return
    moved = (
        f"case when zoned then order_ts else convert_timezone('UTC', '{timezone}', order_ts) end as order_ts"
    )
    kept = [f"`{name}`" for name in session.table(view).columns if name not in ("order_ts", "zoned")]
    _replace(session, view, [*kept, moved, "true as zoned"])


def _extend(session: Any, view: str, made: list[str]) -> None:
    if made:
        _replace(session, view, ["*", *made])


def _replace(session: Any, view: str, columns: list[str]) -> None:
    session.sql(f"select {', '.join(columns)} from {view}").createOrReplaceTempView(view)
