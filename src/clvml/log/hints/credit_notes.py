"""Credit notes and credits that are booked with positive amounts, beside a column that tells them from sales."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from clvml.log.finding import Finding
from clvml.log.mapping import written
from clvml.storage.sql import literal

# A document of its own that takes money back; what was refunded later is a status of the sale.
_CREDIT = re.compile(
    r"(?<![\w-])(?:credit[ _-]?(?:note|memo)|(?:full |partial )?refund|sales[ _-]return|return|gutschrift|"
    r"rechnungskorrektur|storno[ _-]?(?:rechnung|beleg)|retoure|rückgabe|erstattung|avoir|facture d.avoir|"
    r"remboursement|retour|abono|nota de (?:crédito|credito|abono)|(?:factura )?rectificativa|reembolso|devolución|"
    r"nota di credito|reso|rimborso|credit(?:nota|factuur)|terugbetaling|kreditnota|korekta|zwrot|dobropis|возврат)"
    r"(?:e?s|en|n)?(?![\w-])"
)
# Which side of an account a line is on: the customer's debt first.
_SIDES = (("s", "h"), ("soll", "haben"), ("d", "c"), ("dr", "cr"), ("debit", "credit"), ("débit", "crédit"),
    ("debe", "haber"), ("dare", "avere"), ("debet", "credit"), ("+", "-"))  # fmt: skip
_SIDE_NAMES = re.compile(
    r"soll|haben|debit|débit|credit|crédit|kennz|vorzeichen|sign|sens|indicator|\+|beleg|vorgang|docu?m?|pi[eè]ce|"
    r"\b(?:s|d)/?(?:h|c)\b|\b(?:dr|cr|kz|art|tipo|type?)\b",
    re.IGNORECASE,
)
# Columns that say how was paid: by credit or debit card, or with a gift card.
PAID_WITH = re.compile(
    r"pay|zahl|paiement|pago|tender|method|metod|\b(?:card|karte|carte|tarjeta|carta)\b", re.IGNORECASE
)
# Codes of documents, and those of the sales that stand beside them.
_CODES = {"sc": "si", "cn": "inv", "crn": "inv", "gu": "re", "gs": "re", "av": "fa", "nc": "fa", "cm": "in"}
# Payments are booked beside invoices where the smaller side has more of the lines.
_MOST = 1 / 3

ByValue = Sequence[tuple[str | None, int, float | None, int]]


def is_credit(word: str) -> bool:
    """Return whether a kind of document is one that takes money back.

    >>> is_credit("Credit note"), is_credit("Gutschrift"), is_credit("refunded")
    (True, True, False)
    """
    return bool(_CREDIT.search(word.casefold()))


def credit_findings(
    amount: str,
    few: Sequence[tuple[str, list[str]]],
    by_value: Callable[[str], ByValue],
    quoted: Callable[[str], str],
) -> Iterator[Finding]:
    """Yield what columns of ``few`` values say of lines that take money back, where their amounts are positive.

    ``by_value`` gives of a column each value, its lines, their money and how many of them are negative; ``quoted``
    writes an expression as the configuration takes it.
    """
    for name, words in few:
        told = {word.casefold() for word in words}
        sides = next((pair for pair in _SIDES if told == set(pair)), None)
        is_document = bool(_SIDE_NAMES.search(name))
        if sides is not None and not PAID_WITH.search(name) and (is_document or max(map(len, told)) > 2):
            found = by_value(name)
            lines = {
                side: sum(row[1] for row in found if (row[0] or "").casefold() == side) for side in sides
            }
            smaller = min(sides, key=lambda side: (lines[side], side == sides[0]))
            if "-" in sides or lines[smaller] <= _MOST * sum(lines.values()):
                side = "-" if "-" in sides else smaller
                credited = [row for row in found if (row[0] or "").casefold() == side]
                yield from _turned(amount, name, found, credited, quoted)
            elif not any(row[3] for row in found):
                kept = [row[0] for row in found if row[0] and row[0].casefold() == sides[0]]
                condition = f"{written(name)} in ({', '.join(map(literal, kept))})"
                yield Finding(
                    "credits-beside-debits",
                    f"column '{name}' tells debit from credit, both are positive and add up: {_listed(found)}; as where"
                    f" payments stand beside invoices. data.where: {quoted(condition)} takes one side",
                    lines[sides[1]],
                    sum(float(row[2] or 0) for row in found if row[0] not in kept),
                )
        elif is_document and (codes := [code for code, sale in _CODES.items() if {code, sale} <= told]):
            found = by_value(name)
            credited = [row for row in found if (row[0] or "").casefold() in codes]
            yield from _turned(amount, name, found, credited, quoted)
        elif any(is_credit(word) for word in words) and not all(is_credit(word) for word in words):
            found = by_value(name)
            yield from _turned(amount, name, found, [row for row in found if is_credit(row[0] or "")], quoted)


def _turned(
    amount: str, name: str, found: ByValue, credited: ByValue, quoted: Callable[[str], str]
) -> Iterator[Finding]:
    credited = [row for row in credited if (row[2] or 0) > 0]
    if not credited:
        return
    rows = sum(row[1] for row in credited)
    condition = f"{written(name)} in ({', '.join(literal(row[0] or '') for row in credited)})"
    if any(row[3] for row in credited):
        condition += f" and {written(amount)} > 0"
    turned = f"case when {condition} then -{written(amount)} else {written(amount)} end"
    yield Finding(
        "positive-credits",
        f"column '{name}' tells credits from sales, {_listed(found)}, and their amounts are positive: {rows:,} lines"
        f" add to what customers spent. data.columns.amount: {quoted(turned)} takes them off",
        rows,
        float(sum(row[2] or 0 for row in credited)),
    )


def _listed(found: ByValue) -> str:
    return ", ".join(f"{value} ({count:,})" for value, count, *_ in found[:6] if value is not None)
