"""Tables that have year, month and day in three columns: a column of the dates is put beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from clvml.log.finding import Finding
from clvml.log.readers.month_columns import DATE
from clvml.log.readers.parts import Part, copied_part
from clvml.log.values.calendar_words import PARTS_OF_DATES


def with_dates(connection: duckdb.DuckDBPyConnection, parts: list[Part]) -> list[Part]:
    """Return the parts with the column `DATE` beside year, month and day, where they have these and no such column."""
    return [
        _joined(connection, part, places, number) if (places := _places(part.columns)) else part
        for number, part in enumerate(parts)
    ]


def is_part_of_date(name: str) -> bool:
    """Return whether a column is called as years, months or days are."""
    return any(name.casefold() in words.split() for words in PARTS_OF_DATES)


def _places(columns: Sequence[str]) -> list[int]:
    """Return where year, month and day stand, nothing where one of them does not or a column is called `DATE`."""
    names = [name.casefold() for name in columns]
    found = [
        next((names.index(word) for word in words.split() if word in names), None) for words in PARTS_OF_DATES
    ]
    places = [place for place in found if place is not None]
    return [] if DATE in names or len(places) < len(PARTS_OF_DATES) else places


def _joined(connection: duckdb.DuckDBPyConnection, part: Part, places: list[int], number: int) -> Part:
    read = part if part.layout is None else copied_part(connection, part, f"clvml_dates_{number}")
    # A column with an empty cell may be of decimals: 2024.0.
    cells = [f"nullif(regexp_replace(trim(c{place}::VARCHAR), '\\.0+$', ''), '')" for place in places]
    # What is missing of one of them is missing of all.
    joined = " || '-' || ".join(cells)
    listed = ", ".join(f"'{part.columns[place]}'" for place in places)
    finding = Finding(
        "date-in-three-columns", f"'{part.name}' has the date in columns {listed}, which are read as one"
    )
    return replace(
        read,
        relation=f"(SELECT *, {joined} AS c{len(part.columns)} FROM {read.relation})",
        columns=(*part.columns, DATE),
        types=(*part.types, "VARCHAR"),
        layout=None,
        lines=None,
        # Files of one source have all the same columns.
        findings=(*part.findings, finding) if number == 0 else part.findings,
    )
