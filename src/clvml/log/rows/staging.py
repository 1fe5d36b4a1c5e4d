"""From input columns to typed ones: one temporary table with a row per input row, in input order.

Row ids tell the place of a row in its part, so no column has to carry it. The texts of numbers and dates are gathered
first, because a format is decided on all texts of a column; texts that do not fit it are kept beside the value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb

from clvml.config import ColumnsConfig, DataConfig
from clvml.errors import InputError, did_you_mean
from clvml.log.finding import Finding
from clvml.log.identity import float_id_sql, is_whole_sql
from clvml.log.mapping import plain
from clvml.log.readers.parts import (
    Part,
    check_column,
    copied_part,
    header_lines,
    is_plain,
    line_of,
    unreadable,
)
from clvml.log.readers.text_files import shown_encoding
from clvml.log.rows.line_rules import IDS, IS_SOUND
from clvml.log.rows.report_lines import BROKEN, mark_headers, mark_other_tables, mark_totals
from clvml.log.values.dates import DateFormat, date_sql, iso_sql, within_calendar
from clvml.log.values.formats import Column, Formats, Locate, choose_formats
from clvml.log.values.numbers import MISSING, NumberFormat, number_sql
from clvml.log.values.time_zones import moved_sql, says_utc
from clvml.log.values.unreadable import check_broken, check_readable
from clvml.storage.files import no_room
from clvml.storage.sql import literal

STAGED = "clvml_staged"
_GATHERED = "clvml_gathered"
_INCOMING = "clvml_incoming"

_BLANKS = literal(" \t\r\n\u00a0")
# Digits of Arabic, of Persian and of full width, and the signs between them.
_FOREIGN = "".join(chr(zero + digit) for zero in (0x660, 0x6F0, 0xFF10) for digit in range(10)) + "٫٬．，／"
_ASCII = "0123456789" * 3 + ".,.,/"
_LONGEST_MISSING = 4
_FLOATS = ("FLOAT", "DOUBLE")
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE = (*_SIGNED, *(f"U{name}" for name in _SIGNED))


@dataclass(frozen=True)
class Staged:
    """What is in the staged table: our names that are mapped, of ``parts`` as they were read in the end.

    ``decimal_ids`` are id columns that are whole numbers written as decimals (``12345.0``). ``read_as`` says by our
    names how the columns that are text were read. ``warnings`` are of what was left out of workbooks and assumed of
    formats.
    """

    parts: list[Part]
    columns: tuple[str, ...]
    decimal_ids: tuple[str, ...]
    read_as: dict[str, str]
    warnings: tuple[Finding, ...] = ()


def build_staged(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Part],
    mapping: dict[str, int],
    data: DataConfig,
    texts: Collection[int] = (),
) -> Staged:
    """Read all parts into the temporary table ``clvml_staged``, one row per input row.

    ``mapping`` has our names and the positions of their columns; names that are not ours are of numbers. The columns
    at the positions ``texts`` are kept as they stand in the file, too (`text_operand`).

    Raises
    ------
    InputError
        A file cannot be read, a mapped column stands twice, or the texts of a date or number column leave their
        format open, contradict each other, or are something else too often.
    """
    for part in parts:
        for ours, index in mapping.items():
            check_column(part, parts[0].columns[index], ours)
        for index in texts:
            check_column(part, parts[0].columns[index], "data.where")
    known = (*parts[0].columns, *ColumnsConfig.model_fields)
    for name in data.formats:
        if name not in known:
            raise InputError(
                f"data.formats names '{name}', which is not a column of '{parts[0].name}'{did_you_mean(name, known)}"
            )
    ignored = {parts[0].columns.index(name) for name in data.ignore_columns if name in parts[0].columns}
    told_apart = [index for index in range(len(parts[0].columns)) if index not in ignored]
    mixed = {index for index in told_apart if len({part.types[index] for part in parts}) > 1}
    # Equal values of different types have different hashes.
    told = ", ".join(f"c{index}::VARCHAR" if index in mixed else f"c{index}" for index in told_apart)
    digest = f"hash({told or '0'})"
    read = [
        _gather(connection, part, number, mapping, texts, digest, data.timezone)
        for number, part in enumerate(parts)
    ]
    columns = tuple(mapping)
    origin = parts[0].name if len(parts) == 1 else f"{parts[0].name} and {len(parts) - 1} more"
    to_read = {
        ours: Column(ours, parts[0].columns[index], origin)
        for ours, index in mapping.items()
        if ours not in (*IDS, "currency") and any(_is_written(ours, part.types[index]) for part in read)
    }
    _make_digits_ascii(connection, [_text_of(ours) for ours in to_read])
    named = (parts[0].columns[mapping[ours]] for ours in ("customer_id", "order_date"))
    mark_headers(connection, _GATHERED, columns, *named)
    mark_totals(connection, _GATHERED, columns)
    locate = partial(_located, connection, read)
    formats, read_as = _type(connection, len(read), to_read, data, locate)
    others = mark_other_tables(connection, STAGED, columns, origin, locate)
    check_broken(connection, STAGED, BROKEN, origin, data, locate)
    for ours, column in to_read.items():
        value = "order_ts" if ours == "order_date" else ours
        check_readable(connection, STAGED, _text_of(ours), value, column, read_as[ours], data, locate)
    if says_utc(parts[0].columns[mapping["order_date"]]):
        moved = moved_sql(connection, STAGED, "UTC", data.timezone, "NOT zoned")
        if moved != "order_ts":
            connection.execute(f"UPDATE {STAGED} SET order_ts = {moved}, zoned = true WHERE NOT zoned")
    encodings = dict.fromkeys(shown_encoding(part.encoding) for part in read if part.encoding)
    if set(encodings) - {"utf-8"}:
        read_as["encoding"] = " or ".join(encodings)
    findings = [*(finding for part in read for finding in part.findings), *formats.warnings, *others]
    alike = {plain(name): name for name in parts[0].columns}
    findings += [
        Finding(
            "misspelt-column",
            f"data.ignore_columns names '{name}', which '{origin}' calls '{alike[plain(name)]}'; it tells lines apart",
        )
        for name in data.ignore_columns
        if name not in parts[0].columns and plain(name) in alike
    ]
    return Staged(read, columns, _decimal_ids(connection, columns), read_as, tuple(findings))


def _gather(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    number: int,
    mapping: dict[str, int],
    texts: Collection[int],
    digest: str,
    timezone: str,
) -> Part:
    """Append the rows of a part to the table of texts, and return the part as it was read."""
    body = _select(part, number, mapping, texts, digest, timezone)
    table = _GATHERED if number == 0 else _INCOMING
    create = f"CREATE OR REPLACE TEMP TABLE {table} AS"
    try:
        if part.layout is None:
            connection.execute(f"{create} {body}" if number == 0 else f"INSERT INTO {_GATHERED} {body}")
            return part
        if not (is_plain(part) and _has_all_lines(connection, f"{create} {body}", table, part)):
            # Blank lines, line breaks inside fields or broken lines: only the slow reader numbers them right.
            part = copied_part(connection, part, f"clvml_raw_{number}")
            connection.execute(f"{create} {_select(part, number, mapping, texts, digest, timezone)}")
        if number > 0:
            connection.execute(f"INSERT INTO {_GATHERED} FROM {_INCOMING}")
            connection.execute(f"DROP TABLE {_INCOMING}")
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        if no_room(error):
            raise
        raise unreadable(part.name, error) from None
    return part


def _has_all_lines(connection: duckdb.DuckDBPyConnection, create: str, table: str, part: Part) -> bool:
    try:
        connection.execute(create)
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.NotImplementedException):
        # Long lines and long runs of blank ones are more than it can take, too.
        return False
    rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    return rows + header_lines(part) == part.lines


def _select(
    source: Part, number: int, mapping: dict[str, int], texts: Collection[int], digest: str, timezone: str
) -> str:
    """Return the SELECT of the mapped columns of a part: typed, or the text where it may not fit.

    Each step is a query of its own, because DuckDB would work out a nested expression several times.
    """
    types = {ours: source.types[index] for ours, index in mapping.items()}
    cleaned = ", ".join(
        f"{cleaned_sql(f'c{index}', types[ours])} AS {ours}" for ours, index in mapping.items()
    )
    trimmed = ", ".join(f"c{index}::VARCHAR AS {ours}_read" for ours, index in mapping.items() if ours in IDS)
    typed = ", ".join(_typed_sql(ours, types[ours], timezone) for ours in mapping)
    kept = "".join(f", {text_operand(index)}" for index in texts)
    as_text = "".join(f", nullif(c{index}::VARCHAR, '') AS {text_operand(index)}" for index in texts)
    timestamp = within_calendar("order_ts")
    broken = "broken" if source.copied else "NULL::VARCHAR AS broken"
    return (
        f"SELECT {number} AS part, * REPLACE ({timestamp} AS order_ts,"
        f" CASE WHEN {timestamp} IS NULL THEN date_text END AS date_text) FROM ("
        f"SELECT broken, {typed}, digest{kept} FROM ("
        f"SELECT {broken}, {cleaned}, {trimmed}, {digest} AS digest{as_text} FROM {source.relation}))"
    )


def _type(
    connection: duckdb.DuckDBPyConnection,
    parts: int,
    texts: dict[str, Column],
    data: DataConfig,
    locate: Locate,
) -> tuple[Formats, dict[str, str]]:
    """Make the staged table: texts read in the formats of their columns; return these, and by our names in words.

    The formats of parts that differ stand one after the other.
    """
    numbers = [column for ours, column in texts.items() if ours != "order_date"]
    sound = f"(SELECT *, rowid AS place FROM {_GATHERED} WHERE {IS_SOUND})"
    formats = choose_formats(connection, sound, numbers, texts.get("order_date"), parts, data, locate)
    written: dict[str, Sequence[NumberFormat | DateFormat]] = {**formats.numbers}
    written["order_date"] = formats.dates or [DateFormat()]
    read_as = {ours: " or ".join(dict.fromkeys(each.example for each in written[ours])) for ours in texts}
    replaced = []
    for column in numbers:
        sqls = [number_sql(f"{column.ours}_text", number) for number in formats.numbers[column.ours]]
        replaced.append(f"coalesce({column.ours}, {_by_part_sql(sqls)}) AS {column.ours}")
    if formats.dates:
        read, zoned = zip(
            *(date_sql("date_text", dates, data.timezone) for dates in formats.dates), strict=True
        )
        replaced += [f"coalesce(order_ts, {_by_part_sql(read)}) AS order_ts"]
        replaced += [f"zoned OR (order_ts IS NULL AND {_by_part_sql(zoned)}) AS zoned"]
    if not replaced:
        connection.execute(f"ALTER TABLE {_GATHERED} RENAME TO {STAGED}")
        return formats, read_as
    left = [
        f"CASE WHEN {column.ours} IS NULL THEN {column.ours}_text END AS {column.ours}_text"
        for column in numbers
    ]
    if formats.dates:
        timestamp = within_calendar("order_ts")
        left += [f"{timestamp} AS order_ts", f"CASE WHEN {timestamp} IS NULL THEN date_text END AS date_text"]
    connection.execute(
        f"CREATE TEMP TABLE {STAGED} AS SELECT * REPLACE ({', '.join(left)}) FROM"
        f" (SELECT * REPLACE ({', '.join(replaced)}) FROM {_GATHERED})"
    )
    connection.execute(f"DROP TABLE {_GATHERED}")
    return formats, read_as


def _make_digits_ascii(connection: duckdb.DuckDBPyConnection, texts: Collection[str]) -> None:
    """Rewrite the texts in digits of another script; most texts have as many bytes as letters and need no pattern."""
    for text in texts:
        foreign = f"strlen({text}) > length({text}) AND regexp_matches({text}, '[{_FOREIGN}]')"
        ascii_text = f"translate({text}, {literal(_FOREIGN)}, {literal(_ASCII)})"
        connection.execute(f"UPDATE {_GATHERED} SET {text} = {ascii_text} WHERE {foreign}")


def _text_of(ours: str) -> str:
    """Return what holds the texts of a column that is no number or date by its type."""
    return "date_text" if ours == "order_date" else f"{ours}_text"


def _by_part_sql(expressions: Sequence[str]) -> str:
    """Return the SQL of what is one expression for some parts and another one for others."""
    if len(set(expressions)) == 1:
        return expressions[0]
    cases = [
        f"WHEN part IN ({', '.join(str(part) for part, other in enumerate(expressions) if other == each)}) THEN {each}"
        for each in dict.fromkeys(expressions)
    ]
    return f"CASE {' '.join(cases)} END"


def _located(connection: duckdb.DuckDBPyConnection, parts: list[Part], place: int) -> str:
    """Return where a row of the staged table stands, in words."""
    (table,) = connection.execute(
        f"SELECT table_name FROM duckdb_tables() WHERE table_name IN ('{_GATHERED}', '{STAGED}')"
    ).fetchall()[0]
    number, position = connection.execute(
        f"SELECT part, {place} - (SELECT min(rowid) FROM {table} AS first WHERE first.part = {table}.part) FROM {table}"
        f" WHERE rowid = {place}"
    ).fetchall()[0]
    line = line_of(connection, parts[number], position)
    return f"line {line:,}" if len(parts) == 1 else f"line {line:,} of '{parts[number].name}'"


def text_operand(position: int) -> str:
    """Return what the staged table calls the text of a column that an expression compares."""
    return f"text_{position}"


def number_operand(position: int) -> str:
    """Return what the staged table calls the number in a column that an expression counts with."""
    return f"number_{position}"


def _is_text(kind: str) -> bool:
    return not (
        kind in _WHOLE or kind in _FLOATS or kind == "DATE" or kind.startswith(("DECIMAL", "TIMESTAMP"))
    )


def _is_written(ours: str, kind: str) -> bool:
    """Return whether values of a type are to be read in a format: texts, and dates that are numbers."""
    return _is_text(kind) or (ours == "order_date" and not kind.startswith(("DATE", "TIMESTAMP")))


def cleaned_sql(column: str, kind: str) -> str:
    """Return a text column without blanks around it, NULL where it says in a usual way that it is missing."""
    if not _is_text(kind):
        return column
    text = f"{column}::VARCHAR"
    trimmed = f"trim({text}, {_BLANKS})"
    # Trimming a set of characters is slow, so values that plainly need none of this go past it: no word for a missing
    # value ends in a digit. A pattern and no IN: DuckDB turns a long IN into a join, and a table made through a join
    # loses the input's order.
    first, last = f"ascii({text})", f"ascii(right({text}, 1))"
    plain = f"{first} BETWEEN 33 AND 126 AND {last} BETWEEN 33 AND 126"
    return (
        f"CASE WHEN {plain} AND (strlen({text}) > {_LONGEST_MISSING} OR {last} BETWEEN 48 AND 57) THEN {text} "
        f"WHEN NOT regexp_full_match(lower({trimmed}), {literal(MISSING)}) THEN {trimmed} END"
    )


def _typed_sql(ours: str, kind: str, timezone: str) -> str:
    """Return the SQL of one mapped column, with its text beside it where that is to be read."""
    if ours in IDS:
        if kind in _FLOATS:
            return f"{float_id_sql(ours)} AS {ours}, false AS {ours}_trimmed"
        flag = f"{ours} <> {ours}_read AS {ours}_trimmed" if _is_text(kind) else f"false AS {ours}_trimmed"
        return f"{ours}::VARCHAR AS {ours}, {flag}"
    if ours == "currency":
        return "upper(currency::VARCHAR) AS currency"
    if ours != "order_date":
        if _is_text(kind):
            text = ours if ours in ColumnsConfig.model_fields else f"rtrim({ours}, '% ')"
            return f"NULL::DOUBLE AS {ours}, {text} AS {ours}_text"
        return f"TRY_CAST({ours} AS DOUBLE) AS {ours}, NULL::VARCHAR AS {ours}_text"
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        local = f"timezone({literal(timezone)}, order_date::TIMESTAMPTZ)"
        return f"{local} AS order_ts, order_date IS NOT NULL AS zoned, order_date::VARCHAR AS date_text"
    if not _is_written(ours, kind):
        return "order_date::TIMESTAMP AS order_ts, false AS zoned, order_date::VARCHAR AS date_text"
    parsed, zoned = iso_sql("order_date::VARCHAR", timezone)
    return f"{parsed} AS order_ts, {zoned} AS zoned, order_date::VARCHAR AS date_text"


def _decimal_ids(connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...]) -> tuple[str, ...]:
    ids = [name for name in IDS if name in columns]
    written = ", ".join(f"count(*) FILTER ({name} LIKE '%.0')" for name in ids)
    counts = connection.execute(f"SELECT {written} FROM {STAGED} WHERE broken IS NULL").fetchall()[0]
    candidates = [name for name, count in zip(ids, counts, strict=True) if count]
    if not candidates:
        return ()
    whole = ", ".join(f"bool_and({is_whole_sql(name)})" for name in candidates)
    flags = connection.execute(f"SELECT {whole} FROM {STAGED} WHERE broken IS NULL").fetchall()[0]
    return tuple(name for name, is_whole in zip(candidates, flags, strict=True) if is_whole)
