"""Amounts that are something else than the money of a line: cents, thousands, a number of units, or of another sign."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clvml.log.finding import Finding
from clvml.log.hints.unused import Unused, in_yaml
from clvml.log.mapping import is_unit_price, is_usual, written
from clvml.storage.sql import MONEY

_CENTS = re.compile(r"(?:^|[\W_])(?:cents?|centimes|pence|rappen|minor(?:[\W_]units?)?)(?:$|[\W_])", re.I)
_THOUSANDS = re.compile(
    r"(?:^|[\W_])(?:[kt][\W_]?(?:€|eur|usd|chf)|k\$|thousands?|tausend|'?000s?)(?:$|[\W_])", re.I
)
# Lines that tell something, and the share of them of which it must be true.
_FEW, _MOST = 5, 0.95


def unit_findings(file: Unused) -> Iterator[Finding]:
    """Yield what says that amounts are not in the unit of the currency, or are quantities beside a price."""
    if file.amount is None:
        return
    prices = file.named(is_unit_price)
    whole, odd, stripe, mean = file.run(
        "SELECT bool_and(amount = trunc(amount)), count(*) FILTER (amount % 100 <> 0),"
        f" bool_and(starts_with(customer_id, 'cus_')), avg(amount) FROM {file.log.table} WHERE abs(amount) < 1e15"
    )[0]
    price = parts = 0
    if whole and prices:
        price, parts = file.run(
            f"SELECT coalesce(avg(price), 0), count(*) FILTER (price <> trunc(price))"
            f" FROM {file.table(price=file.number(prices[0]))}"
        )[0]
    name = written(file.amount)
    is_cents = bool(whole) and (bool(_CENTS.search(file.amount)) or bool(stripe and odd))
    if is_cents or _THOUSANDS.search(file.amount):
        unit, money = ("cents", f"{name} / 100") if is_cents else ("thousands", f"{name} * 1000")
        yield Finding(
            "amounts-in-other-units",
            f"column '{file.amount}' looks like {unit} of the currency; data.columns.amount: {in_yaml(money)} is the"
            " money of a line",
            file.log.quality.rows_out,
        )
    elif whole and parts and price > mean and not any(is_usual("quantity", other) for other in file.names):
        money = f"{name} * {written(prices[0])}"
        yield Finding(
            "amounts-are-quantities",
            f"column '{file.amount}' holds whole numbers beside the prices in '{prices[0]}', as a number of units"
            f" does; data.columns.amount: {in_yaml(money)} is then the money of a line",
            file.log.quality.rows_out,
        )


def sign_findings(file: Unused) -> Iterator[Finding]:
    """Yield whether sales are negative, or returns positive although their quantities are negative."""
    if file.amount is None:
        return
    name, log = written(file.amount), file.log
    lines, negative = file.run(
        f"SELECT count(*), count(*) FILTER (amount < 0) FROM {log.table} WHERE amount <> 0"
    )[0]
    if lines >= _FEW and 2 * negative > lines:
        yield Finding(
            "amounts-mostly-negative",
            f"column '{file.amount}' is below zero in {negative:,} of {lines:,} lines, as where accounts write sales;"
            f" data.columns.amount: {in_yaml(f'0 - {name}')} turns the sign",
            negative,
            log.quality.money_out,
        )
    quantity = file.data.columns.quantity
    if quantity is None or quantity not in file.names:
        return
    returns, positive, money = file.run(
        f"SELECT count(*), count(*) FILTER (amount > 0), sum(amount::{MONEY}) FILTER (amount > 0) FROM {log.table}"
        " WHERE quantity < 0 AND amount <> 0"
    )[0]
    if returns >= _FEW and positive >= _MOST * returns:
        signed = f"case when {written(quantity)} < 0 then -{name} else {name} end"
        yield Finding(
            "returns-are-positive",
            f"{positive:,} lines have a quantity below zero and an amount above it, and add to what customers spent;"
            f" data.columns.amount: {in_yaml(signed)} takes them off",
            positive,
            float(money),
        )
