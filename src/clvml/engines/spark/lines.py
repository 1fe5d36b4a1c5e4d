"""Order lines on Spark: read, judged by the rules of `clvml.log`, and counted.

What passes the checks here passes them there, with the same values, and rows are left out for the same reasons.
What Spark would read otherwise than DuckDB is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from clvml.config import DataConfig
from clvml.engines.spark.faults import is_spark_error, unreadable_source
from clvml.engines.spark.translation import apply_formulas, move_from_utc
from clvml.engines.spark.typed_files import read_raw, typed_column
from clvml.engines.warehouse import translate
from clvml.errors import InputError
from clvml.log.attribute_table import AttributeTable
from clvml.log.event_table import EventCount, EventTable
from clvml.log.finding import Finding
from clvml.log.identity import folded_sql, nobody_sql
from clvml.log.mapping import map_columns
from clvml.log.presets import fit_preset
from clvml.log.purchase_log import OPTIONAL
from clvml.log.rows import line_rules
from clvml.log.rows.cleaning import ReasonCount, count_of
from clvml.log.rows.derived import IN_WHERE, bind_formulas
from clvml.log.rows.line_rules import IDS
from clvml.log.rows.staging import number_operand, text_operand
from clvml.log.values.numbers import FORMATS, Spelling, compare_formats, parse_example, parse_number
from clvml.log.values.time_zones import says_utc
from clvml.storage.addresses import hide_password

_NUMBERS = itertools.count(1)
_JUDGED = "clvml_judged"
# What DuckDB might read as a date although it is not ISO.
_PERHAPS = (
    r"r'^\d{4}[-/]|^\d{8}(\D|$)|^\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})(\D|$)|\d.*[A-Za-z]{3}|[A-Za-z]{3}.*\d'"
)
_MONEY = "decimal(38, 6)"


@dataclass(frozen=True)
class SparkQuality:
    """What was read and what came of it; see `clvml.log.QualityReport`."""

    rows_in: int
    money_in: float
    rows_out: int
    money_out: float
    reasons: tuple[ReasonCount, ...]
    currency: str | None
    warnings: tuple[Finding, ...] = ()
    events: EventCount | None = None


@dataclass(frozen=True)
class SparkLog:
    """The purchase log as a temporary view of a Spark session, one row per accepted line.

    ``columns``, ``first_day`` and ``last_day`` are as of `clvml.log.PurchaseLog`. ``attributes`` is what else is known
    of the customers, in another temporary view; ``customers`` is the same table here, as
    `clvml.log.attribute_reading.read_customer_table` returns it. ``events`` is what else they did, in
    another view, and ``event_rows`` are the rows of that view here.
    """

    session: Any
    quality: SparkQuality
    columns: tuple[str, ...]
    first_day: date
    last_day: date
    table: str
    attributes: AttributeTable | None = None
    customers: pd.DataFrame | None = None
    events: EventTable | None = None
    event_rows: pa.Table | None = None

    def run(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, which is written for DuckDB."""
        return [tuple(row) for row in self.session.sql(translate(query, "spark")).collect()]


def read_lines(session: Any, data: DataConfig, source: str, now: datetime, as_of: date | None) -> SparkLog:
    """Read, type, check and de-duplicate a purchase log on Spark.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Its time zone is set to ``data.timezone``.
    source : str
        Parquet or CSV: a file, directory or wildcard here, or an address that Spark reads (``s3a://...``).
    now : datetime
        Lines dated later are rejected.
    as_of : date or None
        Nothing dated at or after this day is used.

    Raises
    ------
    InputError
        The source cannot be read, its columns do not fit the mapping, no line of it can be used, or something in it
        would be read otherwise than `clvml.log.read_purchase_log` does.
    """
    if data.overlaps == "latest":
        raise InputError(
            "orders in several files are not compared on Spark, and data.overlaps is latest; give files that do not"
            " overlap with --set data.overlaps=keep, or read them without --engine spark"
        )
    if data.fill_down:
        raise InputError(
            "Spark knows no order of lines, and data.fill_down takes empty cells from the line above; give what"
            " 'clvml check --log log.parquet' writes with --set data.fill_down=false, or leave out --engine"
        )
    session.conf.set("spark.sql.session.timeZone", data.timezone)
    # What is kept for several uses may be of few parts, too: hundreds of tiny ones take ten times as long.
    session.conf.set("spark.sql.optimizer.canChangeCachedPlanOutputPartitioning", "true")
    origin = hide_password(source)
    try:
        raw, raw_names = read_raw(session, source)
        data, columns = fit_preset(data, raw_names, origin)
        formulas = replace(bind_formulas(data, columns), dialect="spark")
        mapping = map_columns(data.columns, columns, origin, formulas.computed)
        types = dict(raw.dtypes)
        raw.createOrReplaceTempView("clvml_raw")
        numbers = {number_operand(index): index for index in formulas.numbers.values()}
        typed = [
            typed_column(ours, f"c{index}", types[f"c{index}"], columns[index])
            for ours, index in {**mapping, **numbers}.items()
        ]
        typed += [
            f"nullif(cast(c{index} as string), '') as {text_operand(index)}"
            for index in sorted(set(formulas.texts.values()))
        ]
        session.sql(f"select *, {', '.join(typed)} from clvml_raw").createOrReplaceTempView("clvml_typed")
        if says_utc(raw_names[mapping["order_date"]]):
            move_from_utc(session, data.timezone, "clvml_typed")
        decimal_ids = _check(session, {**mapping, **numbers}, columns, data)
        apply_formulas(session, formulas, data, "clvml_typed", tuple(mapping))
        told_apart = [f"c{i}" for i, name in enumerate(columns) if name not in data.ignore_columns]
        mapped = (*mapping, *formulas.computed)
        return _clean(session, data, source, mapped, told_apart, decimal_ids, now, as_of)
    except Exception as error:
        if not is_spark_error(error):
            raise
        raise unreadable_source(origin, error) from None


