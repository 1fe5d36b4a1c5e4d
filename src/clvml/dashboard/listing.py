"""The customers of a page of a list, and what all of the list comes to: in one pass over the customers."""

from __future__ import annotations

from typing import Any

from clvml.dashboard.filters import PAGE, Filter
from clvml.dashboard.store import Snapshot

_TOTALS = "count(*) as customers, sum(expected_spend) as expected, sum(greatest(at_risk, 0)) as at_risk"


def listed(snapshot: Snapshot, wanted: Filter) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:
    """Return the totals of the wanted customers, the page that is shown, and its rows.

    Parameters
    ----------
    wanted : Filter
        A page too far is the last one.

    Returns
    -------
    dict
        ``customers, expected, at_risk`` of all pages [currency].
    int
        From 1.
    list of dict
        Columns of the scored file, and ``at_risk``, ``risk_place``; the first of the page first.
    """
    where, values = wanted.where()
    if where == "true":
        return _of_everybody(snapshot, wanted)
    totals, rows = _in_one_pass(snapshot, wanted, where, values, wanted.page)
    last = max(-(-totals["customers"] // PAGE), 1)
    if wanted.page > last:
        _, rows = _in_one_pass(snapshot, wanted, where, values, last)
    return totals, min(wanted.page, last), rows


def _of_everybody(snapshot: Snapshot, wanted: Filter) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:
    """Return a page of everybody: the totals are known, and their places by value at risk are."""
    totals = snapshot.totals(_TOTALS)
    number = totals["customers"]
    page = min(wanted.page, max(-(-number // PAGE), 1))
    chosen = f"rowid in (select rowid from customers order by {wanted.order()} limit {PAGE} offset {(page - 1) * PAGE})"
    if wanted.sort == "at_risk":
        first, last = (page - 1) * PAGE + 1, page * PAGE
        if wanted.turned:
            first, last = number + 1 - last, number + 1 - first
        chosen = f"risk_place between {first} and {last}"
    return (
        totals,
        page,
        snapshot.rows(f"select * from customers where {chosen} order by {wanted.order()}", []),
    )


def _in_one_pass(
    snapshot: Snapshot, wanted: Filter, where: str, values: list[Any], page: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    # Who is wanted, with what is added up and sorted by; the rest of the columns is read for those of the page alone.
    kept = ", ".join(dict.fromkeys(["expected_spend", "at_risk", "risk_place", wanted.sort]))
    found = snapshot.rows(
        f"with found as materialized (select rowid as place, {kept} from customers where {where}),"
        f" totals as (select {{'customers': customers, 'expected': expected, 'at_risk': at_risk}} as totals"
        f" from (select {_TOTALS} from found)),"
        f" shown as (select place from found order by {wanted.order()} limit {PAGE} offset {(page - 1) * PAGE})"
        " select totals, wide.* from totals left join"
        " (select * from customers where rowid in (select place from shown)) as wide on true"
        f" order by {wanted.order()}",
        values,
    )
    totals = found[0]["totals"]
    return totals, [row for row in found if row["customer_id"] is not None]
