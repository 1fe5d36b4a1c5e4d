"""Numbers written as text: which way of writing fits a whole column, and the SQL that reads it.

``1.250`` is one and a quarter in some countries and 1,250 in others. So a format belongs to a column: it is what every
text of the column fits, and where the texts leave it open nobody guesses.

The patterns here are read by Python and by DuckDB (RE2) alike, so that both take the same texts for numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from clvml.storage.sql import literal

MISSING = r"^(?:nan|null|none|na|n/a|#n/a|<na>|nat|\\n)?$"
"""Pattern of what says in a usual way that nothing is there, in small letters."""

_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP"
    " CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG"
    " HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LYD MAD MDL"
    " MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON"
    " RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX"
    " USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
# What the signs stand for. A sign that several countries use stands for itself.
_SIGNS = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "₹": "INR", "zł": "PLN", "zl": "PLN", "kč": "CZK",
    "ft": "HUF", "lei": "RON", "лв": "BGN", "₽": "RUB", "руб": "RUB", "₺": "TRY", "tl": "TRY", "₴": "UAH", "₩": "KRW",
    "₪": "ILS", "₫": "VND", "₱": "PHP", "₦": "NGN", "฿": "THB", "₸": "KZT", "₾": "GEL", "r$": "BRL", "us$": "USD",
    "$": "USD", "ca$": "CAD", "c$": "CAD", "au$": "AUD", "a$": "AUD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD",
    "nt$": "TWD", "mx$": "MXN", "fr": "CHF", "sfr": "CHF", "s/": "PEN", "rp": "IDR", "rm": "MYR", "kr": "kr",
    "rs": "Rs", "¥": "¥", "円": "JPY", "元": "CNY",
}  # fmt: skip
# A dollar or a crown is of several countries.
_SHARED = ("$", "¥", "kr", "rs", "fr", "lei")
# Hyphens and minus signs, blanks, and apostrophes as they are typed and printed.
_ODD = "\u2212\u2013\u2014\u2010\u2011\ufe63\uff0d\u00a0\u202f\u2009\u2007\u2019\u2018\u00b4`"
_EVEN = "-------    ''''"
# As web pages write them.
_ENTITIES = {"&nbsp;": " ", "&#160;": " ", "&euro;": "€", "&#8364;": "€", "&pound;": "£", "&#163;": "£"}
# What is rewritten first: Excel's ="12.50" and '12.50, a lone hyphen for zero, and 50.- without decimals. RE2 and
# Python write the groups alike but for one in front of a digit.
_REWRITES = (
    (r"^(?:=\"([^\"]*)\"|'(\d.*))$", r"\1\2"),
    (r"^([^\d-]*?) *--? *([^\d-]*)$", r"\1~\2"),
    (r"(\d[.,])--?([^\d-]|$)", r"\1\2"),
)
_ZERO = "~"
_REWRITTEN = "[-='&]"
_ANY_CORE = r"[.,]?\d(?:[\d.,' ]*\d)?[.,]?(?:e[-+]?\d{1,3})?"
_ANY_MARK = r"[^\d\s.,'()+-]{1,5}\.?"


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes
    ----------
    decimal : {".", ","}
    thousands : {"", ",", ".", "'", " "}
        What stands between the groups of digits; numbers without it are read as well.
    lakh : bool
        Groups of two digits before the last one of three: 1,23,456.00.
    marks : tuple of str
        Signs and codes of currencies that may stand beside a number, in lower case.
    """

    decimal: str
    thousands: str = ""
    lakh: bool = False
    marks: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """A number in this format, as ``data.formats`` takes it."""
        whole = "1,23,456" if self.lakh else f"1{self.thousands}234"
        return f"{whole}{self.decimal}56"


FORMATS = (
    *(NumberFormat("."), NumberFormat(".", ","), NumberFormat(".", "'"), NumberFormat(".", " ")),
    *(NumberFormat(".", ",", lakh=True), NumberFormat(","), NumberFormat(",", ".")),
    *(NumberFormat(",", "'"), NumberFormat(",", " ")),
)


@dataclass(frozen=True)
class Spelling:
    """Texts of a column that are written alike: they differ in digits and not in where a zero leads.

    ``text`` and ``place`` (its row id) are the first of them; None is the text of those that are numbers in no format.
    """

    text: str | None
    rows: int
    place: int


