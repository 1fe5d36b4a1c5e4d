"""Files read by Spark as text or typed columns, as DuckDB would read them; what it would read otherwise is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clvml.errors import InputError
from clvml.log.readers.delimited import Layout, read_layout
from clvml.log.readers.parts import find_files, read_parts
from clvml.log.rows.line_rules import IDS
from clvml.log.values.numbers import MISSING
from clvml.storage.addresses import KINDS, is_address
from clvml.storage.workspace import offline_database

_WHOLE = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_DATES = ("date", "timestamp", "timestamp_ntz")
# From nanoseconds since 1970, by DuckDB's type of the column: a wall time, or a moment.
_DAY = 86_400 * 10**9
_TIMES = {
    "TIMESTAMP_NS": "timestamp_ntz'1970-01-01' + make_dt_interval("
    f"cast(({{0}} - pmod({{0}}, {_DAY})) div {_DAY} as int), 0, 0, pmod({{0}}, {_DAY}) div 1000 / 1000000)",
    "TIMESTAMPTZ_NS": "timestamp_micros(({0} - pmod({0}, 1000)) div 1000)",
}
_BLANKS = "' \\t\\r\\n\\u00a0'"
_NUMBER = r"r'^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$'"
_ENDLESS = r"r'^[+-]?(inf|infinity|nan)$'"
_ISO = r"r'^(?!0000)\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?$'"
# No place on earth is farther from UTC.
_OFFSET = r"\+(0\d|1[0-3]):?[0-5]\d|\+14:?00|-(0\d|1[01]):?[0-5]\d|-12:?00"
_ZONED = rf"r'^(?!0000)\d{{4}}-\d{{2}}-\d{{2}}[ T]\d{{2}}:\d{{2}}:\d{{2}}(\.\d{{1,6}})? ?(Z|UTC|{_OFFSET})$'"


def read_raw(session: Any, source: str) -> tuple[Any, tuple[str, ...]]:
    """Return the rows with columns c0, c1, ... and ``part``, and the names of the columns."""
    if is_address(source):
        if source.partition("://")[0].lower() in (*KINDS, "postgres"):
            raise InputError(
                "the Spark engine reads Parquet and CSV, and no databases; leave --engine out, or export the table"
            )
        ending = source.rstrip("/*").rpartition(".")[2].lower()
        if ending in ("csv", "tsv", "gz", "zst"):
            raise InputError(
                f"'{source}': the Spark engine reads CSV from folders here, and from elsewhere only Parquet"
            )
        return _renamed(session.read.parquet(source))
    files = find_files(source)
    for path in files:
        if not {".json", ".jsonl", ".ndjson", ".ods"}.isdisjoint(path.suffixes) or ".xls" in path.suffix:
            raise InputError(
                f"'{path}': the Spark engine reads Parquet and delimited text; leave --engine out"
            )
    if any(path.suffix.lower() in (".parquet", ".pq") for path in files):
        with offline_database() as connection:
            parts = read_parts(connection, source)
        columns = parts[0].columns
        mixed = [
            name
            for name, *kinds in zip(columns, *(part.types for part in parts), strict=True)
            if len({*kinds}) > 1
        ]
        if mixed:
            raise InputError(
                f"the files of '{source}' hold {', '.join(mixed)} as different types; leave --engine out"
            )
        # Nanoseconds, in which pandas keeps times, are not Spark's: it reads them as numbers.
        session.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
        frame = session.read.parquet(*(str(path.absolute()) for path in files))
        kinds = dict(zip(columns, parts[0].types, strict=True))
        times = {
            name: _TIMES[kinds[name]]
            for name, read_as in frame.dtypes
            if read_as == "bigint" and kinds.get(name) in _TIMES
        }
        return _renamed(frame, columns, times)
    layouts = [read_layout(path) for path in files]
    first = layouts[0]
    for path, layout in zip(files, layouts, strict=True):
        if (
            layout != first
            or layout.header_line > 1
            or layout.encoding != "utf-8"
            or layout.repeated
            or path.suffix.lower() in (".zst", ".zip")
        ):
            raise InputError(
                f"'{path}' is written otherwise than Spark reads it (another header or delimiter than the first file,"
                " lines above the header, a name that occurs twice, not UTF-8, .zst or .zip); leave --engine out"
            )
    return _renamed(_csv(session, [str(path.absolute()) for path in files], first), first.columns)


def _csv(session: Any, paths: list[str], layout: Layout) -> Any:
    schema = ", ".join(f"c{index} string" for index in range(len(layout.columns)))
    reader = session.read.options(sep=layout.delimiter, header=True, escape='"', maxCharsPerColumn=-1)
    # A line that has not all columns ends the work: Spark could not say which it is.
    reader = reader.options(mode="FAILFAST", columnPruning=False, unescapedQuoteHandling="RAISE_ERROR")
    return reader.schema(schema).csv(paths)


def _renamed(
    frame: Any, columns: Sequence[str] | None = None, times: Mapping[str, str] | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Return a frame with columns c0, c1, ...; ``times`` is the SQL of those that hold nanoseconds since 1970."""
    names = tuple(columns or frame.columns)
    quoted = {name: f"`{name.replace('`', '``')}`" for name in names}
    made = {name: sql.format(quoted[name]) for name, sql in (times or {}).items()}
    chosen = [f"{made.get(name, quoted[name])} as c{index}" for index, name in enumerate(names)]
    if columns is not None and frame.columns[0] == "c0":
        chosen = [f"c{index}" for index in range(len(names))]
    return frame.selectExpr(*chosen, "_metadata.file_path as part"), names