def _check(
    session: Any, mapping: dict[str, int], columns: Sequence[str], data: DataConfig
) -> tuple[str, ...]:
    """Refuse columns that cannot be understood, and return the ids that are written as decimal numbers."""
    ids = [ours for ours in IDS if ours in mapping]
    # Text that is not a date by any reading is rejected by both engines.
    perhaps = f"order_ts is null and date_text rlike {_PERHAPS}"
    counted = [
        f"count_if({perhaps})",
        f"min(case when {perhaps} then date_text end)",
        "count(order_ts)",
        "count(date_text)",
    ]
    numbers = [ours for ours in mapping if ours not in (*IDS, "order_date", "currency")]
    counted += [f"count({ours}_text) > 0 and count({ours}) = 0" for ours in numbers]
    counted += [
        f"count_if({ours} like '%.0') > 0 and bool_and({ours} rlike r'^-?\\d+(\\.0)?$')" for ours in ids
    ]
    # Spark puts this in the place of bytes that are not UTF-8.
    counted += [
        f"count_if(concat_ws('', {', '.join(f'c{index}' for index in mapping.values())}) like '%\ufffd%')"
    ]
    unread, example, dates, date_texts, *flags, not_utf8 = session.sql(
        f"select {', '.join(counted)} from clvml_typed"
    ).first()
    theirs = {ours: columns[index] for ours, index in mapping.items()}
    if unread:
        raise InputError(
            f"column '{theirs['order_date']}' (order_date) holds {unread:,} dates that the Spark engine does not"
            f" read, such as '{example}'; write them as 2024-01-31 or 2024-01-31T18:30:00Z, or leave --engine out"
        )
    if not_utf8:
        raise InputError(
            f"{not_utf8:,} lines are not UTF-8 text, which the Spark engine cannot tell apart; leave --engine out"
        )
    if date_texts and not dates:
        raise InputError(
            f"column '{theirs['order_date']}' (order_date) holds no date that can be read; write 2024-01-31"
        )
    for ours, unfit in zip(numbers, flags, strict=False):
        if unfit:
            raise InputError(
                f"column '{theirs[ours]}' ({ours}) holds no number that can be read; write 1234.50"
            )
        _check_numbers(session, ours, theirs[ours], data)
    _check_share(
        date_texts - dates, date_texts, f"column '{theirs['order_date']}' (order_date)", "date", data
    )
    return tuple(ours for ours, is_decimal in zip(ids, flags[len(numbers) :], strict=True) if is_decimal)


