from __future__ import annotations

from datetime import date

import pytest

from clvml.errors import InputError
from clvml.report.catalogue import faults
from clvml.report.language import LANGUAGES, Language


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_catalogue_says_everything(code: str) -> None:
    assert faults(code) == []


@pytest.mark.parametrize(
    ("code", "money", "short", "percent", "day", "count"),
    [
        ("en", "€1,235", "€3.26M", "4.4%", "10 Dec 2011", "1,234"),
        ("fr", "1\u202f235\u00a0€", "3,26\u00a0M\u00a0€", "4,4\u00a0%", "10 déc. 2011", "1\u202f234"),
        ("de", "1.235\u00a0€", "3,26\u00a0Mio.\u00a0€", "4,4\u00a0%", "10. Dez. 2011", "1.234"),
    ],
)
def test_numbers_money_and_dates(code, money, short, percent, day, count) -> None:
    say = Language(code, "EUR")
    assert say.money(1234.56) == money
    assert say.short_money(3_261_298) == short
    assert say.percent(0.0443, 1) == percent
    assert say.date(date(2011, 12, 10)) == day
    assert say.count(1234) == count


def test_money_without_a_currency_is_a_number() -> None:
    assert Language("en").money(1234.4) == "1,234"
    assert Language("de", "??").short_money(2_340_000) == "2,34\u00a0Mio."


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("en", "no purchase for 1 day; usually every 31"),
        ("fr", "aucun achat depuis 1 jour\u00a0; d’habitude tous les 31"),
        ("de", "kein Kauf seit 1 Tag; sonst alle 31"),
    ],
)
def test_a_reason_in_words(code: str, words: str) -> None:
    assert Language(code).reason("days_since_last_order+", "1;31") == (1, words)


def test_a_text_escapes_what_it_is_given() -> None:
    assert Language("en").text("as of {date}", date="<b>") == "as of &lt;b&gt;"


def test_an_unknown_language_is_one_message() -> None:
    with pytest.raises(InputError, match="language 'es' is not known"):
        Language("es")
