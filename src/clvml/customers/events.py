"""Events of customers as features: how many of each kind lately, and how long ago the last one was.

An event counts where its day lies before the cutoff. Windows that begin before the first event of the table are missing
values: what was not recorded is not nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers.attributes import FEWEST_CUSTOMERS
from clvml.customers.groups import Feature
from clvml.errors import first_of
from clvml.log.event_table import EventTable
from clvml.storage.sql import literal

WINDOWS = (30, 90, 365)
# Each type of its own brings a feature of each window, and one more.
MOST_TYPES = 20
# How the features of all events begin.
PREFIX = "event"


@dataclass(frozen=True)
class EventFeature:
    """One number that a model reads of a kind of event.

    Attributes
    ----------
    name : str
        Of the feature.
    label : str
        What the kind of event is called; empty for rare types together.
    days : int or None
        Length of the window that events are counted in [days]; None for the days since the last one.
    """

    name: str
    label: str
    days: int | None

    @property
    def feature(self) -> Feature:
        """The number as a feature, for lists of features."""
        named = self.label or "rare types together"
        unit, what = ("events", f"events in the last {self.days} days")
        if self.days is None:
            unit, what = ("days", "days since the last event")
        return Feature(self.name, self.name, unit, f"{what}: {named}", self.name, "events", grain="customer")

    def read(self, values: pd.Series) -> NDArray[np.float32]:
        """Return the values of a feature table as numbers, shape (n,); NaN where missing."""
        return pd.to_numeric(values).to_numpy(np.float32, na_value=np.nan)


class EventKind(NamedTuple):
    """Types of events that are counted together: one that is frequent, or all that are rare.

    Attributes
    ----------
    name : str
        How the names of its features begin.
    label : str
        What it is called in the table; empty for rare types together.
    types : tuple of str
        Keys of the types (`clvml.log.event_table.EventType`).
    recorded_from : str
        Day of the first event of the table (ISO 8601), of any type.
    """

    name: str
    label: str
    types: tuple[str, ...]
    recorded_from: str

    @property
    def features(self) -> tuple[EventFeature, ...]:
        """What a model reads of it."""
        counts = (EventFeature(f"{self.name}_{days}d", self.label, days) for days in WINDOWS)
        return (*counts, EventFeature(f"{self.name}_days_since", self.label, None))


def event_kinds(table: EventTable, customers: Mapping[str, int]) -> tuple[tuple[EventKind, ...], str]:
    """Return what is counted, and a note on what is not counted on its own.

    ``customers`` is how many customers have each type in training, by its key.
    """
    found = sorted(customers, key=lambda key: (-customers[key], key))
    label = {one.key: one.label for one in table.types}
    frequent = [key for key in found if customers[key] >= FEWEST_CUSTOMERS and (key or not table.typed)]
    own = frequent[:MOST_TYPES]
    rare = tuple(key for key in found if key not in own)
    begins = table.first_day.isoformat()
    kinds = [EventKind(f"{PREFIX}_{key}" if key else f"{PREFIX}s", label[key], (key,), begins) for key in own]
    # A customer who has two of them counts twice, which matters little where so few are asked for.
    together = sum(customers[key] for key in rare) >= FEWEST_CUSTOMERS
    if together:
        kinds.append(EventKind(f"{PREFIX}s_rare", "", rare, begins))
    if not rare:
        return tuple(kinds), ""
    named = first_of((f"'{label[key]}'" for key in rare), most=10)
    return tuple(kinds), f"events of rare types {'counted together' if together else 'left out'}: {named}"


def with_counts(
    features: str, table: str, kinds: Collection[EventKind], first_day: date, cutoff: date
) -> str:
    """Return SQL of a feature table with what ``table`` counts of each customer before the cutoff.

    ``table`` is as `clvml.log.event_table.EventTable` says, ``first_day`` the first that was recorded.
    """
    return (
        f"select own.*, {_listed_at(kinds, first_day, cutoff)} from ({features}) as own"
        f" left join ({_counted_at(table, kinds, cutoff)}) as counted on counted.customer_id = own.customer_id"
    )


def _counted_at(table: str, kinds: Collection[EventKind], cutoff: date) -> str:
    """Return SQL of what ``table`` counts of each customer before a cutoff: ``customer_id`` and the features."""
    measures = []
    for kind in kinds:
        of_kind = f"type in ({', '.join(map(literal, kind.types))})"
        for one in kind.features:
            if one.days is None:
                last = f"max(case when {of_kind} then day end)"
                measures.append(f"date_diff('day', {last}, date '{cutoff}')::double as {one.name}")
            else:
                since = f"day >= date '{cutoff - timedelta(days=one.days)}'"
                measures.append(f"sum(case when {of_kind} and {since} then number end) as {one.name}")
    return f"select customer_id, {', '.join(measures)} from {table} where day < date '{cutoff}' group by customer_id"


def _listed_at(kinds: Collection[EventKind], first_day: date, cutoff: date) -> str:
    """Return SQL of the features at a cutoff, of `_counted_at` as ``counted``: none is 0 where events were recorded."""
    listed = []
    for one in (feature for kind in kinds for feature in kind.features):
        if one.days is None:
            listed.append(f"counted.{one.name}")
        elif first_day <= cutoff - timedelta(days=one.days):
            listed.append(f"coalesce(counted.{one.name}, 0e0) as {one.name}")
        else:
            listed.append(f"null::double as {one.name}")
    return ", ".join(listed)
