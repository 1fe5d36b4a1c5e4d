"""Subscriptions: from a table with one row each to a typed, counted frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.table import days_of, read_table, with_numbers

# Mean length of a billing period [days], by how it is called.
PERIODS = {"day": 1.0, "week": 7.0, "month": 30.4375, "quarter": 91.3125, "year": 365.25}
_OTHER_WORDS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter"} | {
    "yearly": "year",
    "annual": "year",
    "annually": "year",
}
COLUMNS = ("customer_id", "start", "end", "plan", "price", "period")
# Share of rows that may be unreadable or contradict themselves; more is a wrong mapping.
MAX_REJECTED = 0.01


@dataclass(frozen=True)
class SubscriptionLog:
    """Subscriptions, and what came of the rows.

    Attributes
    ----------
    frame : DataFrame
        One row per subscription: ``customer_id``, ``start``, ``end`` (the first day without it; NaT while it runs),
        ``plan``, ``price`` [currency per billing period], ``period_days`` [days], and further numbers as they came.
        Ordered by customer, start, end and plan.
    rejected : dict of str to int
        Rows left out, by reason.
    rejected_money : dict of str to float
        Their price per period [currency]; without those that could not be read.
    overlapping : int
        Subscriptions that begin before an earlier one of the customer has ended; all are kept.
    """

    frame: pd.DataFrame
    rows_in: int
    rejected: dict[str, int]
    rejected_money: dict[str, float]
    overlapping: int


def read_subscriptions(
    source: str | Path | pd.DataFrame, columns: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> SubscriptionLog:
    """Read a table of subscriptions.

    Parameters
    ----------
    source : str, Path or DataFrame
        Any file that `clvml.log.table.read_table` reads, or a frame.
    columns : mapping
        The input's names of ``customer_id``, ``start``, ``end``, ``plan``, ``price`` and ``period`` (day, week, month,
        quarter, year, or a number of days).
    extra : mapping, optional
        Further columns of numbers to keep: the input's names by ours.

    Raises
    ------
    InputError
        A column is missing, or more than 1 % of the rows have no customer, no start, no price that is a number of
        zero or more, no known period, or an end before the start.
    """
    extra = extra or {}
    raw = source.astype("string") if isinstance(source, pd.DataFrame) else read_table(source, "subscriptions")
    where = "the frame" if isinstance(source, pd.DataFrame) else f"'{source}'"
    unmapped = [name for name in COLUMNS if name not in columns]
    if unmapped:
        raise InputError(f"columns lacks {first_of(unmapped)}; say which column of {where} that is")
    for name in [*(columns[name] for name in COLUMNS), *extra.values()]:
        if name not in raw:
            raise InputError(
                f"{where} has no column '{name}'{did_you_mean(name, raw.columns)}; correct the name"
            )
    texts = raw[[columns[name] for name in COLUMNS]].set_axis(list(COLUMNS), axis="columns")
    ends = texts["end"]
    numbers = with_numbers(raw[[columns["price"], *extra.values()]], f"subscriptions {where}")
    frame = pd.DataFrame(
        {
            "customer_id": texts["customer_id"],
            "start": days_of(texts["start"], f"column '{columns['start']}'").astype("datetime64[us]"),
            "end": days_of(ends, f"column '{columns['end']}'").astype("datetime64[us]"),
            "plan": texts["plan"].fillna("unknown"),
            "price": pd.to_numeric(numbers[columns["price"]], errors="coerce").astype(float),
            "period_days": _period_days(texts["period"]),
            **{
                ours: pd.to_numeric(numbers[theirs], errors="coerce").astype(float)
                for ours, theirs in extra.items()
            },
        }
    )
    faults = {
        "no customer": frame["customer_id"].isna(),
        "no readable start": frame["start"].isna(),
        "an end that is no date": ends.notna() & frame["end"].isna(),
        "an end before the start": frame["end"] < frame["start"],
        "a price that is no number": frame["price"].isna(),
        "a price below zero": frame["price"] < 0,
        "an unknown billing period": ~(frame["period_days"] > 0),
    }
    rejected, money = {}, {}
    left = pd.Series(True, index=frame.index)
    for reason, wrong in faults.items():
        found = left & wrong.fillna(False).astype(bool)
        if found.any():
            rejected[reason] = int(found.sum())
            money[reason] = float(frame.loc[found, "price"].sum())
        left &= ~found
    if len(frame) - left.sum() > MAX_REJECTED * len(frame) or not left.any():
        told = "; ".join(f"{rows:,} have {reason}" for reason, rows in rejected.items()) or "there are none"
        raise InputError(
            f"{where}: {len(frame) - left.sum():,} of {len(frame):,} subscriptions cannot be used ({told}); correct the"
            " rows or the names of the columns"
        )
    kept = frame[left].sort_values(["customer_id", "start", "end", "plan"], kind="stable", ignore_index=True)
    running_until = kept["end"].fillna(pd.Timestamp("2999-12-31")).astype("int64")
    before = running_until.groupby(kept["customer_id"]).cummax().groupby(kept["customer_id"]).shift()
    overlapping = int((kept["start"].astype("int64") < before).sum())
    return SubscriptionLog(kept, len(frame), rejected, money, overlapping)


def _period_days(texts: pd.Series) -> pd.Series:
    words = texts.str.casefold().str.strip()
    named = words.replace(_OTHER_WORDS).map(PERIODS)
    return named.fillna(pd.to_numeric(words, errors="coerce")).astype(float)
