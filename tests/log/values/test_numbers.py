"""Numbers as text: what is clear, what is open, what contradicts itself, and that both readers agree."""

import re
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.log.values.numbers import (
    FORMATS,
    NumberFormat,
    Spelling,
    compare_formats,
    currency_of,
    number_sql,
    parse_example,
    parse_number,
    spellings_sql,
)

POINT, US, SWISS, SPACED, LAKH, COMMA, GERMAN, SWISS_COMMA, FRENCH = FORMATS


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as database:
        yield database


def _readings(connection, texts, formats=FORMATS):
    connection.execute("CREATE OR REPLACE TEMP TABLE texts (part INTEGER, place BIGINT, x VARCHAR)")
    connection.execute("INSERT INTO texts SELECT 0, unnest(range(len($1))), unnest($1::VARCHAR[])", [texts])
    found = connection.execute(spellings_sql("texts", "x")).fetchall()
    return compare_formats([Spelling(*row[1:]) for row in found], formats)


def _values(connection, number):
    query = f"SELECT {number_sql('x', number)} FROM texts ORDER BY place"
    return [row[0] for row in connection.execute(query).fetchall()]


@pytest.mark.parametrize(
    "text, number, value",
    [
        ("1234.56", POINT, "1234.56"),
        ("+5", POINT, "5"),
        ("1&nbsp;234.50&nbsp;", SPACED, "1234.50"),
        (".5", POINT, "0.5"),
        ("1.5E-3", POINT, "0.0015"),
        ("1,234,567.8", US, "1234567.8"),
        ("1'234.50", SWISS, "1234.50"),
        ("1\u2019234.50", SWISS, "1234.50"),
        ("CHF 1'234.50", SWISS, "1234.50"),
        ("1 234.5", SPACED, "1234.5"),
        ("1,23,45,678.00", LAKH, "12345678.00"),
        ("₹1,23,456", LAKH, "123456"),
        ("39,14", COMMA, "39.14"),
        ("1,5E+03", COMMA, "1500"),
        ("1.234.567,89 €", GERMAN, "1234567.89"),
        ("€1.234,50", GERMAN, "1234.50"),
        ("EUR -1.234,50", GERMAN, "-1234.50"),
        ("-EUR 1.234,50", GERMAN, "-1234.50"),
        ("1.234,50-", GERMAN, "-1234.50"),
        ("1.234,50- EUR", GERMAN, "-1234.50"),
        ("1.234,50 EUR-", GERMAN, "-1234.50"),
        ("\u22121.234,50", GERMAN, "-1234.50"),
        ("\u2013 12,5", GERMAN, "-12.5"),
        ("(1.234,50)", GERMAN, "-1234.50"),
        ("(€ 1.234,50)", GERMAN, "-1234.50"),
        ("$ (1,234.50)", US, "-1234.50"),
        ("-$1,234.50", US, "-1234.50"),
        ("US$ 1,234.50", US, "1234.50"),
        ("$5.00 USD", US, "5.00"),
        ("R$ 1.234,50", GERMAN, "1234.50"),
        ("Rs.500", US, "500"),
        ("kr. 1.234,50", GERMAN, "1234.50"),
        ("1 234,50 kr", FRENCH, "1234.50"),
        ("1\u00a0234,50\u00a0€", FRENCH, "1234.50"),
        ("1\u202f234\u202f567,00 zł", FRENCH, "1234567.00"),
        ("1'234,50", SWISS_COMMA, "1234.50"),
        ("50.-", POINT, "50"),
        ("CHF 1'250.-", SWISS, "1250"),
        ("1.250,-- €", GERMAN, "1250"),
        ("50.\u2014", POINT, "50"),
        ("€ 50,\u2013", COMMA, "50"),
        ("-50,-", COMMA, "-50"),
        ("50-", POINT, "-50"),
        ("-", POINT, "0"),
        ("$ -", US, "0"),
        ("-   €", GERMAN, "0"),
        ('="12.50"', POINT, "12.50"),
        ("'12,50", COMMA, "12.50"),
        ("1,250円", US, "1250"),
    ],
)
def test_reads_a_number(connection, text, number, value):
    (read,) = _readings(connection, [text], [number]).formats
    assert parse_number(text, read) == Decimal(value)
    assert _values(connection, read) == [float(value)]


@pytest.mark.parametrize(
    "text",
    ["", "x", "no-show", "n-a", "---",
     "€", "1.2.3", "12,34,5", "1,2345.0", "-5-", "(5", "5)", "--5", "5 kg", "1_000", "12 34", "0,125.5",
     "5%", "1..5", "2024-01-05", "1e", "0x1F", "$", "1 2", "10:30", "€5€€"],
)  # fmt: skip
def test_takes_no_other_text_for_a_number(connection, text):
    formats = _readings(connection, [text]).formats
    assert [number for number in formats if parse_number(text, number) is not None] == []
    assert {value for number in formats for value in _values(connection, number)} == {None}


