"""What a reason says of an attribute: its name and value, which are the user's own words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clvml.customers.attributes import Attribute

Array = NDArray[np.float64]
Texts = NDArray[np.object_]

VALUE, RARE, UNKNOWN = "{attribute}: {value}", "{attribute}: a rare value", "{attribute}: not known"
AGO, AHEAD = "{attribute}: {days:.0f} days ago", "{attribute}: in {days:.0f} days"
WORDS = (VALUE, RARE, UNKNOWN, AGO, AHEAD)
# How the values of a reason begin that uses these words.
_LETTERS = dict(zip(("v", "r", "u", "p", "f"), WORDS, strict=True))


class AttributePhrase:
    """The words of an attribute, for `clvml.explain.wording.reasons`."""

    def __init__(self, attribute: Attribute) -> None:
        self.attribute = attribute
        self.said: list[str] = []
        self.fields: set[str] = set()

    def sayable(self, columns: dict[str, Array], size: int) -> NDArray[np.bool_]:
        """Return that every value can be said, a missing one too."""
        return np.ones(size, dtype=bool)

    def say(self, columns: dict[str, Array], rows: NDArray[np.intp]) -> tuple[Texts, Texts]:
        """Return the words of the rows, and the values in them."""
        different, kind = np.unique(columns[self.attribute.name][rows], return_inverse=True)
        said = [self._values(value) for value in different]
        words = [_format(*say_values(values)) for values in said]
        return np.asarray(words, dtype=object)[kind], np.asarray(said, dtype=object)[kind]

    def _values(self, value: float) -> str:
        label = _plain(self.attribute.column)
        if np.isnan(value):
            return f"u;{label}"
        if self.attribute.kind == "category":
            level = self.attribute.codes[int(value)]
            return f"v;{label};{_plain(level)}" if level else f"r;{label}"
        if self.attribute.kind == "date":
            return f"{'p' if value >= 0 else 'f'};{label};{abs(value):.0f}"
        return f"v;{label};{value:,.6g}"


def say_values(values: str) -> tuple[str, dict[str, float | str]]:
    """Return the words of an attribute's reason, and what belongs into them, from the values of the scored file.

    >>> say_values("v;Channel;web")
    ('{attribute}: {value}', {'attribute': 'Channel', 'value': 'web'})

    Raises
    ------
    ValueError
        They are no such values.
    """
    letter, *parts = values.split(";")
    words = _LETTERS.get(letter, "")
    if not words or len(parts) != (1 if words in (RARE, UNKNOWN) else 2):
        raise ValueError(f"'{values}' are not values of an attribute")
    named: dict[str, float | str] = {"attribute": parts[0]}
    if words == VALUE:
        named["value"] = parts[1]
    elif len(parts) == 2:
        named["days"] = float(parts[1])
    return words, named


def _format(words: str, named: dict[str, float | str]) -> str:
    text = words.format(**named)
    return text.replace(" 1 days", " 1 day") if named.get("days") == 1 else text


def _plain(text: str) -> str:
    """Return a text in one line, without the sign that separates values."""
    return " ".join(text.replace(";", ",").split())
