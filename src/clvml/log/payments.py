"""Recurring payments: from a table with one row each to the subscriptions that they pay for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvml.config import SubscriptionData
from clvml.errors import InputError
from clvml.log.rows.cleaning import ReasonCount
from clvml.log.subscriptions import (
    LARGEST_PRICE,
    ONE_PLAN,
    UNKNOWN_PLAN,
    SubscriptionLog,
    raw_table,
    read_subscriptions,
    usable_rows,
)
from clvml.log.table import days_of, with_numbers
from clvml.log.values.billing_periods import PERIODS

# A gap within so much of a named period is that period; another one is its own number of days.
_NEAR = 0.15
# The most days that a named period has.
_LONGEST = {"week": 7, "month": 31, "quarter": 92, "year": 366}
# An amount that differs by more begins a subscription at another price.
_SAME_PRICE = 0.1
# Nobody bills less often [days].
_MOST_DAYS = 1100
_NEVER = pd.Timestamp("9000-01-01")
# Share of the gaps between payments that must be a billing period.
_REGULAR = 0.5
NO_MONEY, EXTRA = "an amount of zero or less", "a payment within half a billing period of another"
_EXAMPLE_CUSTOMERS = 5


class _Period(NamedTuple):
    """A billing period: its mean length and the longest it may be [days], and how it is called."""

    days: float
    longest: int
    name: str


def read_subscription_log(
    data: SubscriptionData,
    source: str | Path | pd.DataFrame | None = None,
    as_of: date | None = None,
    today: date | None = None,
) -> SubscriptionLog:
    """Read the subscriptions of a configuration, from their own table or from payments; errors of the two readers."""
    given = data.source if source is None else source
    if data.payments is not None:
        return read_payments(given, data.mapped(), data.grace_days, as_of, today)
    return read_subscriptions(given, data.mapped(), data.early_columns, data.period)


def read_payments(
    source: str | Path | pd.DataFrame,
    columns: Mapping[str, str],
    grace_days: int = 0,
    as_of: date | None = None,
    today: date | None = None,
) -> SubscriptionLog:
    """Read a table of recurring payments, and find the subscriptions that they pay for.

    The billing period of a customer's plan is the median gap between its payments, where there are three and it is
    near a week, a month, a quarter or a year; else the usual gap of the same plan and amount. A subscription runs until
    the day on which the next payment is ``grace_days`` late; it has no end where that day is not before ``as_of``. A
    payment that differs from the first by more than a tenth begins another subscription, at that price.

    Parameters
    ----------
    columns : mapping
        The input's names of ``customer_id``, ``date``, ``amount`` and, where there is one, ``plan``.
    as_of : date, optional
        The first day not observed; the day after the last payment where left out.
    today : date, optional
        Payments after it are left out.

    Raises
    ------
    InputError
        A column is missing, more than 1 % of the rows cannot be read, or payments come at no regular gap.
    """
    raw, where = raw_table(source, "payments", columns, ("customer_id", "date", "amount"))
    texts = {name: raw[theirs] for name, theirs in columns.items()}
    amounts = with_numbers(raw[[columns["amount"]]], f"payments {where}")[columns["amount"]]
    table = pd.DataFrame(
        {
            "customer_id": texts["customer_id"],
            "plan": texts["plan"].fillna(UNKNOWN_PLAN) if "plan" in texts else ONE_PLAN,
            "day": days_of(texts["date"], f"column '{columns['date']}'").astype("datetime64[D]"),
            "amount": pd.to_numeric(amounts, errors="coerce").astype(float),
        }
    )
    faults = {
        "no customer": table["customer_id"].isna(),
        "no readable date": ~(table["day"] < _NEVER),
        "an amount that is not a number": ~(table["amount"].abs() < LARGEST_PRICE),
    }
    tolerated = {
        NO_MONEY: ~(table["amount"] > 0),
        "date in the future": table["day"] > pd.Timestamp(today or _NEVER),
        "at or after as_of": table["day"] >= pd.Timestamp(as_of or _NEVER),
    }
    left, reasons = usable_rows("payment", where, table["amount"], faults | tolerated, tolerated)
    used = table[left]
    last = pd.Timestamp(used["day"].max()).date()
    until = as_of or last + timedelta(days=1)
    daily = used.groupby(["customer_id", "plan", "day"])["amount"].sum().reset_index()
    periods = _periods(daily, where)
    frame, extra = _found(daily, periods, grace_days, where)
    if len(extra):
        reasons.append(ReasonCount(EXTRA, "rejected", len(extra), float(extra.sum())))
    frame["end"] = frame["end"].where(frame["end"] < pd.Timestamp(until))
    counts = Counter(period.name for period in frame.pop("billed"))
    told = ", ".join(f"{number:,} {name}" for name, number in counts.most_common(6))
    frame = frame.sort_values(["customer_id", "start", "end", "plan"], kind="stable", ignore_index=True)
    running = frame.loc[frame["end"].isna(), "customer_id"].drop_duplicates().head(_EXAMPLE_CUSTOMERS)
    rows = raw[left & table["customer_id"].isin(running)]
    return SubscriptionLog(
        frame,
        len(table),
        reasons,
        payments=(len(used) - len(extra), float(used["amount"].sum() - extra.sum())),
        found=f"{len(frame):,} subscriptions, billed {told}",
        last_payment=last,
        example=rows[list(columns.values())].assign(**{columns["amount"]: table["amount"]}),
    )


def _periods(daily: pd.DataFrame, where: str) -> list[_Period]:
    """Return the period of each row of payments, one per customer, plan and day."""
    of_customer = ["customer_id", "plan"]
    gaps = daily.groupby(of_customer)["day"].diff().dt.days
    if gaps.notna().sum() == 0:
        raise InputError(
            f"{where}: nobody paid twice for a plan, so that no billing period can be found; give a longer table of"
            " payments"
        )
    known = daily.assign(gap=gaps, cents=(daily["amount"] * 100).round())
    number = known.groupby(of_customer)["gap"].transform("count")
    own = known.groupby(of_customer)["gap"].transform("median")
    named = {gap: _named(gap) for gap in own.dropna().unique()}
    days = own.where(
        (number >= 2) & own.map(lambda gap: gap in named and named[gap].longest in _LONGEST.values())
    )
    for usual in (
        known.groupby(["plan", "cents"])["gap"].transform("median"),
        own,
        known.groupby("plan")["gap"].transform("median"),
    ):
        days = days.fillna(usual)
    days = days.fillna(known["gap"].median())
    # The period of the first payment's amount is that of all of a customer's plan.
    first = days.groupby([known[name] for name in of_customer]).transform("first")
    named |= {gap: _named(gap) for gap in first.unique()}
    return [named[gap] for gap in first]


def _named(gap: float) -> _Period:
    for name, longest in _LONGEST.items():
        if abs(gap - PERIODS[name]) <= _NEAR * PERIODS[name]:
            return _Period(PERIODS[name], longest, f"by the {name}")
    days = max(round(gap), 1)
    return _Period(float(days), days, f"every {days} days" if days > 1 else "by the day")


def _found(
    daily: pd.DataFrame, periods: list[_Period], grace_days: int, where: str
) -> tuple[pd.DataFrame, pd.Series]:
    """Return the subscriptions, and the amounts of payments that renew none."""
    day = daily["day"].to_numpy().astype("datetime64[D]").astype(int)
    rows: list[tuple[int, int, int]] = []
    extra: list[int] = []
    renewals = gaps = 0
    first = last = -1
    keys = daily.groupby(["customer_id", "plan"]).ngroup().to_numpy()
    amounts = daily["amount"].to_numpy()
    for place, period in enumerate(periods):
        late = 0 if first < 0 else day[last] + periods[first].longest + grace_days
        if first >= 0 and keys[place] == keys[first]:
            gaps += 1
            if 2 * (day[place] - day[last]) < period.longest:
                extra.append(place)
                continue
            in_time = day[place] <= late and period.longest <= _MOST_DAYS
            renewals += in_time
            if in_time and abs(amounts[place] - amounts[first]) <= _SAME_PRICE * amounts[first]:
                last = place
                continue
            # What is paid at another price, and in time, goes on from that day.
            late = min(late, day[place])
        if first >= 0:
            rows.append((first, day[first], late))
        first = last = place
    rows.append((first, day[first], day[last] + periods[first].longest + grace_days))
    if renewals < _REGULAR * gaps:
        raise InputError(
            f"{where}: payments come at no regular gap: {renewals:,} of {gaps:,} follow another of the same customer"
            " and plan after a billing period. Name the plan in data.payments where customers have several, raise"
            " data.grace_days, or take mode: purchase for orders"
        )
    places, starts, ends = (np.asarray(part) for part in zip(*rows, strict=True))
    named = daily.iloc[places].reset_index(drop=True)
    billed = [periods[place] for place in places]
    frame = pd.DataFrame(
        {
            "customer_id": named["customer_id"],
            "start": starts.astype("datetime64[D]").astype("datetime64[us]"),
            "end": ends.astype("datetime64[D]").astype("datetime64[us]"),
            "plan": named["plan"],
            "price": named["amount"],
            "period_days": [period.days for period in billed],
            "billed": billed,
        }
    )
    return frame, daily["amount"].iloc[extra]
