"""A table of customers beside the purchase log: what each column holds, and who is in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import AttributesConfig, DataConfig
from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.attribute_table import (
    TABLE,
    AttributeColumn,
    AttributeKind,
    AttributeTable,
    as_read,
    feature_name,
)
from clvml.log.finding import Finding
from clvml.log.identity import folded_sql
from clvml.log.purchase_log import PurchaseLog, hashed
from clvml.log.quality import QualityReport
from clvml.log.table import days_of, read_table, texts_of, with_numbers
from clvml.log.values.time_zones import says_utc
from clvml.storage.addresses import hide_password
from clvml.storage.files import FORMULA
from clvml.storage.sql import MONEY, Run, registered

_GIVEN = "clvml_given_attributes"
_KEY = "data.attributes"
# Where so large a share of the customers have a value of their own, a category identifies them and tells nothing more.
_UNIQUE = 0.9
# Whole numbers that no two of so many customers share are an id.
_FEWEST_OF_AN_ID = 100
# Longer texts are remarks.
_LONGEST = 200
# A date has three parts: other texts are not asked whether they are one.
_DATE = re.compile(r"\d+\D+\w+\D+\d+|\d{8}")


def with_attributes(log: PurchaseLog, data: DataConfig, given: pd.DataFrame | None = None) -> PurchaseLog:
    """Return a log with the attributes of its customers (``data.attributes``), and with what is doubtful about them.

    ``given`` are the attributes' columns as texts, where they are not read from ``data.attributes.source``. The
    fingerprint is then also of the attributes.

    Raises
    ------
    InputError
        The table cannot be read, lacks a column, has two rows of a customer at a time, tells nobody apart, or has no
        customer of the log.
    """
    if data.attributes is None:
        return log
    frame, known = read_customer_table(data, given)
    frame["customer_id"] = ids_found(log.connection, log.table, frame["customer_id"])
    store(log.connection, frame)
    found = missing_customers(lambda query: log.connection.execute(query).fetchall(), log.table, known, data)
    return replace(
        log,
        attributes=known,
        quality=with_columns_told(log.quality, known, found, data),
        fingerprint=fingerprint_with(log.fingerprint, log.connection, TABLE),
    )


def read_customer_table(
    data: DataConfig, given: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, AttributeTable]:
    """Return the table of ``data.attributes``, typed, with ids as the log writes them, and what its columns hold.

    ``given`` and errors are those of `with_attributes`, but that of customers whom the log lacks.
    """
    asked = data.attributes
    if asked is None:
        raise ValueError("no attributes are asked for")
    where = f"'{hide_password(asked.source)}' ({_KEY})"
    texts = read_table(asked.source, _KEY) if given is None else given
    id_column = asked.customer_id or data.columns.customer_id
    needed = [*([asked.valid_from] if asked.valid_from else []), *asked.columns, *asked.categories]
    check_columns(texts, id_column, needed, _KEY, where)
    texts = texts[texts[id_column].notna()].reset_index(drop=True)
    if texts.empty:
        raise InputError(f"{where} holds no row with a customer; export it again, or leave {_KEY} out")
    ids = ids_as_logged(texts[id_column], data)
    name = asked.valid_from
    moments = None if name is None else _moments(texts[name], name, where, data.timezone)
    _check_once(ids, moments, where)
    typed, columns = _typed(texts, ids, asked, [id_column, *data.columns.mapped().values()], where)
    frame = pd.DataFrame({"customer_id": ids.to_numpy(object), **typed})
    if moments is not None:
        frame.insert(1, "valid_from", moments)
    return frame, AttributeTable(columns, moments is not None)


def store(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    """Make the table `TABLE` of what `read_customer_table` returned."""
    with registered(connection, _GIVEN, frame):
        connection.execute(f"create or replace table {TABLE} as from {_GIVEN}")


def with_columns_told(
    quality: QualityReport, known: AttributeTable, found: Sequence[Finding], data: DataConfig
) -> QualityReport:
    """Return a quality report that says what the columns of the table hold, with what was found."""
    told = {**quality.read_as, **as_read(known.columns)}
    return replace(quality.with_warnings(found, data), read_as=told)


def with_attributes_beside(
    log: PurchaseLog, data: DataConfig, frame: pd.DataFrame, columns: Sequence[str]
) -> PurchaseLog:
    """Return a log with the attributes that stand beside the purchases in ``frame``, in every line of a customer.

    Raises
    ------
    InputError
        A column is not there, or holds several values of one customer.
    """
    lacking = [name for name in columns if name not in frame]
    if lacking:
        raise InputError(
            f"the model reads attributes of customers, and the purchase log lacks {first_of(lacking)}; give them in"
            " every line, or give a feature table"
        )
    texts = texts_of(frame[[data.columns.customer_id, *columns]]).drop_duplicates()
    beside = AttributesConfig(source="columns of the purchase log", columns=list(columns))
    return with_attributes(log, data.model_copy(update={"attributes": beside}), texts)


def check_columns(texts: pd.DataFrame, id_column: str, others: Sequence[str], key: str, where: str) -> None:
    """Refuse a table of customers, which ``key`` of the configuration names, that lacks a column."""
    for name in (id_column, *others):
        if name not in texts:
            hint = did_you_mean(name, texts.columns) or f"; its columns are {first_of(texts.columns)}"
            remedy = f"; name the id with {key}.customer_id" if name == id_column else ""
            raise InputError(f"{where} has no column '{name}'{hint}{remedy}")


def ids_as_logged(ids: pd.Series, data: DataConfig) -> pd.Series:
    """Return ids of a table of customers as the log writes them; missing ones are missing."""
    if ids.str.fullmatch(r"-?\d+(\.0)?").fillna(True).all():
        ids = ids.str.removesuffix(".0")
    given = pd.DataFrame({"customer_id": ids.astype(object).where(ids.notna(), None)})
    with duckdb.connect() as connection, registered(connection, _GIVEN, given):
        return connection.execute(f"select {folded_sql(data.customer_ids)} as id from {_GIVEN}").df()["id"]


def ids_found(connection: duckdb.DuckDBPyConnection, customers: str, ids: pd.Series) -> pd.Series:
    """Return ids with the apostrophe before what a spreadsheet would run where the log has them with it alone.

    Reading a table takes it off, and leaves it in the log, which may be of an export that writes it in all its tables.
    """
    runs = ids[ids.str.match(FORMULA).fillna(False).astype(bool)].unique()
    if not len(runs):
        return ids
    told = connection.execute(
        f"select distinct customer_id from {customers} where regexp_matches(customer_id, ?)", [FORMULA]
    ).fetchall()
    logged = {one for (one,) in told}
    return ids.replace({one: f"'{one}" for one in runs if one not in logged and f"'{one}" in logged})


def _moments(texts: pd.Series, name: str, where: str, timezone: str) -> NDArray[np.datetime64]:
    days = days_of(texts, f"{where}: column '{name}'", timezone, in_utc=says_utc(name))
    unread = np.isnat(days)
    if unread.any():
        example = texts[unread].dropna()
        shown = f", such as '{example.iloc[0]}'" if len(example) else ""
        raise InputError(
            f"{where}: {unread.sum():,} rows have no date in '{name}'{shown}; write the day from which each holds"
        )
    return days


def _check_once(ids: pd.Series, moments: NDArray[np.datetime64] | None, where: str) -> None:
    keys = pd.DataFrame({"id": ids} if moments is None else {"id": ids, "day": moments})
    twice = keys[keys.duplicated()].drop_duplicates()
    if twice.empty:
        return
    shown = first_of(twice["id"].drop_duplicates().sort_values(), most=5)
    day, mend = "", f"keep one row of each, or name the day from which a row holds with {_KEY}.valid_from"
    if moments is not None:
        day, mend = " of the same day", "keep one row of each customer and day"
    raise InputError(f"{where} has several rows{day} of {len(twice):,} customers: {shown}; {mend}")


def _typed(
    texts: pd.DataFrame, ids: pd.Series, asked: AttributesConfig, taken: Sequence[str], where: str
) -> tuple[dict[str, pd.Series], tuple[AttributeColumn, ...]]:
    """Return the columns by the names of their features, and what they are.

    ``taken`` are the names of the id and of the columns of the log.
    """
    id_column, *mapped = taken
    typed: dict[str, pd.Series] = {}
    columns: dict[str, AttributeColumn] = {}
    others = [str(name) for name in texts if name not in (id_column, asked.valid_from)]
    for column in asked.columns or others:
        name = feature_name(column)
        if name in columns:
            raise InputError(
                f"{where} has columns '{columns[name].column}' and '{column}', which differ too little; rename one"
            )
        if column in mapped:
            raise InputError(
                f"{where} has a column '{column}', and the purchases have one of this name; rename it"
            )
        kind, typed[name] = _read(texts[column], column in asked.categories, f"{where}: column '{column}'")
        useless = _useless(typed[name], kind, texts[column], ids, column in asked.columns)
        columns[name] = AttributeColumn(name, column, kind, useless)
    if not columns:
        raise InputError(f"{where} has no column beside the id; give it one, or leave {_KEY} out")
    return typed, tuple(columns.values())


def _read(texts: pd.Series, is_name: bool, where: str) -> tuple[AttributeKind, pd.Series]:
    known = texts.dropna()
    # A number that begins with a zero is a postcode or the like.
    if not is_name and not known.str.fullmatch(r"0\d+").any():
        numbers = with_numbers(pd.DataFrame({"x": texts}), where)["x"]
        if pd.api.types.is_float_dtype(numbers):
            if np.isinf(numbers).any():
                raise InputError(
                    f"{where} holds '{texts[np.isinf(numbers)].iloc[0]}', which no model can learn from; correct it, or"
                    f" leave the column out (name the others in {_KEY}.columns)"
                )
            return "number", numbers
        if len(known) and known.map(lambda text: bool(_DATE.match(text))).all():
            days = days_of(texts, where)
            if not np.isnat(days[texts.notna().to_numpy()]).any():
                return "date", pd.Series(days)
    return "category", texts.astype(object).where(texts.notna(), None).astype("category")


def _useless(values: pd.Series, kind: AttributeKind, texts: pd.Series, ids: pd.Series, named: bool) -> str:
    """Return what keeps a column from telling customers apart; empty where nothing does."""
    known = values.notna()
    if not known.any():
        return "is empty"
    different, customers = values.nunique(), ids[known].nunique()
    if different == 1 and known.all():
        return "is the same for all"
    if texts.str.len().max() > _LONGEST:
        return "holds long texts"
    if kind == "category" and different > 2 and different >= _UNIQUE * customers:
        return f"is almost unique to each customer ({different:,} values of {customers:,})"
    is_id = (
        kind == "number"
        and not named
        and customers >= _FEWEST_OF_AN_ID
        and different >= customers
        and bool((values[known] % 1 == 0).all())
    )
    return "looks like an id: no two customers share a number" if is_id else ""


def missing_customers(run: Run, lines: str, known: AttributeTable, data: DataConfig) -> list[Finding]:
    """Return who of the customers of ``lines``, a table, that of attributes lacks; InputError where that is all."""
    asked = data.attributes
    where = f"'{hide_password(asked.source if asked else '')}' ({_KEY})"
    lacks = "filter (where there is null)"
    customers, lacking, rows, money = run(
        f"select count(distinct customer_id), count(distinct customer_id) {lacks}, count(*) {lacks},"
        f" sum(amount::{MONEY}) {lacks} from {lines} left join (select distinct customer_id, true as there"
        f" from {known.table}) as known using (customer_id)"
    )[0]
    if lacking == customers:
        ours, theirs = (run(f"select min(customer_id) from {table}")[0][0] for table in (lines, known.table))
        raise InputError(
            f"{where} has no customer of the purchase log (ids such as '{theirs}' there, '{ours}' here); name its"
            f" column of the same id with {_KEY}.customer_id"
        )
    if not lacking:
        return []
    text = (
        f"{where} lacks {lacking:,} of the {customers:,} customers; their attributes are missing values. Export the"
        " table again if it is older than the purchases"
    )
    return [Finding("customers-without-attributes", text, rows, float(money or 0.0))]


def fingerprint_with(fingerprint: str, connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return the fingerprint of a log and of a table of its customers."""
    described = connection.execute(f"describe {table}").fetchall()
    columns = tuple(f"{name}::varchar" for name, *_ in described)
    _, total, mixed = hashed(connection, table, columns)
    return hashlib.sha256(f"{fingerprint} {', '.join(columns)} {total} {mixed}".encode()).hexdigest()
