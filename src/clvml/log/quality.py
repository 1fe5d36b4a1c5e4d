"""The data-quality report, and whether the log is long enough to train on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from html import escape
from itertools import pairwise
from statistics import median
from typing import Any

from clvml.config import DataConfig
from clvml.log.event_table import EventCount
from clvml.log.finding import Finding
from clvml.log.identity import identity_findings
from clvml.log.pace import count_pace, rhythm_findings
from clvml.log.rows.cleaning import ReasonCount
from clvml.log.rows.line_rules import REFUND, REPEAT_WITHIN
from clvml.storage.sql import MONEY, Run

_LISTED_GAPS = 5
_SHOWN = 8
_SHORTEST_GAP_DAYS = 7
_GAP_FACTOR = 5
# What a line of the text begins with.
_LABEL_WIDTH = 12


@dataclass(frozen=True)
class Gap:
    """Days without any line: from ``first_day`` to ``last_day``, both included [days]."""

    first_day: date
    last_day: date
    days: int


@dataclass(frozen=True)
class SourceCount:
    """What one of several sources brought: rows and money as read, and what of them is in the log.

    Money is in the currency of the log; ``currency`` is that of the source's amounts. Lines that an earlier source has
    as well are not in the log.
    """

    name: str
    rows_in: int
    money_in: float
    rows_out: int
    money_out: float
    customers: int
    first_day: date
    last_day: date
    currency: str | None = None


@dataclass(frozen=True)
class IdentityCount:
    """What became of the ids of all sources.

    Attributes
    ----------
    ids : dict of str to int
        Customers of each source before.
    customers : int
        Customers that remain of them.
    joined : int
        Those of them that have several ids.
    keys : dict of str to int
        Ids that have a key of the kind.
    cut : dict of str to int
        By kind, keys that more ids share than `max_shared`, and that join nobody.
    changed : tuple of (str, int, float, float)
        The customers whose money changed most: unified id, number of ids, the most that one of the ids spent,
        and what all did [currency].
    alike : int or None
        Pairs of ids that only the likeness of their names and addresses joined; None where none is compared.
    likeness : float
        Probability from which they count as one customer.
    """

    ids: dict[str, int]
    customers: int
    joined: int
    keys: dict[str, int]
    cut: dict[str, int]
    changed: tuple[tuple[str, int, float, float], ...] = ()
    alike: int | None = None
    likeness: float = 1.0


@dataclass(frozen=True, repr=False)
class QualityReport:
    """What was read and what came of it. Money is in ``currency``, rounded to 6 decimals.

    Attributes
    ----------
    rows_in, money_in, rows_out, money_out
        ``rows_in = rows_out +`` rows of the reasons that are rejected or dropped, and the same for money.
        Money counts the amounts that could be read.
    reasons : tuple of ReasonCount
        Rows left out, kept although worth a look, and changed.
    customers, orders : int
        Distinct ids in the log; ``orders`` is None where no order number is mapped.
    purchase_days : int
        Customer-days with at least one line of positive amount.
    first_day, last_day : date
        Of the log's lines.
    freshness_days : int
        Days from the last line to ``as_of`` (or today).
    gaps : tuple of Gap
        The longest spans without any line, if longer than a week and than 5 times the usual step between
        days with lines.
    one_time_share : float or None
        Share of the customers with a purchase day that have exactly one.
    refund_line_share, refund_money_share : float
        Lines of negative amount among all usable lines, and their money relative to the positive money.
        Refunds left out by policy count as usable.
    median_days_between : float or None
        Median over all pairs of successive purchase days of a customer [days].
    warnings : tuple of Finding
        Doubts about the data, the weightiest first.
    read_as : dict of str to str
        By our names, how the columns that are text were read; ``encoding`` where it is not UTF-8.
    sources : tuple of SourceCount
        What each source brought, where the log is made of several.
    identity : IdentityCount or None
        What became of their ids, where they were matched.
    events : EventCount or None
        What else the customers did, where it was read.
    """

    rows_in: int
    money_in: float
    rows_out: int
    money_out: float
    reasons: tuple[ReasonCount, ...]
    customers: int
    orders: int | None
    purchase_days: int
    first_day: date
    last_day: date
    freshness_days: int
    gaps: tuple[Gap, ...]
    one_time_share: float | None
    refund_line_share: float
    refund_money_share: float | None
    median_days_between: float | None
    currency: str | None
    timezone: str
    warnings: tuple[Finding, ...] = ()
    read_as: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[SourceCount, ...] = ()
    identity: IdentityCount | None = None
    events: EventCount | None = None

    def with_warnings(self, findings: Iterable[Finding], data: DataConfig) -> QualityReport:
        """Return the report with further warnings, ranked among the others."""
        return replace(self, warnings=ranked([*self.warnings, *findings], data))

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON: dates as ISO text, no NaN."""
        return json.loads(json.dumps(asdict(self), default=str))

    def to_text(self) -> str:
        """Return the report as lines for people."""
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        pairs = ((line[:_LABEL_WIDTH].strip(), line[_LABEL_WIDTH:].strip()) for line in self._lines())
        rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in pairs)
        return f"<table>{rows}</table>"

    def _lines(self) -> Iterable[str]:
        yield f"read        {self._line(self.rows_in, self.money_in)}"
        for words, treatments in (
            ("left out", ("rejected", "dropped")),
            ("kept", ("kept",)),
            ("changed", ("changed",)),
        ):
            for count in self.reasons:
                if count.treatment in treatments:
                    how = f" ({count.treatment})" if words == "left out" else ""
                    unread = f", {count.unread:,} unread" if count.unread and count.money is not None else ""
                    yield f"  {words:<9} {self._line(count.rows, count.money)}: {count.reason}{how}{unread}"
        yield f"log         {self._line(self.rows_out, self.money_out)}"
        for source in self.sources:
            yield (
                f"source      {self._line(source.rows_out, source.money_out)}: {source.name}, of"
                f" {source.rows_in:,} lines; {source.customers:,} customers, {source.first_day} to {source.last_day}"
            )
        if self.identity:
            yield from self._identity_lines(self.identity)
        if self.read_as:
            yield f"read as     {', '.join(f'{name} {written}' for name, written in self.read_as.items())}"
        yield from self.events.lines() if self.events else ()
        orders = "" if self.orders is None else f", {self.orders:,} orders"
        yield f"customers   {self.customers:,}{orders}, {self.purchase_days:,} purchase days"
        yield (
            f"days        {self.first_day} to {self.last_day} ({self.timezone}), "
            f"the last line is {self.freshness_days:,} days old"
        )
        if self.one_time_share is not None:
            yield f"one-time    {self.one_time_share:.1%} of customers bought on one day only"
        if self.median_days_between is not None:
            yield f"rhythm      {self.median_days_between:g} days between purchases (median)"
        if self.refund_line_share:
            share = self.refund_money_share
            money = "" if share is None else f", {share:.1%} of positive money"
            yield f"refunds     {self.refund_line_share:.1%} of lines{money}"
        for gap in self.gaps:
            yield f"gap         no line from {gap.first_day} to {gap.last_day} ({gap.days:,} days)"
        for finding in self.warnings[:_SHOWN]:
            yield finding.to_text()
        if len(self.warnings) > _SHOWN:
            yield f"            and {len(self.warnings) - _SHOWN} more; --json has them all"

    def _identity_lines(self, identity: IdentityCount) -> Iterable[str]:
        before = ", ".join(f"{name} {ids:,}" for name, ids in identity.ids.items())
        keys = ", ".join(f"{kind} of {ids:,}" for kind, ids in identity.keys.items())
        yield (
            f"identity    {sum(identity.ids.values()):,} ids ({before}) are {identity.customers:,} customers,"
            f" {identity.joined:,} of them with several ids{f'; known: {keys}' if keys else ''}"
        )
        if identity.alike is not None:
            yield (
                f"  alike     {identity.alike:,} pairs of ids are joined by name and address alone, likely to be one"
                f" customer by {identity.likeness} or more"
            )
        for who, ids, most, money in identity.changed:
            yield f"  joined    {who}: {ids} ids, {most:,.2f} by the largest, {money:,.2f} by all"

    def _line(self, rows: int, money: float | None) -> str:
        lines = "line " if rows == 1 else "lines"
        if money is None:
            return f"{rows:>11,} {lines} {'money unread':>18}"
        return f"{rows:>11,} {lines} {money:>18,.2f}{f' {self.currency}' if self.currency else ''}"


