"""What winning customers cost and what it brings, by source and by the month in which they were won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import ValueConfig
from clvml.decide.eligibility import read_customers
from clvml.decide.worth import ALL, CURVE_DAYS, months_to_pay_back, value_spread
from clvml.errors import InputError, first_of
from clvml.log.table import days_of, with_numbers
from clvml.scores.columns import ACQUISITION_SOURCE, is_of_subscribers
from clvml.scores.totals import LEVEL_SPREAD, LOSS_SPREAD, REACH, spend_variance

Array = NDArray[np.float64]

SOURCE, DAY, MONEY = ACQUISITION_SOURCE.name, "acquisition_date", "spend"
_SPEND_NAMES = {
    "month": ("month", "date", "day"),
    "source": ("source", SOURCE, "channel"),
    MONEY: (MONEY, "cost", "amount"),
}


@dataclass(frozen=True)
class Acquisition:
    """What winning customers cost and brings, one row per source and one for all; or per source and month.

    Columns of both tables: ``customers`` won while money was spent, ``spend`` [currency], ``cost_each`` and its 80 %
    interval ``cost_low``, ``cost_high`` (customers come by chance: a Poisson number of them), ``months_seen`` since
    they were won, ``earned_each`` (margin so far), ``to_come_each`` (`clv`), ``value_to_cost`` and its 80 % interval
    ``ratio_low``, ``ratio_high``, ``highest_cost`` that still pays, and ``payback_months`` from winning on (NaN: not
    within a year from now).
    """

    by_source: pd.DataFrame
    by_month: pd.DataFrame
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        return {
            "by_source": self.by_source.reset_index().to_dict("records"),
            "by_month": self.by_month.reset_index().to_dict("records"),
            "notes": self.notes,
        }


def read_spend(path: str) -> pd.DataFrame:
    """Read what was spent to win customers: ``month`` (period), ``source``, ``spend`` [currency], one row each.

    A month is a date in it, or YYYY-MM; days of a month are added up.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or holds an invalid date or amount.
    """
    where = f"spend file '{path}'"
    table = read_customers(path, [], "spend")
    columns = {}
    for ours, usual in _SPEND_NAMES.items():
        found = [name for name in table.columns if str(name).strip().casefold() in usual]
        if len(found) != 1:
            raise InputError(
                f"{where} has {'several columns' if found else 'no column'} for the {ours}"
                f" ({' or '.join(usual)}); it has {first_of(table.columns)}"
            )
        columns[ours] = found[0]
    money = with_numbers(table[[columns[MONEY]]], where)[columns[MONEY]]
    if not pd.api.types.is_numeric_dtype(money) or money.isna().any() or (money < 0).any():
        raise InputError(f"{where}: column '{columns[MONEY]}' holds what is not money; write 0 for nothing")
    months = _months(table[columns["month"]], f"{where}: column '{columns['month']}'")
    sources = table[columns["source"]]
    if sources.isna().any():
        raise InputError(f"{where}: {int(sources.isna().sum()):,} rows have no source; fill them in")
    rows = pd.DataFrame({"month": months, "source": sources.astype("string"), MONEY: money.astype(float)})
    return rows.groupby(["source", "month"])[MONEY].sum().reset_index()


def read_sources(path: str) -> pd.Series:
    """Read where customers came from: `SOURCE` by customer id.

    Raises
    ------
    InputError
        As `read_acquired`.
    """
    return _one_each(path, [SOURCE]).set_index("customer_id")[SOURCE]


def read_acquired(path: str) -> pd.DataFrame:
    """Read where customers came from and when: ``customer_id``, `SOURCE` and ``month``, one row per customer.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, names a customer twice, or holds an invalid date.
    """
    table = _one_each(path, [SOURCE, DAY])
    months = _months(table[DAY], f"acquired file '{path}': column '{DAY}'")
    return table[["customer_id", SOURCE]].assign(month=months)


def _one_each(path: str, columns: list[str]) -> pd.DataFrame:
    table = read_customers(path, ["customer_id", *columns], "acquired")
    twice = table.loc[table["customer_id"].duplicated(), "customer_id"]
    if len(twice):
        raise InputError(f"acquired file '{path}' names customer '{twice.iloc[0]}' twice; keep one row each")
    return table


def acquisition(
    scores: pd.DataFrame,
    acquired: pd.DataFrame,
    spend: pd.DataFrame,
    margin: Array,
    value: ValueConfig | None = None,
) -> Acquisition:
    """Hold what was spent to win customers against what they brought and are expected to bring.

    Parameters
    ----------
    scores : DataFrame
        The scored table.
    acquired : DataFrame
        See `read_acquired`.
    spend : DataFrame
        See `read_spend`.
    margin : ndarray, shape (n,)
        Margin of each scored customer.
    value : ValueConfig, optional
        What the scores were made with; of subscribers it tells what of their value is uncertain.

    Raises
    ------
    InputError
        No scored customer came from a source in a month in which money was spent on it.
    """
    notes: list[str] = []
    known = (
        scores[["customer_id"]]
        .astype("string")
        .merge(acquired.astype({"customer_id": "string"}), on="customer_id", how="left")
    )
    as_of = pd.Period(str(scores["as_of"].iloc[0])[:7], "M")
    unknown = int((known[SOURCE].isna() | known["month"].isna()).sum())
    if unknown:
        notes.append(
            f"{unknown:,} of {len(scores):,} scored customers have no acquisition source or date: left out"
        )
    clv, earned = scores["clv"].to_numpy(), margin * scores["historic_spend"].to_numpy()
    if is_of_subscribers(scores.columns):
        own = value_spread(scores, np.ones(len(scores)), value or ValueConfig())
        variance, level = own["variance"], LOSS_SPREAD * own["lost"]
    else:
        variance, level = margin**2 * spend_variance(scores), LEVEL_SPREAD * clv
    each = pd.DataFrame(
        {
            "source": known[SOURCE].to_numpy(),
            "month": known["month"].to_numpy(),
            "customers": 1,
            "earned": earned,
            "clv": clv,
            "squares": (earned + clv) ** 2 + variance,
            "level": level,
            "age": [(as_of - month).n if pd.notna(month) else np.nan for month in known["month"]],
            **{
                f"margin_{days}d": margin * scores[f"expected_spend_{days}d"].to_numpy()
                for days in CURVE_DAYS
            },
        }
    ).dropna(subset=["source", "month"])
    won = each.groupby(["source", "month"], as_index=False).sum()
    joined = spend.merge(won, on=["source", "month"], how="outer", indicator=True)
    unpaid = joined[joined["_merge"] == "right_only"]
    if len(unpaid):
        customers = int(unpaid["customers"].sum())
        sources = first_of(sorted(unpaid["source"].unique()), most=5)
        notes.append(
            f"{customers:,} customers were won in months for which the spend table has nothing of their source"
            f" ({sources}): they are left out; write 0 where nothing was spent"
        )
    for source, months in spend.groupby("source")["month"]:
        span = pd.period_range(months.min(), months.max(), freq="M")
        gaps = span.difference(pd.PeriodIndex(months))
        if len(gaps):
            notes.append(
                f"the spend table has a gap of {len(gaps)} month(s) of '{source}', such as {gaps[0]}"
            )
    paid = joined[joined["_merge"] != "right_only"].drop(columns="_merge").fillna(0.0)
    if not paid["customers"].sum():
        raise InputError(
            "no scored customer was won from a source in a month of the spend table; sources there:"
            f" {first_of(spend['source'].unique(), most=5)}; of the customers:"
            f" {first_of(acquired[SOURCE].dropna().unique(), most=5)}"
        )
    sums = paid.drop(columns="month").groupby("source").sum().sort_values(MONEY, ascending=False)
    sums.loc[ALL] = sums.sum()
    by_month = paid.sort_values(["source", "month"]).assign(month=paid["month"].astype(str))
    by_month = by_month.set_index(["source", "month"])
    return Acquisition(_figures(sums), _figures(by_month), notes)


def _figures(sums: pd.DataFrame) -> pd.DataFrame:
    """Return what `Acquisition` tells of sums over customers, a row each."""
    customers, spent = sums["customers"], sums[MONEY]
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.where(customers > 0, spent / customers, np.nan)
        # The number of customers is Poisson; its interval is that of the square root (Anscombe 1948), 80 %.
        root = np.sqrt(customers + 3.0 / 8.0)
        most, least = (root + REACH / 2.0) ** 2, np.maximum(root - REACH / 2.0, 0.0) ** 2
        total = sums["earned"] + sums["clv"]
        # Customers come by chance and differ (a compound Poisson sum), and all may come in above or below.
        error = np.sqrt(sums["squares"] + sums["level"] ** 2)
        ratio = np.where(spent > 0, total / spent, np.nan)
        reach = np.where(spent > 0, REACH * error / spent, np.nan)
        curve = sums[[f"margin_{days}d" for days in CURVE_DAYS]].to_numpy() / customers.to_numpy()[:, None]
        earned, age = sums["earned"] / customers, sums["age"] / customers
        more = months_to_pay_back(np.nan_to_num(cost), np.nan_to_num(earned), np.nan_to_num(curve))
        # What is paid back already took its share of the months seen.
        done = np.where(earned > 0, np.minimum(cost / earned, 1.0), 0.0)
        payback = np.where(more == 0, age * done, age + more)
    return pd.DataFrame(
        {
            "customers": customers.astype(int),
            MONEY: spent.round(2),
            "cost_each": np.round(cost, 2),
            "cost_low": np.where(customers > 0, spent / most, np.nan).round(2),
            "cost_high": np.where(customers > 0, spent / np.maximum(least, 1e-9), np.nan).round(2),
            "months_seen": age.round(1),
            "earned_each": earned.round(2),
            "to_come_each": (sums["clv"] / customers).round(2),
            "value_to_cost": np.round(ratio, 2),
            "ratio_low": np.round(ratio - reach, 2),
            "ratio_high": np.round(ratio + reach, 2),
            "highest_cost": np.maximum(total / customers, 0.0).round(2),
            "payback_months": np.where(customers > 0, payback, np.nan).round(1),
        }
    )


def _months(texts: pd.Series, where: str) -> pd.Series:
    """Return the month of each date or YYYY-MM text, missing where there is none; refuse what is neither."""
    written = texts.astype("string")
    whole = written.str.fullmatch(r"\d{4}-\d{2}").fillna(False).astype(bool)
    days = days_of(written.where(~whole, written + "-01"), where)
    wrong = np.isnat(days) & written.notna().to_numpy()
    if wrong.any():
        raise InputError(
            f"{where} holds '{written[wrong].iloc[0]}', which is not a month or date; write YYYY-MM or a date"
        )
    return pd.Series(pd.PeriodIndex(pd.to_datetime(days), freq="M"), index=texts.index)
