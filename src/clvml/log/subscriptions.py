"""Subscriptions: from a table with one row each to a typed, counted frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.finding import Finding
from clvml.log.mapping import is_unit_price, is_usual, plain
from clvml.log.rows.cleaning import ReasonCount
from clvml.log.table import days_of, read_table, texts_of, with_numbers
from clvml.log.values.billing_periods import period_days
from clvml.log.values.numbers import MISSING
from clvml.storage.addresses import hide_password

COLUMNS = ("customer_id", "start", "end", "plan", "price", "period")
_NEEDED = ("customer_id", "start", "end", "price", "period")
# Sums of more have no cents any more: no number of money.
LARGEST_PRICE = 1e12
# A longer billing period than these three centuries is none [days].
LONGEST_PERIOD = 1e5
# Share of rows that may be unreadable or contradict themselves; more is a wrong mapping.
_MAX_REJECTED = 0.01
UNKNOWN_PLAN = "unknown"
# Where no column tells plans apart.
ONE_PLAN = "all"
# What Stripe and Chargebee call the price of one.
_OF_ONE = ("planamount", "unitamount", "priceunitamount", "planunitprice")
# How exports say of a subscription that runs that it has no end: by zeros, a far year or a word.
NO_END = (
    rf"(?i)[-0./: T]+|(?:.*\D)?(?:2099|2999|9999)(?:\D.*)?|{MISSING}|unbefristet|laufend|aktiv|active|actif"
    r"|activo|attivo|actief|lopend|ongoing|open|current|present|never|en cours|in corso|indefinido|illimitée?"
)


@dataclass(frozen=True)
class SubscriptionQuality:
    """What was read of a table of subscriptions or payments. Money is the price per billing period, or paid [currency].

    ``reasons`` are of the rows left out; ``first_day`` and ``last_day`` are the first and the last day on which one
    begins. ``found`` says what subscriptions were found, where rows are payments.
    """

    rows_in: int
    money_in: float
    rows_out: int
    money_out: float
    reasons: tuple[ReasonCount, ...]
    customers: int
    plans: int
    ended: int
    first_day: date
    last_day: date
    currency: str | None
    warnings: tuple[Finding, ...]
    found: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON: dates as ISO text."""
        return json.loads(json.dumps(asdict(self), default=str))

    def to_text(self) -> str:
        """Return the report as lines for people."""
        unit = f" {self.currency}" if self.currency else ""
        what, per = ("payments", "") if self.found else ("subscriptions", " per billing period")
        lines = [f"read        {self.rows_in:,} {what}, {self.money_in:,.2f}{unit}{per}"]
        for count in self.reasons:
            money = "unread" if count.money is None else f"{count.money:,.2f}{unit}"
            rows = f"{count.rows:,} {what.removesuffix('s') if count.rows == 1 else what}"
            lines.append(f"  left out  {rows}, {money}: {count.reason}")
        lines += [
            f"log         {self.rows_out:,} {what}, {self.money_out:,.2f}{unit}{per}",
            *([f"found       {self.found}"] if self.found else []),
            f"customers   {self.customers:,}, {self.plans:,} plans",
            f"days        begun from {self.first_day} to {self.last_day}, {self.ended:,} have an end",
        ]
        lines += [found.to_text() for found in self.warnings]
        return "\n".join(lines)