@pytest.mark.parametrize(
    "texts, number",
    [
        (["37", "39,14"], COMMA),
        (["925.00", "1,560.00"], US),
        (["925.00", "1,560"], US),
        (["1.250", "12.5"], POINT),
        (["1.250", "0.125"], POINT),
        (["1.250", "1234.500"], POINT),
        (["1.234.567", "5"], GERMAN),
        (["1.250,00", "7"], GERMAN),
        (["1,250,000", "7"], US),
        (["1'250", "7.5"], SWISS),
        (["1 250", "7,5"], FRENCH),
        (["1,23,456", "7"], LAKH),
        (["12", "7"], POINT),
        (["soon", "12,5"], COMMA),
    ],
)
def test_a_column_tells_its_format(connection, texts, number):
    assert _readings(connection, texts).chosen == number


@pytest.mark.parametrize("texts", [["388", "1.250"], ["388", "1,250"], ["1.250", "1234"], ["-1.250 €"]])
def test_three_digits_behind_a_lone_sign_are_open(connection, texts):
    readings = _readings(connection, texts)
    assert readings.chosen is None
    assert [spelling.text for spelling in readings.conflict] == [
        text for text in texts if re.search("[.,]", text)
    ]


def test_two_conventions_are_told_with_their_places(connection):
    readings = _readings(connection, ["7", "1.250,00", "1.250,50", "1,250.00"])
    assert readings.chosen is None
    assert [(spelling.text, spelling.rows, spelling.place) for spelling in readings.conflict] == [
        ("1.250,00", 2, 1),
        ("1,250.00", 1, 3),
    ]


@pytest.mark.parametrize(
    "text, number",
    [
        ("1.234,56", GERMAN),
        ("1,234.56", US),
        ("1'234.56", SWISS),
        ("1\u2019234.56", SWISS),
        ("1 234,56", FRENCH),
        ("1\u202f234,56", FRENCH),
        ("1234.56", POINT),
        ("1234,56", COMMA),
        ("1,23,456.00", LAKH),
    ],
)
def test_an_example_names_a_format(text, number):
    assert parse_example(text) == number
    assert parse_example(number.example) == number


@pytest.mark.parametrize("text", ["", "1.234", "1,234", "1234", "comma", "1.234,56 €", "1.2.3"])
def test_an_example_that_names_none_is_refused(text):
    with pytest.raises(ValueError, match="must be a number with thousands and decimals"):
        parse_example(text)


@pytest.mark.parametrize(
    "text, code",
    [
        ("12", None),
        ("€ 5", "EUR"),
        ("&euro;5.00", "EUR"),
        ("5,00&nbsp;&#8364;", "EUR"),
        ("&pound; 5", "GBP"),
        ("5 eur", "EUR"),
        ("$5 CAD", "CAD"),
        ("R$ 5", "BRL"),
        ("5 kr.", "kr"),
        ("Fr. 5", "CHF"),
    ],
)
def test_names_the_currency(text, code):
    assert currency_of(text) == code


def _written(cents: int, number: NumberFormat, places: int, mark: str, minus: str) -> str:
    """Write a number as people do in a country."""
    whole, fraction = divmod(abs(cents), 100)
    digits = str(whole)
    groups = [digits[-3:]]
    digits = digits[:-3]
    step = 2 if number.lakh else 3
    while digits:
        groups.insert(0, digits[-step:])
        digits = digits[:-step]
    text = number.thousands.join(groups) + (f"{number.decimal}{fraction:02d}" if places else "")
    if cents >= 0:
        return mark.format(text)
    return {"front": "-{}", "behind": "{}-", "typed": "\u2212{}", "enclosed": "({})"}[minus].format(
        mark.format(text)
    )


@settings(max_examples=150)
@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=12),
    st.sampled_from(FORMATS),
    st.sampled_from([0, 2]),
    st.sampled_from(["{}", "{} €", "CHF {}", "${}"]),
    st.sampled_from(["front", "behind", "typed", "enclosed"]),
)
def test_a_column_is_read_back_exactly_or_asked_about(connection, cents, number, places, mark, minus):
    if not places:
        cents = [amount // 100 * 100 for amount in cents]
    texts = [_written(amount, number, places, mark, minus) for amount in cents]
    readings = _readings(connection, texts)
    exact = [amount / 100 for amount in cents]
    if readings.chosen is not None:
        assert _values(connection, readings.chosen) == pytest.approx(exact, rel=1e-15)
    else:
        # Only whole numbers whose groups look like decimals leave it open.
        assert not places
    (named,) = _readings(connection, texts, [parse_example(number.example)]).formats
    assert _values(connection, named) == pytest.approx(exact, rel=1e-15)


@settings(max_examples=100)
@given(st.lists(st.text("0123456789.,' -+()€$eE", max_size=10), min_size=1, max_size=8))
def test_python_and_duckdb_take_the_same_texts(connection, texts):
    texts = [text.strip() for text in texts]
    for number in _readings(connection, texts).formats:
        expected = [parse_number(text, number) for text in texts]
        assert _values(connection, number) == [None if value is None else float(value) for value in expected]
