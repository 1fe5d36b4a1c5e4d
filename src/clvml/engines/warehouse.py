"""The feature SQL for other databases: from a table of order lines to the feature table.

The SQL of `clvml.customers` is written once, for DuckDB. sqlglot translates it into other dialects, after what some of
them lack has been put in other words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import pandas as pd
import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy

from clvml.config import AttributesConfig, DataConfig
from clvml.config.event_keys import EventsConfig
from clvml.customers import customer_days_query, features_query, windows
from clvml.customers.attributes import with_known
from clvml.customers.events import EventKind, with_counts
from clvml.customers.snapshots import OPTIONAL_COLUMNS
from clvml.errors import InputError, did_you_mean
from clvml.expressions import Expression
from clvml.log.attribute_table import AttributeColumn
from clvml.log.event_reading import read_events
from clvml.log.rows.derived import COMPUTED, bind_formulas
from clvml.log.rows.line_rules import QUANTITY_FITS
from clvml.log.values.time_zones import says_utc
from clvml.storage.addresses import hide_password
from clvml.storage.sql import identifier, literal

# Those whose SQL is run in the tests come first; of the others it is only known that sqlglot can parse it.
DIALECTS = (
    *("duckdb", "spark", "postgres", "sqlite"),
    *("bigquery", "databricks", "redshift", "snowflake", "trino"),
)
_NO_MAX_BY = ("postgres", "redshift", "sqlite")
_STAR_EXCEPT = ("bigquery", "databricks", "duckdb", "snowflake", "spark")


class CountedEvents(NamedTuple):
    """A table of events in the warehouse, and what a model counts of it.

    Attributes
    ----------
    table : str
        Its name.
    kinds : tuple of EventKind
        What is counted.
    first_day : date
        The first day that was recorded.
    spellings : dict of str to str
        Keys of the types (`clvml.log.event_table.EventType`) by their texts in the table.
    """

    table: str
    kinds: tuple[EventKind, ...]
    first_day: date
    spellings: Mapping[str, str]


def counted_events(data: DataConfig, table: str, kinds: tuple[EventKind, ...]) -> CountedEvents:
    """Return what is counted of a table in the warehouse that holds what ``data.events.source`` does.

    Raises
    ------
    InputError
        The source cannot be read (`clvml.log.event_reading.read_events`), or has no event of a customer with a date.
    """
    frame = read_events(data)
    counted = {key for kind in kinds for key in kind.types}
    told = frame[frame["type"].isin(counted)].drop_duplicates("label")
    first = frame.loc[frame["customer_id"].notna(), "day"].min()
    if pd.isna(first):
        source = hide_password(data.events.source) if data.events else ""
        raise InputError(
            f"'{source}' (data.events) holds no event of a customer with a date; correct data.events, or leave it out"
        )
    return CountedEvents(table, kinds, first.date(), dict(zip(told["label"], told["type"], strict=True)))


def feature_sql(
    data: DataConfig,
    table: str,
    cutoff: date,
    horizon_days: int,
    dialect: str,
    customers: str = "customers",
    attributes: Sequence[AttributeColumn] = (),
    events: CountedEvents | None = None,
) -> str:
    """Return the query that makes the feature table out of a table of order lines.

    The query leaves out what `clvml.log` would: lines without a customer, a date or an amount that is a
    number below 1e15, lines in another currency than ``data.currency``, exact repeats and refunds as ``data`` says,
    and all of ``cutoff`` and later. It does not read dates or numbers written as text in unusual ways, ids such as
    ``12345.0``, words such as ``n/a`` for a missing id, or time zones: a timestamp counts as wall time.

    Parameters
    ----------
    table : str
        Its name, such as ``orders`` or ``shop.orders``.
    cutoff : date
        The first day not observed.
    horizon_days : int
        Length of the target window [days].
    customers, attributes : str, sequence of AttributeColumn
        Name of the table of ``data.attributes``, where there are some, and those to join from it.
    events : CountedEvents, optional
        Those of ``data.events`` to count.

    Returns
    -------
    str
        One SELECT: one row per customer, ``customer_id, cutoff``, then the features of
        `clvml.customers.available_features`, then attributes: categories as texts, dates as days before the cutoff;
        then counts of events.

    Raises
    ------
    InputError
        The dialect or a table's name is not known, the dialect cannot leave out ``data.ignore_columns``, money counts
        once per order, or ids are folded or left out.
    """
    dialect = check_dialect(dialect)
    optional = [name for name in OPTIONAL_COLUMNS if name in data.columns.mapped()]
    query = f"""\