@dataclass(frozen=True)
class SubscriptionLog:
    """Subscriptions, and what came of the rows.

    Attributes
    ----------
    frame : DataFrame
        One row per subscription: ``customer_id``, ``start``, ``end`` (the first day without it; NaT while it runs),
        ``plan``, ``price`` [currency per billing period], ``period_days`` [days], and further numbers as they came.
        Ordered by customer, start, end and plan.
    reasons : sequence of ReasonCount
        Rows left out, with their price per period or amount [currency].
    findings : tuple of Finding
        Doubts about the prices.
    overlapping : int
        Subscriptions that begin before an earlier one of the customer has ended; all are kept.
    payments : tuple of (int, float), optional
        Of a table of payments (`clvml.log.payments`): how many are used, and their sum [currency].
    found : str
        What was found in them.
    last_payment : date, optional
    example : DataFrame, optional
        The payments of a few customers, under the names of the input.
    """

    frame: pd.DataFrame
    rows_in: int
    reasons: Sequence[ReasonCount]
    overlapping: int = 0
    findings: tuple[Finding, ...] = ()
    currency: str | None = None
    payments: tuple[int, float] | None = None
    found: str = ""
    last_payment: date | None = None
    example: pd.DataFrame | None = None

    @property
    def first_day(self) -> date:
        """The day on which the first one begins."""
        return self.frame["start"].min().date()

    @property
    def last_day(self) -> date:
        """The day on which the last one begins."""
        return self.frame["start"].max().date()

    @property
    def next_day(self) -> date:
        """The day after the last one began, or after the last payment."""
        return (self.last_payment or self.last_day) + timedelta(days=1)

    @property
    def fingerprint(self) -> str:
        """Equal for equal subscriptions, in whatever order they came."""
        rows = pd.util.hash_pandas_object(self.frame, index=False).to_numpy()
        return hashlib.sha256(",".join(self.frame.columns).encode() + rows.tobytes()).hexdigest()

    @property
    def quality(self) -> SubscriptionQuality:
        """What was read and what came of it."""
        rows_out, money_out = self.payments or (len(self.frame), float(self.frame["price"].sum()))
        warnings = [*self.findings]
        if self.overlapping:
            warnings.append(
                Finding(
                    "overlapping-subscriptions",
                    f"{self.overlapping:,} subscriptions begin before an earlier one of the customer has ended; all are"
                    " kept, and what runs side by side adds up",
                    self.overlapping,
                )
            )
        unknown = int((self.frame["plan"] == UNKNOWN_PLAN).sum())
        if unknown:
            warnings.append(
                Finding("no-plan", f"{unknown:,} subscriptions have no plan: it is '{UNKNOWN_PLAN}'", unknown)
            )
        return SubscriptionQuality(
            rows_in=self.rows_in,
            money_in=round(money_out + sum(count.money or 0.0 for count in self.reasons), 6),
            rows_out=rows_out,
            money_out=round(money_out, 6),
            reasons=tuple(self.reasons),
            customers=int(self.frame["customer_id"].nunique()),
            plans=int(self.frame["plan"].nunique()),
            ended=int(self.frame["end"].notna().sum()),
            first_day=self.first_day,
            last_day=self.last_day,
            currency=self.currency,
            warnings=tuple(warnings),
            found=self.found,
        )


def read_subscriptions(
    source: str | Path | pd.DataFrame,
    columns: Mapping[str, str],
    extra: Mapping[str, str] | None = None,
    period: str | None = None,
) -> SubscriptionLog:
    """Read a table of subscriptions: a frame, or what `clvml.log.table.read_table` reads.

    Parameters
    ----------
    columns : mapping
        The input's names of ``customer_id``, ``start``, ``end``, ``price``, ``period`` (as `period_days` reads it) and,
        where there is one, ``plan``.
    extra : mapping, optional
        Further columns of numbers to keep: the input's names by ours.
    period : str, optional
        The billing period of all, where no column says it.

    Raises
    ------
    InputError
        A column is missing, ``period`` is no billing period, or more than 1 % of the rows have no customer, no start,
        no price that is a number of zero or more, no known period, or an end before the start.
    """
    extra = extra or {}
    needed = [name for name in _NEEDED if name != "period" or period is None]
    raw, where = raw_table(source, "subscriptions", {**columns, **extra}, needed)
    texts = {name: raw[columns[name]] for name in COLUMNS if name in columns}
    texts["end"] = texts["end"].mask(texts["end"].str.fullmatch(NO_END).fillna(False).astype(bool))
    periods = texts.get("period", pd.Series(period, index=raw.index, dtype="string"))
    if "period" not in texts and not (period_days(periods.head(1)) > 0).all():
        raise InputError(
            f"data.period '{period}' is no billing period; give day, week, month, quarter, year or a number of days"
        )
    numbers = with_numbers(raw[[columns["price"], *extra.values()]], f"subscriptions {where}")
    numbers = numbers.apply(pd.to_numeric, errors="coerce").astype(float)
    for name in extra.values():
        known = raw[name].notna()
        wrong = known & (numbers[name].isna().all() | (numbers[name].abs() >= LARGEST_PRICE))
        if wrong.any():
            raise InputError(
                f"column '{name}' of {where} holds '{raw[name][wrong].iloc[0]}' where a number below 1e12 is needed;"
                " correct it, or leave the column out"
            )
    frame = pd.DataFrame(
        {
            "customer_id": texts["customer_id"],
            "start": days_of(texts["start"], f"column '{columns['start']}'").astype("datetime64[us]"),
            "end": days_of(texts["end"], f"column '{columns['end']}'").astype("datetime64[us]"),
            "plan": texts["plan"].fillna(UNKNOWN_PLAN) if "plan" in texts else ONE_PLAN,
            "price": numbers[columns["price"]],
            "period_days": period_days(periods),
            **{ours: numbers[theirs] for ours, theirs in extra.items()},
        }
    )
    faults = {
        "no customer": frame["customer_id"].isna(),
        "no readable start": frame["start"].isna(),
        "an end that is not a date": texts["end"].notna() & frame["end"].isna(),
        "an end before the start": frame["end"] < frame["start"],
        "a price that is not a number": ~(frame["price"].abs() < LARGEST_PRICE),
        "a price below zero": frame["price"] < 0,
        "an unknown billing period": ~frame["period_days"].between(1, LONGEST_PERIOD),
    }
    left, reasons = usable_rows("subscription", where, frame["price"], faults)
    order = ["customer_id", "start", "end", "plan", "price", "period_days", *extra]
    kept = frame[left].sort_values(order, kind="stable", ignore_index=True)
    running_until = kept["end"].fillna(pd.Timestamp("2999-12-31")).astype("int64")
    before = running_until.groupby(kept["customer_id"]).cummax().groupby(kept["customer_id"]).shift()
    overlapping = int((kept["start"].astype("int64") < before).sum())
    return SubscriptionLog(kept, len(frame), reasons, overlapping, tuple(_price_findings(raw, columns)))


