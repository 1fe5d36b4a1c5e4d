"""From DATA to the purchase log: what the rest of the package starts from."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd

from clvml.config import DataConfig, ValueConfig
from clvml.errors import InputError
from clvml.expressions import Kind
from clvml.log.example import example_lines
from clvml.log.finding import Finding
from clvml.log.hints.column_hints import column_findings
from clvml.log.mapping import map_columns
from clvml.log.presets import fit_preset
from clvml.log.purchase_log import TABLE, WITH_MARGINS, PurchaseLog, fingerprint
from clvml.log.quality import build_quality
from clvml.log.readers.date_parts import with_dates
from clvml.log.readers.delimited import TOO_FEW_COLUMNS
from clvml.log.readers.frame import FRAME
from clvml.log.readers.month_columns import DATE, are_months_as_rows, with_months_as_rows
from clvml.log.readers.parts import file_findings, read_parts, stamps
from clvml.log.rows.cleaning import VERDICTS, ReasonCount, build_verdicts, count_reasons
from clvml.log.rows.derived import bind_formulas, place_of_category, stage_operands
from clvml.log.rows.line_rules import rejected_reasons
from clvml.log.rows.rates import RATES, convert, read_rates
from clvml.log.rows.rejects import write_rejects
from clvml.log.sources import Asked, join_sources, rejects_of, source_table
from clvml.storage.addresses import hide_password
from clvml.storage.files import TABLES
from clvml.storage.outputs import check_output
from clvml.storage.sql import identifier, setting
from clvml.storage.workspace import offline_database


def read_purchase_log(
    data: DataConfig,
    *,
    source: str | pd.DataFrame | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    now: datetime,
    as_of: date | None = None,
    rejects: Path | None = None,
    horizon_days: int | None = None,
    hints: bool = False,
    crosswalk: Path | None = None,
    example: Collection[tuple[str, Kind]] | None = None,
    value: ValueConfig | None = None,
) -> PurchaseLog:
    """Read, type, check and de-duplicate a purchase log.

    Parameters
    ----------
    data : DataConfig
        Where the log is and how its lines are cleaned. Names in ``ignore_columns`` that the input lacks are
        passed over, because a file to score may come without them.
    source : str or DataFrame, optional
        File, directory, wildcard, database address or frame read in place of ``data.source`` or ``data.sources``.
    connection : duckdb.DuckDBPyConnection, optional
        Where the table is made (an earlier one is replaced); by default a new in-memory database.
    now : datetime
        Lines dated later are rejected. Without a zone it is local wall time in ``data.timezone``.
    as_of : date, optional
        Nothing dated at or after this day is used.
    rejects : Path, optional
        File (.csv or .parquet) for the rejected rows; one for each of several sources, with its name before the ending.
    horizon_days : int, optional
        Days of future to predict, which the report compares with the customers' rhythm.
    hints : bool
        Warn also of what columns say that are not used, such as a status; the input is read again for it.
    crosswalk : Path, optional
        File (.csv or .parquet) for which id of which source became which customer (``data.identity``).
    example : collection of (str, kind), optional
        Keep the first lines as an example of the input, with these columns beside those that are read.
    value : ValueConfig, optional
        Keep what tells the margin of a line, too: its cost, or its category.

    Raises
    ------
    InputError
        The source cannot be read, its columns do not fit the mapping, or no line of it can be used.
    """
    if isinstance(as_of, datetime):
        raise TypeError("as_of must be a date without a time; pass as_of.date()")
    asked = Asked(now, as_of, rejects, horizon_days, hints, crosswalk, example, value)
    _check_outputs(data, source, rejects, crosswalk)
    own = connection is None
    if connection is None:
        connection = offline_database()
    try:
        # A row is known by its place in the input, so tables must keep that order.
        with setting(connection, "preserve_insertion_order", "true"):
            if data.rates and data.currency:
                read_rates(connection, data.rates, data.currency)
            if source is None and data.sources:
                return _read_sources(connection, data, asked)
            return _read(connection, data, data.source if source is None else source, asked)
    except BaseException:
        if own:
            connection.close()
        raise
    finally:
        with suppress(duckdb.Error):
            _drop_temporary(connection)


def _check_outputs(
    data: DataConfig, source: str | pd.DataFrame | None, rejects: Path | None, crosswalk: Path | None
) -> None:
    """Refuse files beside the log that could not be written, or that are read: as the log, or beside it."""
    if crosswalk is not None and (source is not None or not data.identity):
        raise InputError(
            f"there is no crosswalk for '{crosswalk}': ids are matched by data.identity of a configuration with"
            " data.sources; leave it out, or DATA"
        )
    if source is not None:
        # A frame lies nowhere.
        data = data.with_source(source if isinstance(source, str) else "")
    written = {"crosswalk": [crosswalk] if crosswalk else [], "rejects file": [rejects] if rejects else []}
    if rejects and data.sources:
        written["rejects file"] = [rejects_of(rejects, name) for name in data.sources]
    for what, paths in written.items():
        for path in paths:
            for place in data.places().values() or [None]:
                check_output(path, TABLES, place, what)


def _read_sources(connection: duckdb.DuckDBPyConnection, data: DataConfig, asked: Asked) -> PurchaseLog:
    """Read each source as a log of its own, and put them together."""
    reports = {}
    known: dict[str, str] = {}
    try:
        for number, (name, own) in enumerate(data.sources.items()):
            # The day of another time zone may be a day of the log that is not observed.
            until = asked.as_of if own.timezone == data.timezone else None
            rejects = asked.rejects and rejects_of(asked.rejects, name)
            try:
                own = own.model_copy(update={"rates": data.rates})
                log = _read(
                    connection, own, own.source, replace(asked, as_of=until, rejects=rejects), data.currency
                )
            except InputError as error:
                raise InputError(f"source '{name}': {error}") from None
            if same := known.get(log.fingerprint):
                raise InputError(
                    f"sources '{same}' and '{name}' hold the same lines, each of them; leave one of the two out"
                )
            known[log.fingerprint] = name
            _drop_temporary(connection, but=RATES)
            connection.execute(f"ALTER TABLE {TABLE} RENAME TO {source_table(number)}")
            reports[name] = log.quality
        columns, quality = join_sources(connection, data, reports, asked, TABLE)
    finally:
        for number in range(len(data.sources)):
            connection.execute(f"DROP TABLE IF EXISTS {source_table(number)}")
    return PurchaseLog(connection, quality, columns, fingerprint(connection, columns))


def _read(
    connection: duckdb.DuckDBPyConnection,
    data: DataConfig,
    source: str | pd.DataFrame,
    asked: Asked,
    into: str | None = None,
) -> PurchaseLog:
    """Read a source; ``into`` is the currency that rates convert to, ``data.currency`` unless given."""
    before = stamps(source)
    try:
        log = _read_once(connection, data, source, asked, into or data.currency)
    except (InputError, OSError, duckdb.Error) as error:
        # What is wrong may only be that the file was half written when it was read.
        changed = _change(source, before)
        if changed and not isinstance(error, duckdb.InterruptException):
            raise InputError(changed) from None
        raise
    changed = _change(source, before)
    if changed:
        raise InputError(changed)
    return log


def _change(source: str | pd.DataFrame, before: dict[str, tuple[int, ...]]) -> str:
    """Return what happened to the files since ``before``, as an error to show; empty where nothing did."""
    try:
        after = stamps(source)
    except (InputError, OSError):
        after = {}
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"'{names[0]}'{more} changed while it was read; wait until the export has ended, then run it again"


def _read_once(
    connection: duckdb.DuckDBPyConnection,
    data: DataConfig,
    source: str | pd.DataFrame,
    asked: Asked,
    into: str | None,
) -> PurchaseLog:
    name = source if isinstance(source, str) else FRAME
    parts = read_parts(connection, source, data)
    if are_months_as_rows(data.columns.mapped().values(), parts[0].columns):
        parts = with_months_as_rows(connection, parts)
    elif data.columns.order_date == DATE:
        parts = with_dates(connection, parts)
    given = data
    data, names = fit_preset(data, parts[0].columns, parts[0].name)
    formulas = bind_formulas(data, names, asked.value)
    mapping = map_columns(data.columns, names, parts[0].name, formulas.computed)
    mapping |= place_of_category(asked.value, names, parts[0].name)
    staged = stage_operands(connection, parts, mapping, formulas, data)
    converted: list[Finding] = []
    if data.rates and into:
        converted = convert(connection, staged, data, data.rates, into)
        data = data.model_copy(update={"currency": into})
    local_now = asked.local_now(data)
    warnings = build_verdicts(connection, staged, data, local_now, asked.as_of, len(parts) > 1)
    rows_in, money_in, reasons = count_reasons(connection, staged, data)
    if asked.rejects is not None:
        write_rejects(connection, staged.parts, rejected_reasons(data), asked.rejects)
    if rows_in == sum(count.rows for count in reasons if count.treatment in ("rejected", "dropped")):
        raise _nothing_left(hide_password(name), rows_in, reasons, asked.as_of)
    optional = tuple(column for column in WITH_MARGINS if column in staged.columns)
    columns = ("customer_id", "order_ts", "order_day", "amount", *optional)
    listed = ", ".join(("customer_id", "order_ts", "order_ts::DATE AS order_day", "amount", *optional))
    connection.execute(
        f"CREATE OR REPLACE TABLE {TABLE} AS SELECT {listed} FROM {VERDICTS} WHERE reason IS NULL"
    )
    quality = build_quality(
        lambda query: connection.execute(query).fetchall(),
        TABLE,
        columns,
        data,
        rows_in,
        money_in,
        reasons,
        asked.as_of or local_now.date(),
        [*file_findings(source), *staged.warnings, *converted, *warnings],
        staged.read_as,
        asked.horizon_days,
    )
    log = PurchaseLog(connection, quality, columns, fingerprint(connection, columns))
    if asked.example is not None:
        read_as = {**staged.read_as, **data.formats}
        example = example_lines(connection, staged.parts, names, mapping, formulas, asked.example, read_as)
        log = replace(log, example=example)
    if not asked.hints:
        return log
    found = column_findings(log, given, staged.parts)
    return replace(log, quality=quality.with_warnings(found, data))


def _nothing_left(source: str, rows_in: int, reasons: list[ReasonCount], as_of: date | None) -> InputError:
    if rows_in == 0:
        return InputError(f"'{source}' has a header and no data line; export it again")
    left_out = sorted(reasons, key=lambda count: -count.rows)
    if left_out[0].reason == TOO_FEW_COLUMNS and left_out[0].rows == rows_in:
        return InputError(
            f"no line of '{source}' has as many fields as its header ({rows_in:,} read); where each line stands in"
            " quotes as a whole, or another sign is between its fields, export it again"
        )
    words = ", ".join(f"{count.reason} ({count.rows:,})" for count in left_out)
    until = f" before {as_of}" if as_of is not None else ""
    return InputError(
        f"no line of '{source}' can be used{until}: {rows_in:,} read, left out for {words}; check "
        "data.columns, data.timezone and the as-of date against the file"
    )


def _drop_temporary(connection: duckdb.DuckDBPyConnection, but: str = "") -> None:
    for kind in ("view", "table"):
        found = connection.execute(
            f"SELECT {kind}_name FROM duckdb_{kind}s() WHERE temporary AND {kind}_name LIKE 'clvml\\_%' ESCAPE '\\'"
            f" AND {kind}_name <> ?",
            [but],
        )
        for (name,) in found.fetchall():
            connection.execute(f"DROP {kind} {identifier(name)}")
