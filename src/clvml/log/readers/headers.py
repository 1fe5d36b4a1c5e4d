"""Where a table begins: the line of column names, below whatever titles an export puts above it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

_SEARCHED = 30
_VALUE = re.compile(r"[-+(€$£]*\d[\d.,:/'\s+TZ%€$£)-]*")


def find_header(records: Sequence[Sequence[str]]) -> int:
    """Return which of the first records holds the column names.

    The first one does, unless it has another number of columns than most records or fills at most half of them: then
    the first that has as many, fills more of them and holds no number or date. Where names of groups stand in it, that
    are fewer than those below, the record below does.

    >>> find_header([["Report", "", ""], ["", "", ""], ["id", "day", "amount"], ["7", "2024-01-05", "3"]])
    2
    >>> find_header([["id", "day", "amount"], ["7", "2024-01-05", "3"]])
    0
    >>> find_header([["who", "order", "order"], ["id", "day", "amount"], ["7", "2024-01-05", "3"]])
    1
    """
    widths = Counter(len(record) for record in records if len(record) > 1)
    if not widths:
        return 0
    width = max(widths, key=lambda each: (widths[each], each))
    for number, record in enumerate(records[:_SEARCHED]):
        has_values = any(_VALUE.fullmatch(cell.strip()) for cell in record)
        if len(record) == width and 2 * _filled(record) > width and (number == 0 or not has_values):
            return number + _names_groups(records[number : number + _SEARCHED])
    return 0


def _names_groups(records: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record names groups: the next one has more names, and all below have digits."""
    if len(records) < 3 or len(records[0]) != len(records[1]):
        return False
    groups, names = ({" ".join(cell.split()) for cell in record} - {""} for record in records[:2])
    with_digits = [any(map(str.isdigit, "".join(record))) for record in records]
    return len(groups) < len(names) and not any(with_digits[:2]) and all(with_digits[2:])


def column_names(header: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of columns, trimmed, on one line and made unique, and those that occur more than once.

    >>> column_names([" a", "", "a", "Order\\n date"])[0]
    ('a', 'column_2', 'a_2', 'Order date')
    """
    trimmed = [" ".join(name.split()) for name in header]
    repeated = frozenset(name for name in trimmed if name and trimmed.count(name) > 1)
    names: list[str] = []
    for position, name in enumerate(trimmed, start=1):
        stem = name or f"column_{position}"
        candidate, copy = stem, 2
        while candidate in names:
            candidate, copy = f"{stem}_{copy}", copy + 1
        names.append(candidate)
    return tuple(names), repeated


def prefer_filled(
    columns: Sequence[str], repeated: Collection[str], filled: Collection[int]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Give a name that several columns have to the one that holds something; return names, and those still repeated.

    ``columns`` and ``repeated`` are those of `column_names`, ``filled`` the places of columns that are not empty.

    >>> prefer_filled(("a", "b", "a_2"), {"a"}, {1, 2})
    (('a_2', 'b', 'a'), frozenset())
    """
    names, still = list(columns), set(repeated)
    for name in repeated:
        copies = [
            place for place, other in enumerate(columns) if re.fullmatch(rf"{re.escape(name)}(_\d+)?", other)
        ]
        held = [place for place in copies if place in filled]
        if len(held) == 1:
            first = columns.index(name)
            names[first], names[held[0]] = names[held[0]], name
            still.remove(name)
    return tuple(names), frozenset(still)


def _filled(record: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in record)
