"""One date as a text, taken apart: unit, pattern of strptime, time of day, zone, and what is rewritten first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from clvml.log.values.calendar_words import MONTHS, SHORT_MONTHS, WEEKDAYS, ZONE_MINUTES, named_zones

# No place on earth is farther from UTC.
OFFSET = r"(?:\+(?:0?\d|1[0-3])(?::?[0-5]\d)?|\+14(?::?00)?|-(?:0?\d|1[01])(?::?[0-5]\d)?|-12(?::?00)?)"
# A distance from UTC stands behind a time of day only: 2024-01-05 ends in none.
CLOCK = r"([:.h]\d{2}(?:[.,]\d+)?(?: ?[ap]m\b)?|t\d{4}(?:\d{2})?)"
_DIGITS = {9: "seconds", 10: "seconds", 12: "milliseconds", 13: "milliseconds", 15: "microseconds"}
_DIGITS |= {16: "microseconds", 18: "nanoseconds", 19: "nanoseconds"}
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_COMPACT = rf"(?:19|20)\d\d(?:0[1-9]|1[0-2]){_DAY}"
# No month is 19 or 20: which of the two is meant is never open.
_YEAR_BEHIND = rf"{_DAY}{_DAY}(?:19|20)\d\d"


@dataclass(frozen=True)
class DateText:
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
    rf"^.*{CLOCK} ?(?P<zone>(?:utc|gmt)?{OFFSET}|[a-z]{{1,5}}|[a-z_]+(?:/[a-z_+-]+)+)(?: \([^)]*\))?$"
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


def parse_date(text: str, unit: str = "") -> DateText | None:
    """Take the text of a date apart, or return None where it is not a date."""
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
    for pattern, put in rewrites_of_texts():
        text, changes = re.subn(pattern, put, text, count=1)
        if changes:
            rewrites.append((pattern, put))
    text, time = _split_time(text)
    date = _date_pattern(text)
    return DateText("calendar", date, time, zone, tuple(rewrites)) if date else None


def _parse_digits(text: str, unit: str) -> DateText | None:
    whole, _, fraction = text.replace(",", ".").partition(".")
    if unit not in ("", "calendar"):
        return DateText(unit)
    if not fraction:
        if re.fullmatch(_YEAR_BEHIND, whole):
            return DateText("calendar", "<1><2><3>")
        for length, time in ((8, ""), (12, "%H%M"), (14, "%H%M%S")):
            if len(whole) == length and re.match(_COMPACT, whole):
                return DateText("calendar", "%Y%m%d", time)
    if unit == "calendar":
        return None
    if len(whole) in _DIGITS and "," not in text:
        return DateText(_DIGITS[len(whole)])
    return DateText("excel") if re.fullmatch(r"[2-7]\d{4}", whole) else None


def _split_time(text: str) -> tuple[str, str]:
    """Return what stands before the time of day, and the pattern of it; a day without a time has none."""
    if found := _TIME.search(text):
        hour = "%I" if found["half"] else "%H"
        second = f"{found['second']}%S" if found["second"] else ""
        fraction = f"{found['point']}%f" if found["point"] else ""
        half = " %p" if (found["half"] or "").startswith(" ") else "%p" if found["half"] else ""
        minute = f"{found['colon']}%M"
        return text[
            : found.start()
        ], f"{found['gap']}{hour}{minute}{second}{fraction}{half}{found['tail'] or ''}"
    if found := _HOUR.search(text):
        return text[: found.start()], f"{found['gap']}%I{' ' if ' ' in found['half'] else ''}%p"
    if (found := _BARE_TIME.search(text)) and re.fullmatch(_COMPACT, text[: found.start()]):
        return text[: found.start()], f"{found['gap']}%H%M{'%S' if found['second'] else ''}"
    return text, ""


def _date_pattern(text: str) -> str:
    """Return the pattern of a day, empty where the text is not one."""
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
def rewrites_of_texts() -> tuple[tuple[str, str], ...]:
    """Return what is rewritten before strptime reads: it knows English and short words."""
    letter = "[^a-zà-ÿа-я]"
    rewrites = [(f"^(?:{WEEKDAYS.replace(' ', '|')})(?:\\.,? *|, *| +)", "")]
    # Mar is Tuesday in Romance languages where a month of its own follows the day, and March else.
    rewrites.append((r"^mar\.?,? *(\d{1,2}(?: ?[/.-] ?\d{1,2} ?[/.-]|\.? [a-zà-ÿ]))", r"\1"))
    for words, short in zip(MONTHS, SHORT_MONTHS, strict=True):
        longer = "|".join(word for word in words.split() if word != short)
        rewrites.append((f"(^|{letter})(?:{longer})({letter}|$)", rf"\1{short}\2"))
    rewrites.append((r"(\d)(?:st|nd|rd|th|er)([^a-z]|$)", r"\1\2"))
    rewrites.append((r"([ap])\. ?m\.", r"\1m"))
    rewrites.append((r"(\d{4})年 ?(\d{1,2})月 ?(\d{1,2})日", r"\1-\2-\3"))
    rewrites.append((r"(:\d{2}[.,]\d{6})\d{1,3}", r"\1"))
    return tuple(rewrites)
