"""Tables with a column for each month, as pivot tables are exported: a row becomes one for each month with money."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Collection
from dataclasses import replace
from datetime import date

import duckdb

from clvml.log.finding import Finding
from clvml.log.readers.parts import Part, copied_part
from clvml.log.values.calendar_words import MONTHS
from clvml.log.values.numbers import MISSING
from clvml.storage.sql import literal

DATE = "date"
# Names of the two columns that take the place of the months.
LONG = (DATE, "amount")
_FEWEST = 3
_NUMBER = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL.*")
_MONTH_NUMBERS = {word: month for month, words in enumerate(MONTHS, start=1) for word in words.split()}
_BEFORE = r"(?:[^\d]*[\s_:])?"
# A month is also written as its first or its last day.
_DAY = r"(?:01|28|29|30|31)"
_YEAR_FIRST = re.compile(
    _BEFORE + r"((?:19|20)\d\d)[-/._ ]?(0[1-9]|1[0-2]|[1-9])(?:[-/.]" + _DAY + r")?(?:[ T][\d:.]+)?"
)
_MONTH_FIRST = re.compile(_BEFORE + r"(?:" + _DAY + r"\.)?(0?[1-9]|1[0-2])[-/._ ]((?:19|20)\d\d)")
_WORD_FIRST = re.compile(r"(?:.*[\s_:])?([^\W\d_]+)\.?[-/._ ']*((?:19|20)?\d\d)")
_WORD_LAST = re.compile(_BEFORE + r"((?:19|20)\d\d)[-/._ ]*([^\W\d_]+)\.?")


def with_months_as_rows(connection: duckdb.DuckDBPyConnection, parts: list[Part]) -> list[Part]:
    """Return the parts with a row for each month of a row, where most columns are months; others as they are.

    The columns of the months become `LONG`: the last day of the month, and what stood in the cell. Cells without a
    digit but zero are no rows. The findings of the first part then say so.
    """
    return [
        _as_rows(connection, part, months, number) if (months := _months(part.columns)) else part
        for number, part in enumerate(parts)
    ]


def are_months_as_rows(mapped: Collection[str], columns: Collection[str]) -> bool:
    """Return whether columns that are mapped are those of `with_months_as_rows`, and are not in the table itself."""
    return set(LONG) <= set(mapped) and set(LONG).isdisjoint(columns)


def month_end(name: str) -> date | None:
    """Return the last day of the month that a column is called after, None where it is called otherwise.

    >>> month_end("2024-02"), month_end("Umsatz 03/2023"), month_end("févr. 24"), month_end("2024")
    (datetime.date(2024, 2, 29), datetime.date(2023, 3, 31), datetime.date(2024, 2, 29), None)
    """
    text = " ".join(name.casefold().split())
    if found := _YEAR_FIRST.fullmatch(text):
        year, month = int(found[1]), int(found[2])
    elif found := _MONTH_FIRST.fullmatch(text):
        year, month = int(found[2]), int(found[1])
    elif (found := _WORD_FIRST.fullmatch(text)) and found[1] in _MONTH_NUMBERS:
        year, month = int(found[2]), _MONTH_NUMBERS[found[1]]
    elif (found := _WORD_LAST.fullmatch(text)) and found[2] in _MONTH_NUMBERS:
        year, month = int(found[1]), _MONTH_NUMBERS[found[2]]
    else:
        return None
    year += 2000 if year < 100 else 0
    return date(year, month, monthrange(year, month)[1])


def _months(columns: tuple[str, ...]) -> dict[int, date]:
    """Return the last day of the month of each column that is one, by place; empty where the table is another."""
    found = {place: day for place, name in enumerate(columns) if (day := month_end(name)) is not None}
    others = {name.casefold() for place, name in enumerate(columns) if place not in found}
    few = len(found) < max(_FEWEST, len(columns) / 2)
    # Two columns of one month hold two things.
    return {} if few or len(set(found.values())) < len(found) or not others.isdisjoint(LONG) else found


def _as_rows(connection: duckdb.DuckDBPyConnection, part: Part, months: dict[int, date], number: int) -> Part:
    read = part if part.layout is None else copied_part(connection, part, f"clvml_months_{number}")
    others = [place for place in range(len(part.columns)) if place not in months]
    kept = "".join(f"c{place} AS c{new}, " for new, place in enumerate(others))
    where = "line, broken, " if read.copied else ""
    day, cell = len(others), len(others) + 1
    # Numbers stay such: as a text, 1.125 may be a thousand.
    kind = "DOUBLE" if all(_NUMBER.fullmatch(part.types[place]) for place in months) else "VARCHAR"
    # Month by month, so that a line of totals stands below the lines that it adds up.
    by_month = " UNION ALL ".join(
        f"SELECT {where}{kept}{literal(str(end))} AS c{day}, c{place}::{kind} AS c{cell} FROM {read.relation}"
        for place, end in months.items()
    )
    text = f"lower(trim(c{cell}::VARCHAR))"
    said = f"regexp_matches({text}, '[1-9[:alpha:]]') AND NOT regexp_full_match({text}, {literal(MISSING)})"
    relation = f"(SELECT * FROM ({by_month}) AS long WHERE {said})"
    names = [part.columns[place] for place in months]
    finding = Finding(
        "months-as-columns",
        f"'{part.name}' has a column for each month, from '{names[0]}' to '{names[-1]}': what a customer spent in a"
        " month counts as one purchase on its last day; single purchases with their dates give better forecasts",
    )
    return replace(
        read,
        relation=relation,
        columns=(*(part.columns[place] for place in others), *LONG),
        types=(*(part.types[place] for place in others), "VARCHAR", kind),
        layout=None,
        lines=None,
        # Files of one source have all the same months.
        findings=(*part.findings, finding) if number == 0 else part.findings,
    )
