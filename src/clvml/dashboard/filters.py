"""Which customers are wanted, and in what order: read from an address, written into one, and made SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from clvml.dashboard.contact_plan import number_text
from clvml.dashboard.store import Snapshot
from clvml.report.facts import RISKS, SPEND_EDGES
from clvml.report.language import Language
from clvml.storage.sql import identifier

PAGE = 25
# Columns to sort by, and whether their large values stand first.
SORTS = {
    "at_risk": True,
    "p_churn": True,
    "expected_spend": True,
    "monthly_price": True,
    "clv": True,
    "historic_spend": True,
    "last_order_date": True,
    "next_order_date": False,
    "customer_id": False,
    "segment": False,
}
LONGEST_SEARCH = 200
# How addresses name columns that are not clvml's.
OWN = "own."


@dataclass(frozen=True)
class Filter:
    """A choice of customers.

    Attributes
    ----------
    search : str
        Part of the customer id.
    segment, risk, tier : str
        Empty for all.
    row : int or None
        Of the risk table: by spend so far, from 0.
    least : float or None
        Of the lifetime value [currency].
    own : tuple of (str, str)
        Columns of `Snapshot.groups` and the value wanted in each.
    sort : str
        A column of `SORTS`.
    turned : bool
        The other way round than is usual for the column.
    page : int
        From 1.
    """

    search: str = ""
    segment: str = ""
    risk: str = ""
    tier: str = ""
    row: int | None = None
    least: float | None = None
    own: tuple[tuple[str, str], ...] = ()
    sort: str = "at_risk"
    turned: bool = False
    page: int = 1

    def address(self, **changes: Any) -> dict[str, str]:
        """Return what stands in the address of this choice with some changes; what is usual is left out."""
        wanted, usual = replace(self, **changes), Filter()
        said = {
            name: getattr(wanted, name)
            for name in ("search", "segment", "risk", "tier", "row", "least", "page")
            if getattr(wanted, name) != getattr(usual, name)
        }
        if (wanted.sort, wanted.turned) != (usual.sort, usual.turned):
            said["sort"] = f"{'-' if wanted.turned else ''}{wanted.sort}"
        said |= {f"{OWN}{column}": value for column, value in wanted.own}
        return {
            name: number_text(value) if isinstance(value, float) else str(value)
            for name, value in said.items()
        }

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition as SQL, and the values of its parameters."""
        conditions: list[tuple[str, Any]] = []
        if self.search:
            conditions.append(("contains(searched, lower(?))", self.search))
        # The cast makes the number of a text once, and not a text of the number of each row.
        for column, value in (
            ("segment", self.segment),
            ("churn_risk", self.risk),
            ("value_tier", self.tier),
        ):
            if value:
                conditions.append((f"{column} = ?::{column}", value))
        if self.row is not None:
            conditions.append(("spend_row = ?", self.row))
        if self.least is not None:
            conditions.append(("clv >= ?", self.least))
        conditions += [(f"{identifier(column)} = ?", value) for column, value in self.own]
        return " and ".join(sql for sql, _ in conditions) or "true", [value for _, value in conditions]

    def order(self) -> str:
        """Return the order as SQL."""
        descending = SORTS[self.sort] != self.turned
        if self.sort == "at_risk":
            return f"risk_place {'desc' if self.turned else 'asc'}"
        # Texts of segments in the order of the alphabet, not of their numbers.
        column = "segment::VARCHAR" if self.sort == "segment" else self.sort
        return f"{column} {'desc' if descending else 'asc'} nulls last, risk_place"


def read_filter(given: Mapping[str, str], snapshot: Snapshot, say: Language) -> Filter:
    """Return the choice that an address makes; what it says that there is not is left out."""
    least = say.read_number(given.get("least", ""))
    sort = given.get("sort", "")
    turned = sort.startswith("-")
    known = sort.removeprefix("-") in sortable(snapshot)
    row, page = _whole(given.get("row", "")), _whole(given.get("page", ""))
    return Filter(
        search=given.get("search", "").replace("\0", "").strip()[:LONGEST_SEARCH],
        segment=_one_of(given.get("segment", ""), snapshot.segments),
        risk=_one_of(given.get("risk", ""), RISKS),
        tier=_one_of(given.get("tier", ""), snapshot.tiers),
        row=row if row is not None and row < len(SPEND_EDGES) else None,
        least=None if least is None else round(least, 2),
        own=tuple(
            (column, value)
            for column, values in snapshot.groups.items()
            if (value := given.get(f"{OWN}{column}")) in values
        ),
        sort=sort.removeprefix("-") if known else "at_risk",
        turned=turned and known,
        page=max(page or 1, 1),
    )


def sortable(snapshot: Snapshot) -> list[str]:
    """Return those columns of `SORTS` that a scored file has, of purchases or of subscriptions."""
    lacking = "next_order_date" if snapshot.facts.subscribers else "monthly_price"
    return [name for name in SORTS if name != lacking]


def query(parts: Mapping[str, str]) -> str:
    """Return the end of an address, with its question mark; nothing for nothing."""
    return f"?{urlencode(parts)}" if parts else ""


def _one_of(text: str, known: Any) -> str:
    return text if text in known else ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None
