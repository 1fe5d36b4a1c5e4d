from __future__ import annotations

from datetime import date

import pytest
from tests.catalogue import faults

from clvml.errors import InputError
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
    assert say.date(date(2011, 12, 1)).split()[0] == {"en": "1", "fr": "1er", "de": "1."}[code]
    assert say.count(1234) == count


@pytest.mark.parametrize(
    ("text", "english", "french", "german"),
    [
        ("1,000", 1000.0, 1.0, 1.0),
        ("1.000", 1.0, 1.0, 1000.0),
        ("2.5", 2.5, 2.5, 2.5),
        ("2,5", 2.5, 2.5, 2.5),
        ("0,125", 0.125, 0.125, 0.125),
        ("1,234.56", 1234.56, 1234.56, 1234.56),
        ("1.234,56", 1234.56, 1234.56, 1234.56),
        ("1,000,000", 1e6, 1e6, 1e6),
        (" 1 234\u00a0567 ", 1234567.0, 1234567.0, 1234567.0),
        ("1'000", 1000.0, 1000.0, 1000.0),
        ("\u22125", -5.0, -5.0, -5.0),
        (".5", 0.5, 0.5, 0.5),
        ("5.", 5.0, 5.0, 5.0),
        *(
            (text, None, None, None)
            for text in ("", "x", "1,00,000", "1.2.3", "1,2.3,4", "1e5", "٣", "9" * 14)
        ),
    ],
)
def test_numbers_are_read_as_the_language_writes_them(text, english, french, german) -> None:
    assert [Language(code).read_number(text) for code in ("en", "fr", "de")] == [english, french, german]


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_written_is_read_again(code) -> None:
    say = Language(code)
    for value in (0.0, 0.05, 2.5, 1000.0, 1234.56, -1234567.8, 1e12):
        assert say.read_number(say.written(value)) == value


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


def test_money_in_a_reason_has_its_currency() -> None:
    assert Language("fr", "EUR").reason("spend_sum-", "7772")[1] == "a dépensé 7\u202f772\u00a0€ en tout"
    assert Language("en", "EUR").reason("monthly_price+", "9.5")[1] == "pays €9.50 a month"
    assert Language("en").reason("spend_sum-", "7772")[1] == "spent 7,772 in all"


def test_a_text_escapes_what_it_is_given() -> None:
    assert Language("en").text("as of {date}", date="<b>") == "as of &lt;b&gt;"


def test_an_unknown_language_is_one_message() -> None:
    with pytest.raises(InputError, match="language 'es' is not known"):
        Language("es")