def _price_findings(raw: pd.DataFrame, columns: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what says that prices are of one unit of several, or cents."""
    price = columns["price"]
    quantity = next((str(name) for name in raw if is_usual("quantity", str(name))), None)
    if quantity is not None and (is_unit_price(price) or plain(price) in _OF_ONE):
        units = pd.to_numeric(raw[quantity], errors="coerce").dropna()
        if several := int((units != 1).sum()):
            yield Finding(
                "price-without-quantity",
                f"column '{price}' is the price of one, and {several:,} subscriptions have another number than 1 in"
                f" '{quantity}': give a table that has the product of both, and name that as data.columns.price",
                several,
            )
    # As Stripe's interface gives them out; its page has decimals.
    if raw[columns["customer_id"]].str.startswith("cus_").all() and raw[price].str.fullmatch(r"\d+").all():
        yield Finding(
            "amounts-in-other-units",
            f"column '{price}' looks like cents of the currency: give a table that has it divided by 100, and name"
            " that as data.columns.price",
            len(raw),
        )


def usable_rows(
    what: str,
    where: str,
    money: pd.Series,
    faults: Mapping[str, pd.Series],
    tolerated: Collection[str] = (),
) -> tuple[pd.Series, list[ReasonCount]]:
    """Return which rows of a table can be used, and what the others come to by their first fault.

    ``what`` is what a row stands for, ``money`` that of each row [currency], ``faults`` whether it has each fault, and
    ``tolerated`` the faults that any number of rows may have.

    Raises
    ------
    InputError
        There is no row, none can be used, or more than 1 % have a fault that is not tolerated.
    """
    if money.empty:
        raise InputError(f"{where} holds no {what}; give a table with at least one row")
    left = pd.Series(True, index=money.index)
    known = money.where(money.abs() < LARGEST_PRICE)
    reasons: list[ReasonCount] = []
    for reason, wrong in faults.items():
        found = left & wrong.fillna(False).astype(bool)
        if found.any():
            lost = known[found].sum(min_count=1)
            reasons.append(
                ReasonCount(reason, "rejected", int(found.sum()), None if pd.isna(lost) else float(lost))
            )
        left &= ~found
    unread = sum(count.rows for count in reasons if count.reason not in tolerated)
    if unread > _MAX_REJECTED * len(money) or not left.any():
        told = "; ".join(f"{count.rows:,} have {count.reason}" for count in reasons)
        raise InputError(
            f"{where}: {(~left).sum():,} of {len(money):,} {what}s cannot be used ({told}); correct the rows or the"
            " names of the columns"
        )
    return left, reasons


def raw_table(
    source: str | Path | pd.DataFrame, what: str, columns: Mapping[str, str], needed: Sequence[str]
) -> tuple[pd.DataFrame, str]:
    """Return a table of texts, and what to call it in errors.

    Raises
    ------
    InputError
        It cannot be read, or a column is not there or not named.
    """
    if isinstance(source, pd.DataFrame):
        raw = texts_of(source).reset_index(drop=True)
    elif Path(source).is_dir():
        raise InputError(
            f"{what} are read from one file or table, not from the folder '{source}'; name a file in it"
        )
    else:
        raw = read_table(source, what)
    where = "the frame" if isinstance(source, pd.DataFrame) else f"'{hide_password(str(source))}'"
    unmapped = [name for name in needed if name not in columns]
    if unmapped:
        raise InputError(f"columns lacks {first_of(unmapped)}; say which column of {where} that is")
    for name in columns.values():
        if name not in raw:
            raise InputError(
                f"{where} has no column '{name}'{did_you_mean(name, raw.columns)}; correct the name"
            )
    return raw, where