def _check_numbers(session: Any, ours: str, theirs: str, data: DataConfig) -> None:
    """Refuse a column of numbers that is not written as 1234.56 throughout: that is all Spark reads."""
    column = f"column '{theirs}' ({ours})"
    rows = session.sql(
        f"select min(text), count(*), count(value) from (select {ours}_text as text, {ours} as value,"
        f" translate({ours}_text, '023456789', '111111111') as alike, {ours}_text rlike r'^\\D*0' as leads"
        f" from clvml_typed where {ours}_text is not null) group by alike, leads"
    ).collect()
    named = data.formats.get(ours, data.formats.get(theirs))
    formats = FORMATS if named is None else (parse_example(named),)
    readings = compare_formats([Spelling(text, count, 0) for text, count, _ in rows], formats)
    if named is None and readings.formats and readings.conflict:
        raise InputError(
            f"{column} holds '{readings.conflict[0].text}', and nothing in it tells which sign is the decimal one; name"
            f' the format with an example: data.formats: {{{ours}: "1234.56"}}'
        )
    others = [
        text
        for text, _, read in rows
        if not read and any(parse_number(text, each) is not None for each in readings.formats or FORMATS)
    ]
    if others or (readings.formats and readings.formats[0].decimal != "."):
        raise InputError(
            f"{column} holds numbers such as '{(others or [rows[0][0]])[0]}', which the Spark engine does not read;"
            " write them as 1234.56, or leave --engine out"
        )
    texts = sum(count for _, count, _ in rows)
    _check_share(texts - sum(read for *_, read in rows), texts, column, "number", data)


def _check_share(unread: int, texts: int, column: str, kind: str, data: DataConfig) -> None:
    if unread > data.max_unreadable * texts:
        raise InputError(
            f"{column}: {unread:,} of {texts:,} texts are no {kind} (more than data.max_unreadable); correct them, or"
            f" reject them with --set data.max_unreadable={unread / texts:.2f}"
        )


def _clean(
    session: Any,
    data: DataConfig,
    source: str,
    columns: tuple[str, ...],
    told_apart: list[str],
    decimal_ids: tuple[str, ...],
    now: datetime,
    as_of: date | None,
) -> SparkLog:
    ids = [ours for ours in IDS if ours in columns]
    folded = _dialect(folded_sql(data.customer_ids))
    sources = {ours: folded if ours == "customer_id" else ours for ours in ids}
    written = [
        f"regexp_replace({sources[ours]}, r'\\.0$', '') as {ours}"
        if ours in decimal_ids
        else f"{sources[ours]} as {ours}"
        for ours in ids
    ]
    finite = "abs(amount) < 1e15"
    quantity, emptied = [], "false"
    if "quantity" in columns:
        is_number = line_rules.QUANTITY_FITS
        quantity = [f"case when {is_number} then quantity end as quantity"]
        emptied = f"coalesce(quantity_text, cast(quantity as string)) is not null and not coalesce({is_number}, false)"
    flags = {
        line_rules.FOLDED_ID: f"coalesce({folded} <> customer_id, false)",
        line_rules.TRIMMED_ID: " or ".join(f"{ours}_trimmed" for ours in ids),
        line_rules.DECIMAL_ID: " or ".join(f"coalesce({ours} like '%.0', false)" for ours in decimal_ids)
        or "false",
        line_rules.CONVERTED_ZONE: "zoned",
        line_rules.EMPTIED_QUANTITY: emptied,
    }
    named = [f"{test} as flag_{number}" for number, test in enumerate(flags.values())]
    values = ["order_ts", "amount", *(["quantity"] if quantity else [])]
    session.sql(
        f"select {', '.join([*told_apart, 'part', *written, 'order_ts', 'amount', *quantity, *named])},"
        f" case when {finite} then cast(amount as {_MONEY}) end as money,"
        f" coalesce(not {finite}, amount_text is not null) as unread,"
        f" {_reason(session, data, columns, now, as_of)} as reason from clvml_typed"
    ).createOrReplaceTempView(_JUDGED)
    keys = [*told_apart, *ids, *values, "money", *(f"flag_{number}" for number in range(len(flags)))]
    listed = ", ".join(keys)
    session.sql(
        f"select {listed}, sum(copies) as copies, max(copies) as most from (select {listed}, count(*) as copies"
        f" from {_JUDGED} where reason is null group by {listed}, part) group by {listed}"
    ).createOrReplaceTempView("clvml_usable")
    used = {"keep": "copies", "keep_within": "most"}.get(data.repeats, "1")
    kept = "true" if data.refunds == "net" else "amount >= 0"
    optional = tuple(ours for ours in OPTIONAL if ours in columns)
    chosen = ", ".join(
        ["customer_id", "order_ts", "cast(order_ts as date) as order_day", "amount", *optional]
    )
    repeated = f"lateral view explode(sequence(1, cast({used} as int))) as copy" if used != "1" else ""
    # A name of its own, so that a second log leaves the first one alone.
    table = f"clvml_lines_{next(_NUMBERS)}"
    session.sql(f"select {chosen} from clvml_usable {repeated} where {kept}").createOrReplaceTempView(table)
    quality, first, last = _count(session, data, used, kept, list(flags))
    if not quality.rows_out:
        raise _nothing_left(source, quality, as_of)
    listed_columns = ("customer_id", "order_ts", "order_day", "amount", *optional)
    return SparkLog(session, quality, listed_columns, first, last, table)