with purchase_log as (
  {_lines_query(data, table, cutoff, dialect, optional)}
), customer_days as (
  {customer_days_query("purchase_log", optional)}
), {features_query(windows.history("customer_days", cutoff), cutoff, horizon_days, optional).removeprefix("with ")}"""
    if data.attributes and attributes:
        known = f"({_customers_query(data, data.attributes, customers, dialect, attributes)}) as customers"
        query = with_known(query, known, attributes, data.attributes.valid_from is not None, cutoff)
    if data.events and events and events.kinds:
        rows = f"({_events_query(data, data.events, events, dialect)}) as events"
        query = with_counts(query, rows, events.kinds, events.first_day, cutoff)
    return translate(query, dialect)


def check_dialect(dialect: str) -> str:
    """Return the dialect as it is called in `DIALECTS`; InputError where it is not one of them."""
    known = "postgres" if dialect.lower() == "postgresql" else dialect.lower()
    if known not in DIALECTS:
        raise InputError(
            f"dialect '{dialect}' is not supported{did_you_mean(known, DIALECTS)}; supported: {', '.join(DIALECTS)}"
        )
    return known


def translate(query: str, dialect: str) -> str:
    """Return a DuckDB query over dates and doubles in another dialect, laid out for people."""
    tree = sqlglot.parse_one(query, read="duckdb")
    if dialect == "duckdb":
        return tree.sql(dialect="duckdb", pretty=True)
    if dialect in _NO_MAX_BY:
        for select in list(tree.find_all(exp.Select)):
            _replace_aggregates(select, dialect == "sqlite")
    # 1e6 is a double in DuckDB and a decimal elsewhere; quotes keep the only name that is not in lower case.
    for number in list(tree.find_all(exp.Literal)):
        if not number.is_string and "e" in number.name:
            number.replace(exp.cast(number.copy(), exp.DataType.Type.DOUBLE))
    for name in tree.find_all(exp.Identifier):
        if name.name == "T":
            name.set("quoted", True)
    small_first = Dialect.get_or_raise(dialect).NULL_ORDERING == "nulls_are_small"
    for ordered in tree.find_all(exp.Ordered):
        # No day is null: nothing has to be said about where nulls go.
        ordered.set("nulls_first", small_first)
    for window in tree.find_all(exp.Window):
        _partition_by_peers(window)
        _without_ignore_nulls(window)
    return tree.sql(dialect=dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)


def utc_notes(data: DataConfig) -> list[str]:
    """Return which times the SQL takes as they stand and reading a file moves from UTC to ``data.timezone``."""
    dates = [data.columns.order_date]
    dates += [data.events.date] if data.events else []
    dates += [data.attributes.valid_from] if data.attributes and data.attributes.valid_from else []
    return [
        f"column '{name}' is UTC by its name, and the SQL takes its days as the database reads them; training counted"
        f" them in {data.timezone}: give a view that has its times there"
        for name in dates
        if data.timezone != "UTC" and says_utc(name)
    ]


def _lines_query(data: DataConfig, table: str, cutoff: date, dialect: str, optional: list[str]) -> str:
    """Return SQL of the purchase log: ids as text, the day, doubles."""
    if data.amount_per == "order":
        raise InputError(
            "the SQL counts the money of every line, and data.amount_per is order; make a view that has the money once"
            " per order, name it with --table, and add --set data.amount_per=line"
        )
    if data.fill_down:
        raise InputError(
            "a table knows no order of lines, and data.fill_down takes empty cells from the line above; load the log"
            " that 'clvml check --log log.parquet' writes, name it with --table, and add --set data.fill_down=false"
        )
    if data.guests == "reject" or data.customer_ids in ("casefold", "loose"):
        wanted = f"data.customer_ids is {data.customer_ids}" if data.customer_ids else "data.guests is reject"
        raise InputError(
            f"the SQL takes customer ids as they are, and {wanted}; make a view that has the ids as training had them,"
            " name it with --table, and add --set data.guests=keep --set data.customer_ids=as_is"
        )
    formulas = bind_formulas(data, None)
    mapped = data.columns.mapped()
    columns = {ours: _name(mapped[ours], dialect) for ours in mapped if ours not in formulas.computed}
    numbers = {name: f"cast({sql} as double)" for name, sql in columns.items() if name in COMPUTED}
    for ours, expression in formulas.computed.items():
        numbers[ours] = f"round({_expression_sql(expression, dialect)} * 1e6) / 1e6"
    amount = numbers["amount"]
    day = f"cast({columns['order_date']} as date)"
    customer = f"trim(cast({columns['customer_id']} as varchar))"
    chosen = [f"{customer} as customer_id", f"{day} as order_day", f"{amount} as amount"]
    for ours in optional:
        number = numbers.get("quantity", "")
        fit = f"case when {QUANTITY_FITS.replace('quantity', number)} then {number} end"
        made = fit if ours == "quantity" else f"nullif(trim(cast({columns[ours]} as varchar)), '')"
        chosen.append(f"{made} as {ours}")
    # A NaN compares as the largest number.
    conditions = [f"{customer} <> ''", f"{day} < date '{cutoff}'", f"abs({amount}) < 1e15"]
    if data.currency and "currency" in columns:
        wanted = literal(data.currency.strip().upper())
        conditions.append(f"upper(trim({columns['currency']})) = {wanted}")
    if data.refunds != "net":
        conditions.append(f"{amount} >= 0")
    rows = _table(table, dialect)
    if formulas.where is not None:
        # Before what does not tell lines apart is left out.
        rows = f"(select * from {rows} where {_expression_sql(formulas.where, dialect)}) as purchases"
    return (
        f"select {', '.join(chosen)} from {_distinct(data, rows, dialect)} where {' and '.join(conditions)}"
    )


def _customers_query(
    data: DataConfig,
    asked: AttributesConfig,
    table: str,
    dialect: str,
    attributes: Sequence[AttributeColumn],
) -> str:
    """Return SQL of the table of customers: ids and categories as text, dates as days, numbers as doubles."""
    types = {"category": "nullif(trim(cast({} as varchar)), '')", "number": "cast({} as double)"}
    chosen = [
        f"trim(cast({_name(asked.customer_id or data.columns.customer_id, dialect)} as varchar)) as customer_id"
    ]
    if asked.valid_from:
        chosen.append(f"cast({_name(asked.valid_from, dialect)} as date) as valid_from")
    chosen += [
        f"{types.get(one.kind, 'cast({} as date)').format(_name(one.column, dialect))} as {one.name}"
        for one in attributes
    ]
    return f"select {', '.join(chosen)} from {_table(table, dialect)}"


def _events_query(data: DataConfig, asked: EventsConfig, events: CountedEvents, dialect: str) -> str:
    """Return SQL of the table of events: ids as text, the day, the key of the type, and 1 for each."""
    customer, day = (
        _name(one, dialect) for one in (asked.customer_id or data.columns.customer_id, asked.date)
    )
    kind = "''"
    if asked.type:
        text = f"coalesce(trim(cast({_name(asked.type, dialect)} as varchar)), '')"
        known = " ".join(f"when {literal(one)} then {literal(key)}" for one, key in events.spellings.items())
        kind = f"case {text} {known} end"
    return (
        f"select trim(cast({customer} as varchar)) as customer_id, cast({day} as date) as day, {kind} as type,"
        f" 1e0 as number from {_table(events.table, dialect)}"
    )


def _expression_sql(expression: Expression, dialect: str) -> str:
    kinds = {"number": "double", "text": "varchar", "truth": "boolean"}
    return expression.sql(lambda name, kind: f"cast({_name(name, dialect)} as {kinds[kind]})")


def _distinct(data: DataConfig, table: str, dialect: str) -> str:
    if data.repeats in ("keep", "keep_within"):
        return table if table.startswith("(") else f"{table} as lines"
    if not data.ignore_columns:
        return f"(select distinct * from {table}) as lines"
    if dialect not in _STAR_EXCEPT:
        raise InputError(
            f"{dialect} has no SELECT of all columns but some, which data.ignore_columns"
            f" ({', '.join(data.ignore_columns)}) needs; make a view without these columns, name it with --table, and"
            " add --set data.ignore_columns=[]"
        )
    ignored = ", ".join(_name(name, dialect) for name in data.ignore_columns)
    return f"(select distinct * exclude ({ignored}) from {table}) as lines"


def _name(name: str, dialect: str) -> str:
    """Return a column's name, quoted as DuckDB quotes, unless its case must not be fixed."""
    return identifier(name) if _is_quoted(name, dialect) else name


