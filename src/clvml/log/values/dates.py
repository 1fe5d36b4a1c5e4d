"""Dates written as text: which way of writing fits a whole column, and the SQL that reads it.

ISO dates are read everywhere. 03/04/2024 is read only where other dates of the column tell whether the day or the
month comes first, and a number only where the whole column counts in the same unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clvml.log.values.calendar_words import ZONE_MINUTES, named_zones
from clvml.log.values.date_texts import CLOCK, OFFSET, DateText, parse_date, rewrites_of_texts
from clvml.storage.sql import literal

_DATE, _CLOCK_TIME = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}", r"[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_ISO = f"{_DATE}(?:{_CLOCK_TIME})?"
_ISO_OFFSET = r"(?:\+(?:0\d|1[0-3])(?::?[0-5]\d)?|\+14(?::?00)?|-(?:0\d|1[01])(?::?[0-5]\d)?|-12(?::?00)?)"
_ISO_ZONED = f"{_DATE}{_CLOCK_TIME} ?(?:[zZ]|UTC|GMT|{_ISO_OFFSET})"
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
# Three numbers, behind a weekday or not.
_NUMBERS = re.compile(r"\D*\d{1,2}(?P<sign> ?[/.-] ?)\d{1,2} ?[/.-] ?(?P<year>\d+)")
_BLANKS = "\u00a0\u202f\u2009"
_FIRST, _LAST = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"


@dataclass(frozen=True)
class DateFormat:
    """How the dates of a column are written that are not ISO.

    Attributes
    ----------
    unit : str
        ``calendar``, ``excel`` (days since 1899-12-30), or ``seconds`` to ``nanoseconds`` since 1970.
    order : {"", "dmy", "mdy", "ymd"}
        Of dates that are three numbers; empty where it does not matter.
    patterns : tuple of str
        What strptime reads, after `rewrites`.
    rewrites : tuple of (str, str)
        Patterns in the text in lower case, and what is put in their place: months in English, no weekdays.
    zones : tuple of str
        Names of zones that stand behind times, in lower case; ``offset`` for a distance from UTC.
    """

    unit: str = "calendar"
    order: str = ""
    patterns: tuple[str, ...] = ()
    rewrites: tuple[tuple[str, str], ...] = ()
    zones: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """What ``data.formats`` takes for it."""
        if self.unit != "calendar":
            return self.unit if self.unit == "excel" else f"epoch {self.unit}"
        return ", ".join(self.patterns[:2]) or "%Y-%m-%d"


@dataclass(frozen=True)
class DateSpelling:
    """Texts of a column that are written alike: they differ in digits alone.

    ``text`` and ``place`` (its row id) are the first of them. ``day_first`` and ``month_first`` are the first of them
    that can only have the day, or only the month, in front; ``is_open`` says that some may have either. ``firsts`` and
    ``lasts`` are how many values the first and the last of the three numbers take.
    """

    text: str
    rows: int
    place: int
    day_first: str | None = None
    day_place: int | None = None
    month_first: str | None = None
    month_place: int | None = None
    is_open: bool = False
    firsts: int = 0
    lasts: int = 0


@dataclass(frozen=True)
class DateReadings:
    """What the texts of a column leave of the formats.

    ``order`` is what they say of dates that are three numbers. ``open_text`` are dates that may have the day or the
    month in front, where nothing tells; ``conflict`` holds two texts with their places that have no format in common,
    or nothing.
    """

    format: DateFormat
    order: str = ""
    open_text: DateSpelling | None = None
    conflict: tuple[tuple[str, int], ...] = ()


def iso_sql(text: str, timezone: str) -> tuple[str, str]:
    """Return the SQL of an ISO date as local timestamp, and of whether it has a distance from UTC."""
    zoned = f"coalesce(strlen({text}) > 16 AND regexp_full_match({text}, {literal(_ISO_ZONED)}), false)"
    # DuckDB reads the distance from UTC only in some of the usual ways to write it.
    offset = f"regexp_replace({text}, ' ?([zZ]|UTC|GMT)$', '+00')"
    instant = f"TRY_CAST(replace(replace({offset}, ' +', '+'), ' -', '-') AS TIMESTAMPTZ)"
    # A cast alone would drop the name of a zone, and to DuckDB 'epoch' is a date as well.
    parsed = (
        f"CASE WHEN regexp_full_match({text}, {literal(_ISO)}) THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN {zoned} THEN timezone({literal(timezone)}, {instant}) END"
    )
    return parsed, zoned


def within_calendar(timestamp: str) -> str:
    """Return the SQL of a timestamp, NULL where its year has not four digits: nothing else can hold such dates."""
    return f"CASE WHEN {timestamp} BETWEEN {_FIRST} AND {_LAST} THEN {timestamp} END"


def date_spellings_sql(table: str, text: str) -> str:
    """Return the query of the spellings of a text column: part, then the columns of `DateSpelling`.

    ``table`` has the columns ``part`` and ``place``.
    """
    day, month = "a BETWEEN 13 AND 31 AND b <= 12", "b BETWEEN 13 AND 31 AND a <= 12"
    # A weekday may stand in front.
    gap = "(?: ?[/.-] ?)?"
    numbers = rf"regexp_extract(text, '^\D*(\d{{1,2}}){gap}(\d{{1,2}}){gap}(\d+)', ['a', 'b', 'c'])"
    cast = ", ".join(f"TRY_CAST(numbers.{name} AS INTEGER) AS {name}" for name in "abc")
    # One translation, because each is slow.
    alike = f"translate(lower(text), '{_BLANKS}023456789', '   111111111')"
    return (
        "SELECT part, arg_min(text, first), sum(rows)::BIGINT, min(first), "
        f"arg_min(text, first) FILTER ({day}), min(first) FILTER ({day}), "
        f"arg_min(text, first) FILTER ({month}), min(first) FILTER ({month}), "
        "coalesce(bool_or(a <> b AND a <= 12 AND b <= 12), false), count(DISTINCT a), count(DISTINCT c) FROM ("
        f"SELECT *, {alike} AS alike, {cast} FROM (SELECT *, {numbers} AS numbers FROM ("
        f"SELECT part, {text} AS text, count(*) AS rows, min(place) AS first FROM {table} WHERE {text} IS NOT NULL"
        " GROUP BY ALL))) GROUP BY part, alike ORDER BY 1, 3 DESC, 4"
    )


def compare_dates(
    spellings: Iterable[DateSpelling], iso: tuple[int, str, int] = (0, "", 0), order: str = "", unit: str = ""
) -> DateReadings:
    """Return the format that reads all spellings that are dates.

    ``iso`` is how many rows are ISO dates and read already, the first text and its place. ``order`` and ``unit`` are
    what is known of the texts; empty where these must tell.

    >>> compare_dates([DateSpelling("13.01.2024", 2, 0, day_first="13.01.2024", day_place=0)]).format.patterns
    ('%d.%m.%Y',)
    """
    spellings = list(spellings)
    units: dict[str, tuple[int, str, int]] = {"calendar": iso} if iso[0] else {}
    read: list[tuple[DateSpelling, DateText]] = []
    for spelling in spellings:
        parsed = parse_date(spelling.text, unit)
        if parsed is None:
            continue
        read.append((spelling, parsed))
        rows, text, place = units.get(parsed.unit, (0, spelling.text, spelling.place))
        units[parsed.unit] = (rows + spelling.rows, text, min(place, spelling.place))
    if len(units) > 1:
        common = sorted(units.values(), key=lambda found: (-found[0], found[2]))
        return DateReadings(DateFormat(), conflict=tuple((text, place) for _, text, place in common[:2]))
    found_unit = unit or next(iter(units), "calendar")
    numeric = [spelling for spelling, parsed in read if "<1>" in parsed.date]
    said, open_text, conflict = ("", None, ()) if order else _order(numeric)
    if conflict:
        return DateReadings(DateFormat(), conflict=conflict)
    if open_text is not None:
        return DateReadings(DateFormat(found_unit), "", open_text)
    chosen = order or said
    # %y comes before %Y because %Y reads the year 24 where two digits stand, and %y never reads four.
    patterns = {
        parsed.pattern(chosen or "dmy", _year(spelling.text, chosen))
        for spelling, parsed in read
        if parsed.date
    }
    rewrites = [rewrite for _, parsed in read for rewrite in parsed.rewrites]
    zones = sorted({parsed.zone for _, parsed in read if parsed.zone})
    return DateReadings(
        DateFormat(
            found_unit,
            chosen,
            tuple(sorted(patterns, key=lambda pattern: ("%Y" in pattern, pattern))),
            tuple(dict.fromkeys(sorted(rewrites, key=rewrites_of_texts().index))),
            tuple(zones),
        ),
        said,
    )


def custom_of(spellings: Iterable[DateSpelling], comma: bool) -> str:
    """Return why dates that leave day and month open have the day in front; empty where no custom says so.

    Who writes the month in front sets it off by slashes or dashes, and decimals by a point; ``comma`` says that
    decimals beside the dates follow a comma.
    """
    found = [numbers for each in spellings if (numbers := _NUMBERS.match(each.text))]
    # A year of two digits may stand in front as well.
    if not found or any(len(numbers["year"]) != 4 for numbers in found):
        return ""
    if all("." in numbers["sign"] for numbers in found):
        return "dates with points are"
    return "dates beside decimal commas are" if comma else ""


def date_sql(text: str, dates: DateFormat, timezone: str) -> tuple[str, str]:
    """Return the SQL that reads a text column as local timestamp, and of whether a zone was converted."""
    if dates.unit == "excel":
        text = _matching(text, r"\d{1,6}([.,]\d+)?")
        days = f"replace({text}, ',', '.')"
        seconds = f"CAST(round(TRY_CAST({days} AS DOUBLE) * 86400) AS BIGINT)"
        return f"(TIMESTAMP '1899-12-30' + to_seconds({seconds}))", "false"
    if dates.unit in UNITS:
        # As whole numbers: a double cannot hold nanoseconds.
        text = _matching(text, r"\d{1,19}(\.\d+)?")
        number = f"TRY_CAST({text} AS DECIMAL(38, 9))"
        micros = f"TRY_CAST({number} * {10**6} / {UNITS[dates.unit]} AS BIGINT)"
        if UNITS[dates.unit] > 10**6:
            micros = f"TRY_CAST(trunc({number}) AS HUGEINT) // 1000"
        bounded = f"CASE WHEN {micros} < 253402300800000000 THEN make_timestamp(({micros})::BIGINT) END"
        local = f"timezone({literal(timezone)}, timezone('UTC', {bounded}))"
        return local, f"coalesce({local} IS NOT NULL, false)"
    if not dates.patterns:
        return "NULL::TIMESTAMP", "false"
    clean = _lowered(text)
    zone = ""
    if dates.zones:
        words = "|".join(
            re.escape(name) for name in sorted(dates.zones, key=len, reverse=True) if name != "offset"
        )
        either = f"(?:{words})|" if words else ""
        pattern = literal(rf"{CLOCK} ?({either}(?:utc|gmt)?{OFFSET})(?: \([^)]*\))?$")
        zone = f"regexp_extract({clean}, {pattern}, 2)"
        clean = f"regexp_replace({clean}, {pattern}, '\\1')"
    for pattern, put in dates.rewrites:
        clean = f"regexp_replace({clean}, {literal(pattern)}, {literal(put)})"
    listed = ", ".join(map(literal, dates.patterns))
    # To strptime 'epoch' and 'infinity' are dates of every pattern.
    local = f"CASE WHEN regexp_matches({text}, '\\d') THEN CAST(try_strptime({clean}, [{listed}]) AS TIMESTAMP) END"
    if not zone:
        return local, "false"
    return _converted(local, zone, dates.zones, timezone), f"coalesce({zone} <> '', false)"


def parse_date_name(text: str) -> tuple[str, str, str]:
    """Return unit, order and pattern of what ``data.formats`` says of a date.

    Raises
    ------
    ValueError
        It is neither ``excel`` nor ``epoch`` with a unit, nor a pattern with a day, a month and a year.

    >>> parse_date_name("%d/%m/%Y"), parse_date_name("epoch milliseconds")
    (('calendar', 'dmy', '%d/%m/%Y'), ('milliseconds', '', ''))
    """
    name = text.strip()
    words = name.lower().split()
    if words == ["excel"]:
        return "excel", "", ""
    if len(words) == 2 and words[0] == "epoch" and words[1] in UNITS:
        return words[1], "", ""
    directives = re.findall(r"%-?(.)", name)
    order = "".join({"B": "m", "b": "m", "Y": "y"}.get(each, each) for each in directives if each in "dmbByY")
    if order not in ("dmy", "mdy", "ymd") or not set(directives) <= set("dmbByYHIMSfpzZaA"):
        raise ValueError(
            'must be a pattern with day, month and year such as "%d/%m/%Y" or "%m/%d/%Y %H:%M", or excel, epoch'
            " seconds, epoch milliseconds, epoch microseconds or epoch nanoseconds"
        )
    # Zones and weekdays are taken out and months shortened before strptime reads.
    plain = re.sub(r"^%[aA],? ?| ?%[zZ]$", "", name.replace("%-", "%")).replace("%B", "%b")
    return (
        "calendar",
        order,
        re.sub("%.|[A-Z]", lambda found: found[0] if "%" in found[0] else found[0].lower(), plain),
    )


def _order(
    numeric: Sequence[DateSpelling],
) -> tuple[str, DateSpelling | None, tuple[tuple[str, int], ...]]:
    """Return the order of dates of three numbers, one that leaves it open, and two that contradict each other."""
    days = [(each.day_place or 0, each.day_first) for each in numeric if each.day_first]
    months = [(each.month_place or 0, each.month_first) for each in numeric if each.month_first]
    if days and months:
        return "", None, tuple((text, place) for place, text in (min(days), min(months)))
    if days:
        # A year of two digits may stand in front as well; days take more values than years.
        doubtful = [each for each in numeric if each.lasts > each.firsts and _year_digits(each.text) == 2]
        return ("", doubtful[0], ()) if doubtful else ("dmy", None, ())
    if months:
        return "mdy", None, ()
    undecided = [each for each in numeric if each.is_open]
    return "", undecided[0] if undecided else None, ()


def _year(text: str, order: str) -> str:
    """Return the directive of the year of a date of three numbers; where it comes first it has two digits."""
    return "Y" if _year_digits(text) == 4 and order != "ymd" else "y"


def _year_digits(text: str) -> int:
    if text.isdigit():
        return 4
    found = _NUMBERS.match(text)
    return len(found["year"]) if found else 0


def _matching(text: str, pattern: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN {text} END"


def _lowered(text: str) -> str:
    return f"translate(lower({text}), '{_BLANKS}', '   ')"


def _converted(local: str, zone: str, zones: Sequence[str], timezone: str) -> str:
    """Return the SQL of a time of day in a zone as local time of ``timezone``."""
    wall = literal(timezone)
    known = named_zones()
    places = " ".join(
        f"WHEN {literal(name)} THEN timezone({wall}, timezone({literal(known[name])}, {local}))"
        for name in zones
        if name in known
    )
    fixed = " ".join(
        f"WHEN {literal(name)} THEN {ZONE_MINUTES[name]}" for name in zones if name in ZONE_MINUTES
    )
    sign, hours, minutes = (
        f"regexp_extract({zone}, '([+-])(\\d{{1,2}}):?(\\d{{2}})?$', {group})" for group in (1, 2, 3)
    )
    distance = (
        f"(CASE WHEN {sign} = '-' THEN -1 ELSE 1 END"
        f" * (60 * TRY_CAST({hours} AS INTEGER) + coalesce(TRY_CAST({minutes} AS INTEGER), 0)))"
    )
    distance = f"CASE {zone} {fixed} ELSE {distance} END" if fixed else distance
    return (
        f"CASE {zone} WHEN '' THEN {local} {places} "
        f"ELSE timezone({wall}, timezone('UTC', {local} - to_minutes({distance}))) END"
    )
