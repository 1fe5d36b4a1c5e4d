"""Discounts in a column beside quantity and unit price: in percent, as a share, or as money."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from clvml.log.finding import Finding
from clvml.log.hints.raw_columns import RawColumns
from clvml.log.hints.unused import Unused, in_yaml
from clvml.log.mapping import is_unit_price, is_usual, propose_product, written

_NAMES = re.compile(
    r"discount|(?:^|[\W_])(?:disc|dto)(?:$|[\W_])|rabat|nachlass|remise|sconto|descuento|desconto|korting|sleva|kedvezm|скидк",
    re.IGNORECASE,
)
# No numbers, and what a price or a total is with the discount taken off or without it.
_NO_DISCOUNT = re.compile(
    r"code|name|reason|grund|type|date|after|before|discounted"
    r"|(?:^|[\W_])(?:id|art|nach|vor|après|apres|avant)(?:$|[\W_])",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"%|percent|prozent|pour ?cent|por ?cent|procent|(?:^|[\W_])(?:pct|proz)(?:$|[\W_])", re.I
)
# Lines with a discount that tell something, and the share of them of which it must be true.
_FEW, _MOST = 5, 0.95
# What rounding leaves of a product [currency].
_ROUNDED = 0.02


class _Discount(NamedTuple):
    """Lines that have a discount, whether all of them are percentages for sure, and what takes them off."""

    name: str
    lines: int
    is_plain: bool
    net: str
    is_percent: bool


def less_discount(raw: RawColumns, product: str) -> str:
    """Return quantity times price less the discount, where header and values say that it is in percent."""
    found = _discount(raw, product)
    return found.net if found and found.is_plain else product


def discount_findings(file: Unused) -> Iterator[Finding]:
    """Yield whether discounts are not taken off amounts that are quantity times price."""
    product = propose_product(file.names, None)
    if product is None or file.data.amount_per == "order" or file.data.preset is not None:
        return
    found = _discount(file, product)
    if found is None or found.name in file.used:
        return
    quantity = next(name for name in file.names if is_usual("quantity", name))
    price = next(name for name in file.names if is_unit_price(name))
    if file.amount is None:
        if price not in file.used:
            return
    elif file.amount != price:
        named = {"quantity": quantity, "price": price, "amount": file.amount, "discount": found.name}
        cells = {ours: file.number(name) for ours, name in named.items()}
        lines, gross = file.run(
            f"SELECT count(*), count(*) FILTER (abs(amount - (quantity * price)) < {_ROUNDED})"
            f" FROM {file.table(**cells)} WHERE discount <> 0 AND amount <> 0"
        )[0]
        if lines < _FEW or gross < _MOST * lines:
            return
    doubt = (
        "" if found.is_plain else " if they are shares" if found.is_percent else " if they are of the line"
    )
    yield Finding(
        "discount-not-taken-off",
        f"column '{found.name}' holds discounts in {found.lines:,} lines, which are not taken off;"
        f" data.columns.amount: {in_yaml(found.net)} takes them off{doubt}",
        found.lines,
    )


def _discount(raw: RawColumns, product: str) -> _Discount | None:
    """Return the discounts of the column that has them, those in percent before others; None without any."""
    names = [name for name in raw.names if _NAMES.search(name) and not _NO_DISCOUNT.search(name)]
    for name in sorted(names, key=lambda each: (not _PERCENT.search(each), len(each))):
        lines, negative, largest, parts, marked = raw.run(
            f"""
            SELECT count(*), count(*) FILTER (number < 0), max(abs(number)), count(*) FILTER (number <> trunc(number)),
                   count(*) FILTER (suffix(text, '%'))
            FROM {raw.table(number=raw.number(name), text=raw.cell(name))}
            WHERE number <> 0 AND abs(number) < 1e15
            """
        )[0]
        if not lines:
            continue
        sign = "+" if negative == lines else "-"
        says = bool(_PERCENT.search(name)) or marked == lines
        is_percent = says and largest <= 100 and (largest > 1 or marked == lines)
        is_share = not is_percent and largest <= 1 and bool(parts)
        off = f"{product} * {written(name)}" if is_percent or is_share else written(name)
        net = f"{product} {sign} {off}{' / 100' if is_percent else ''}"
        return _Discount(name, lines, is_percent and negative in (0, lines), net, is_percent or is_share)
    return None
