"""Several sources, each read as a log of its own, as one log: one time zone, one currency, each order once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from clvml.config import DataConfig, ValueConfig
from clvml.errors import InputError
from clvml.expressions import Kind
from clvml.log.finding import Finding
from clvml.log.matching.crosswalk import CROSSWALK, match_customers, write_crosswalk
from clvml.log.purchase_log import WITH_MARGINS
from clvml.log.quality import IdentityCount, QualityReport, SourceCount, build_quality
from clvml.log.rows.cleaning import ReasonCount
from clvml.log.rows.line_rules import AFTER_AS_OF, RULES, SAME_IN_SOURCES, Treatment
from clvml.log.values.time_zones import moved_sql
from clvml.storage.sql import MONEY, literal, numbered

_JOINED = "clvml_joined"
_ALIKE = "clvml_alike"


@dataclass(frozen=True)
class Asked:
    """How a log is to be read, beside what its configuration says (`clvml.log.read_purchase_log`)."""

    now: datetime
    as_of: date | None = None
    rejects: Path | None = None
    horizon_days: int | None = None
    hints: bool = False
    crosswalk: Path | None = None
    example: Collection[tuple[str, Kind]] | None = None
    value: ValueConfig | None = None

    def local_now(self, data: DataConfig) -> datetime:
        """Return the present as wall time of the log."""
        if self.now.tzinfo is None:
            return self.now
        return self.now.astimezone(ZoneInfo(data.timezone)).replace(tzinfo=None)


def source_table(number: int) -> str:
    """Return the table of the source of a number, counted from 0."""
    return f"clvml_source_{number}"


def rejects_of(rejects: Path, source: str) -> Path:
    """Return the file of the rejected rows of a source: its columns are not those of others."""
    return rejects.with_name(f"{rejects.stem}-{source}{rejects.suffix}")


def join_sources(
    connection: duckdb.DuckDBPyConnection,
    data: DataConfig,
    reports: Mapping[str, QualityReport],
    asked: Asked,
    table: str,
) -> tuple[tuple[str, ...], QualityReport]:
    """Make ``table`` of the sources' tables (`source_table`), and return its columns and what came of it.

    Times are moved to ``data.timezone``, but for sources whose lines have dates only. A line that an earlier source has
    as well counts once (`_mark_repeated`). Numbers of orders that different sources use for different orders get the
    name of their source in front.

    Raises
    ------
    InputError
        Nothing is left.
    """
    names = list(reports)
    tables = [source_table(number) for number in range(len(names))]
    identity: IdentityCount | None = None
    found: list[Finding] = []
    if data.identity:
        identity, found = match_customers(connection, data, data.identity, tables)
        if asked.crosswalk:
            write_crosswalk(connection, names, asked.crosswalk)
    selected = []
    for number, name in enumerate(names):
        moved = moved_sql(connection, tables[number], data.sources[name].timezone, data.timezone)
        customer, known = "source.customer_id", ""
        if identity:
            customer = "known.unified_id"
            known = (
                f"JOIN {CROSSWALK} AS known"
                f" ON known.number = {number} AND known.customer_id = source.customer_id"
            )
        selected.append(
            f"SELECT {number} AS number, source.rowid AS place, source.* EXCLUDE (order_day)"
            f" REPLACE ({customer} AS customer_id, {moved} AS order_ts) FROM {tables[number]} AS source {known}"
        )
    after = f"order_ts >= TIMESTAMP {literal(asked.as_of.isoformat())}" if asked.as_of else "false"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_JOINED} AS"
        f" SELECT *, CASE WHEN {after} THEN {literal(AFTER_AS_OF)} END AS reason"
        f" FROM ({' UNION ALL BY NAME '.join(selected)}) ORDER BY number, place"
    )
    present = [row[0] for row in connection.execute(f"DESCRIBE {_JOINED}").fetchall()]
    optional = tuple(name for name in WITH_MARGINS if name in present)
    found += _mark_repeated(connection, optional, names, data)
    left_out = connection.execute(
        f"SELECT number, reason, count(*), sum(amount::{MONEY}) FROM {_JOINED} WHERE reason IS NOT NULL"
        " GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    order_id = "order_id"
    if "order_id" in optional:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE clvml_ambiguous AS SELECT order_id FROM {_JOINED} WHERE reason IS NULL"
            " GROUP BY order_id HAVING count(DISTINCT number) > 1 AND count(DISTINCT (customer_id, order_ts::DATE)) > 1"
        )
        order_id = (
            "CASE WHEN order_id IN (SELECT order_id FROM clvml_ambiguous)"
            f" THEN {numbered('number', names)} || ':' || order_id ELSE order_id END AS order_id"
        )
    listed = "".join(f", {order_id if name == 'order_id' else name}" for name in optional)
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT customer_id, order_ts, order_ts::DATE AS order_day, amount{listed},"
        f" {numbered('number', names)} AS source FROM {_JOINED} WHERE reason IS NULL ORDER BY number, place"
    )
    columns = ("customer_id", "order_ts", "order_day", "amount", *optional, "source")
    if not connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]:
        raise InputError(
            f"no line of the sources {', '.join(names)} is before {asked.as_of}; give a later date"
        )
    reasons = [count for report in reports.values() for count in report.reasons]
    reasons += [ReasonCount(reason, "dropped", rows, float(money)) for _, reason, rows, money in left_out]
    quality = build_quality(
        lambda query: connection.execute(query).fetchall(),
        table,
        columns,
        data,
        sum(report.rows_in for report in reports.values()),
        sum(report.money_in for report in reports.values()),
        _added_up(reasons),
        asked.as_of or asked.local_now(data).date(),
        found,
        {
            f"{name}.{column}": how
            for name, report in reports.items()
            for column, how in report.read_as.items()
        },
        asked.horizon_days,
    )
    counted = {
        name: (int(rows), float(money), int(customers))
        for name, rows, money, customers in connection.execute(
            f"SELECT source, count(*), sum(amount::{MONEY}), count(DISTINCT customer_id) FROM {table} GROUP BY source"
        ).fetchall()
    }
    counts = tuple(
        SourceCount(
            name,
            report.rows_in,
            report.money_in,
            *counted.get(name, (0, 0.0, 0)),
            report.first_day,
            report.last_day,
            data.sources[name].currency,
        )
        for name, report in reports.items()
    )
    told = {finding.code for finding in quality.warnings}
    theirs = [
        replace(finding, text=f"{name}: {finding.text}")
        for name, report in reports.items()
        for finding in report.warnings
        if finding.code not in told
    ]
    return columns, replace(quality, sources=counts, identity=identity).with_warnings(theirs, data)


def _mark_repeated(
    connection: duckdb.DuckDBPyConnection, optional: tuple[str, ...], names: list[str], data: DataConfig
) -> Iterator[Finding]:
    """Mark lines that an earlier source has as well, and yield what is doubtful about them.

    Lines are the same where customer, day, number of the order, amount (in cents) and, if all sources have it, product
    are; where one has no number of the order, their time is, to the second, and is not a mere date. The second such
    line of a source is the second of the other, not a third. Lines of one time whose orders differ are kept and told.
    """
    order = "order_id" if "order_id" in optional else "NULL::VARCHAR AS order_id"
    product = "''"
    if "product_id" in optional:
        having = f"SELECT count(DISTINCT number) FROM {_JOINED} WHERE product_id IS NOT NULL"
        if connection.execute(having).fetchall() == [(len(names),)]:
            product = "coalesce(product_id, '')"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_ALIKE} AS
        WITH lines AS (
            SELECT number, place, customer_id, date_trunc('day', order_ts) AS day, order_ts,
                   round(amount, 2) AS cents, {product} AS product, {order}, amount
            FROM {_JOINED} WHERE reason IS NULL
        ),
        by_order AS ({_copies("lines WHERE order_id IS NOT NULL", "day, order_id")}),
        by_time AS ({_copies("lines WHERE order_ts <> day", "order_ts")})
        SELECT number, place, any_value(amount) AS amount, bool_or(same) AS same FROM (
            SELECT later.number, later.place, later.amount, true AS same
            FROM by_order AS later JOIN by_order AS earlier
                USING (customer_id, cents, product, day, order_id, copy)
            WHERE later.number > earlier.number
            UNION ALL
            SELECT later.number, later.place, later.amount, later.order_id IS NULL
                OR earlier.order_id IS NULL
            FROM by_time AS later JOIN by_time AS earlier USING (customer_id, cents, product, order_ts, copy)
            WHERE later.number > earlier.number
        ) GROUP BY number, place
        """
    )
    if data.overlaps != "keep":
        connection.execute(
            f"UPDATE {_JOINED} SET reason = {literal(SAME_IN_SOURCES)} FROM {_ALIKE} AS alike"
            f" WHERE alike.same AND {_JOINED}.number = alike.number AND {_JOINED}.place = alike.place"
        )
    told = {
        "sources-overlap": "stand in an earlier source as well and count once; data.overlaps: keep counts both",
        "sources-look-alike": "have customer, time and amount of a line of an earlier source, but another order"
        " number; both count. If they are the same, leave them out of one source with data.sources.NAME.where",
    }
    for (code, words), same in zip(told.items(), (True, False), strict=True):
        rows, money = connection.execute(
            f"SELECT count(*), sum(amount::{MONEY}) FROM {_ALIKE} WHERE same = {same}"
        ).fetchall()[0]
        if rows and not (same and data.overlaps == "keep"):
            yield Finding(code, f"{rows:,} lines {words}", int(rows), float(money))


def _copies(lines: str, alike: str) -> str:
    same = f"customer_id, cents, product, {alike}"
    return f"SELECT *, row_number() OVER (PARTITION BY number, {same} ORDER BY place) AS copy FROM {lines}"


def _added_up(counts: list[ReasonCount]) -> list[ReasonCount]:
    """Return the counts of all sources by reason, in the order of the rules."""
    order = {rule.reason: place for place, rule in enumerate(RULES)}
    alike: dict[tuple[str, Treatment], list[ReasonCount]] = defaultdict(list)
    for count in counts:
        alike[count.reason, count.treatment].append(count)
    added = []
    for key, same in alike.items():
        money = [count.money for count in same if count.money is not None]
        rows, unread = sum(count.rows for count in same), sum(count.unread for count in same)
        added.append(ReasonCount(*key, rows, sum(money) if money else None, unread))
    return sorted(added, key=lambda count: order.get(count.reason, len(order)))
