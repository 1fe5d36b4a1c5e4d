"""Credit notes and credits that are booked with positive amounts, beside a column that tells them from sales."""

from __future__ import annotations

from collections.abc import Iterator

from clvml.log.finding import Finding
from clvml.log.hints.unused import Unused, Value, in_yaml, listed, one_of
from clvml.log.hints.words import CODES, PAID_WITH, SIDE_NAMES, SIDES, STATES, is_credit
from clvml.log.mapping import written

# Payments are booked beside invoices where the smaller side has more of the lines.
_MOST = 1 / 3


def credit_findings(file: Unused) -> Iterator[Finding]:
    """Yield what columns of few values say of lines that take money back, where their amounts are positive."""
    if file.amount is None:
        return
    for name, words in file.few.items():
        if STATES.search(name):
            continue
        told = {word.casefold() for word in words}
        sides = next((pair for pair in SIDES if told == set(pair)), None)
        is_document = bool(SIDE_NAMES.search(name))
        codes = {code for code, sale in CODES.items() if is_document and {code, sale} <= told}
        if sides is not None and not PAID_WITH.search(name) and (is_document or max(map(len, told)) > 2):
            yield from _of_sides(file, file.amount, name, sides)
        elif codes:
            values = file.by_value(name)
            yield from _turned(file.amount, name, values, [each for each in values if _side(each) in codes])
        elif any(map(is_credit, words)) and not all(map(is_credit, words)):
            values = file.by_value(name)
            credited = [each for each in values if is_credit(each.text or "")]
            yield from _turned(file.amount, name, values, credited)


def _of_sides(file: Unused, amount: str, name: str, sides: tuple[str, str]) -> Iterator[Finding]:
    values = file.by_value(name)
    lines = {side: sum(each.rows for each in values if _side(each) == side) for side in sides}
    smaller = "-" if "-" in sides else min(sides, key=lambda side: (lines[side], side == sides[0]))
    if smaller == "-" or lines[smaller] <= _MOST * sum(lines.values()):
        yield from _turned(amount, name, values, [each for each in values if _side(each) == smaller])
    elif not any(each.negative for each in values):
        kept = [each.text for each in values if _side(each) == sides[0]]
        yield Finding(
            "credits-beside-debits",
            f"column '{name}' tells debit from credit, both are positive and add up: {listed(values)}; as where"
            f" payments stand beside invoices. data.where: {in_yaml(one_of(name, kept))} takes one side",
            lines[sides[1]],
            sum(float(each.money or 0) for each in values if each.text not in kept),
        )


def _side(value: Value) -> str:
    return (value.text or "").casefold()


def _turned(amount: str, name: str, values: list[Value], credited: list[Value]) -> Iterator[Finding]:
    credited = [each for each in credited if (each.money or 0) > 0]
    if not credited:
        return
    rows = sum(each.rows for each in credited)
    condition = one_of(name, (each.text for each in credited))
    if any(each.negative for each in credited):
        condition += f" and {written(amount)} > 0"
    turned = f"case when {condition} then -{written(amount)} else {written(amount)} end"
    yield Finding(
        "positive-credits",
        f"column '{name}' tells credits from sales, {listed(values)}, and their amounts are positive: {rows:,} lines"
        f" add to what customers spent. data.columns.amount: {in_yaml(turned)} takes them off",
        rows,
        float(sum(each.money or 0 for each in credited)),
    )
