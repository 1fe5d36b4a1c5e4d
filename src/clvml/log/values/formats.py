"""How numbers and dates of a log are written: decided for each column on all its texts, or asked for.

Files of one log share a format where their texts allow it. Where they contradict each other, each file has its own,
as long as each is clear in itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from clvml.config import ColumnsConfig, DataConfig
from clvml.errors import InputError
from clvml.log.finding import Finding
from clvml.log.values.dates import (
    DateFormat,
    DateReadings,
    DateSpelling,
    compare_dates,
    custom_of,
    date_spellings_sql,
    parse_date_name,
)
from clvml.log.values.numbers import (
    NumberFormat,
    Readings,
    Spelling,
    compare_formats,
    currency_of,
    parse_example,
    parse_number,
    spellings_sql,
    sure_currency_of,
)

Locate = Callable[[int], str]
"""From a row id to where it stands, in words: 'orders.csv' line 7."""

_KEY = "data.formats"
_CURRENCY = "currency-on-some-lines"
_SOME = 0.01
# From so many dates on, their days tell something.
_FEW = 10


@dataclass(frozen=True)
class Column:
    """A mapped column: our name, the input's, and the file or files it is in."""

    ours: str
    theirs: str
    origin: str

    @property
    def key(self) -> str:
        """What the configuration calls it: the input's name where it is not a column of ours."""
        return self.ours if self.ours in ColumnsConfig.model_fields else self.theirs

    def __str__(self) -> str:
        ours = f" ({self.ours})" if self.key == self.ours else ""
        return f"column '{self.theirs}'{ours} of '{self.origin}'"


@dataclass(frozen=True)
class Formats:
    """The formats of all columns that are text: of numbers by our names, and of dates, one for each part each.

    ``dates`` is empty where no date needs one; ``warnings`` are guesses.
    """

    numbers: Mapping[str, tuple[NumberFormat, ...]]
    dates: tuple[DateFormat, ...]
    warnings: tuple[Finding, ...]


def choose_formats(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    numbers: Sequence[Column],
    dates: Column | None,
    parts: int,
    data: DataConfig,
    locate: Locate,
) -> Formats:
    """Decide how the text columns of a table are written: ``numbers`` and ``dates``, which are text in some part.

    ``table`` has ``part`` and ``place``, for each number NAME a column ``NAME_text``, and ``date_text`` (not ISO)
    beside ``order_ts`` (ISO).

    Raises
    ------
    InputError
        The texts of a column leave its format open or contradict each other, amounts are in several currencies, or
        ``data.formats`` names a column or a format that there is not.
    """
    named = data.formats
    chosen: dict[str, tuple[NumberFormat, ...]] = {}
    clear: dict[str, Readings] = {}
    opened: list[tuple[Column, Readings, list[Spelling]]] = []
    warnings: dict[str, Finding] = {}
    for column in numbers:
        found = _by_part(connection, spellings_sql(table, f"{column.ours}_text"), Spelling)
        spellings = [each for part in found.values() for each in part]
        if column.ours == "amount" and data.columns.currency is None:
            partly = _check_one_currency(column, spellings, locate, data.currency)
            warnings |= {_CURRENCY: partly} if partly else {}
        name = _named(column, named, parse_example)
        if name is not None:
            marks = compare_formats(spellings, [name]).marks
            chosen[column.ours] = (replace(name, marks=marks),) * parts
            continue
        together = compare_formats(spellings)
        alone = {part: compare_formats(texts) for part, texts in found.items()}
        if together.chosen:
            clear[column.theirs] = together
            chosen[column.ours] = (together.chosen,) * parts
        elif together.formats:
            opened.append((column, together, spellings))
        elif all(readings.chosen for readings in alone.values()):
            any_one = next(iter(alone.values()))
            chosen[column.ours] = tuple(alone.get(part, any_one).formats[0] for part in range(parts))
        else:
            raise _contradictory(column, together, alone, locate)
    # A column that is mapped and stands in an expression, too, is told of once, by the name that answers both.
    for column, readings, spellings in opened:
        number, like = _as_others(readings, spellings, clear)
        if number is None:
            raise _open_number(column, readings.formats, readings.conflict[0], locate)
        chosen[column.ours] = (number,) * parts
        warnings[column.theirs] = _assumed(column, readings.conflict[0], number, like)
    read: tuple[DateFormat, ...] = ()
    if dates is not None:
        comma = any(number.decimal == "," for formats in chosen.values() for number in formats)
        read, assumed = _choose_dates(connection, table, dates, parts, named, locate, comma)
        warnings |= {dates.theirs: assumed} if assumed else {}
    return Formats(chosen, read, tuple(warnings.values()))


