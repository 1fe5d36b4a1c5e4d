"""From input columns to typed ones: one temporary table with a row per input row, in input order.

The table's row ids tell a row's place in its part, so no column has to be carried for it. A value that does
not fit its type is kept as text beside it: only those few are looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log.dates import date_sql, iso_sql, slashed_order
from clvml.log.source import Part, copied_part, unreadable
from clvml.storage.files import no_room
from clvml.storage.sql import literal

STAGED = "clvml_staged"
_INCOMING = "clvml_incoming"

IDS = ("customer_id", "order_id", "product_id")
_BLANKS = literal(" \t\r\n\u00a0")
_MISSING = "'(nan|null|none|na|n/a|#n/a|<na>|nat)?'"
_LONGEST_MISSING = 4
_FLOATS = ("FLOAT", "DOUBLE")
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE = (*_SIGNED, *(f"U{name}" for name in _SIGNED))


@dataclass(frozen=True)
class Staged:
    """What is in the staged table.

    Attributes
    ----------
    parts : list of Part
        As they were read in the end.
    columns : tuple of str
        Our names that are mapped.
    date : str
        SQL expression of the order date as local TIMESTAMP, NULL where it cannot be parsed.
    decimal_ids : tuple of str
        Id columns that are whole numbers written as decimals (``12345.0``).
    """

    parts: list[Part]
    columns: tuple[str, ...]
    date: str
    decimal_ids: tuple[str, ...]


def build_staged(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], mapping: dict[str, int], data: DataConfig
) -> Staged:
    """Read all parts into the temporary table ``clvml_staged``, one row per input row.

    Raises
    ------
    InputError
        A file cannot be read, a mapped column stands twice, or a date, amount or quantity column holds
        nothing that can be understood as one.
    """
    for index, theirs in enumerate(parts[0].columns):
        if parts[0].layout and theirs in parts[0].layout.repeated and index in mapping.values():
            raise InputError(f"'{parts[0].name}' has several columns called '{theirs}'; rename all but one")
    ignored = {parts[0].columns.index(name) for name in data.ignore_columns if name in parts[0].columns}
    told_apart = [index for index in range(len(parts[0].columns)) if index not in ignored]
    mixed = {index for index in told_apart if len({part.types[index] for part in parts}) > 1}
    read = []
    for number, part in enumerate(parts):
        # Equal values of different types have different hashes.
        digest = [f"c{index}::VARCHAR" if index in mixed else f"c{index}" for index in told_apart]
        read.append(
            _stage(connection, part, number, mapping, f"hash({', '.join(digest) or '0'})", data.timezone)
        )
    columns = tuple(mapping)
    origin = parts[0].name if len(parts) == 1 else f"{parts[0].name} and {len(parts) - 1} more"
    staged = Staged(read, columns, _check_dates(connection, data, origin), _decimal_ids(connection, columns))
    for ours in ("amount", "quantity"):
        if ours in columns:
            _check_numbers(connection, ours, data, origin)
    return staged


def _stage(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    number: int,
    mapping: dict[str, int],
    digest: str,
    timezone: str,
) -> Part:
    body = _select(part, number, mapping, digest, timezone)
    if part.layout is not None:
        incoming = f"CREATE OR REPLACE TEMP TABLE {_INCOMING} AS"
        try:
            connection.execute(f"{incoming} {body}")
            rows = connection.execute(f"SELECT count(*) FROM {_INCOMING}").fetchall()[0][0]
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            rows = None
        if rows is None or rows + 1 != part.lines or part.layout.starts_blank:
            # Blank lines, line breaks inside fields or broken lines: only the slow reader numbers them right.
            part = copied_part(connection, part, f"clvml_raw_{number}")
            connection.execute(f"{incoming} {_select(part, number, mapping, digest, timezone)}")
        body = f"FROM {_INCOMING}"
    try:
        if number == 0:
            connection.execute(f"CREATE TEMP TABLE {STAGED} AS {body}")
        else:
            connection.execute(f"INSERT INTO {STAGED} {body}")
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        if no_room(error):
            raise
        raise unreadable(part.name, error) from None
    connection.execute(f"DROP TABLE IF EXISTS {_INCOMING}")
    return part


def _select(source: Part, number: int, mapping: dict[str, int], digest: str, timezone: str) -> str:
    """Return the SELECT that types the mapped columns of a part.

    Each step is a query of its own, because DuckDB would work out a nested expression several times.
    """
    types = {ours: source.types[index] for ours, index in mapping.items()}
    cleaned = ", ".join(
        f"{_cleaned_sql(f'c{index}', types[ours])} AS {ours}" for ours, index in mapping.items()
    )
    trimmed = ", ".join(f"c{index}::VARCHAR AS {ours}_read" for ours, index in mapping.items() if ours in IDS)
    typed = ", ".join(_typed_sql(ours, types[ours], timezone) for ours in mapping)
    broken = "broken" if source.copied else "NULL::VARCHAR AS broken"
    return (
        f"SELECT {number} AS part, broken, {', '.join(map(_leftover_sql, mapping))}, digest FROM ("
        f"SELECT broken, {typed}, digest FROM ("
        f"SELECT {broken}, {cleaned}, {trimmed}, {digest} AS digest FROM {source.relation}))"
    )


def _is_text(kind: str) -> bool:
    return not (
        kind in _WHOLE or kind in _FLOATS or kind == "DATE" or kind.startswith(("DECIMAL", "TIMESTAMP"))
    )


def _cleaned_sql(column: str, kind: str) -> str:
    """Return a text column without blanks around it, NULL where it says in a usual way that it is missing."""
    if not _is_text(kind):
        return column
    text = f"{column}::VARCHAR"
    trimmed = f"trim({text}, {_BLANKS})"
    # Trimming a set of characters is slow, so values that plainly need none of this go past it. A pattern and
    # no IN: DuckDB turns a long IN into a join, and a table made through a join loses the input's order.
    plain = " AND ".join(f"ascii({end}) > 32 AND ascii({end}) <> 160" for end in (text, f"right({text}, 1)"))
    return (
        f"CASE WHEN strlen({text}) > {_LONGEST_MISSING} AND {plain} THEN {text} "
        f"WHEN NOT regexp_full_match(lower({trimmed}), {_MISSING}) THEN {trimmed} END"
    )


def _typed_sql(ours: str, kind: str, timezone: str) -> str:
    """Return the SQL of one mapped column, with its text beside it where it may not fit its type."""
    if ours in IDS:
        if kind in _FLOATS:
            # Large floats would be written with an exponent; whole ones are handled like the text '12345.0'.
            whole = f"isfinite({ours}) AND {ours} = trunc({ours}) AND abs({ours}) < 9e15"
            text = f"WHEN NOT isnan({ours}) THEN {ours}::VARCHAR"
            written = f"CASE WHEN {whole} THEN {ours}::BIGINT::VARCHAR || '.0' {text} END"
            return f"{written} AS {ours}, false AS {ours}_trimmed"
        flag = f"{ours} <> {ours}_read AS {ours}_trimmed" if _is_text(kind) else f"false AS {ours}_trimmed"
        return f"{ours}::VARCHAR AS {ours}, {flag}"
    if ours == "currency":
        return "upper(currency::VARCHAR) AS currency"
    if ours != "order_date":
        if _is_text(kind):
            return f"TRY_CAST({ours} AS DOUBLE) AS {ours}, {ours} AS {ours}_text"
        return f"TRY_CAST({ours} AS DOUBLE) AS {ours}, NULL::VARCHAR AS {ours}_text"
    if kind == "TIMESTAMP WITH TIME ZONE":
        local = f"timezone({literal(timezone)}, order_date)"
        return f"{local} AS order_ts, order_date IS NOT NULL AS zoned, NULL::VARCHAR AS date_text"
    if not _is_text(kind) and kind not in _WHOLE and kind not in _FLOATS and not kind.startswith("DECIMAL"):
        local = "CASE WHEN isfinite(order_date) THEN order_date::TIMESTAMP END"
        return f"{local} AS order_ts, false AS zoned, order_date::VARCHAR AS date_text"
    text = "order_date::VARCHAR"
    parsed, zoned = iso_sql(text, timezone)
    return f"{parsed} AS order_ts, {zoned} AS zoned, {text} AS date_text"


def _leftover_sql(ours: str) -> str:
    if ours in IDS:
        return f"{ours}, {ours}_trimmed"
    if ours == "currency":
        return ours
    if ours == "order_date":
        return "order_ts, zoned, CASE WHEN order_ts IS NULL THEN date_text END AS date_text"
    return f"{ours}, CASE WHEN {ours} IS NULL THEN {ours}_text END AS {ours}_text"


def _check_dates(connection: duckdb.DuckDBPyConnection, data: DataConfig, origin: str) -> str:
    column = data.columns.order_date
    order = slashed_order(connection, STAGED, column)
    expression = date_sql(order)
    unfit, fit = connection.execute(
        f"SELECT count(date_text), count({expression}) FROM {STAGED} WHERE broken IS NULL"
    ).fetchall()[0]
    if unfit and not fit:
        raise InputError(
            f"column '{column}' (order_date) of '{origin}' holds no date that can be read, for example "
            f"{_examples(connection, 'date_text')}; write dates as 2024-01-31 or 2024-01-31 18:30:00, "
            "or name another column in data.columns.order_date"
        )
    return expression


def _check_numbers(connection: duckdb.DuckDBPyConnection, ours: str, data: DataConfig, origin: str) -> None:
    unfit, fit, commas = connection.execute(
        f"SELECT count({ours}_text), count({ours}), count(*) FILTER (contains({ours}_text, ',')) "
        f"FROM {STAGED} WHERE broken IS NULL"
    ).fetchall()[0]
    if unfit and not fit:
        mend = f"name another column in data.columns.{ours}"
        if commas:
            mend = "write decimals with a point and thousands without a separator (1234.50)"
        column = data.columns.mapped()[ours]
        raise InputError(
            f"column '{column}' ({ours}) of '{origin}' holds no number that can be read, "
            f"for example {_examples(connection, f'{ours}_text')}; {mend}"
        )


def _examples(connection: duckdb.DuckDBPyConnection, column: str) -> str:
    rows = connection.execute(
        f"SELECT DISTINCT {column} FROM {STAGED} WHERE {column} IS NOT NULL AND broken IS NULL "
        "ORDER BY 1 LIMIT 3"
    ).fetchall()
    return ", ".join(f"'{row[0][:40]}'" for row in rows)


def _decimal_ids(connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...]) -> tuple[str, ...]:
    ids = [name for name in IDS if name in columns]
    written = ", ".join(f"count(*) FILTER ({name} LIKE '%.0')" for name in ids)
    counts = connection.execute(f"SELECT {written} FROM {STAGED} WHERE broken IS NULL").fetchall()[0]
    candidates = [name for name, count in zip(ids, counts, strict=True) if count]
    if not candidates:
        return ()
    whole = ", ".join(f"bool_and(regexp_full_match({name}, '-?\\d+(\\.0)?'))" for name in candidates)
    flags = connection.execute(f"SELECT {whole} FROM {STAGED} WHERE broken IS NULL").fetchall()[0]
    return tuple(name for name, is_whole in zip(candidates, flags, strict=True) if is_whole)
