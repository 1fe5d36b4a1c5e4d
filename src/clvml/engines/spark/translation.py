"""Row filters and amounts that are expressions, worked out by Spark as `clvml.log.derived` does by DuckDB."""

from __future__ import annotations

from typing import Any

from clvml.config import DataConfig
from clvml.log.derived import IN_WHERE, Formulas, check_order_number, filled_columns


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


def _extend(session: Any, view: str, made: list[str]) -> None:
    if made:
        session.sql(f"select *, {', '.join(made)} from {view}").createOrReplaceTempView(view)


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
    session.sql(f"select {', '.join(chosen)} from {view}").createOrReplaceTempView(view)