def typed_column(ours: str, column: str, kind: str, name: str) -> str:
    """Return the SQL of one mapped column, as `clvml.log.rows.staging` types it."""
    is_text = kind == "string"
    trimmed = f"trim(both {_BLANKS} from {column})"
    text = f"case when not lower({trimmed}) rlike r'{MISSING}' then {trimmed} end" if is_text else column
    if ours in IDS and (is_text or kind in _WHOLE):
        flag = f"coalesce({text} <> {column}, false)" if is_text else "false"
        return f"cast({text} as string) as {ours}, {flag} as {ours}_trimmed"
    if ours in IDS and kind in _FLOATS:
        whole = f"{column} = floor({column}) and abs({column}) < 9e15"
        written = f"case when {whole} then concat(cast(cast({column} as bigint) as string), '.0')"
        number = f"{written} when not isnan({column}) then cast({column} as string) end"
        return f"{number} as {ours}, false as {ours}_trimmed"
    if ours == "currency" and is_text:
        return f"upper({text}) as currency"
    is_number = ours not in (*IDS, "order_date", "currency")
    if is_number and (kind in (*_WHOLE, *_FLOATS) or kind.startswith("decimal")):
        return f"cast({column} as double) as {ours}, cast(null as string) as {ours}_text"
    if is_number and is_text:
        number = (
            f"case when ({text}) rlike {_NUMBER} then cast({text} as double)"
            f" when lower({text}) rlike {_ENDLESS} then double('infinity') end"
        )
        return f"{number} as {ours}, {text} as {ours}_text"
    if ours == "order_date" and kind in _DATES:
        local = f"cast({column} as timestamp_ntz)"
        zoned = f"{column} is not null" if kind == "timestamp" else "false"
        return f"{local} as order_ts, {zoned} as zoned, cast(null as string) as date_text"
    if ours == "order_date" and is_text:
        # The session's time zone is that of the log. Shops write -0500 where Spark reads -05:00.
        instant = f"regexp_replace({text}, r' ?([+-]\\d{{2}}):?(\\d{{2}})$', '$1:$2')"
        parsed = (
            f"case when ({text}) rlike {_ISO} then try_cast({text} as timestamp_ntz)"
            f" when ({text}) rlike {_ZONED} then cast(try_cast({instant} as timestamp) as timestamp_ntz) end"
        )
        return f"{parsed} as order_ts, coalesce(({text}) rlike {_ZONED}, false) as zoned, {text} as date_text"
    raise InputError(
        f"column '{name}' ({ours}) is of type {kind}, which the Spark engine does not take; leave --engine out, or"
        " convert it first"
    )
