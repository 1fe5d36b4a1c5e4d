"""What customers did beside buying, as a table in the database of the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

TABLE = "customer_events"
_SHOWN = 10


class EventType(NamedTuple):
    """A type of event: what tells it from others, how it is written most often, and how many events have it."""

    key: str
    label: str
    events: int


@dataclass(frozen=True)
class EventTable:
    """Events of customers, in the database of their purchase log.

    Attributes
    ----------
    types : tuple of EventType
        The commonest first; one where the table tells no types apart.
    typed : bool
        The table tells types apart.
    first_day : date
        Of any event: nothing was recorded before it.
    table : str
        Rows ``customer_id, day, type`` (a key) and ``number`` of events, of customers of the log.
    """

    types: tuple[EventType, ...]
    typed: bool
    first_day: date
    table: str = TABLE


@dataclass(frozen=True)
class EventCount:
    """What a quality report says of events.

    Attributes
    ----------
    rows, customers : int
        Events that count, and how many customers of the log have any.
    types : dict of str to int
        Events by type; empty where the table tells none apart.
    first_day, last_day : date
        Of these events.
    left_out : dict of str to int
        Events that do not count, by reason.
    """

    rows: int
    customers: int
    types: Mapping[str, int]
    first_day: date
    last_day: date
    left_out: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> Iterable[str]:
        """Return lines for people."""
        yield (
            f"events      {self.rows:>11,} of {self.customers:,} customers, {self.first_day} to {self.last_day}"
        )
        named = [f"{label or 'without a type'} {number:,}" for label, number in self.types.items()]
        if named:
            more = f", and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
            yield f"  types     {', '.join(named[:_SHOWN])}{more}"
        for reason, rows in self.left_out.items():
            yield f"  left out  {rows:>11,} events: {reason}"
