"""What tells who a customer is beside the id: e-mail, phone and cards, written in one way and hashed."""

from __future__ import annotations

import re

import duckdb
import phonenumbers
from duckdb.sqltypes import VARCHAR

from clvml.storage.sql import literal

# A mailbox with what stands behind a plus (plus addressing), which delivers to the same person.
_EMAIL = "regexp_replace(regexp_replace(lower({0}), '\\s', '', 'g'), '^([^+@]+)\\+[^@]*@', '\\1@')"
_IS_EMAIL = "regexp_full_match({0}, '[^@]+@[^@]+\\.[^@.]+')"
_PLAIN = "nullif(regexp_replace(lower({0}), '[\\s\u00a0]', '', 'g'), '')"
# What international numbers look like once blanks and punctuation are gone: no library need be asked.
_SIGNS = "[\\s\u00a0().\\/-]"
_DIGITS = f"regexp_replace({{0}}, '{_SIGNS}', '', 'g')"
_INTERNATIONAL = "\\+[1-9][0-9]{6,14}"
_PHONES = "clvml_phones"


def written_sql(kind: str, column: str) -> str:
    """Return the SQL of a key in the one way in which it is compared; NULL where it is no such key.

    Phone numbers are those of `stage_phones`, which comes first.

    >>> duckdb.sql("SELECT " + written_sql("email", "'Ann+News@Shop.example '")).fetchall()
    [('ann@shop.example',)]
    """
    if kind == "email":
        email = _EMAIL.format(column)
        return f"CASE WHEN {_IS_EMAIL.format(email)} THEN {email} END"
    if kind == "phone":
        digits = _DIGITS.format(column)
        known = f"(SELECT any_value(number) FROM {_PHONES} WHERE written = {column})"
        return f"CASE WHEN regexp_full_match({digits}, '{_INTERNATIONAL}') THEN {digits} ELSE {known} END"
    return _PLAIN.format(column)


def hashed_sql(kind: str, written: str) -> str:
    """Return the SQL of the hash of a written key, 128 bits: keys are not kept in clear."""
    return f"md5_number(concat({literal(kind)}, chr(31), {written}))"


def stage_phones(connection: duckdb.DuckDBPyConnection, table: str, column: str, region: str | None) -> None:
    """Write the numbers of ``column`` that are not plainly international into a temporary table, as E.164.

    What ``phonenumbers`` does not take for a possible number of ``region`` (an ISO country code) is left out.
    """
    connection.create_function("clvml_phone", lambda text: e164(text, region), [VARCHAR], VARCHAR)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_PHONES} AS SELECT written, nullif(clvml_phone(written), '') AS number"
            f" FROM (SELECT DISTINCT {column} AS written FROM {table} WHERE {column} IS NOT NULL"
            f" AND NOT regexp_full_match({_DIGITS.format(column)}, '{_INTERNATIONAL}'))"
        )
    finally:
        connection.remove_function("clvml_phone")


def e164(text: str, region: str | None = None) -> str:
    """Return a phone number as E.164; empty for what is not a phone number in ``region`` (an ISO country code).

    >>> e164("020 7123 4567", "GB"), e164("+44 (20) 7123-4567"), e164("020 7123 4567")
    ('+442071234567', '+442071234567', '')
    """
    plain = re.sub(_SIGNS, "", text)
    if re.fullmatch(_INTERNATIONAL, plain):
        return plain
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
