"""What is known of customers beside their purchases, and what of it tells their values apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import duckdb
from scipy.special import chdtrc

from clvml.evaluation.leaderboard import FEWEST_CUSTOMERS
from clvml.scores.columns import SUBSCRIBERS, scored_columns
from clvml.storage.sql import identifier

# Names of columns that are ours, in a scored file or where pages are made of it.
TAKEN = {
    *(column.name for column in scored_columns(value_reasons=True, acquired=False)),
    *("at_risk", "spend_row", "risk_place", "searched", "scored_row", "rowid", "place", "totals"),
}
# More values of a column than a list to choose from should have.
MOST_VALUES = 50
_LISTED = 8
# Chance of a column where none tells values apart, over all columns together (Bonferroni).
_CHANCE = 0.05


class ByAttribute(NamedTuple):
    """Customers by the column that tells their values apart most.

    Attributes
    ----------
    rows : list of dict
        ``value`` (None: not known), ``customers, p_churn, expected_spend, clv``; the most valuable first.
    rest : dict or None
        The same of all further values.
    best : dict or None
        The row of most ``clv`` a customer, of all values with enough customers; None where fewer than two have them.
    """

    column: str
    rows: list[dict[str, Any]]
    rest: dict[str, Any] | None
    best: dict[str, Any] | None


def own_columns(connection: duckdb.DuckDBPyConnection, subscribers: bool) -> list[str]:
    """Return the columns of the table ``scored`` that are not clvml's, such as attributes."""
    ours = TAKEN | ({column.name for column in SUBSCRIBERS} if subscribers else set())
    read = [str(row[0]) for row in connection.execute("describe scored").fetchall()]
    return [name for name in read if name.casefold() not in ours]


def by_attribute(connection: duckdb.DuckDBPyConnection, subscribers: bool) -> ByAttribute | None:
    """Return the customers of the table ``scored`` by one of its own columns; None where none tells values apart.

    It is the one that explains most of the variance of the ranks of ``clv``, where the test of Kruskal and Wallis
    (1952) rules chance out.
    """
    own = own_columns(connection, subscribers)
    if not own:
        return None
    counted = ", ".join(f"count(distinct nullif({identifier(name)}, ''))" for name in own)
    values = connection.execute(f"select {counted} from scored").fetchall()[0]
    few = [name for name, number in zip(own, values, strict=True) if 1 < number <= MOST_VALUES]
    if few:
        # Middle ranks where several are worth the same; from 0 in the middle, for sums of squares that stay exact.
        connection.execute(
            "create or replace temp table clvml_ranks as select avg(place) over (partition by clv) as clvml_rank from"
            " (select rowid as line, clv, row_number() over (order by clv) - (select count(*) + 1 from scored) / 2 as"
            " place from scored) order by line"
        )
    found = [(*_explained(connection, name), name) for name in few]
    told = [(share, name) for share, chance, name in found if chance < _CHANCE / len(few)]
    if not told:
        return None
    name = max(told)[1]
    rows = connection.execute(
        f"select nullif({identifier(name)}, '') as of_value, count(*), avg(p_churn), sum(expected_spend), sum(clv)"
        " from scored group by of_value order by sum(clv) desc, of_value"
    ).fetchall()
    keys = ("value", "customers", "p_churn", "expected_spend", "clv")
    groups = [dict(zip(keys, row, strict=True)) for row in rows]
    many = [row for row in groups if row["value"] and row["customers"] >= FEWEST_CUSTOMERS]
    best = max(many, key=lambda row: row["clv"] / row["customers"]) if len(many) > 1 else None
    if len(groups) <= _LISTED + 1:
        return ByAttribute(name, groups, None, best)
    return ByAttribute(name, groups[:_LISTED], _together(groups[_LISTED:]), best)


def _together(groups: list[dict[str, Any]]) -> dict[str, Any]:
    customers = sum(group["customers"] for group in groups)
    return {
        "customers": customers,
        "p_churn": sum(group["customers"] * group["p_churn"] for group in groups) / customers,
        **{name: sum(group[name] for group in groups) for name in ("expected_spend", "clv")},
    }


def _explained(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[float, float]:
    """Return the share of the variance of the ranks of ``clv`` that a column explains, and its chance."""
    customers, groups, between, whole = connection.execute(
        f"""
        with groups as (
            select count(*) as n, avg(clvml_rank) as mean, sum(clvml_rank * clvml_rank) as squares
            from scored positional join clvml_ranks group by nullif({identifier(name)}, '')
        )
        select sum(n), count(*), sum(n * mean * mean) - sum(n * mean) ** 2 / sum(n),
            sum(squares) - sum(n * mean) ** 2 / sum(n) from groups
        """
    ).fetchall()[0]
    share = float(between) / float(whole) if whole else 0.0
    return share, float(chdtrc(groups - 1, (customers - 1) * share))
