"""The figures of a report: everything that is computed from a scored file and its overview, and no words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from clvml.customers.subscription_snapshots import MONTH_DAYS
from clvml.decide.gains import LEAST_STAYING
from clvml.errors import InputError
from clvml.report.attribute_facts import TAKEN, ByAttribute, by_attribute
from clvml.scores.columns import PLAN, SCORED, SUBSCRIBERS, is_of_subscribers
from clvml.scores.segments import may_be_called
from clvml.storage.files import FORMULA, NUMBER
from clvml.storage.sql import identifier, literal

if TYPE_CHECKING:
    import pandas as pd

CALLED = 10
# Shares of the customers by spend so far, biggest first, at which the rows of the risk table end.
SPEND_EDGES = (0.05, 0.20, 0.50, 1.0)
RISKS = ("low", "medium", "high")
# Of those who would leave, the share that a call is assumed to keep.
SAVE_RATE = 0.1
# What a customer has to lose, as SQL: churn risk times what they would bring if kept [currency].
AT_RISK = f"p_churn * expected_spend / greatest(1 - p_churn, {LEAST_STAYING})"
_POINTS = 60
# The same of subscribers, whose price is known.
SUBSCRIBER_AT_RISK = f"p_churn * monthly_price * horizon_days::DOUBLE / {MONTH_DAYS}"
_DATES = ("as_of", "last_order_date", "next_order_date")
_OFTEN_MISSING = ("last_order_date", "segment", "reason_1", "reason_2", "reason_3", "model_version")
_NUMBERS = {column.name for column in (*SCORED, *SUBSCRIBERS) if column.kind == "number"}
_ALWAYS = (
    "customer_id",
    "as_of",
    "horizon_days",
    "p_churn",
    "churn_risk",
    "expected_spend",
    "clv",
    "historic_spend",
)
NEEDED = (*_ALWAYS, *_OFTEN_MISSING)
# What a scored file of subscriptions has for columns of purchases, as SQL.
_SUBSCRIBERS = {
    "segment": PLAN.name,
    "last_order_date": "strftime(as_of::DATE - tenure_days::INTEGER, '%Y-%m-%d')",
}
REASONS = tuple(f"reason_{rank}{part}" for rank in (1, 2, 3) for part in ("", "_key", "_values"))


@dataclass(frozen=True)
class Call:
    """Assumptions on a call, and whom it pays for.

    Attributes
    ----------
    cost : float
        Of one call [currency].
    save_rate : float
        Share of those who would leave that it keeps.
    customers : int
        How many calls pay, best first.
    profit : float
        What these bring in all [currency].
    most_customers : int
        With how many calls four fifths of that are reached.
    everybody : float
        What calling everybody who may be called would bring [currency].
    curve : list of tuple of (int, float)
        Profit by number of calls.
    """

    cost: float
    save_rate: float
    customers: int
    profit: float
    most_customers: int
    everybody: float
    curve: list[tuple[int, float]]


@dataclass(frozen=True)
class Facts:
    """What a report says, in numbers. Money in the currency of the log, shares between 0 and 1.

    Attributes
    ----------
    expected : float
        Expected spend of all in the horizon.
    interval : tuple of float or None
        80 % interval of that total.
    segments : list of dict
        ``segment, customers, p_churn, expected_spend, expected_spend_low, expected_spend_high, clv``.
    calls : list of dict
        The customers with most value at risk, of those for whom a call pays.
    cells : list of list of dict
        Per row of spend so far and per risk: ``customers, historic_spend, expected_spend``.
    concentration : list of tuple of float
        Share of the customers, biggest first, and the share of all spend so far that they brought.
    overview : dict
        See `clvml.scores.overview.build_overview`; empty where there is none.
    subscribers : bool
        Customers subscribe: their segments are the plans, which also have a ``monthly_price``, and the day of the last
        purchase is that of the first subscription.
    plan : mapping, optional
        Summary of a plan (`clvml.decide.plan_file.PlanRecord`) and its ``campaign``, where one is shown.
    won : DataFrame, optional
        What winning customers cost and brings, by source (`clvml.decide.acquisition.Acquisition`).
    by_attribute : ByAttribute, optional
    """

    as_of: date
    horizon_days: int
    customers: int
    model_version: str
    currency: str | None
    expected: float
    interval: tuple[float, float] | None
    segments: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    cells: list[list[dict[str, Any]]]
    concentration: list[tuple[float, float]]
    call: Call
    overview: dict[str, Any]
    subscribers: bool = False
    plan: Mapping[str, Any] | None = None
    won: pd.DataFrame | None = None
    by_attribute: ByAttribute | None = None


def read_facts(scores: Path, overview: dict[str, Any] | None) -> Facts:
    """Compute the figures of a report from a scored file.

    Raises
    ------
    InputError
        The file does not exist, is not a scored file, or holds no customer.
    """
    with duckdb.connect() as connection:
        subscribers = load_scored(connection, scores, REASONS)
        return facts_of(connection, scores, overview or {}, subscribers)


def load_scored(connection: duckdb.DuckDBPyConnection, scores: Path, further: Sequence[str]) -> bool:
    """Read a scored file into the table ``scored``: what is `NEEDED`, and of the further columns those it has.

    Columns that are not clvml's are read as texts. Returns whether it is of subscriptions: the segment is then the
    plan, and the day of the last purchase that of the first subscription.

    Raises
    ------
    InputError
        The file does not exist, is not a scored file, or was changed by hand.
    """
    if not scores.is_file():
        raise InputError(f"scored file '{scores}' does not exist; make one with `clvml score`")
    reader = {".csv": "read_csv({}, all_varchar = true)", ".parquet": "read_parquet({})"}.get(
        scores.suffix.lower()
    )
    if reader is None:
        raise InputError(f"scored file '{scores}' must end in .csv or .parquet")
    relation = reader.format(literal(str(scores)))
    try:
        columns = [row[0] for row in connection.execute(f"describe from {relation}").fetchall()]
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"scored file '{scores}' cannot be read ({reason}); give what `clvml score` wrote"
        ) from None
    subscribers = is_of_subscribers(columns)
    if subscribers:
        further = [*further, "monthly_price", "tenure_days"]
    given = _SUBSCRIBERS if subscribers else {}
    missing = [name for name in NEEDED if name not in columns and name not in given]
    if missing:
        raise InputError(
            f"'{scores}' is not a scored file: it lacks {', '.join(missing[:5])}; give a file that `clvml score` wrote"
        )
    # A writer of CSV puts an apostrophe before what a spreadsheet would run.
    escaped = scores.suffix.lower() == ".csv"
    kept = [name for name in dict.fromkeys([*NEEDED, *further]) if name in columns or name in given]
    selected = []
    for name in kept:
        value = given.get(name, name)
        if name in _NUMBERS:
            # What is not a number is missing.
            value = f"case when isfinite({value}::DOUBLE) then {value}::DOUBLE end"
        elif escaped and value in ("customer_id", PLAN.name):
            value = _unescaped(value)
        selected.append(f"({value})::{'DOUBLE' if name in _NUMBERS else 'VARCHAR'} as {name}")
    known = {*TAKEN, *kept, PLAN.name} if subscribers else TAKEN
    own = map(identifier, [name for name in columns if name.casefold() not in known])
    selected += [f"{_unescaped(name) if escaped else name}::VARCHAR as {name}" for name in own]
    try:
        connection.execute(f"create table scored as select {', '.join(selected)} from {relation}")
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"scored file '{scores}' was changed since it was written ({reason})") from None
    _check_rows(connection, scores, kept)
    return subscribers


def _unescaped(name: str) -> str:
    """Return SQL of a text of a CSV as it was before it was written."""
    return (
        f"(case when regexp_matches({name}, '^''') and regexp_matches(substr({name}, 2), {literal(FORMULA)})"
        f" and not regexp_full_match(substr({name}, 2), {literal(NUMBER)})"
        f" then substr({name}, 2) else {name} end)"
    )


def _check_rows(connection: duckdb.DuckDBPyConnection, scores: Path, columns: Sequence[str]) -> None:
    wrong = {name: f"{name} is null" for name in _ALWAYS}
    for name in _DATES:
        if name in columns:
            wrong[name] = (
                f"{name} is not null and try_strptime({name}, '%Y-%m-%d')::date::varchar is distinct from {name}"
            )
    if "monthly_price" in columns:
        wrong["monthly_price"] = "monthly_price is null"
    wrong["as_of"] += " or as_of is null"
    wrong["horizon_days"] = r"not coalesce(regexp_full_match(horizon_days, '\d{1,5}'), false)"
    wrong["p_churn"] = "p_churn not between 0 and 1 or p_churn is null"
    wrong["churn_risk"] = f"coalesce(churn_risk, '') not in {RISKS}"
    counts = ", ".join(f"count(*) filter ({condition})" for condition in wrong.values())
    found = connection.execute(f"select {counts} from scored").fetchall()[0]
    for name, rows in zip(wrong, found, strict=True):
        if rows:
            raise InputError(
                f"scored file '{scores}' was changed since it was written: {name} is missing or no such value in"
                f" {rows:,} rows; give it as `clvml score` wrote it"
            )


def facts_of(
    connection: duckdb.DuckDBPyConnection, scores: Path, overview: dict[str, Any], subscribers: bool = False
) -> Facts:
    """Compute the figures from the table ``scored``, which `load_scored` made and said whether subscriptions are in.

    Raises
    ------
    InputError
        There is no customer, or the rows and the overview are of several scorings.
    """
    customers, expected, clv, as_of, dates, horizon, version = connection.execute(
        "select count(*), sum(expected_spend), sum(clv), min(as_of), count(distinct as_of), min(horizon_days),"
        " min(model_version) from scored"
    ).fetchall()[0]
    if not customers:
        raise InputError(f"'{scores}' holds no customer; give a file that `clvml score` wrote")
    if dates > 1:
        raise InputError(f"scored file '{scores}' mixes several as_of; give the file of one scoring")
    if overview and (overview["as_of"], overview["customers"]) != (as_of, customers):
        raise InputError(
            f"the overview beside '{scores}' is of another scoring ({overview['as_of']}, {overview['customers']:,}"
            f" customers); score again, or remove the overview"
        )
    by_segment = {row["segment"]: row for row in overview.get("segments", [])}
    everyone = by_segment.pop("all", None)
    segments = list(by_segment.values()) or _records(
        connection,
        "select segment, count(*) as customers, avg(p_churn) as p_churn, sum(expected_spend) as expected_spend,"
        f" sum(clv) as clv{', sum(monthly_price) as monthly_price' if subscribers else ''} from scored group by segment"
        " order by clv desc, segment",
    )
    segments.sort(key=lambda row: -row["expected_spend"])
    # A plan may be called as a segment that is left alone.
    called = "true" if subscribers else may_be_called()
    cost = _round_number(max(clv / customers, 0.0) / 100)
    return Facts(
        as_of=date.fromisoformat(as_of),
        horizon_days=int(horizon),
        customers=customers,
        model_version=version or "",
        currency=overview.get("currency"),
        expected=float(expected),
        interval=(everyone["expected_spend_low"], everyone["expected_spend_high"]) if everyone else None,
        segments=segments,
        calls=_records(
            connection,
            f"select *, {SUBSCRIBER_AT_RISK if subscribers else AT_RISK} as at_risk from scored"
            f" where p_churn > 0 and expected_spend > 0 and {called} and {_gain(cost)} > 0"
            f" order by at_risk desc, customer_id limit {CALLED}",
        ),
        cells=_cells(connection),
        concentration=_concentration(connection),
        call=_call(connection, cost, called),
        overview=overview,
        subscribers=subscribers,
        by_attribute=by_attribute(connection, subscribers),
    )


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def ranked(columns: str = "*") -> str:
    """Return SQL of the customers with their ``place`` by spend so far, the biggest first."""
    return f"(select {columns}, row_number() over (order by historic_spend desc, customer_id) as place from scored)"


def spend_row() -> str:
    """Return SQL of the row of the risk table that a customer of a ``place`` by spend so far stands in, from 0."""
    edges = " ".join(
        f"when place <= ceil({edge} * (select count(*) from scored)) then {number}"
        for number, edge in enumerate(SPEND_EDGES)
    )
    return f"case {edges} end"


def _cells(connection: duckdb.DuckDBPyConnection) -> list[list[dict[str, Any]]]:
    rows = _records(
        connection,
        f"select {spend_row()} as row, churn_risk, count(*) as customers, sum(historic_spend) as historic_spend,"
        f" sum(expected_spend) as expected_spend from {ranked()} group by all",
    )
    found = {(row["row"], row["churn_risk"]): row for row in rows}
    nobody = {"customers": 0, "historic_spend": 0.0, "expected_spend": 0.0}
    return [[found.get((row, risk), nobody) for risk in RISKS] for row in range(len(SPEND_EDGES))]


def _concentration(connection: duckdb.DuckDBPyConnection) -> list[tuple[float, float]]:
    """Return shares of all spend so far by shares of the customers; empty where nothing was spent on balance."""
    rows = connection.execute(
        f"""
        with ranked as {ranked()},
        summed as (
            select place, sum(greatest(historic_spend, 0)) over (order by place) as money,
                sum(greatest(historic_spend, 0)) over () as total, count(*) over () as customers
            from ranked
        )
        select max(place) / any_value(customers), max(money) / nullif(any_value(total), 0) from summed
        group by ceil(place * {_POINTS} / customers), place <= ceil(customers * 0.05), place <= ceil(customers * 0.2)
        order by 1
        """
    ).fetchall()
    return [(0.0, 0.0), *rows] if rows and rows[-1][1] is not None else []


def _gain(cost: float) -> str:
    """Return SQL of what a call brings: ``clv / max(1 - p_churn, .15)`` x P(churn) x save rate - cost [currency]."""
    return f"(clv / greatest(1 - p_churn, {LEAST_STAYING}) * p_churn * {SAVE_RATE} - {cost})"


def _call(connection: duckdb.DuckDBPyConnection, cost: float, called: str) -> Call:
    """Return whom a call at an assumed cost pays for, of those who may be called (``called`` as SQL)."""
    connection.execute(
        f"""
        create temp table called as select place, sum(gain) over (order by place) as profit from
        (select gain, row_number() over (order by gain desc, customer_id) as place
         from (select {_gain(cost)} as gain, customer_id from scored where {called}))
        """
    )
    customers, profit = _best(connection)
    (most,) = connection.execute(
        f"select coalesce(min(place), 0) from called where profit >= {0.8 * profit}"
    ).fetchall()[0]
    curve = connection.execute(
        f"select place, profit from called where place % greatest((select count(*) // {_POINTS} from called), 1) = 0"
        f" or place in (1, {customers}, {most}, (select count(*) from called)) order by place"
    ).fetchall()
    points = [(0, 0.0), *curve]
    return Call(cost, SAVE_RATE, customers, profit, most if customers else 0, points[-1][1], points)


def _best(connection: duckdb.DuckDBPyConnection) -> tuple[int, float]:
    found = connection.execute(
        "select place, profit from called where profit > 0 order by profit desc, place limit 1"
    ).fetchall()
    return found[0] if found else (0, 0.0)


def _round_number(value: float) -> float:
    """Return the nearest of 1, 2, 5, 10, 20, ... to a value, and 1 for less than that.

    >>> _round_number(3.7), _round_number(140.0), _round_number(0.1)
    (5.0, 100.0, 1.0)
    """
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return min((step * power for step in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / value)))
