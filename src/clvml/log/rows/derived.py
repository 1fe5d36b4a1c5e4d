"""Row filters and amounts that are expressions over the file's columns, worked out in the staged table.

The columns that an expression names (its operands) are staged beside the mapped ones. A text is compared as it stands
in the file, case and blanks included, and an empty cell is NULL; a number is read in the format of its column.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import duckdb

from clvml.config import DataConfig, ValueConfig
from clvml.errors import InputError, did_you_mean, first_of
from clvml.expressions import Expression, Kind, parse_expression
from clvml.log.mapping import written
from clvml.log.readers.frame import FRAME
from clvml.log.readers.parts import Part
from clvml.log.rows.fill_down import fill_groups
from clvml.log.rows.line_rules import IS_SOUND
from clvml.log.rows.report_lines import mark_subtotals
from clvml.log.rows.staging import STAGED, Staged, build_staged, number_operand, text_operand

COMPUTED = ("amount", "quantity")
_HEADS = "clvml_heads"
# How the columns begin of a file that `PurchaseLog.write` wrote.
_WRITTEN = ("line", "customer_id", "order_date", "amount")
IN_WHERE = "in_where"


@dataclass(frozen=True)
class Formulas:
    """The expressions of a configuration, bound to the columns of a file, for SQL of one dialect.

    ``computed`` are by our name of the column that they make; ``operands`` are the positions of the columns that all
    name.
    """

    where: Expression | None
    computed: dict[str, Expression]
    operands: dict[str, int]
    dialect: str = "duckdb"

    @property
    def texts(self) -> dict[str, int]:
        """Operands that are compared as text, with their positions."""
        return self._read_as("text", "truth")

    @property
    def numbers(self) -> dict[str, int]:
        """Operands that are numbers, with their positions."""
        return self._read_as("number")

    def sql(self, expression: Expression) -> str:
        """Return the SQL of an expression over the operands."""
        return expression.sql(lambda name, kind: _reading(self.operands[name], kind), self.dialect)

    def amount_sql(self, expression: Expression) -> str:
        """Return the SQL of a computed number: NULL where a cell it needs is not a number, to millionths else."""
        # Differences such as 0.3 - 0.1 - 0.2 leave a trace that would count as a refund.
        made = f"round(({self.sql(expression)}) * 1e6) / 1e6"
        return f"case when {self.text_sql(expression)} is null then {made} end"

    def text_sql(self, expression: Expression) -> str:
        """Return the SQL of the first text that is not a number where one is needed."""
        cells = [number_operand(self.operands[name]) for name, kind in expression.uses if kind == "number"]
        unfit = [f"case when {cell} is null then {cell}_text end" for cell in cells]
        return f"coalesce({', '.join([*unfit, 'null', 'null'])})"

    @property
    def uses(self) -> list[tuple[str, Kind]]:
        """Columns that are named, and what each is read as."""
        expressions = [*self.computed.values(), *([self.where] if self.where else [])]
        return [use for expression in expressions for use in expression.uses]

    def _read_as(self, *kinds: Kind) -> dict[str, int]:
        return {name: self.operands[name] for name, kind in self.uses if kind in kinds}


def bind_formulas(
    data: DataConfig, available: Sequence[str] | None, value: ValueConfig | None = None
) -> Formulas:
    """Bind the expressions of a configuration to the columns of a file; what a line cost where ``value`` says it.

    ``data.columns.amount`` is the name of a column where the file has one of that very name, and an expression where it
    can be read as one. Where the columns are not known (None), blanks around a minus sign tell it from a name.

    Raises
    ------
    InputError
        An expression names a column that is not there, or cannot be parsed.
    """
    where = None if data.where is None else parse_expression(data.where, "truth", "data.where", available)
    computed = {}
    for ours, theirs in data.columns.mapped().items():
        if ours in COMPUTED and _is_expression(theirs, available):
            computed[ours] = parse_expression(theirs, "number", f"data.columns.{ours}", available)
    if available is not None and value is not None and (cost := cost_of(value, available)):
        computed["cost"] = parse_expression(cost, "number", "value.cost", available)
    names = [name for expression in (where, *computed.values()) if expression for name in expression.columns]
    known = list(dict.fromkeys(names)) if available is None else list(available)
    return Formulas(where, computed, {name: known.index(name) for name in names})


def cost_of(value: ValueConfig, available: Sequence[str] = ()) -> str | None:
    """Return what a line cost as an expression over the columns of a file, None where no cost is asked for.

    A file that `PurchaseLog.write` wrote has it in the column ``cost``; what else is there may mean something else.

    >>> cost_of(ValueConfig(cost="unit cost")), cost_of(ValueConfig(cost="a * b"), [*_WRITTEN, "cost"])
    ('"unit cost"', 'cost')
    """
    if value.cost is None:
        return None
    if _is_kept(available, "cost"):
        return "cost"
    try:
        parse_expression(value.cost, "number", "value.cost")
    except InputError:
        return written(value.cost)
    return value.cost


def _is_kept(available: Sequence[str], ours: str) -> bool:
    """Return whether `PurchaseLog.write` wrote a file, and a column of ours with it."""
    return tuple(available[: len(_WRITTEN)]) == _WRITTEN and ours in available


def place_of_category(value: ValueConfig | None, available: Sequence[str], origin: str) -> dict[str, int]:
    """Return our name and the position of the column that tells a line's margin, where ``value`` names one.

    Raises
    ------
    InputError
        The column is absent.
    """
    if value is None or value.margins is None:
        return {}
    column = "category" if _is_kept(available, "category") else value.margins.column
    if column not in available:
        raise InputError(
            f"value.margins.column: '{origin}' has no column '{column}'{did_you_mean(column, available)}; its columns"
            f" are {first_of(available)}"
        )
    return {"category": list(available).index(column)}


def _is_expression(text: str, available: Sequence[str] | None) -> bool:
    """Return whether a text is meant as an expression, and not as the name of a column."""
    if available is not None and text in available:
        return False
    has_signs = any(sign in text.lower() for sign in ("*", "/", "+", '"', "`", " - ", "case when "))
    try:
        expression = parse_expression(text, "number", "expression")
    except InputError:
        return has_signs
    is_used = available is not None and any(name in available for name in expression.columns)
    return not expression.is_name and (has_signs or is_used)


def _reading(position: int, kind: Kind) -> str:
    if kind == "number":
        return number_operand(position)
    text = text_operand(position)
    if kind == "text":
        return text
    word = f"lower(trim({text}))"
    return (
        f"(case when {word} in ('true', 't', 'yes', 'y', '1') then true"
        f" when {word} in ('false', 'f', 'no', 'n', '0') then false end)"
    )


def stage_operands(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Part],
    mapping: dict[str, int],
    formulas: Formulas,
    data: DataConfig,
) -> Staged:
    """Read all parts as `build_staged` does, and work out the expressions; ``in_where`` is whether a row passes.

    Raises
    ------
    InputError
        As `build_staged`, or money is to count once per order and no order number is mapped.
    """
    for ours, expression in formulas.computed.items():
        if ours in data.formats and ours not in parts[0].columns:
            raise InputError(
                f"data.formats.{ours} says nothing where data.columns.{ours} is an expression; name its columns there"
                f" instead: {', '.join(expression.columns)}"
            )
    numbers = {number_operand(position): position for position in formulas.numbers.values()}
    texts = sorted(set(formulas.texts.values()))
    staged = build_staged(connection, parts, {**mapping, **numbers}, data, texts)
    for ours, expression in formulas.computed.items():
        _add(connection, ours, "DOUBLE", formulas.amount_sql(expression))
        _add(connection, f"{ours}_text", "VARCHAR", formulas.text_sql(expression))
    mark_subtotals(connection, STAGED, mapping)
    found = fill_groups(
        connection,
        mapping,
        _operands(formulas),
        data.fill_down,
        # A table of a database has no order, nor has what a database writes; reports are texts, workbooks or frames.
        in_order=parts[0].kind not in ("table", "Parquet") or parts[0].name == FRAME,
    )
    if data.amount_per == "order":
        check_order_number(mapping)
        _count_orders_once(connection, filled_columns(mapping, formulas), "cost" in formulas.computed)
    if formulas.where is not None:
        _add(connection, IN_WHERE, "BOOLEAN", formulas.sql(formulas.where))
    theirs = {number_operand(position): name for name, position in formulas.numbers.items()}
    read_as = {theirs.get(ours, ours): written for ours, written in staged.read_as.items()}
    return replace(
        staged,
        columns=(*mapping, *formulas.computed),
        read_as=read_as,
        warnings=(*staged.warnings, *found),
    )


def check_order_number(mapping: Collection[str]) -> None:
    """Refuse money that counts once per order where nothing says which order a line is of."""
    if "order_id" not in mapping:
        raise InputError(
            "data.amount_per: order needs the order number; name its column in data.columns.order_id"
        )


def filled_columns(mapping: Collection[str], formulas: Formulas) -> list[str]:
    """Return the columns of which an empty cell is as in the first line of its order."""
    return [
        *("customer_id", "order_ts", "date_text", *(["currency"] if "currency" in mapping else [])),
        *_operands(formulas),
    ]


def _operands(formulas: Formulas) -> list[str]:
    """Return what the staged table calls the columns of expressions."""
    texts = [text_operand(position) for position in formulas.texts.values()]
    return list(
        dict.fromkeys([*texts, *(number_operand(position) for position in formulas.numbers.values())])
    )


def _add(connection: duckdb.DuckDBPyConnection, name: str, kind: str, sql: str) -> None:
    connection.execute(f"ALTER TABLE {STAGED} ADD COLUMN {name} {kind}")
    connection.execute(f"UPDATE {STAGED} SET {name} = {sql} WHERE {IS_SOUND}")


def _count_orders_once(connection: duckdb.DuckDBPyConnection, filled: list[str], has_cost: bool) -> None:
    """Let the money of an order count in one of its rows, and fill the empty cells of the others.

    The cost stays that of each row; where one of the order is not known, no cost of the order is.
    """
    costed = ", count(cost) = count(*) AS costed" if has_cost else ""
    connection.execute(
        f"""
        CREATE TEMP TABLE {_HEADS} AS
        SELECT part, order_id, arg_min(rowid, (coalesce(-amount, 'inf'::DOUBLE), rowid)) AS place, max(amount) AS total,
               {", ".join(f"max({name}) AS {name}" for name in filled)}{costed}
        FROM {STAGED} WHERE order_id IS NOT NULL AND broken IS NULL
        GROUP BY part, order_id HAVING count(*) > 1
        """
    )
    further = f"{STAGED}.rowid <> heads.place AND heads.total IS NOT NULL"
    connection.execute(
        f"UPDATE {STAGED} SET"
        f" {', '.join(f'{name} = coalesce({STAGED}.{name}, heads.{name})' for name in filled)},"
        f"{' cost = CASE WHEN heads.costed THEN cost END,' if has_cost else ''}"
        f" amount = CASE WHEN {further} THEN 0 ELSE amount END,"
        f" amount_text = CASE WHEN NOT ({further}) THEN amount_text END"
        f" FROM {_HEADS} AS heads WHERE {STAGED}.part = heads.part AND {STAGED}.order_id = heads.order_id"
        f" AND {STAGED}.broken IS NULL"
    )
    connection.execute(f"DROP TABLE {_HEADS}")
