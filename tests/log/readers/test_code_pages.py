"""Code pages of Windows by the words of languages: names of countries, languages and currencies."""

import pytest
from babel import Locale

from clvml.errors import InputError
from clvml.log.readers.code_pages import WORD, guess_code_page
from clvml.workflows import assume_config

WESTERN = "de fr es pt it da nb sv fi nl ca is et ga lb"
CENTRAL = "pl cs sk hu hr ro sl bs"
CYRILLIC = "ru bg uk sr mk be kk"
LINES = "klient;den;kwota\n{};2024-01-05;10,50\n{};2024-01-06;20\n"
COLUMNS = {"customer_id": "klient", "order_date": "den", "amount": "kwota"}


def _words(language, encoding):
    names = Locale.parse(language)
    text = "\n".join([*names.territories.values(), *names.languages.values(), *names.currencies.values()])
    return sorted(set(WORD.findall(text.encode(encoding, errors="ignore"))))


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *((language, "cp1252") for language in WESTERN.split()),
        *((language, "cp1250") for language in CENTRAL.split()),
        *((language, "cp1251") for language in CYRILLIC.split()),
        *((language, "cp1254") for language in ("tr", "az")),
    ],
)
def test_languages_of_a_code_page(language, encoding):
    assert guess_code_page(_words(language, encoding))[0] == encoding


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *(("el", "cp1253"), ("ru", "koi8-r"), ("ru", "cp866"), ("ru", "iso8859-5"), ("he", "cp1255")),
        *(("ar", "cp1256"), ("de", "mac_roman"), ("fr", "mac_roman"), ("de", "cp850"), ("fr", "cp850")),
    ],
)
def test_languages_of_none_of_them_are_doubted(language, encoding):
    assert guess_code_page(_words(language, encoding))[0] == ""


@pytest.mark.parametrize(
    "words",
    [
        [
            "m³",
            "m²h",
            "N°",
            "1¾kg",
            "½l",
            "£five",
            "Preis¹",
            "¿qué",
            "3ª",
            "cœur",
            "Bøe",
            "pêche",
            "août",
            "maçã",
        ],
        ["Þór"],
        ["Ýmir"],
        ["Guðmundsson", "Þorsteinn", "Davíð", "Auður"],
        ["£each", "£per", "£inc"],
        ["œnologue", "œcuménique", "œnotourisme"],
    ],
)
def test_signs_and_words_of_the_west(words):
    assert guess_code_page([word.encode("cp1252") for word in words]) == ("cp1252", b"")


@pytest.mark.parametrize(
    ("encoding", "first", "second"),
    [
        ("cp1250", "Małgorzata Wójcik", "Jiří Dvořák"),
        ("cp1251", "Иванов Пётр", "Смирнова"),
        ("cp1254", "Ayşe Kılıç", "Güneş Şahin"),
    ],
)
def test_a_file_is_read_in_its_code_page_and_says_so(read, rows, encoding, first, second):
    text = LINES.format(first, second).encode(encoding)
    log = read(text, columns=COLUMNS)
    assert {row[0] for row in rows(log)} == {first, second}
    assert log.quality.read_as["encoding"] == encoding
    (found,) = [warning for warning in log.quality.warnings if warning.code == "assumed-encoding"]
    assert f"read as {encoding}" in found.text
    known = read(text, columns=COLUMNS, encoding=encoding)
    assert known.fingerprint == log.fingerprint
    assert "assumed-encoding" not in [warning.code for warning in known.quality.warnings]


def test_what_makes_no_sense_is_read_as_before_with_a_warning(read, rows):
    text = LINES.format("Γιώργος", "Νίκος").encode("cp1253")
    log = read(text, columns=COLUMNS)
    (found,) = [warning for warning in log.quality.warnings if warning.code == "assumed-encoding"]
    assert "make no sense as cp1252" in found.text and log.quality.read_as["encoding"] == "cp1252"
    log = read(text, columns=COLUMNS, encoding="cp1253")
    assert {row[0] for row in rows(log)} == {"Γιώργος", "Νίκος"}


def test_bytes_that_cp1252_does_not_have_are_doubted(tmp_path):
    path = tmp_path / "orders.csv"
    lines = "".join(f"C{n % 7},2024-01-{n % 28 + 1:02},{n}.5\n" for n in range(40))
    path.write_bytes(f"顧客ID,注文日時,合計金額\n{lines}".encode("cp932"))
    with pytest.raises(InputError, match=r"make no sense as cp1252.*or cp932"):
        assume_config(str(path))
    columns = assume_config(str(path), ["data.encoding=cp932"]).data.columns
    assert (columns.customer_id, columns.order_date, columns.amount) == ("顧客ID", "注文日時", "合計金額")


def test_a_named_encoding_is_that_of_files_that_are_not_utf_8(read, rows):
    log = read(LINES.format("Zoë", "Jiří"), columns=COLUMNS, encoding="cp1250")
    assert {row[0] for row in rows(log)} == {"Zoë", "Jiří"}


@pytest.mark.parametrize("name", ["utf-16", "rot13", "cp125o", "base64"])
def test_refuses_what_is_no_encoding(read, name):
    with pytest.raises((InputError, ValueError), match=f"'{name}' is no encoding"):
        read(LINES.format("a", "b"), columns=COLUMNS, encoding=name)