@dataclass(frozen=True)
class Readings:
    """What the texts of a column leave of the formats.

    ``formats`` are those that every text fits which fits any; all where no text tells them apart, none where texts
    disagree. ``conflict`` holds two spellings that have no format in common, or the one that the formats read
    differently; else nothing. ``marks`` are the signs and codes of currencies beside the numbers.
    """

    formats: tuple[NumberFormat, ...]
    conflict: tuple[Spelling, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def chosen(self) -> NumberFormat | None:
        """The format, or None where it is open or texts disagree."""
        return self.formats[0] if self.formats and not self.conflict else None


def spellings_sql(table: str, text: str) -> str:
    """Return the query of the spellings of a text column: part, text or NULL, rows, first place.

    ``table`` has the columns ``part`` and ``place``. Equal texts are counted first, so that patterns are matched once
    for each.
    """
    even = _evened(text)
    alike = (
        f"CASE WHEN regexp_full_match({even}, {literal(_pattern(_ANY_CORE, _ANY_MARK))}) "
        f"THEN translate({even}, '023456789', '111111111') END"
    )
    return (
        "SELECT part, CASE WHEN alike IS NOT NULL THEN arg_min(text, first) END, sum(rows)::BIGINT, min(first) FROM ("
        f"SELECT part, {text} AS text, rows, first, {alike} AS alike, regexp_matches({text}, '^\\D*0') AS leads FROM ("
        f"SELECT part, {text}, count(*) AS rows, min(place) AS first FROM {table} WHERE {text} IS NOT NULL GROUP BY ALL"
        ")) GROUP BY part, alike, leads ORDER BY 1, 4"
    )


def compare_formats(spellings: Iterable[Spelling], formats: Sequence[NumberFormat] = FORMATS) -> Readings:
    """Return which of the formats all spellings fit; the signs of currencies that they hold are added to these.

    >>> compare_formats([Spelling("37", 2, 0), Spelling("39,14", 1, 2)]).chosen
    NumberFormat(decimal=',', thousands='', lakh=False, marks=())
    >>> compare_formats([Spelling("388", 2, 0), Spelling("1.250", 1, 2)]).chosen is None
    True
    """
    spellings = [spelling for spelling in spellings if spelling.text is not None]
    found = {mark for spelling in spellings for mark in _marks(spelling.text) if _known(mark)}
    marks = tuple(sorted(found))
    formats = tuple(replace(number, marks=marks) for number in formats)
    fits = [
        (spelling, tuple(number for number in formats if parse_number(spelling.text, number) is not None))
        for spelling in spellings
    ]
    fits = [(spelling, fitting) for spelling, fitting in fits if fitting]
    left = tuple(number for number in formats if all(number in fitting for _, fitting in fits))
    if not left:
        return Readings((), _disagreeing(fits), marks)
    for spelling, _ in fits:
        if len({parse_number(spelling.text, number) for number in left}) > 1:
            return Readings(left, (spelling,), marks)
    return Readings(left, (), marks)


def parse_number(text: str | None, number: NumberFormat) -> Decimal | None:
    """Return the value of a text in a format, or None where it does not fit.

    >>> str(parse_number("(€ 1.234,50)", NumberFormat(",", ".", marks=("€",))))
    '-1234.50'
    """
    even = _even(text)
    found = re.fullmatch(_pattern(_core(number), _mark(number)), even)
    if found is None:
        return None
    core = found.expand(r"\1\2\3").replace(number.thousands or " ", "").replace(number.decimal, ".")
    return Decimal(core) * (-1 if re.search(_NEGATIVE, even) else 1)


def number_sql(text: str, number: NumberFormat) -> str:
    """Return the SQL that reads a text column in a format as DOUBLE, NULL where the text does not fit."""
    even = _evened(text)
    pattern = literal(f"^(?:{_pattern(_core(number), _mark(number))})$")
    core = f"regexp_replace({even}, {pattern}, '\\1\\2\\3')"
    digits = (
        f"replace(replace({core}, {literal(number.thousands or ' ')}, ''), {literal(number.decimal)}, '.')"
    )
    sign = f"CASE WHEN regexp_matches({even}, {literal(_NEGATIVE)}) THEN -1 ELSE 1 END"
    careful = f"CASE WHEN regexp_matches({even}, {pattern}) THEN TRY_CAST({digits} AS DOUBLE) * {sign} END"
    # Most texts are plain, and the patterns are slow. DuckDB takes 1_000 for a number.
    quick = f"coalesce({_quick_sql(text, number)}, {careful})"
    if number.decimal == ".":
        return f"CASE WHEN contains({text}, '_') THEN NULL ELSE coalesce(TRY_CAST({text} AS DOUBLE), {quick}) END"
    return quick


def _quick_sql(text: str, number: NumberFormat) -> str:
    """Return the SQL that reads the usual ones of the texts of `number_sql` in the same way, NULL for the others."""
    blanks = " \u00a0\u202f"
    thousands = blanks if number.thousands == " " else number.thousands
    digits = r"\d+"
    if thousands and not number.lakh:
        digits += rf"|[1-9]\d{{0,2}}(?:[{thousands}]\d{{3}})+"
    mark = "|".join(map(re.escape, number.marks)) or "$^"
    pattern = (
        rf"(?i)(?:(?:{mark})[{blanks}]?)?-?(?:{digits})(?:[{number.decimal}]\d+)?(?:[{blanks}]?(?:{mark}))?"
    )
    bare = text
    for sign in (*number.marks, *map(str.upper, number.marks), *(blanks if number.marks else ""), *thousands):
        bare = f"replace({bare}, {literal(sign)}, '')"
    bare = f"replace({bare}, ',', '.')" if number.decimal == "," else bare
    return f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN TRY_CAST({bare} AS DOUBLE) END"


def parse_example(text: str) -> NumberFormat:
    """Return the format of an example such as ``1.234,56``.

    Raises
    ------
    ValueError
        It is not a number, or a format of which it does not tell which sign is the decimal one.

    >>> parse_example("1,23,456.00")
    NumberFormat(decimal='.', thousands=',', lakh=True, marks=())
    """
    even = _even(text.strip())
    number = compare_formats([Spelling(even, 1, 0)]).chosen
    if number is None or parse_number(even, number) is None or not re.fullmatch(r"\d[\d.,' ]*[.,]\d+", even):
        raise ValueError(
            'must be a number with thousands and decimals as the column writes them, for example "1.234,56",'
            ' "1,234.56", "1\'234.56", "1 234,56" or "1234.56"'
        )
    return number


def currency_of(text: str) -> str | None:
    """Return the code of the currency that stands beside a number, the sign where it is of several, or None.

    >>> currency_of("1.234,50 €"), currency_of("kr. 5"), currency_of("12")
    ('EUR', 'kr', None)
    """
    marks = _marks(text)
    return _SIGNS.get(marks[-1], marks[-1].upper()) if marks and _known(marks[-1]) else None


def sure_currency_of(text: str) -> str | None:
    """Return the code of the currency that stands beside a number, None where its sign is of several countries.

    >>> sure_currency_of("US$ 5"), sure_currency_of("$5"), sure_currency_of("¥5")
    ('USD', None, None)
    """
    return None if _marks(text)[-1:] in [[sign] for sign in _SHARED] else currency_of(text)


_NEGATIVE = r"^[^0-9]*[-(]|-[^0-9]*$"


def _even(text: str | None) -> str:
    even = (text or "").translate(str.maketrans(_ODD, _EVEN))
    for entity, sign in _ENTITIES.items():
        even = even.replace(entity, sign)
    even = even.strip(" ")
    for pattern, put in _REWRITES:
        even = re.sub(pattern, put, even)
    return even.replace(_ZERO, "0")


def _evened(text: str) -> str:
    plain = even = f"translate({text}, {literal(_ODD)}, {literal(_EVEN)})"
    for entity, sign in _ENTITIES.items():
        even = f"replace({even}, {literal(entity)}, {literal(sign)})"
    even = f"trim({even}, ' ')"
    for pattern, put in _REWRITES:
        even = f"regexp_replace({even}, {literal(pattern)}, {literal(put)})"
    even = f"replace({even}, {literal(_ZERO)}, '0')"
    # Few texts hold any of these signs, and patterns are slow.
    return f"CASE WHEN regexp_matches({plain}, {literal(_REWRITTEN)}) THEN {even} ELSE {plain} END"


@cache
def _core(number: NumberFormat) -> str:
    decimal = re.escape(number.decimal)
    plain = rf"(?:\d+(?:{decimal}\d*)?|{decimal}\d+)"
    whole = rf"{plain}(?:e[-+]?\d{{1,3}})?"
    if not number.thousands:
        return whole
    groups = (
        r"[1-9]\d?(?:,\d\d)*,\d{3}"
        if number.lakh
        else rf"[1-9]\d{{0,2}}(?:{re.escape(number.thousands)}\d{{3}})+"
    )
    return rf"{whole}|{groups}(?:{decimal}\d*)?"


def _mark(number: NumberFormat) -> str:
    # Some of them are abbreviations and may have a point behind.
    return "|".join(re.escape(mark) + r"\.?" for mark in sorted(number.marks, key=len, reverse=True))


def _marks(text: str | None) -> list[str]:
    """Return what stands before and behind a number, in lower case and without a point."""
    found = re.fullmatch(_pattern(_ANY_CORE, f"({_ANY_MARK})"), _even(text))
    groups = found.groups() if found else ()
    return [group.lower().rstrip(".") for group in groups if group and not re.search(r"\d", group)]


def _known(mark: str) -> bool:
    return mark in _SIGNS or f" {mark.upper()} " in f" {_CODES} "


@cache
def _pattern(core: str, mark: str) -> str:
    """Return the pattern of a number with signs around it; without groups in ``mark``, 1 to 3 hold its digits."""
    core = f"((?:{core}))"
    before, after, sign_after = "", "", ""
    if mark:
        before, after, sign_after = f"(?:(?:{mark}) *)?", f"(?: *(?:{mark}))?", f"| *(?:{mark}) *[-+]"
    front = f"(?:{before}[-+]? *|[-+] *{before}){core}{after}"
    behind = f"{before}{core}(?: *[-+]{after}{sign_after})"
    enclosed = rf"{before}\( *{before}-? *{core}{after} *\){after}"
    return f"(?i){front}|{behind}|{enclosed}"


def _disagreeing(fits: list[tuple[Spelling, tuple[NumberFormat, ...]]]) -> tuple[Spelling, ...]:
    """Return two spellings without a common format, the commoner ones first; else those that leave none."""
    ordered = sorted(fits, key=lambda fit: (-fit[0].rows, fit[0].place))
    for first, formats in ordered:
        for second, others in ordered:
            if not set(formats) & set(others):
                return first, second
    return tuple(spelling for spelling, _ in ordered[:3])