def _table(name: str, dialect: str) -> str:
    table: exp.Expression | None
    try:
        table = exp.to_table(name, dialect=dialect)
    except (sqlglot.errors.SqlglotError, ValueError, RecursionError):
        table = None
    if table is None or not _is_plain(table) or "\0" in name:
        raise InputError(
            f"table '{name}' is not a name of a table in {dialect}; give it as orders or shop.orders, and quote parts"
            " with blanks or dots as the database does"
        )
    for part in table.find_all(exp.Identifier):
        part.set("quoted", part.args.get("quoted") or _is_quoted(part.name, dialect))
    return table.sql(dialect="duckdb")


def _is_plain(table: exp.Expression) -> bool:
    """Return whether a table is a name of up to three parts and nothing else: no alias, function, query or comment."""
    others = {key for key, value in table.args.items() if value} - {"this", "db", "catalog"}
    parts = [table.args.get(key) for key in ("this", "db", "catalog")]
    return (
        isinstance(table, exp.Table)
        and not others
        and all(part is None or (isinstance(part, exp.Identifier) and part.name) for part in parts)
        and not any(node.comments for node in table.walk())
    )


def _is_quoted(name: str, dialect: str) -> bool:
    # Where plain names are folded to upper case, customer_id in quotes would be another name than without.
    folds_up = Dialect.get_or_raise(dialect).NORMALIZATION_STRATEGY is NormalizationStrategy.UPPERCASE
    return not (folds_up and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name))


