"""The words of reasons about attributes and events: names and values that the user wrote."""

from __future__ import annotations

from string import Formatter

import numpy as np
from numpy.typing import NDArray

from clvml.customers.attributes import Attribute
from clvml.customers.events import PREFIX, EventFeature
from clvml.customers.given import Given
from clvml.customers.subscription_snapshots import EARLY

Array = NDArray[np.float64]
Texts = NDArray[np.object_]

# The values of a reason begin with a letter, which says which of these words belong to them.
_LETTERS = {
    "v": "{attribute}: {value}",
    "r": "{attribute}: a rare value",
    "u": "{attribute}: not known",
    "p": "{attribute}: {days:.0f} days ago",
    "f": "{attribute}: in {days:.0f} days",
    "c": "{event}: {count:.0f} in the last {days:.0f} days",
    "n": "{event}: none in the last {days:.0f} days",
    "l": "{event}: the last one {days:.0f} days ago",
    "e": "{event}: none on record",
}
WORDS = (*_LETTERS.values(), EARLY)
# Prefixes of the features whose words the user wrote.
OWN = ("attribute_", PREFIX, "early_")


class GivenPhrase:
    """The words of an attribute or of a count of events, for `clvml.explain.wording.reasons`."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.said: list[str] = []
        self.fields: set[str] = set()

    def sayable(self, columns: dict[str, Array], size: int) -> NDArray[np.bool_]:
        """Return which values a reason can mention: all but counts that were not recorded, and counts of rare types."""
        if isinstance(self.given, Attribute):
            return np.ones(size, dtype=bool)
        if not self.given.label:
            return np.zeros(size, dtype=bool)
        return ~np.isnan(columns[self.given.name]) if self.given.days else np.ones(size, dtype=bool)

    def say(self, columns: dict[str, Array], rows: NDArray[np.intp]) -> tuple[Texts, Texts]:
        """Return the words of the rows, and the values in them."""
        different, kind = np.unique(columns[self.given.name][rows], return_inverse=True)
        values_of = _of_attribute if isinstance(self.given, Attribute) else _of_events
        said = [values_of(self.given, value) for value in different]  # type: ignore[arg-type]
        words = [_format(*say_values(values)) for values in said]
        return np.asarray(words, dtype=object)[kind], np.asarray(said, dtype=object)[kind]


def _of_attribute(given: Attribute, value: float) -> str:
    label = _plain(given.column)
    if np.isnan(value):
        return f"u;{label}"
    if given.kind == "category":
        level = given.codes[int(value)]
        return f"v;{label};{_plain(level)}" if level else f"r;{label}"
    if given.kind == "date":
        return f"{'p' if value >= 0 else 'f'};{label};{abs(value):.0f}"
    return f"v;{label};{value:,.6g}"


def _of_events(given: EventFeature, value: float) -> str:
    label = _plain(given.label)
    if given.days:
        return f"c;{label};{value:.0f};{given.days}" if value else f"n;{label};{given.days}"
    return f"e;{label}" if np.isnan(value) else f"l;{label};{value:.0f}"


def say_own(name: str, values: str) -> tuple[str, dict[str, float | str]]:
    """Return the words of a reason about one of the features `OWN`, and the values of their fields.

    It raises as `say_values` does.

    >>> say_own("early_tickets", "3")
    ('{column} in the first days: {value:,.0f}', {'column': 'tickets', 'value': 3.0})
    """
    if name.startswith("early_"):
        return EARLY, {"column": name.removeprefix("early_"), "value": float(values)}
    return say_values(values)


def say_values(values: str) -> tuple[str, dict[str, float | str]]:
    """Return the words of a reason about an attribute or events, and their fields, from the values of the scored file.

    >>> say_values("v;Channel;web")
    ('{attribute}: {value}', {'attribute': 'Channel', 'value': 'web'})
    >>> say_values("c;ticket;3;30")[1]
    {'event': 'ticket', 'count': 3.0, 'days': 30.0}

    Raises
    ------
    ValueError
        The values do not belong to such a reason.
    """
    letter, *parts = values.split(";")
    words = _LETTERS.get(letter, "")
    fields = [(name, spec) for _, name, spec, _ in Formatter().parse(words) if name]
    if not words or len(parts) != len(fields):
        raise ValueError(f"'{values}' are not values of an attribute or of events")
    pairs = zip(fields, parts, strict=True)
    return words, {name: float(part) if spec else part for (name, spec), part in pairs}


def _format(words: str, named: dict[str, float | str]) -> str:
    text = words.format(**named)
    return text.replace(" 1 days", " 1 day") if named.get("days") == 1 else text


def _plain(text: str) -> str:
    """Return a text in one line, without the semicolons that separate values."""
    return " ".join(text.replace(";", ",").split())
