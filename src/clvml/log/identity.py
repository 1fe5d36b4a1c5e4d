"""Who a customer id stands for: ids that are nobody, one customer under several ids, ids that lost their digits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from clvml.config import DataConfig
from clvml.log.finding import Finding
from clvml.storage.sql import MONEY, Run, literal

# What stands for nobody, without case, blanks and punctuation, and of an e-mail what is before the @.
_NOBODY = (
    "guest|guests|guestuser|guestcustomer|guestcheckout|gast|gastkunde|gastbestellung|invite|invité|invites|invitado|"
    "invitada|ospite|convidado|gosc|gość|gæst|gjest|vieras|misafir|anonymous|anonym|anonyme|anonimo|anónimo|anonymized|"
    "anonymised|unknown|unbekannt|inconnu|inconnue|desconocido|desconhecido|sconosciuto|onbekend|notset|notavailable|"
    "notapplicable|na|nan|none|null|nil|nul|undefined|missing|empty|blank|leer|vide|vacio|noid|nocustomer|noemail|"
    "noname|nobody|noreply|donotreply|nouser|default|dummy|test|tester|cash|cashsale|cashcustomer|walkin|"
    "walkincustomer|laufkunde|laufkundschaft|barverkauf|barkunde|kassenkunde|diverse|divers|clientdivers|"
    "clientcomptoir|comptoir|passage|clientdepassage|0+"
)
_NAME = "regexp_replace(lower(split_part(customer_id, '@', 1)), '[^\\p{L}\\p{N}]+', '', 'g')"
# From this share of the lines or of the money on, an id is worth a warning.
_SHARE = 0.01
# A zero may be a customer like any other, unless it has many times the lines that customers have.
_TIMES = 5
# One customer who holds this share of the money is worth a warning, where there are more than a few customers.
_LARGE, _FEW = 0.25, 20
_LARGEST = 20
# A handful of customers who hold this share decide the error of a single test date.
_HANDFUL, _NOISY = 5, 0.1
_SCIENTIFIC = r"^-?\d([.,]\d+)?[eE]\+?\d{2,3}$"


def nobody_sql(guest_ids: list[str]) -> str:
    """Return the SQL of whether ``customer_id`` is nobody: a word such as guest, 0, -1, or one of ``guest_ids``."""
    test = f"(regexp_matches({_NAME}, {literal(f'^(?:{_NOBODY})?$')}) OR customer_id = '-1')"
    if guest_ids:
        listed = "|".join(re.escape(name.strip()) for name in guest_ids)
        test = f"({test} OR regexp_matches(customer_id, {literal(f'(?i)^(?:{listed})$')}))"
    return test


def folded_sql(how: str | None) -> str:
    """Return the SQL of the customer id as ``data.customer_ids`` writes it.

    >>> folded_sql("as_is")
    'customer_id'
    """
    if how not in ("casefold", "loose"):
        return "customer_id"
    folded = "lower(replace(replace(customer_id, ' ', ''), '\u00a0', ''))"
    if how == "casefold":
        return folded
    return f"coalesce(nullif(trim(LEADING '0' FROM {folded}), ''), right({folded}, 1))"


def float_id_sql(column: str) -> str:
    """Return the SQL of a column of floats as ids: without an exponent, whole ones as ``12345.0``, NULL for NaN."""
    whole = f"isfinite({column}) AND {column} = trunc({column}) AND abs({column}) < 9e15"
    text = f"WHEN NOT isnan({column}) THEN {column}::VARCHAR"
    return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR || '.0' {text} END"


def is_whole_sql(ids: str) -> str:
    """Return the SQL of whether an id is a whole number, written as a decimal number (``12345.0``) or not."""
    return f"regexp_full_match({ids}, '-?\\d+(\\.0)?')"


def whole_sql(ids: str) -> str:
    """Return the SQL of ids that are whole numbers, without the decimal that some software puts behind them."""
    return f"regexp_replace({ids}, '\\.0$', '')"


def identity_findings(run: Run, table: str, data: DataConfig) -> list[Finding]:
    """Return what is doubtful about the customer ids of a purchase log, and about how its money is spread."""
    ids = (
        f"ids AS (SELECT customer_id, count(*) AS line_count, sum(amount::{MONEY}) AS money,"
        f" sum(CASE WHEN amount > 0 THEN amount::{MONEY} ELSE 0 END) AS spent FROM {table} GROUP BY customer_id)"
    )
    one = "length(customer_id) >= 3 AND replace(customer_id, left(customer_id, 1), '') = ''"
    folded, loose = folded_sql("casefold"), folded_sql("loose")

    def alike(kind: str, key: str) -> str:
        return (
            f"SELECT '{kind}', min(example), sum(line_count), sum(money), sum(spellings) FROM (SELECT {key} AS folded,"
            " min(customer_id) || ''' and ''' || max(customer_id) AS example, sum(line_count) AS line_count,"
            f" sum(money) AS money, count(*) AS spellings FROM ids GROUP BY {key} HAVING count(*) > 1) AS {kind}"
        )

    found = run(
        f"WITH {ids} SELECT 'all', cast(NULL AS VARCHAR), sum(line_count), sum(spent), count(*) FROM ids"
        f" UNION ALL SELECT 'nobody', customer_id, line_count, money, 1 FROM ids WHERE {nobody_sql([])}"
        f" UNION ALL SELECT 'repeated', customer_id, line_count, money, 1 FROM ids WHERE {one}"
        " UNION ALL SELECT 'scientific', min(customer_id), sum(line_count), sum(money), count(*) FROM ids"
        f" WHERE regexp_matches(customer_id, {literal(_SCIENTIFIC)})"
        f" UNION ALL {alike('folded', folded)} UNION ALL {alike('loose', loose)}"
        " UNION ALL SELECT 'largest', customer_id, line_count, spent, 1 FROM (SELECT * FROM ids"
        f" ORDER BY spent DESC, customer_id LIMIT {_LARGEST}) AS largest"
    )
    kinds = defaultdict(list)
    for kind, *row in found:
        if row[1]:
            kinds[kind].append(row)
    ((_, lines, spent, customers),) = kinds["all"]
    usual = _TIMES * lines / customers
    nobody = [
        (name, rows, money)
        for name, rows, money, _ in kinds["nobody"]
        if rows > usual or re.search(r"[^0-9-]", name) or name == "-"
    ]
    repeated = [
        (name, rows, money)
        for name, rows, money, _ in kinds["repeated"]
        if rows > usual and name not in {other[0] for other in kinds["nobody"]}
    ]
    people = [row for row in kinds["largest"] if row[0] not in {other[0] for other in (*nobody, *repeated)}]
    return [
        *(_placeholders(nobody, repeated, lines, float(spent)) if data.guests is None else ()),
        *(_spellings(kinds) if data.customer_ids is None else ()),
        *_concentration(people, float(spent), customers),
    ]


def _placeholders(
    nobody: list[tuple[str, int, Any]], repeated: list[tuple[str, int, Any]], lines: int, spent: float
) -> Iterator[Finding]:
    listed = ", ".join(repr(row[0]) for row in repeated[:3])
    for code, found, answer in (
        (
            "guest-customer",
            nobody,
            "data.guests: reject leaves these lines out, keep takes it for a customer",
        ),
        (
            "placeholder-customer",
            repeated,
            f"data.guests: reject with data.guest_ids: [{listed}] leaves these lines out, data.guests: keep takes it"
            " for a customer",
        ),
    ):
        rows, money = sum(row[1] for row in found), float(sum(row[2] for row in found))
        if found and (rows >= _SHARE * lines or money >= _SHARE * spent):
            names = " and ".join(repr(row[0]) for row in sorted(found, key=lambda row: -row[1])[:3])
            share = f", {money / spent:.0%} of all" if spent else ""
            text = f"customer {names} looks like nobody in particular and holds {rows:,} lines and {money:,.2f} of"
            yield Finding(code, f"{text} money{share}; {answer}", rows, money)


def _spellings(kinds: Mapping[str, list[list[Any]]]) -> Iterator[Finding]:
    told = {
        "folded": (
            "ids-differ-in-case",
            "customer ids differ only in case or blanks, such as '{}'; data.customer_ids: casefold makes one customer"
            " of each, as_is keeps them apart",
        ),
        "loose": (
            "ids-differ-in-zeros",
            "customer ids differ only in leading zeros, such as '{}'; data.customer_ids: loose makes one customer of"
            " each, as_is keeps them apart",
        ),
        "scientific": (
            "ids-in-scientific-notation",
            "customer ids are written as '{}' is: their last digits are lost, and several customers may be one; export"
            " the ids as text. data.customer_ids: as_is takes them as they are",
        ),
    }
    # Ids that differ in case alone are among the loose ones, too.
    alike = sum(row[3] for row in kinds["loose"]) > sum(row[3] for row in kinds["folded"])
    for kind, (code, text) in told.items():
        for example, rows, money, spellings in kinds[kind] if kind != "loose" or alike else ():
            yield Finding(code, f"{int(spellings):,} {text.format(example)}", int(rows), float(money))


def _concentration(largest: list[list[Any]], spent: float, customers: int) -> Iterator[Finding]:
    """Yield that few customers hold much of the money."""
    if spent <= 0 or not largest or customers < _FEW:
        return
    name, rows, money, _ = largest[0]
    if float(money) >= _LARGE * spent:
        yield Finding(
            "concentration",
            f"customer '{name}' holds {float(money) / spent:.0%} of the money; totals and tests depend on what this one"
            " does. If it is not a customer but a till or an intermediary, data.guests: reject with data.guest_ids:"
            f" [{name!r}] leaves it out",
            rows,
            float(money),
        )
        return
    few = largest[: customers // 100]
    upto = list(accumulate(float(row[2]) for row in few))
    half = next((count for count, money in enumerate(upto, start=1) if money >= spent / 2), 0)
    noisy = len(few) >= _HANDFUL and upto[_HANDFUL - 1] >= _NOISY * spent
    if count := half or (_HANDFUL if noisy else 0):
        held = "half" if half else f"{upto[count - 1] / spent:.0%}"
        yield Finding(
            "concentration",
            f"{count} of {customers:,} customers hold {held} of the money; totals and tests depend on what they do"
            " (judge a forecast by several dates)",
            sum(row[1] for row in few[:count]),
            upto[count - 1],
        )
