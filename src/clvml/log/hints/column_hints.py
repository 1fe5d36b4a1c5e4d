"""What the columns that are not used say: a status, a refunded amount, a quantity beside a price, a currency.

They are for whoever sets a log up, because they read the file again; `clvml.log.quality` has what every reading warns
of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from clvml.config import DataConfig, read_preset
from clvml.log.finding import Finding
from clvml.log.hints.credit_notes import credit_findings
from clvml.log.hints.discounts import discount_findings
from clvml.log.hints.line_totals import order_total_findings, running_total_findings, total_findings
from clvml.log.hints.recurring import recurring_findings
from clvml.log.hints.units import sign_findings, unit_findings
from clvml.log.hints.unused import MOST_VALUES, Unused, in_yaml, listed, one_of, unused_columns
from clvml.log.hints.words import (
    REFUNDED,
    STATES,
    STATUS_NAMES,
    TAG_NAMES,
    YES,
    is_bought,
    is_credit,
    is_mark,
    is_refund,
    is_unbought,
    is_won,
)
from clvml.log.mapping import currency_in_name, is_unit_price, is_usual, plain, written
from clvml.log.presets import recognise
from clvml.log.purchase_log import PurchaseLog
from clvml.log.readers.parts import Part
from clvml.log.values.numbers import sure_currency_of
from clvml.storage.sql import MONEY

_SPLIT_ORDERS = 20
_CODE = re.compile("[A-Z]{3}")


def column_findings(log: PurchaseLog, data: DataConfig, parts: list[Part]) -> Iterator[Finding]:
    """Yield what the columns of the parts say that are not used for the log that was read of them."""
    yield from _preset(data, parts[0].columns)
    file = unused_columns(log, data, parts)
    for rule in _RULES:
        yield from rule(file)


def _preset(data: DataConfig, columns: tuple[str, ...]) -> Iterator[Finding]:
    if data.preset is None:
        known = recognise(columns)
        if known is not None:
            about = read_preset(known).about
            yield Finding(
                "known-export", f"the header is that of {about}; data.preset: {known} brings how it is read"
            )
        return
    preset = read_preset(data.preset)
    if "timezone" in preset.asks and "timezone" not in data.model_fields_set:
        yield Finding(
            "timezone-not-set",
            "days are counted in UTC; data.timezone: Europe/Berlin or the like counts them where the shop is",
        )
    for note in preset.notes:
        yield Finding(f"about-{data.preset}", " ".join(note.split()))


def _status(file: Unused) -> Iterator[Finding]:
    if file.data.where is not None:
        return
    candidates = []
    for name, words in file.few.items():
        # What has a line of its own is taken off, and not left out.
        if not STATES.search(name) and (file.amount or file.log.quality.refund_line_share > 0):
            words = [word for word in words if not is_credit(word)]
        if is_mark(name, words):
            candidates.append(((False, True, False), -file.names.index(name), name, True))
        elif any(is_unbought(word, name) or is_won(word) for word in words):
            # The status of a payment tells more than that of a parcel.
            rank = (
                any(map(is_bought, words)),
                not re.search(r"fulfil|ship|deliver|line", name, re.I),
                "status" in name.lower(),
            )
            # A single word among others, such as a product, is not a status.
            if rank[0] or STATUS_NAMES.search(name) or TAG_NAMES.search(name):
                candidates.append((rank, -file.names.index(name), name, False))
    if not candidates:
        return
    _, _, name, marks = max(candidates)
    values = file.by_value(name)
    refunds = not any(map(is_refund, file.names))
    won = [value.text for value in values if STATES.search(name) and is_won(value.text or "")]
    # Refunds that are negative come off by themselves.
    bad = [
        value
        for value in values
        if (text := value.text) is not None
        and (
            text.casefold() in YES
            if marks
            else text not in won
            if won
            else is_unbought(text, name, refunds=refunds)
        )
        and (value.money is None or value.money > 0 or not REFUNDED.search(text.casefold()))
        and (file.amount is None or STATES.search(name) or not is_credit(text))
    ]
    if not bad:
        return
    rows = sum(value.rows for value in bad)
    condition = one_of(name, won or (value.text for value in bad), negated=not won)
    if not won and any(value.text is None for value in values):
        condition = f"{written(name)} is null or {condition}"
    yield Finding(
        "status-column",
        f"column '{name}' looks like a status: {listed(values)}; {rows:,} lines seem to be no purchases, and all count."
        f" data.where: {in_yaml(condition)} leaves them out",
        rows,
        None if file.amount is None else float(sum(value.money or 0 for value in bad)),
    )


def _refunds(file: Unused) -> Iterator[Finding]:
    name = min(file.named(is_refund), key=len, default=None)
    if file.amount is None or name is None or re.search(r"\bnet\b|netto", file.amount, re.IGNORECASE):
        return
    rows, money = file.run(
        f"SELECT count(*), sum(money::{MONEY}) FROM {file.table(money=file.number(name))} WHERE money <> 0"
    )[0]
    if rows:
        less = f"{written(file.amount)} {'-' if money > 0 else '+'} {written(name)}"
        yield Finding(
            "refunded-amount",
            f"column '{name}' holds refunds of {float(abs(money)):,.2f} in {rows:,} lines, which are not taken off;"
            f" data.columns.amount: {in_yaml(less)} takes them off",
            rows,
            float(money),
        )


def _unit_price(file: Unused) -> Iterator[Finding]:
    quantity = next((name for name in file.names if is_usual("quantity", name)), None)
    if file.amount is None or quantity is None or not is_unit_price(file.amount):
        return
    preset = file.data.preset
    if preset is not None and file.amount == read_preset(preset).data["columns"]["amount"]:
        # What a preset maps is what its export means.
        return
    ((rows,),) = file.run(
        f"SELECT count(*) FROM {file.table(number=file.number(quantity))} WHERE number <> 1"
    )
    if rows:
        yield Finding(
            "price-without-quantity",
            f"column '{file.amount}' looks like the price of one unit, and {rows:,} lines are of another number of"
            f" units than one; data.columns.amount: {in_yaml(f'{written(quantity)} * {written(file.amount)}')} is the"
            " money of a line",
            rows,
        )


def _currency(file: Unused) -> Iterator[Finding]:
    if file.data.currency is not None:
        return
    ends = ("currency", "currencycode", "währung", "devise")
    mapped = file.data.columns.currency
    names = file.named(lambda name: is_usual("currency", name) or plain(name).endswith(ends))
    names = [mapped] if mapped is not None else names
    for name in sorted(names, key=len)[:1]:
        found = file.run(
            f"SELECT value, count(*) FROM {file.table(value=f'upper({file.cell(name)})')} WHERE value IS NOT NULL"
            " GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        if 1 < len(found) <= MOST_VALUES:
            codes = ", ".join(f"{value} ({rows:,})" for value, rows in found[:5])
            yield Finding(
                "currency-not-mapped",
                f"column '{name}' holds several currencies, {codes}, and amounts are added up as they are;"
                f" data.columns.currency: {name} with data.currency: {found[0][0]} takes the lines in that one",
                sum(rows for _, rows in found[1:]),
            )
        elif len(found) == 1 and _CODE.fullmatch(found[0][0]):
            yield _unnamed(f"column '{name}' says {found[0][0]}", found[0][0])
        return
    if file.amount is not None:
        texts = file.run(f"SELECT DISTINCT value FROM {file.sample(f'{file.cell(file.amount)} AS value')}")
        beside = {code for (text,) in texts if (code := sure_currency_of(text or ""))}
        beside = beside or {currency_in_name(file.amount)}
        for code in filter(_CODE.fullmatch, beside if len(beside) == 1 else ()):
            yield _unnamed(f"column '{file.amount}' is in {code}", code)


def _unnamed(said: str, code: str) -> Finding:
    return Finding("currency-not-named", f"{said}; data.currency: {code} says so wherever money is shown")


def _empty(file: Unused) -> Iterator[Finding]:
    optional = [name for name in ("order_id", "product_id", "quantity") if name in file.log.columns]
    counts = ", ".join(f"count({name})" for name in optional)
    for name, count in zip(
        optional, *file.run(f"SELECT {counts or 1} FROM {file.log.table}")[:1], strict=False
    ):
        if count == 0:
            theirs = file.data.columns.mapped()[name]
            yield Finding(
                "empty-column",
                f"column '{theirs}' ({name}) is empty in all lines of the log; leave data.columns.{name} out, or name"
                " another column",
                file.log.quality.rows_out,
            )


def _other_customers(file: Unused) -> Iterator[Finding]:
    """Yield a column that repeats where the customer id never does."""
    quality = file.log.quality
    if quality.customers < max(_SPLIT_ORDERS, quality.rows_out):
        return
    for name in file.named(lambda name: is_usual("customer_id", name) or "email" in plain(name)):
        rows, values = file.run(
            f"SELECT count(value), count(DISTINCT value) FROM {file.table(value=file.cell(name))}"
        )[0]
        if 1 < values < 0.95 * rows:
            yield Finding(
                "customer-never-returns",
                f"no customer id comes twice, and column '{name}' does ({values:,} values in {rows:,} lines);"
                f" data.columns.customer_id: {name} if that is the customer",
                quality.rows_out,
                quality.money_out,
            )
            return


_RULES = (
    _status,
    total_findings,
    credit_findings,
    _refunds,
    _unit_price,
    unit_findings,
    sign_findings,
    discount_findings,
    _currency,
    _empty,
    order_total_findings,
    running_total_findings,
    _other_customers,
    recurring_findings,
)
