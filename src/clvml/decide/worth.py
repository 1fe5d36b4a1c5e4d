"""What customers are worth: by any column, net of what they cost, beside what plain formulas say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.config import ValueConfig
from clvml.decide.costs import costs_of
from clvml.decide.formulas import HISTORY, compare
from clvml.decide.movement import movement
from clvml.scores.columns import is_of_subscribers, whom
from clvml.scores.rules import check_columns
from clvml.scores.totals import lost_value, lost_variance, retained_interval, spend_variance, total_interval

Array = NDArray[np.float64]

ALL = "all"
_TOPS = (0.01, 0.05, 0.10, 0.20)
# A number with more values is grouped into bands.
_MOST_NUMBERS = 20
_MONTH_DAYS = 365.0 / 12.0
CURVE_DAYS = (30, 90, 180, 365)


@dataclass(frozen=True)
class Worth:
    """What customers are worth.

    Attributes
    ----------
    groups : dict of str to DataFrame
        By column: one row per group and one for all (`ALL`), by value falling: ``customers``, ``historic_spend``,
        ``expected_spend``, ``clv`` and its 80 % interval ``clv_low``, ``clv_high``, ``clv_share``, ``clv_each``,
        ``highest_acquisition_cost`` and, where costs are known, ``acquisition_cost``, ``payback_months`` [currency].
    concentration : DataFrame
        One row per share of the customers, the most valuable first: ``customers``, ``clv``, ``clv_share``.
    formulas : DataFrame
        One row per plain formula: ``total`` [currency], ``ratio`` to ``clv``, and the groups it underrates and
        overrates most. Empty where the history of customers is not known.
    movement : DataFrame
        One row per kind of move between value tiers since an earlier scoring. Empty without one.
    subscribers : bool
        The customers subscribe.
    """

    groups: dict[str, pd.DataFrame]
    concentration: pd.DataFrame
    formulas: pd.DataFrame
    movement: pd.DataFrame
    notes: list[str]
    subscribers: bool = False

    def __repr__(self) -> str:
        total = next(iter(self.groups.values())).loc[ALL]
        return (
            f"<Worth of {total['customers']:,.0f} {whom(self.subscribers)}: {total['clv']:,.2f}"
            f" ({total['clv_low']:,.2f} to {total['clv_high']:,.2f})>"
        )

    def _repr_html_(self) -> str:
        tables = "".join(table.to_html(float_format="{:,.2f}".format) for table in self.groups.values())
        return f"<p>{repr(self)[1:-1]}</p>{tables}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        return {
            "groups": {name: table.reset_index().to_dict("records") for name, table in self.groups.items()},
            "concentration": self.concentration.to_dict("records"),
            "formulas": self.formulas.to_dict("records"),
            "movement": self.movement.to_dict("records"),
            "notes": self.notes,
        }


def worth(
    scores: pd.DataFrame,
    by: tuple[str, ...] = ("segment", "value_tier"),
    value: ValueConfig | None = None,
    costs: pd.DataFrame | None = None,
    before: pd.DataFrame | None = None,
    margins: Array | None = None,
    counted: bool = False,
) -> Worth:
    """Work out what customers are worth.

    Parameters
    ----------
    scores : DataFrame
        The scored table; with `HISTORY`, plain formulas stand beside the values.
    by : tuple of str
        Columns to group by; a number with many values into fifths.
    value : ValueConfig, optional
        What the scores were made with: margin, retention cost, value horizon.
    costs : DataFrame, optional
        Some of `clvml.decide.costs.COSTS` for each value of a scored column, which is its other column; or, in one
        row, for everybody.
    before : DataFrame, optional
        An earlier scored table of the same customers.
    margins : ndarray, shape (n,), optional
        Each customer's own margin; that of all where left out. Costs stand above it.
    counted : bool
        The scores were made with these margins.

    Raises
    ------
    InputError
        A column is not there, or costs are at fault.
    """
    value = value or ValueConfig()
    check_columns(by, scores.columns, "group by")
    notes: list[str] = []
    usual = np.full(len(scores), value.margin) if margins is None else margins
    own_costs = costs_of(scores, costs, usual, notes)
    margin = own_costs["margin"].to_numpy()
    base = usual if counted else np.full(len(scores), value.margin)
    # Of a margin of nothing, the value at another one cannot be told.
    share = np.divide(margin, base, out=np.ones(len(scores)), where=base != 0)
    clv = (scores["clv"].to_numpy() + value.retention_cost) * share - value.retention_cost
    clv = clv - own_costs["service_cost"].to_numpy()
    known = pd.DataFrame(
        {
            "customers": 1,
            "historic_spend": scores["historic_spend"].to_numpy(),
            "expected_spend": scores["expected_spend"].to_numpy(),
            "clv": clv,
            **value_spread(scores, share, value),
            "earned": margin * scores["historic_spend"].to_numpy(),
            "acquisition_cost": own_costs["acquisition_cost"].to_numpy(),
            **{
                f"margin_{days}d": margin * scores[f"expected_spend_{days}d"].to_numpy()
                for days in CURVE_DAYS
            },
        }
    )
    names = {name: _names(scores[name]) for name in by}
    groups = {name: _by_group(known, groups) for name, groups in names.items()}
    formulas = (
        compare(scores, clv, margin, value, names[by[0]]) if set(HISTORY) <= set(scores) else pd.DataFrame()
    )
    moved = movement(scores, before, notes) if before is not None else pd.DataFrame()
    return Worth(groups, _concentration(clv), formulas, moved, notes, is_of_subscribers(scores.columns))


def present_value(yearly: float, staying: float, rate: float, years: float = math.inf) -> float:
    """Return the present value of a yearly margin, paid at the end of each year while a customer stays.

    ``sum_t yearly * staying^(t - 1) / (1 + rate)^t``: the first year is sure; for ever that is
    ``yearly / (1 + rate - staying)`` (Gupta and Lehmann 2003).

    >>> round(present_value(100, 0.8, 0.1, years=3), 4), round(present_value(100, 0.8, 0.1), 4)
    (205.1089, 333.3333)
    """
    each = staying / (1.0 + rate)
    whole = yearly / (1.0 + rate) / (1.0 - each) if each < 1 else math.inf
    return (
        whole if math.isinf(years) else yearly / (1.0 + rate) * sum(each**year for year in range(int(years)))
    )


def payback_months(acquisition_cost: float, monthly_margin: float, leaving: float = 0.0) -> int | None:
    """Return after how many whole months a customer has paid for the acquisition; None: never.

    Each month a share of customers leaves: ``monthly_margin * sum_m (1 - leaving)^(m - 1)``.

    >>> payback_months(120, 20), payback_months(120, 20, leaving=0.05), payback_months(500, 20, leaving=0.05)
    (6, 7, None)
    """
    if acquisition_cost <= 0:
        return 0
    if monthly_margin <= 0:
        return None
    ratio = acquisition_cost / monthly_margin
    if leaving == 0:
        return math.ceil(ratio - 1e-9)
    left = 1.0 - ratio * leaving
    return math.ceil(math.log(left) / math.log1p(-leaving) - 1e-9) if left > 0 and leaving < 1 else None


def months_to_pay_back(acquisition_cost: ArrayLike, earned: ArrayLike, margin_by: Array) -> Array:
    """Return the months until expected margin has paid for the acquisition, shape (g,); NaN: not within a year.

    Parameters
    ----------
    acquisition_cost, earned : array-like, shape (g,)
        Per customer: what winning them cost, and the margin they have brought so far.
    margin_by : ndarray, shape (g, 4)
        Margin expected per customer by 30, 90, 180 and 365 days.

    >>> months_to_pay_back([120.0, 120.0, 120.0], [0.0, 150.0, 0.0], np.array([[20.0, 60, 120, 240]] * 2 + [[1.0] * 4]))
    array([5.91780822, 0.        ,        nan])
    """
    open_ = np.asarray(acquisition_cost, dtype=float) - np.asarray(earned, dtype=float)
    days = np.array([0.0, *CURVE_DAYS])
    months = np.full(len(open_), np.nan)
    for place, (missing, curve) in enumerate(zip(open_, margin_by, strict=True)):
        reached = np.maximum.accumulate(np.concatenate([[0.0], curve]))
        if missing <= 0:
            months[place] = 0.0
        elif missing <= reached[-1]:
            at = int(np.searchsorted(reached, missing))
            share = (missing - reached[at - 1]) / (reached[at] - reached[at - 1])
            months[place] = (days[at - 1] + share * (days[at] - days[at - 1])) / _MONTH_DAYS
    return months


def value_spread(scores: pd.DataFrame, share: Array, value: ValueConfig) -> dict[str, Array]:
    """Return the columns of which intervals are made: ``variance`` of the spend; of subscribers, of what is lost."""
    if not is_of_subscribers(scores.columns):
        return {"variance": spend_variance(scores)}
    kept, lost = (scores["clv"].to_numpy() + value.retention_cost) * share, lost_value(scores, value) * share
    return {"kept": kept, "lost": lost, "variance": lost_variance(kept + lost, lost)}


def _by_group(known: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    names = groups.to_numpy(dtype=object)
    sums = known.drop(columns="acquisition_cost").groupby(names).sum()
    costs = known.groupby(names)["acquisition_cost"].mean()
    sums = sums.sort_values("clv", ascending=False, kind="stable")
    sums.loc[ALL] = sums.sum()
    costs.loc[ALL] = known["acquisition_cost"].mean()
    customers = sums["customers"]
    total = float(known["clv"].sum())
    if "lost" in sums:
        full, clv = (sums["kept"] + sums["lost"]).to_numpy(), sums["clv"].to_numpy()
        low, high = retained_interval(full, sums["lost"], sums["variance"])
        ends = clv - sums["kept"].to_numpy() + np.stack([low, high])
    else:
        low, high = total_interval(sums["expected_spend"], sums["variance"])
        # The interval of the spend, as a share of it: what the margin of it is worth is as uncertain.
        spend = np.maximum(sums["expected_spend"].to_numpy(), 1e-12)
        ends = np.sort(np.stack([sums["clv"] * low / spend, sums["clv"] * high / spend]), axis=0)
    each = sums["clv"] / customers
    table = pd.DataFrame(
        {
            "customers": customers.astype(int),
            "historic_spend": sums["historic_spend"].round(2),
            "expected_spend": sums["expected_spend"].round(2),
            "clv": sums["clv"].round(2),
            "clv_low": ends[0].round(2),
            "clv_high": ends[1].round(2),
            "clv_share": (sums["clv"] / total).round(4) if total > 0 else np.nan,
            "clv_each": each.round(2),
            "highest_acquisition_cost": np.maximum(sums["earned"] / customers + each, 0.0).round(2),
        }
    )
    if costs.notna().any():
        table["acquisition_cost"] = costs.reindex(table.index).round(2)
        margins = sums[[f"margin_{days}d" for days in CURVE_DAYS]].to_numpy() / customers.to_numpy()[:, None]
        earned = (sums["earned"] / customers).to_numpy()
        table["payback_months"] = months_to_pay_back(costs.reindex(table.index), earned, margins).round(1)
    return table.rename_axis(str(groups.name))


def _names(column: pd.Series) -> pd.Series:
    """Return to which group each row belongs: by value, or of a number with many values by fifths of the customers."""
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        # All of them together have a row of that name.
        names = column.astype("string").replace(ALL, f"'{ALL}'")
    elif column.nunique() > _MOST_NUMBERS:
        bands = pd.qcut(column, 5, duplicates="drop")
        ends = column.groupby(bands, observed=True).agg(["min", "max"])
        told = {band: f"{low:,.6g} to {high:,.6g}" for band, low, high in ends.itertuples()}
        names = bands.astype(object).map(told).astype("string")
    else:
        names = column.map("{:.15g}".format, na_action="ignore").astype("string")
    return names.fillna("(none)")


def _concentration(clv: Array) -> pd.DataFrame:
    ranked = np.sort(clv)[::-1]
    total = float(ranked.sum())
    rows = []
    for top in _TOPS:
        count = max(1, round(top * len(ranked)))
        held = float(ranked[:count].sum())
        rows.append(
            {
                "top": top,
                "customers": count,
                "clv": round(held, 2),
                "clv_share": held / total if total > 0 else np.nan,
            }
        )
    return pd.DataFrame(rows)