def _choose_dates(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    column: Column,
    parts: int,
    named: Mapping[str, str],
    locate: Locate,
    comma: bool,
) -> tuple[tuple[DateFormat, ...], Finding | None]:
    """Return the format of each part, and a warning where it was assumed; ``comma`` says that decimals follow one."""
    found = _by_part(connection, date_spellings_sql(table, "date_text"), DateSpelling)
    name = _named(column, named, parse_date_name)
    if not found:
        return (), None
    iso: dict[int, tuple[int, str, int]] = {}
    for part, rows, text, place, last_day in connection.execute(
        f"SELECT part, count(*), arg_min(order_ts, place)::VARCHAR, min(place), max(day(order_ts)) FROM {table}"
        " WHERE order_ts IS NOT NULL GROUP BY part"
    ).fetchall():
        iso[part] = (rows, text, place)
        if name is None and rows >= _FEW and last_day <= 12 and part in found:
            _check_not_swapped(column, found[part], iso[part], locate)
    if name is not None:
        unit, order, pattern = name
        spellings = [each for part in found.values() for each in part]
        dates = compare_dates(spellings, order=order, unit=unit).format
        if pattern and pattern not in dates.patterns:
            dates = replace(dates, patterns=(pattern, *dates.patterns))
        return (dates,) * parts, None

    def read_in(order: str, parts: Iterable[int]) -> dict[int, DateReadings]:
        return {part: compare_dates(found[part], iso.get(part, (0, "", 0)), order) for part in parts}

    def left_open() -> list[int]:
        return [part for part, readings in alone.items() if readings.open_text]

    alone = read_in("", found)
    orders = {readings.order for readings in alone.values() if readings.order}
    if len(orders) == 1:
        # What one file tells of day and month holds for those that leave it open.
        alone |= read_in(orders.pop(), left_open())
    assumed = None
    left = [each for part in left_open() for each in found[part]]
    if why := custom_of(left, comma):
        assumed = _assumed_day(column, [each for each in left if each.is_open], why)
        alone |= read_in("dmy", left_open())
    for readings in alone.values():
        if readings.conflict:
            (first, at), (second, there) = readings.conflict
            raise InputError(
                f"{column} writes dates in two ways: {quoted(first)} ({locate(at)}) and {quoted(second)}"
                f" ({locate(there)}); export them in one, or name the right one in {example(column)}: lines written"
                " otherwise are then rejected"
            )
        if readings.open_text is not None:
            # The example is written as the column is.
            text = readings.open_text.text
            sign = next((sign for sign in text if sign in "./-"), "" if text.isdigit() else "/")
            day_first, month_first = (sign.join(order) for order in (("%d", "%m", "%Y"), ("%m", "%d", "%Y")))
            raise InputError(
                f"{column} holds dates such as {quoted(text)} ({locate(readings.open_text.place)}),"
                " and nothing in it tells day, month and year apart; name the format, for example"
                f' {_KEY}: {{{column.key}: "{day_first}"}} or {{{column.key}: "{month_first}"}}'
            )
    return tuple(alone[part].format if part in alone else DateFormat() for part in range(parts)), assumed


def _assumed_day(column: Column, spellings: list[DateSpelling], why: str) -> Finding:
    return Finding(
        "assumed-format",
        f"{column} leaves open whether day or month comes first in {quoted(spellings[0].text)}; the day does, as"
        f" {why} written; another format is named in {example(column)}",
        rows=sum(each.rows for each in spellings),
    )


def _check_not_swapped(
    column: Column, spellings: list[DateSpelling], iso: tuple[int, str, int], locate: Locate
) -> None:
    """Refuse dates of which Excel took those that it could for dates, with day and month the wrong way round."""
    first = next((each for each in spellings if each.day_first or each.month_first), None)
    if first is not None and not any(each.is_open for each in spellings):
        raise InputError(
            f"{column} holds dates such as {quoted(iso[1])} ({locate(iso[2])}), all up to the 12th of a month, and"
            f" texts such as {quoted(first.text)} ({locate(first.place)}), all after it: a spreadsheet that writes"
            " dates otherwise opened the file and swapped day and month where it could; use the file as it was"
            f" exported, or name the format in {example(column)} if the dates are right"
        )


