"""DATEV's posting batches: their first line says from which day they are, and their dates are day and month alone."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime

DAY_COLUMN = "Belegdatum"
_MARKS, _FIRST_DAY = ("EXTF", "DTVF"), 14


def first_day_of_batch(line: str) -> date | None:
    """Return the first day of a posting batch from the first line of its file, None where it is none.

    >>> first_day_of_batch('"EXTF";700;21;"Buchungsstapel";12;;;"";"";"";1;2;20240701;4;20240701;20250630;""')
    datetime.date(2024, 7, 1)
    """
    cells = next(csv.reader([line], delimiter=";"), [])
    if len(cells) <= _FIRST_DAY or cells[0] not in _MARKS:
        return None
    try:
        return datetime.strptime(cells[_FIRST_DAY], "%Y%m%d").date()
    except ValueError:
        return None


def with_year(text: str, first_day: date) -> str:
    """Return day and month (5.1. is 501) as a date within a year from the first day; what is neither stays.

    >>> with_year("0107", date(2024, 7, 1)), with_year("3006", date(2024, 7, 1)), with_year("", date(2024, 7, 1))
    ('2024-07-01', '2025-06-30', '')
    """
    if not re.fullmatch(r"\d{3,4}", text):
        return text
    day, month = int(text[:-2]), int(text[-2:])
    year = first_day.year + ((month, day) < (first_day.month, first_day.day))
    return f"{year}-{month:02}-{day:02}"
