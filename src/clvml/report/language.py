"""A language: its texts, and how it writes numbers, money and dates.

Texts are written in English in the code and translated by gettext catalogues (`locale/<language>.po`), which Babel
reads as they are. What a text says with ``{name}`` is filled in after the translation, and escaped for HTML.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import (
    format_compact_currency,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_group_symbol,
)
from babel.support import NullTranslations, Translations
from markupsafe import Markup

from clvml.customers.features import FEATURES
from clvml.customers.subscription_snapshots import SUBSCRIPTION_FEATURES
from clvml.errors import InputError, did_you_mean
from clvml.explain.wording import say_reason

# Numbers below it are told apart by the cent.
_MOST = 1e13
_MONEY = frozenset(each.name for each in (*FEATURES, *SUBSCRIPTION_FEATURES) if each.unit == "currency")
LANGUAGES: dict[str, str] = {"en": "en_GB", "fr": "fr_FR", "de": "de_DE"}
# How "1 days" is written: the noun right after a one, by language.
_AFTER_ONE = {
    "en": (
        re.compile(
            r"(?<![\d.,])1( )((?:[a-z]+ )*?)(day|line|order|pause|product|purchase|subscription|unit)s\b"
        ),
        r"1\1\2\3",
    ),
    "fr": (
        re.compile(r"(?<![\d.,])1( |\u00a0)(jour|commande|ligne|produit|article|achat|abonnement|pause)s\b"),
        r"1\1\2",
    ),
    "de": (
        re.compile(
            r"(?<![\d.,])1( |\u00a0)(Tag|Bestellung|Position|Produkt|Artikel|Kauf|Käufe|Abonnement|Pause)"
            r"(?:en|e|n|s)?\b"
        ),
        r"1\1\2",
    ),
}


class Language:
    """Texts and formats of one language.

    Parameters
    ----------
    code : {"en", "fr", "de"}
    currency : str, optional
        ISO code of the money; numbers without a sign where it is not known.
    instead : mapping, optional
        Texts that are said in the place of others, by those; of a plural by its two forms.

    Raises
    ------
    InputError
        The language is not one of these.
    """

    def __init__(
        self, code: str, currency: str | None = None, instead: Mapping[Any, Any] | None = None
    ) -> None:
        if code not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise InputError(
                f"language '{code}' is not known{did_you_mean(code, LANGUAGES)}; choose one of {known}"
            )
        self.code = code
        self.locale = Locale.parse(LANGUAGES[code])
        known_currency = currency and re.fullmatch("[A-Za-z]{3}", currency)
        self.currency = currency.upper() if currency and known_currency else None
        self._catalogue = _catalogue(code)
        self._instead = instead or {}

    def text(self, message: str, /, **values: Any) -> Markup:
        """Return a text in this language; ``values`` are escaped unless they are `Markup`."""
        return Markup(self._catalogue.gettext(self._instead.get(message, message))).format(**values)

    def plural(self, one: str, many: str, number: float, /, **values: Any) -> Markup:
        """Return the form of a text that goes with a number; ``{n}`` in it is the number as the language writes it."""
        one, many = self._instead.get((one, many), (one, many))
        return Markup(self._catalogue.ngettext(one, many, int(number))).format(n=self.count(number), **values)

    def count(self, value: float) -> str:
        """Return a whole number."""
        return format_decimal(round(value), format="#,##0", locale=self.locale)

    def number(self, value: float, digits: int) -> str:
        """Return a number with so many decimals."""
        if not math.isfinite(value):
            return "–"
        pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
        return format_decimal(round(value, digits) + 0.0, format=pattern, locale=self.locale)

    def written(self, value: float) -> str:
        """Return a number as a person would write it into a field: with no more decimals than it needs, two at most."""
        return format_decimal(value, format="#,##0.##", locale=self.locale)

    def read_number(self, text: str) -> float | None:
        """Return a number that a person of this language wrote; None where it is not a number, or too large for cents.

        One sign before exactly three digits is what the language takes it for (``1,000`` is a thousand in English, and
        one in French); otherwise it stands before the decimals, because that is what keyboards have.

        >>> [Language(code).read_number(text) for code, text in (("en", "1,000"), ("fr", "1 000,5"), ("de", "1.000"))]
        [1000.0, 1000.5, 1000.0]
        >>> [Language("de").read_number(text) for text in ("2.5", "1.234.567,8", "1,5,0", "x", "nan")]
        [2.5, 1234567.8, None, None, None]
        """
        plain = re.sub(r"[\s'’]", "", text).replace("\u2212", "-")
        if not re.fullmatch(r"[+-]?(\d[\d.,]*|[.,]\d+)", plain, re.ASCII):
            return None
        signs = re.sub(r"[^.,]", "", plain)
        group, decimal = "", signs[-1:]
        if len(set(signs)) == 2:
            group = signs[0]
        elif len(signs) > 1 or (
            signs == get_group_symbol(self.locale) and re.fullmatch(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", plain)
        ):
            group, decimal = signs[0], ""
        whole, _, part = plain.partition(decimal) if decimal else (plain, "", "")
        if group and not re.fullmatch(rf"[+-]?\d{{1,3}}({re.escape(group)}\d{{3}})+", whole):
            return None
        if not re.fullmatch(r"\d*", part):
            return None
        value = float(f"{whole.replace(group, '') if group else whole}.{part or 0}")
        return value if abs(value) < _MOST else None

    def percent(self, share: float, digits: int = 0) -> str:
        """Return a share as a percentage."""
        pattern = self.locale.percent_formats[None].pattern
        if digits:
            pattern = pattern.replace("0%", f"0.{'0' * digits}%").replace(
                "0\u00a0%", f"0.{'0' * digits}\u00a0%"
            )
        return format_percent(round(share, digits + 2) + 0.0, format=pattern, locale=self.locale)

    def money(self, value: float) -> str:
        """Return an amount in whole units of the currency."""
        value = round(value) + 0
        if self.currency is None:
            return self.count(value)
        return format_currency(
            value, self.currency, format=_whole(self.locale), locale=self.locale, currency_digits=False
        )

    def short_money(self, value: float) -> str:
        """Return an amount in three digits: thousands in full, millions in words."""
        if abs(value) < 1_000_000:
            size = 10 ** max(len(str(abs(round(value)))) - 3, 0)
            return self.money(round(value / size) * size)
        digits = max(2 - (len(str(abs(round(value)))) - 1) % 3, 0)
        if self.currency is None:
            return format_compact_decimal(value, locale=self.locale, fraction_digits=digits)
        return format_compact_currency(value, self.currency, locale=self.locale, fraction_digits=digits)

    def date(self, day: datetime.date) -> str:
        """Return a day with the month in words."""
        pattern = "d. MMM y" if self.code == "de" else "d MMM y"
        if self.code == "fr" and day.day == 1:
            # Babel writes every day as a cardinal.
            pattern = "d'er' MMM y"
        return format_date(day, pattern, locale=self.locale)

    def month(self, day: datetime.date) -> str:
        """Return a month and its year."""
        return format_skeleton("yMMM", day, locale=self.locale)

    def quarter(self, name: str) -> str:
        """Return a quarter, given as ``2011Q4``."""
        year, _, number = name.partition("Q")
        return str(self.text("Q{number} {year}", number=number, year=year))

    def span(self, low: float | None, high: float | None, said: Callable[[float], str]) -> Markup:
        """Return an interval, its ends as ``said`` writes them; a dash where there is none."""
        if low is None or high is None or not math.isfinite(low):
            return Markup("–")
        return self.text("{low} to {high}", low=said(low), high=said(high))

    def unit(self, words: Markup) -> Markup:
        """Return words with the currency in brackets behind them, where it is known."""
        return words + Markup(f" [{self.currency}]") if self.currency else words

    def named(self, names: Mapping[Any, str], key: Any, otherwise: str | None = None) -> Markup:
        """Return the text that goes with a key; without one the key as it is, or ``otherwise``."""
        if key in names:
            return self.text(names[key])
        return Markup.escape(key) if otherwise is None else self.text(otherwise)

    def reason(self, key: str, values: str) -> tuple[int, Markup]:
        """Return the direction of a reason (1: raises the churn risk, -1: lowers it), and its words.

        ``key`` and ``values`` are those of the scored file.
        """
        words, numbers, direction = say_reason(key, values)
        said = self._catalogue.gettext(words)
        text = re.sub(
            r"\{(\w+)(?::([^}]*))?\}",
            lambda field: self._spelled(field[1], numbers[field[1]], field[2] or ""),
            said,
        )
        pattern, one = _AFTER_ONE[self.code]
        return direction, Markup.escape(pattern.sub(one, text))

    def _spelled(self, name: str, value: float | str, spec: str) -> str:
        if isinstance(value, str):
            return value
        if spec.endswith("%"):
            return self.percent(value)
        digits = int(spec.rstrip("f").rpartition(".")[2] or 0)
        if name in _MONEY and self.currency is not None:
            # Babel gives the decimals of the currency.
            return format_currency(value, self.currency, locale=self.locale) if digits else self.money(value)
        return self.number(value, digits)


def _whole(locale: Locale) -> str:
    """Return the pattern of money without its decimals."""
    return re.sub(r"\.0+", "", locale.currency_formats["standard"].pattern)


@cache
def _catalogue(code: str) -> NullTranslations:
    if code == "en":
        return NullTranslations()
    folder = files("clvml.report") / "locale"
    ready = folder / f"{code}.mo"
    if ready.is_file():
        # Of a wheel, which compiled it when it was built.
        return Translations(fp=BytesIO(ready.read_bytes()))
    source = folder / f"{code}.po"
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(fp=compiled)