def _count(
    session: Any, data: DataConfig, used: str, kept: str, flags: list[str]
) -> tuple[SparkQuality, date, date]:
    """Count rows and money by reason, in the order of `clvml.log.rows.cleaning.count_reasons`."""
    found = {
        reason: (rows, money, unread)
        for reason, rows, money, unread in session.sql(
            f"select reason, count(*), sum(money), count_if(unread) from {_JUDGED} where reason is not null"
            " group by reason"
        ).collect()
    }
    # The second copy of a line within a file is the second copy in the other files, too.
    flagged_too = (f"flag_{number}" for number in range(len(flags)))
    counted = [
        *("copies - most", "most - 1", f"case when {kept} then 0 else {used} end"),
        *(
            f"case when {kept} and {test} then {used} else 0 end"
            for test in ("true", "amount < 0", *flagged_too)
        ),
    ]
    sums = [f"sum({copies}), coalesce(sum(money * ({copies})), 0)" for copies in counted]
    day = f"case when {kept} then cast(order_ts as date) end"
    *numbers, first, last = session.sql(
        f"select {', '.join(sums)}, min({day}), max({day}) from clvml_usable"
    ).first()
    pairs = [
        (int(rows or 0), money or Decimal(0)) for rows, money in zip(numbers[::2], numbers[1::2], strict=True)
    ]
    repeats_across, repeats_within, refused, out, refunds, *flagged = pairs
    repeats = {line_rules.REPEAT_ACROSS: repeats_across, line_rules.REPEAT_WITHIN: repeats_within}
    repeats_kept = {"keep": tuple(repeats), "keep_within": (line_rules.REPEAT_WITHIN,)}.get(data.repeats, ())
    found |= {reason: (*pair, 0) for reason, pair in repeats.items() if reason not in repeats_kept}
    found[line_rules.REFUND] = (*refused, 0)
    counts = [
        count_of(reason, line_rules.treatment_of(reason, data), *found[reason])
        for reason in (rule.reason for rule in line_rules.RULES)
        if reason in found and found[reason][0]
    ]
    rows_in = out[0] + sum(count.rows for count in counts)
    money_in = float(out[1] + sum((money or Decimal(0) for _, money, _ in found.values()), Decimal(0)))
    counts += [
        ReasonCount(reason, "kept", rows, float(money))
        for reason, (rows, money) in repeats.items()
        if rows and reason in repeats_kept
    ]
    counts += [ReasonCount(line_rules.REFUND, "kept", refunds[0], float(refunds[1]))] if refunds[0] else []
    counts += [
        ReasonCount(reason, "changed", rows, float(money))
        for reason, (rows, money) in zip(flags, flagged, strict=True)
        if rows
    ]
    return SparkQuality(rows_in, money_in, out[0], float(out[1]), tuple(counts), data.currency), first, last


def _reason(
    session: Any, data: DataConfig, columns: tuple[str, ...], now: datetime, as_of: date | None
) -> str:
    local_now = now if now.tzinfo is None else now.astimezone(ZoneInfo(data.timezone)).replace(tzinfo=None)
    given = {"date": "order_ts", "now": f"TIMESTAMP '{local_now.isoformat(sep=' ')}'"}
    if data.guests == "reject":
        given["guest"] = nobody_sql(data.guest_ids)
    wanted = ""
    if data.where is not None:
        given[IN_WHERE] = IN_WHERE
        wanted = f" and {IN_WHERE}"
    if "currency" in columns:
        found = session.sql(
            f"select currency, count(*) as rows from clvml_typed where currency is not null{wanted} group by currency"
            " order by rows desc, currency"
        ).collect()
        given |= line_rules.currency_given({row[0]: row[1] for row in found}, data)
    if as_of is not None:
        given["as_of"] = f"TIMESTAMP '{as_of}'"
    return _dialect(line_rules.judgement(given))


def _dialect(sql: str) -> str:
    """Return an expression of DuckDB in the words of Spark."""
    return translate(f"select {sql}", "spark").removeprefix("SELECT").strip()


def _nothing_left(source: str, quality: SparkQuality, as_of: date | None) -> InputError:
    words = ", ".join(f"{count.reason} ({count.rows:,})" for count in quality.reasons)
    until = f" before {as_of}" if as_of is not None else ""
    return InputError(
        f"no line of '{source}' can be used{until}: {quality.rows_in:,} read, left out for {words or 'no reason'}"
    )