def _by_part(connection: duckdb.DuckDBPyConnection, query: str, kind: type[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for part, *rest in connection.execute(query).fetchall():
        found.setdefault(part, []).append(kind(*rest))
    return found


def _named(column: Column, named: Mapping[str, str], parse: Callable[[str], Any]) -> Any:
    """Return the format that the configuration names for a column, or None."""
    key = column.ours if column.ours in named else column.theirs
    if key not in named:
        return None
    try:
        return parse(named[key])
    except ValueError as error:
        raise InputError(f"{_KEY}.{key} {error}; currently set to '{named[key]}'") from None


def _as_others(
    readings: Readings, spellings: list[Spelling], clear: Mapping[str, Readings]
) -> tuple[NumberFormat | None, str]:
    """Return the format that other columns of the same files leave, and the name of one that tells."""
    for theirs, others in clear.items():
        decimals = {number.decimal for number in others.formats}
        if len(decimals) == 1:
            left = [number for number in readings.formats if number.decimal in decimals]
            if left and compare_formats(spellings, left).chosen:
                return left[0], theirs
    return None, ""


def _assumed(column: Column, spelling: Spelling, number: NumberFormat, like: str) -> Finding:
    return Finding(
        "assumed-format",
        f"{column} leaves open how {quoted(spelling.text)} is meant; it is read as {number.example}, as column"
        f" '{like}' is written; another format is named in {example(column)}",
        rows=spelling.rows,
    )


def _check_one_currency(
    column: Column, spellings: list[Spelling], locate: Locate, named: str | None
) -> Finding | None:
    """Refuse amounts in several currencies; warn of another than ``named``, and where only some tell theirs."""
    found: dict[str, list[Spelling]] = {}
    for spelling in spellings:
        code = currency_of(spelling.text or "")
        if code is not None:
            found.setdefault(code, []).append(spelling)
    if len(found) > 1:
        listed = ", ".join(
            f"{code} ({lines_said(sum(each.rows for each in texts))}, the first {locate(texts[0].place)})"
            for code, texts in sorted(found.items())
        )
        raise InputError(
            f"{column} holds amounts in several currencies: {listed}; export one of them, or export the currency as a"
            " column and map it in data.columns.currency"
        )
    for code, texts in found.items():
        if named is not None and sure_currency_of(texts[0].text or "") not in (None, named.upper()):
            return Finding(
                "other-currency",
                f"{column} says {code} beside {quoted(texts[0].text)} ({locate(texts[0].place)}), and data.currency is"
                f" {named}, in which all are added up; correct it to {code}, or give amounts in {named}",
                rows=sum(each.rows for each in texts),
            )
    marked = sum(each.rows for texts in found.values() for each in texts)
    bare = sum(each.rows for each in spellings if each.text) - marked
    if named is not None or not found or min(marked, bare) < _SOME * (marked + bare):
        return None
    code = next(iter(found))
    return Finding(
        _CURRENCY,
        f"{column} says {code} beside {lines_said(marked)} and no currency beside {bare:,}, and all are added up;"
        f" data.currency: {code} says that all are in it",
        rows=bare,
    )


def _open_number(
    column: Column, formats: Sequence[NumberFormat], spelling: Spelling, locate: Locate
) -> InputError:
    meant = {parse_number(spelling.text, number): number for number in reversed(formats)}
    values = " or ".join(str(value) for value in meant)
    examples = " or ".join(f'{{{column.key}: "{number.example}"}}' for number in meant.values())
    return InputError(
        f"{column} holds {quoted(spelling.text)} ({locate(spelling.place)}), and nothing in it tells whether that is"
        f" {values}; name the format with an example: {_KEY}: {examples}"
    )


def _contradictory(
    column: Column, together: Readings, alone: Mapping[int, Readings], locate: Locate
) -> InputError:
    """Return the error for texts that have no format in common: within a file, or in a file that leaves it open."""
    for readings in alone.values():
        if readings.formats and readings.conflict:
            return _open_number(column, readings.formats, readings.conflict[0], locate)
    conflict = next((each.conflict for each in alone.values() if each.conflict), together.conflict)
    texts = " and ".join(f"{quoted(each.text)} ({locate(each.place)})" for each in conflict)
    return InputError(
        f"{column} writes numbers in two ways: {texts}; export them in one, or name the right one in"
        f" {example(column)}: lines written otherwise are then rejected"
    )


def example(column: Column) -> str:
    """Return the key of a column's format, with an example."""
    example = "%d/%m/%Y" if column.ours == "order_date" else "1.234,56"
    return f'{_KEY} (such as {{{column.key}: "{example}"}})'


def quoted(text: str | None) -> str:
    """Return a text in quotes, cut where it is long."""
    text = text or ""
    return f"'{text[:40]}{'...' if len(text) > 40 else ''}'"


def lines_said(rows: int) -> str:
    """Return a number of lines in words."""
    return f"{rows:,} line{'s' * (rows != 1)}"
