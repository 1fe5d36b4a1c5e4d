"""What makes a line valid, as data: each reason to leave one out, its test, and what becomes of the line.

The tests are DuckDB SQL over the typed columns of a line. Engines that speak another dialect translate them, so
that a line is left out for the same reason everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Literal

from clvml.config import DataConfig
from clvml.errors import InputError, first_of
from clvml.log.readers.delimited import STRAY_QUOTE, TOO_FEW_COLUMNS, TOO_LONG, TOO_MANY_COLUMNS
from clvml.log.readers.json_objects import NOT_JSON
from clvml.storage.sql import MONEY, literal

Treatment = Literal["rejected", "dropped", "kept", "changed"]

TOTAL_LINE, HEADER_LINE = "total line", "header line"
OTHER_TABLE = "line of another table below"
NOT_IN_WHERE = "not in data.where"
MISSING_AMOUNT = "missing amount"
NO_RATE = "no exchange rate by its day (data.rates)"
AFTER_AS_OF = "at or after as_of"
OLDER_STATE = "order stands in a later file"
REPEAT_ACROSS = "same line in two files"
REPEAT_WITHIN = "repeat within one file"
SAME_IN_SOURCES = "same line in an earlier source"
REFUND = "refund"
DECIMAL_ID = "id written as a decimal number"
FOLDED_ID = "customer id written alike (data.customer_ids)"
TRIMMED_ID = "blanks around an id"
FILLED_DOWN = "empty cells as in the line above (data.fill_down)"
CONVERTED_ZONE = "time converted to data.timezone"
EMPTIED_QUANTITY = "quantity is not a number below 1e15 (left empty)"

IDS = ("customer_id", "order_id", "product_id", "category")
IS_SOUND = f"coalesce(broken, '{TOTAL_LINE}') = '{TOTAL_LINE}'"
"""Test of a staged line that can be read; the money of a total is reported with its reason."""
READ_MONEY = f"CASE WHEN isfinite(amount) AND abs(amount) < 1e15 THEN amount::{MONEY} END"
"""SQL of the amount that money is added up from, NULL where it is none."""
QUANTITY_FITS = "abs(quantity) < 1e15"
"""Test of a quantity that counts; NaN is greater than every number."""


@dataclass(frozen=True)
class Rule:
    """Why a line is left out.

    Attributes
    ----------
    reason : str
        As the report and the rejects file call it.
    test : str
        SQL that is true for such a line. Names in braces are what `judgement` is given; a rule of which one is
        not given does not apply. Empty where no line tells it alone.
    policy : str
        ``rejected`` (left out, in the rejects file), ``dropped`` (left out, only counted), or the key of ``data``
        that says which.
    """

    reason: str
    test: str = ""
    policy: Literal["rejected", "dropped", "duplicates", "refunds"] = "rejected"


RULES = (
    *map(
        Rule,
        (
            TOO_FEW_COLUMNS,
            TOO_MANY_COLUMNS,
            STRAY_QUOTE,
            TOO_LONG,
            NOT_JSON,
            TOTAL_LINE,
            HEADER_LINE,
            OTHER_TABLE,
            NO_RATE,
        ),
    ),
    Rule(NOT_IN_WHERE, "NOT coalesce({in_where}, false)", "dropped"),
    Rule("missing customer id", "customer_id IS NULL"),
    Rule("customer id of nobody (data.guests)", "{guest}"),
    Rule("missing date", "order_ts IS NULL AND date_text IS NULL"),
    Rule("unparsable date", "({date}) IS NULL"),
    # What stands for no date in many systems, such as 0001-01-01, and what no calendar of Python's holds.
    Rule("date before 1800", "({date}) < TIMESTAMP '1800-01-01'"),
    # The zero of Excel, of SQL Server and of Unix, in the place of an empty date.
    Rule(
        "date that stands for none",
        "cast(({date}) as date) IN (DATE '1899-12-30', DATE '1899-12-31', DATE '1900-01-01', DATE '1970-01-01')",
    ),
    Rule(MISSING_AMOUNT, "amount IS NULL AND amount_text IS NULL"),
    Rule("amount is not a number", "amount IS NULL"),
    # NaN is greater than every number.
    Rule("infinite or NaN amount", "abs(amount) > 1.7976931348623157e308"),
    Rule("amount of 1e15 or more", "abs(amount) >= 1e15"),
    Rule("missing currency", "{currency} IS NULL"),
    Rule("other currency", "{currency} <> {wanted}"),
    Rule("date in the future", "({date}) > {now}"),
    Rule(AFTER_AS_OF, "({date}) >= {as_of}", "dropped"),
    Rule(OLDER_STATE, policy="dropped"),
    Rule(REPEAT_ACROSS, policy="duplicates"),
    Rule(REPEAT_WITHIN, policy="duplicates"),
    Rule(REFUND, policy="refunds"),
    Rule(SAME_IN_SOURCES, policy="dropped"),
)
"""Reasons why a line is left out, first match wins."""


def judgement(given: Mapping[str, str]) -> str:
    """Return the SQL of a line's reason, NULL where no test is true.

    ``given`` says what the names in braces stand for: ``date`` (when the order was), ``now``, ``as_of``,
    ``currency`` (of the line) and ``wanted`` (of the log), ``in_where`` (whether the line passes the row filter),
    ``guest`` (whether its customer is nobody).

    >>> "other currency" in judgement({"date": "order_ts", "now": "now()"})
    False
    """
    cases = " ".join(
        f"WHEN {rule.test.format(**given)} THEN {literal(rule.reason)}"
        for rule in RULES
        if rule.test and all(name is None or name in given for _, name, _, _ in Formatter().parse(rule.test))
    )
    return f"CASE {cases} END"


def currency_given(found: Mapping[str, int], data: DataConfig) -> dict[str, str]:
    """Return what `judgement` is to know of currencies, from the number of lines in each, most first.

    Raises
    ------
    InputError
        Lines are in several currencies and ``data.currency`` is not set, or none is in ``data.currency``.
    """
    listed = first_of((f"{currency} ({rows:,} lines)" for currency, rows in found.items()), most=5)
    column = data.columns.currency
    if data.currency is None and len(found) > 1:
        raise InputError(
            f"column '{column}' holds several currencies: {listed}; set data.currency to the one to use, for "
            f"example {next(iter(found))} (lines in others are rejected, or converted by data.rates)"
        )
    wanted = data.currency
    if wanted is not None and wanted not in found:
        raise InputError(
            f"no line is in data.currency '{data.currency}'; column '{column}' holds "
            f"{listed or 'no currency at all'}; correct data.currency or data.columns.currency"
        )
    given = {"currency": "currency"} if found else {}
    return given if wanted is None else {**given, "wanted": literal(wanted)}


def treatment_of(reason: str, data: DataConfig) -> Treatment:
    """Return what becomes of the lines that a reason leaves out."""
    policy = next(rule.policy for rule in RULES if rule.reason == reason)
    if policy in ("rejected", "dropped"):
        return policy
    return "rejected" if getattr(data, policy) == "reject" else "dropped"


def rejected_reasons(data: DataConfig) -> list[str]:
    """Return the reasons whose lines belong in the rejects file."""
    return [rule.reason for rule in RULES if treatment_of(rule.reason, data) == "rejected"]
