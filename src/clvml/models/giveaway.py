"""Attributes and events used in training. Attributes that leak the future are refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from clvml.config import Config
from clvml.customers.attributes import Attribute, usable_attributes
from clvml.customers.events import event_kinds
from clvml.customers.given import read_given
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError

Array = NDArray[np.float64]

# An attribute that alone predicts churn (area under the ROC curve) or the spend of buyers (rank correlation) this well
# must have been written after the window.
NEAR_PERFECT = 0.95
_FEWEST_ROWS = 50
_BINS = 50
# Typing errors may bring up to this share of the dates after a cutoff.
_LATE_SHARE = 0.01


def learn_attributes(
    days: CustomerDays, snapshots: dict[date, pd.DataFrame], config: Config
) -> tuple[tuple[Attribute, ...], dict[date, pd.DataFrame], str]:
    """Return the attributes to train with, the snapshots with their encoded values, and a note.

    ``snapshots`` hold features and labels by cutoff. The newest decides which values are common.

    Raises
    ------
    InputError
        An attribute is of no use (`usable_attributes`) or gives the future away (`_refuse_giveaways`).
    """
    if days.attributes is None or "attributes" in config.model.leave_out:
        return (), snapshots, ""
    asked = config.data.attributes
    usable, note = usable_attributes(days.attributes, asked.columns if asked else ())
    newest = snapshots[max(snapshots)]
    attributes = tuple(one.with_levels(newest[one.name]) for one in usable)
    read = {cutoff: read_given(frame, attributes) for cutoff, frame in snapshots.items()}
    # A dated row was known on its date, however well it predicts the future.
    if not days.attributes.dated:
        _refuse_giveaways(attributes, read, {cutoff: days.dates_not_before(cutoff) for cutoff in snapshots})
    return attributes, read, note


def learn_events(days: CustomerDays, cutoff: date, config: Config) -> tuple[CustomerDays, str]:
    """Return the customer days that count the events to train with, and a note on rare types.

    ``cutoff`` is the newest training cutoff: events before it decide which types are frequent.
    """
    if days.events is None or "events" in config.model.leave_out:
        return days.counting(()), ""
    kinds, note = event_kinds(days.events, days.customers_of_events(cutoff))
    return days.counting(kinds), note


def _refuse_giveaways(
    attributes: tuple[Attribute, ...],
    snapshots: Mapping[date, pd.DataFrame],
    late: Mapping[date, Mapping[str, tuple[int, int]]],
) -> None:
    """Refuse attributes that hold what happened after a training cutoff.

    Parameters
    ----------
    snapshots : dict
        By cutoff: features with encoded attributes, and labels.
    late : dict
        By cutoff and attribute that is a date: how many customers have a date, and how many one not before the cutoff.

    Raises
    ------
    InputError
        An attribute is a date that lies after a cutoff for more than 1 % of the customers who had bought before it, or
        it alone predicts churn or spend nearly perfectly.
    """
    for one in attributes:
        for cutoff, counts in late.items():
            dates, after = counts.get(one.name, (0, 0))
            if after > _LATE_SHARE * dates:
                raise InputError(
                    f"attribute '{one.column}' gives the future away: of {dates:,} customers who had bought before"
                    f" {cutoff} it has dates after that for {after:,}, which nobody knew then. Leave it out (name the"
                    " others in data.attributes.columns), or give the table a column of the day from which a row"
                    " holds (data.attributes.valid_from)"
                )
        for cutoff, frame in snapshots.items():
            found = _told(one, frame)
            if found:
                raise InputError(
                    f"attribute '{one.column}' gives the future away: it alone tells {found} the days from {cutoff} on,"
                    " as only what was written afterwards can. Leave it out (name the others in"
                    " data.attributes.columns), or give the table a column of the day from which a row holds"
                    " (data.attributes.valid_from)"
                )


def _told(one: Attribute, frame: pd.DataFrame) -> str:
    """Return what an attribute alone predicts nearly perfectly in a window, in words; empty where nothing."""
    churned = frame["churned"].to_numpy() == 1
    values, spend = frame[one.name].to_numpy(float), frame["actual_spend"].to_numpy(float)
    if min(churned.sum(), (~churned).sum()) >= _FEWEST_ROWS:
        auc = roc_auc_score(churned, _risk(values, churned, one.kind == "category"))
        if auc >= NEAR_PERFECT:
            return f"who stays away (AUC {auc:.3f}) in"
    buyers = ~churned & ~np.isnan(values) & (spend > 0)
    if one.kind == "number" and buyers.sum() >= _FEWEST_ROWS:
        correlation = _rank_correlation(values[buyers], spend[buyers])
        if abs(correlation) >= NEAR_PERFECT:
            return f"what is spent (rank correlation {correlation:.3f}) in"
    return ""


def _risk(values: Array, churned: NDArray[np.bool_], is_category: bool) -> Array:
    """Return the churn rate of customers with the same value in the other half of the rows, shape (n,)."""
    half = np.arange(len(values)) % 2 == 0
    bins = values
    if not is_category:
        known = values[~np.isnan(values)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else known
        bins = np.where(np.isnan(values), np.nan, np.searchsorted(edges, values))
    codes, _ = pd.factorize(bins, use_na_sentinel=False)
    risk = np.empty(len(values))
    for own in (half, ~half):
        others = ~own
        total = np.bincount(codes[others], minlength=codes.max() + 1)
        hit = np.bincount(codes[others], churned[others], minlength=codes.max() + 1)
        overall = churned[others].mean() if others.any() else 0.0
        risk[own] = ((hit + overall) / (total + 1.0))[codes[own]]
    return risk


def _rank_correlation(a: Array, b: Array) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