def _replace_aggregates(select: exp.Select, without_stddev: bool) -> None:
    """Put aggregates that the dialect lacks in terms of the least, greatest or mean value of the customer.

    ``arg_max(x, k)`` is the x of the row whose k is greatest (k names at most one row of each), and the standard
    deviation is the root of the mean square of what is left over the mean. Those are added to the rows that the
    query reads.
    """
    added: dict[str, str] = {}
    customer = "partition by customer_id"
    for by in list(select.find_all(exp.ArgMax, exp.ArgMin)):
        if by.parent_select is select:
            side = "max" if isinstance(by, exp.ArgMax) else "min"
            value, key = by.this.sql("duckdb"), by.expression.sql("duckdb")
            added[f"{side}_{key}"] = f"{side}({key}) over ({customer})"
            by.replace(_parsed(f"max(case when {key} = {side}_{key} then {value} end)"))
    for deviation in list(select.find_all(exp.StddevSamp)) if without_stddev else ():
        if deviation.parent_select is select:
            value = deviation.this.sql("duckdb")
            added[f"mean_{value}"] = f"avg({value}) over ({customer})"
            left = f"({value} - mean_{value})"
            # Without division by zero where there is one value.
            deviation.replace(_parsed(f"sqrt(sum({left} * {left}) / nullif(count({value}) - 1, 0))"))
    if added:
        source = select.args["from_"].this
        columns = ", ".join(f"{sql} as {name}" for name, sql in added.items())
        source.replace(
            _parsed(f"select *, {columns} from {source.sql('duckdb')}").subquery(source.alias_or_name)
        )


def _partition_by_peers(window: exp.Window) -> None:
    """Turn ``order by x range between current row and current row``, which not all have, into a partition."""
    spec = window.args.get("spec")
    if (
        spec
        and spec.args["kind"].upper() == "RANGE"
        and spec.args["start"] == spec.args["end"] == "CURRENT ROW"
    ):
        peers = [ordered.this.copy() for ordered in window.args["order"].expressions]
        window.set("partition_by", [*window.args["partition_by"], *peers])
        window.set("order", None)
        window.set("spec", None)


def _without_ignore_nulls(window: exp.Window) -> None:
    """Turn ``lag(x ignore nulls)``, which few have, into the largest x before: where x is what rows are ordered by."""
    if isinstance(window.this, exp.IgnoreNulls):
        window.this.replace(exp.Max(this=window.this.this.this))
        before = _parsed("select max(x) over (order by x rows between unbounded preceding and 1 preceding)")
        window.set("spec", before.find(exp.WindowSpec))


def _parsed(sql: str) -> Any:
    return sqlglot.parse_one(sql, read="duckdb")
