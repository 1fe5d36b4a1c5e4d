"""Dates written as text: which way of writing fits a whole column, and the SQL that reads it.

ISO dates are read everywhere. 03/04/2024 is read only where other dates of the column tell whether the day or the
month comes first, and a number only where the whole column counts in the same unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from clvml.log.calendar_words import MONTHS, SHORT_MONTHS, WEEKDAYS, ZONE_MINUTES, named_zones
from clvml.storage.sql import literal

# No place on earth is farther from UTC.
_OFFSET = r"(?:\+(?:0?\d|1[0-3])(?::?[0-5]\d)?|\+14(?::?00)?|-(?:0?\d|1[01])(?::?[0-5]\d)?|-12(?::?00)?)"
_DATE, _CLOCK_TIME = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}", r"[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_ISO = f"{_DATE}(?:{_CLOCK_TIME})?"
_ISO_OFFSET = r"(?:\+(?:0\d|1[0-3])(?::?[0-5]\d)?|\+14(?::?00)?|-(?:0\d|1[01])(?::?[0-5]\d)?|-12(?::?00)?)"
_ISO_ZONED = f"{_DATE}{_CLOCK_TIME} ?(?:[zZ]|UTC|GMT|{_ISO_OFFSET})"
# A distance from UTC stands behind a time of day only: 2024-01-05 ends in none.
_CLOCK = r"([:.h]\d{2}(?:[.,]\d+)?(?: ?[ap]m\b)?|t\d{4}(?:\d{2})?)"
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_DIGITS = {9: "seconds", 10: "seconds", 12: "milliseconds", 13: "milliseconds", 15: "microseconds"}
_DIGITS |= {16: "microseconds", 18: "nanoseconds", 19: "nanoseconds"}
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_COMPACT = rf"(?:19|20)\d\d(?:0[1-9]|1[0-2]){_DAY}"
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

    Attributes
    ----------
    text : str
        The first of them.
    rows : int
    place : int
        Row id of the first.
    day_first, month_first : str or None
        The first of them that can only have the day, or only the month, in front.
    day_place, month_place : int or None
    is_open : bool
        Some may have either in front.
    firsts, lasts : int
        How many values the first and the last of the three numbers take.
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

    Attributes
    ----------
    format : DateFormat
    order : {"", "dmy", "mdy", "ymd"}
        What the texts themselves say of dates that are three numbers.
    open_text : DateSpelling or None
        Dates that may have the day or the month in front, where nothing tells.
    conflict : tuple of (str, int)
        Two texts with their places that have no format in common; else empty.
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
    # A weekday may stand in front.
    numbers = r"'^\D*(\d{1,2}) ?[/.-] ?(\d{1,2}) ?[/.-] ?(\d+)'"
    a, b, c = (f"TRY_CAST(regexp_extract(text, {numbers}, {group}) AS INTEGER)" for group in (1, 2, 3))
    day, month = "a BETWEEN 13 AND 31 AND b <= 12", "b BETWEEN 13 AND 31 AND a <= 12"
    alike = f"translate({_lowered('text')}, '023456789', '111111111')"
    return (
        "SELECT part, arg_min(text, first), sum(rows)::BIGINT, min(first), "
        f"arg_min(text, first) FILTER ({day}), min(first) FILTER ({day}), "
        f"arg_min(text, first) FILTER ({month}), min(first) FILTER ({month}), "
        "coalesce(bool_or(a <> b AND a <= 12 AND b <= 12), false), count(DISTINCT a), count(DISTINCT c) FROM ("
        f"SELECT *, {alike} AS alike, {a} AS a, {b} AS b, {c} AS c FROM ("
        f"SELECT part, {text} AS text, count(*) AS rows, min(place) AS first FROM {table} WHERE {text} IS NOT NULL"
        " GROUP BY ALL)) GROUP BY part, alike ORDER BY 1, 3 DESC, 4"
    )


def compare_dates(
    spellings: Iterable[DateSpelling], iso: tuple[int, str, int] = (0, "", 0), order: str = "", unit: str = ""
) -> DateReadings:
    """Return the format that reads all spellings that are dates.

    Parameters
    ----------
    iso : (int, str, int)
        How many rows are ISO dates and read already, the first text and its place.
    order, unit : str
        What is known of them; empty where the texts must tell.

    >>> compare_dates([DateSpelling("13.01.2024", 2, 0, day_first="13.01.2024", day_place=0)]).format.patterns
    ('%d.%m.%Y',)
    """
    spellings = list(spellings)
    units: dict[str, tuple[int, str, int]] = {"calendar": iso} if iso[0] else {}
    read: list[tuple[DateSpelling, _Parsed]] = []
    for spelling in spellings:
        parsed = _parse(spelling.text, unit)
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
            tuple(dict.fromkeys(sorted(rewrites, key=_rewrites().index))),
            tuple(zones),
        ),
        said,
    )


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
        pattern = literal(rf"{_CLOCK} ?({either}(?:utc|gmt)?{_OFFSET})(?: \([^)]*\))?$")
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


@dataclass(frozen=True)
class _Parsed:
    """A text taken apart.

    ``date`` and ``time`` are patterns of strptime; in ``date``, ``<1>`` to ``<3>`` stand for numbers of which the order
    is not known from the text.
    """

    unit: str = "calendar"
    date: str = ""
    time: str = ""
    zone: str = ""
    rewrites: tuple[tuple[str, str], ...] = ()

    def pattern(self, order: str, year: str) -> str:
        """Return what strptime reads, with the numbers in an order."""
        parts = [f"%{year if letter == 'y' else letter}" for letter in order]
        date = self.date
        for number, part in enumerate(parts, start=1):
            date = date.replace(f"<{number}>", part)
        return date + self.time


_TIME = re.compile(
    r"(?P<gap>,? +(?:(?:um|at|à|a|kl\.?|om) +)?| - |t|:)(?P<hour>\d{1,2})(?P<colon>[:.h])\d{2}"
    r"(?:(?P<second>[:.])\d{2}(?:(?P<point>[.,])\d{1,6})?)?(?P<half> ?[ap]m)?(?P<tail> ?(?:uhr|h))?$"
)
_HOUR = re.compile(r"(?P<gap>,? +)(?P<hour>\d{1,2})(?P<half> ?[ap]m)$")
_BARE_TIME = re.compile(r"(?P<gap>[t ])\d{4}(?P<second>\d{2})?$")
_ZONE = re.compile(
    rf"^.*{_CLOCK} ?(?P<zone>(?:utc|gmt)?{_OFFSET}|[a-z]{{1,5}}|[a-z_]+(?:/[a-z_+-]+)+)(?: \([^)]*\))?$"
)
_NUMBERS = re.compile(r"\d{1,2}( ?[/.-] ?)\d{1,2}( ?[/.-] ?)(\d{4}|\d{2})(\.?)")
_YEAR_FIRST = re.compile(r"\d{4}( ?[/.-] ?)\d{1,2}( ?[/.-] ?)\d{1,2}(\.?)")
_GAP = r"((?:[ ./,'-]|de |of )*)"
_MONTH = f"(?:{'|'.join(SHORT_MONTHS)})"
_WORDED = (
    (re.compile(rf"\d{{1,2}}{_GAP}{_MONTH}{_GAP}(\d{{4}}|\d{{2}})"), "%d{0}%b{1}{year}"),
    (re.compile(rf"{_MONTH}{_GAP}\d{{1,2}}{_GAP.replace('*', '+')}(\d{{4}}|\d{{2}})"), "%b{0}%d{1}{year}"),
    (re.compile(rf"\d{{4}}{_GAP}{_MONTH}{_GAP}\d{{1,2}}()"), "%Y{0}%b{1}%d"),
)


def _parse(text: str, unit: str = "") -> _Parsed | None:
    """Take the text of a date apart, or return None where it is none."""
    text = text.lower().translate(str.maketrans("\u00a0\u202f\u2009", "   "))
    if re.fullmatch(r"\d+(?:[.,]\d+)?", text):
        return _parse_digits(text, unit)
    if unit not in ("", "calendar"):
        return None
    zone = ""
    found = _ZONE.match(text)
    if found and found["zone"] not in ("am", "pm", "a", "p", "h", "uhr"):
        zone = found["zone"]
        text = text[: found.start("zone")].rstrip(" ")
        if re.search(r"\d", zone) and "/" not in zone:
            zone = "offset"
        elif zone not in ZONE_MINUTES and zone not in named_zones():
            return None
    rewrites = []
    for pattern, put in _rewrites():
        text, changes = re.subn(pattern, put, text, count=1)
        if changes:
            rewrites.append((pattern, put))
    text, time = _split_time(text)
    date = _date_pattern(text)
    return _Parsed("calendar", date, time, zone, tuple(rewrites)) if date else None


def _parse_digits(text: str, unit: str) -> _Parsed | None:
    whole, _, fraction = text.replace(",", ".").partition(".")
    if unit not in ("", "calendar"):
        return _Parsed(unit)
    if not fraction:
        for length, time in ((8, ""), (12, "%H%M"), (14, "%H%M%S")):
            if len(whole) == length and re.match(_COMPACT, whole):
                return _Parsed("calendar", "%Y%m%d", time)
    if unit == "calendar":
        return None
    if len(whole) in _DIGITS and "," not in text:
        return _Parsed(_DIGITS[len(whole)])
    return _Parsed("excel") if re.fullmatch(r"[2-7]\d{4}", whole) else None


def _split_time(text: str) -> tuple[str, str]:
    """Return what stands before the time of day, and the pattern of it; a day without a time has none."""
    if found := _TIME.search(text):
        hour = "%I" if found["half"] else "%H"
        second = f"{found['second']}%S" if found["second"] else ""
        fraction = f"{found['point']}%f" if found["point"] else ""
        half = " %p" if (found["half"] or "").startswith(" ") else "%p" if found["half"] else ""
        return text[
            : found.start()
        ], f"{found['gap']}{hour}{found['colon']}%M{second}{fraction}{half}{found['tail'] or ''}"
    if found := _HOUR.search(text):
        return text[: found.start()], f"{found['gap']}%I{' ' if ' ' in found['half'] else ''}%p"
    if (found := _BARE_TIME.search(text)) and re.fullmatch(_COMPACT, text[: found.start()]):
        return text[: found.start()], f"{found['gap']}%H%M{'%S' if found['second'] else ''}"
    return text, ""


def _date_pattern(text: str) -> str:
    """Return the pattern of a day, empty where it is none."""
    if re.fullmatch(_COMPACT, text):
        return "%Y%m%d"
    if (found := _NUMBERS.fullmatch(text)) and found[1].strip() == found[2].strip():
        return f"<1>{found[1]}<2>{found[2]}<3>{found[4]}"
    if (found := _YEAR_FIRST.fullmatch(text)) and found[1].strip() == found[2].strip():
        return f"%Y{found[1]}%m{found[2]}%d{found[3]}"
    for pattern, put in _WORDED:
        if found := pattern.fullmatch(text):
            return put.format(found[1], found[2], year="%Y" if len(found[3]) == 4 else "%y")
    return ""


@cache
def _rewrites() -> tuple[tuple[str, str], ...]:
    """Return what is rewritten before strptime reads: it knows English and short words."""
    letter = "[^a-zà-ÿа-я]"
    rewrites = [(f"^(?:{WEEKDAYS.replace(' ', '|')})(?:\\.,? *|, *| +)", "")]
    for words, short in zip(MONTHS, SHORT_MONTHS, strict=True):
        longer = "|".join(word for word in words.split() if word != short)
        rewrites.append((f"(^|{letter})(?:{longer})({letter}|$)", rf"\1{short}\2"))
    rewrites.append((r"(\d)(?:st|nd|rd|th|er)([^a-z]|$)", r"\1\2"))
    rewrites.append((r"([ap])\. ?m\.", r"\1m"))
    rewrites.append((r"(:\d{2}[.,]\d{6})\d{1,3}", r"\1"))
    return tuple(rewrites)


def _order(
    numeric: Sequence[DateSpelling],
) -> tuple[str, DateSpelling | None, tuple[tuple[str, int], ...]]:
    """Return the order of dates of three numbers, one that leaves it open, and two that contradict each other."""
    days = [
        (each.day_place, each.day_first) for each in numeric if each.day_first and each.day_place is not None
    ]
    months = [
        (each.month_place, each.month_first)
        for each in numeric
        if each.month_first and each.month_place is not None
    ]
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
    found = re.match(r"\D*\d{1,2} ?[/.-] ?\d{1,2} ?[/.-] ?(\d+)", text)
    return len(found[1]) if found else 0


def _matching(text: str, pattern: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN {text} END"


def _lowered(text: str) -> str:
    return f"translate(lower({text}), '\u00a0\u202f\u2009', '   ')"


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