def build_quality(
    run: Run,
    table: str,
    columns: tuple[str, ...],
    data: DataConfig,
    rows_in: int,
    money_in: float,
    reasons: list[ReasonCount],
    reference_day: date,
    warnings: Iterable[Finding] = (),
    read_as: Mapping[str, str] | None = None,
    horizon_days: int | None = None,
) -> QualityReport:
    """Describe the purchase log in ``table``; ``reference_day`` is the day its age is counted to.

    ``warnings`` are what is known already; with ``horizon_days`` it is compared with the customers' rhythm.
    """
    orders = "count(DISTINCT order_id)" if "order_id" in columns else "NULL"
    rows_out, money_out, positive, negative, refunds, order_count, first_day, last_day = run(
        f"""
        SELECT count(*), sum(amount::{MONEY}), coalesce(sum(amount::{MONEY}) FILTER (amount > 0), 0),
               coalesce(sum(amount::{MONEY}) FILTER (amount < 0), 0), count(*) FILTER (amount < 0),
               {orders}, min(order_day), max(order_day)
        FROM {table}
        """
    )[0]
    (customers,) = run(f"SELECT count(*) FROM (SELECT DISTINCT customer_id FROM {table}) AS ids")[0]
    pace = count_pace(run, table)
    left_out = [count for count in reasons if count.reason == REFUND and count.treatment != "kept"]
    refund_lines = refunds + sum(count.rows for count in left_out)
    refund_money = float(negative) + sum(count.money or 0 for count in left_out)
    return QualityReport(
        rows_in=rows_in,
        money_in=money_in,
        rows_out=rows_out,
        money_out=float(money_out),
        reasons=tuple(reasons),
        customers=customers,
        orders=order_count,
        purchase_days=pace.purchase_days,
        first_day=first_day,
        last_day=last_day,
        freshness_days=(reference_day - last_day).days,
        gaps=_find_gaps(run, table),
        one_time_share=pace.one_time_share,
        refund_line_share=refund_lines / (rows_out + sum(count.rows for count in left_out)),
        refund_money_share=abs(refund_money) / float(positive) if positive else None,
        median_days_between=pace.median_step,
        currency=data.currency,
        timezone=data.timezone,
        warnings=ranked(
            [
                *warnings,
                *_repeats_kept(reasons, data),
                *identity_findings(run, table, data),
                *rhythm_findings(pace, customers, horizon_days),
            ],
            data,
        ),
        read_as=dict(read_as or {}),
    )


def ranked(findings: Iterable[Finding], data: DataConfig) -> tuple[Finding, ...]:
    """Return the warnings that are not known already, those of most money first."""
    news = [finding for finding in findings if finding.code not in data.known_warnings]
    return tuple(sorted(news, key=lambda finding: (-abs(finding.money or 0.0), -(finding.rows or 0))))


def _repeats_kept(reasons: list[ReasonCount], data: DataConfig) -> Iterable[Finding]:
    if data.repeats != "keep_within":
        return
    for count in reasons:
        if count.reason == REPEAT_WITHIN and count.treatment == "kept":
            yield Finding(
                "repeats-without-order-number",
                f"{count.rows:,} lines repeat an earlier one in all columns, and without an order number nobody can"
                " tell whether they are purchases of their own; they count as such. data.duplicates: keep says that it"
                " is right, drop leaves them out; or map data.columns.order_id",
                count.rows,
                count.money,
            )


def _find_gaps(run: Run, table: str) -> tuple[Gap, ...]:
    days = sorted(row[0] for row in run(f"SELECT DISTINCT order_day FROM {table}"))
    if len(days) < 2:
        return ()
    steps = [(later - earlier).days for earlier, later in pairwise(days)]
    limit = max(_SHORTEST_GAP_DAYS, _GAP_FACTOR * median(steps))
    one = timedelta(days=1)
    gaps = [
        Gap(earlier + one, later - one, step - 1)
        for (earlier, later), step in zip(pairwise(days), steps, strict=True)
        if step - 1 > limit
    ]
    return tuple(sorted(gaps, key=lambda gap: (-gap.days, gap.first_day))[:_LISTED_GAPS])
