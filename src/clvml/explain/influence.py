"""Drivers: the features that influence the churn risk of all customers most, as a table and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.customers import GROUPS, Feature
from clvml.customers.attributes import CATEGORY
from clvml.customers.subscription_snapshots import SUBSCRIPTION_GROUPS
from clvml.explain.wording import check_contributions, direction_of, group_sums

_TOLD = GROUPS | SUBSCRIPTION_GROUPS
RAISES, LOWERS, MIXED, NONE = (
    "high values raise churn risk",
    "high values lower churn risk",
    "mixed",
    "no influence",
)


@dataclass(frozen=True)
class Explanation:
    """What moves the churn risk of some customers.

    Attributes
    ----------
    features : DataFrame
        One row per customer, one column per feature.
    known : sequence of Feature
        The features that the model knows.
    contributions : array-like of shape (customers, len(known) + 1)
        SHAP values in the order of `known`, the base value last, as `clvml.explain.of_customers.contributions` returns
        them [log-odds].

    Raises
    ------
    ValueError
        If the shapes do not fit each other or there is no customer. This holds for all methods.

    Examples
    --------
    >>> from clvml.customers import FEATURES
    >>> known = [f for f in FEATURES if f.name in ("purchase_days", "days_since_last_order")]
    >>> frame = pd.DataFrame({"purchase_days": [1, 5, 9], "days_since_last_order": [200, 40, 10]})
    >>> explained = Explanation(frame, known, [[0.2, 1.0, 0], [0.1, -0.3, 0], [-0.3, -0.7, 0]])
    >>> table = explained.drivers()
    >>> dict(zip(table["feature"], table["mean_abs_shap"].round(3)))
    {'days_since_last_order': 0.667, 'purchase_days': 0.2}
    >>> list(table["direction"])
    ['high values raise churn risk', 'high values lower churn risk']
    >>> first, second = explained.sentences()
    >>> first.partition(":")[0]
    'Customers who have not bought for long are the likeliest to leave'
    >>> second
    'Customers who bought often are likelier to stay: frequency comes next (23% of all influence).'
    """

    features: pd.DataFrame
    known: Sequence[Feature]
    contributions: ArrayLike

    @cached_property
    def influences(self) -> NDArray[np.float64]:
        """The SHAP values without the base, shape (customers, len(known)) [log-odds]."""
        values = check_contributions(self.features, self.contributions, self.known)
        if not len(values):
            raise ValueError("drivers need at least one customer (currently 0)")
        absent = sorted(feature.name for feature in self.known if feature.name not in self.features)
        if absent:
            raise ValueError(f"features lack {len(absent)} column(s) of the known ones: {absent[:5]}")
        return values

    def drivers(self) -> pd.DataFrame:
        """Return the features by how far they move the churn risk of the customers.

        Returns
        -------
        DataFrame
            One row per feature, strongest first: ``feature, description, unit, mean_abs_shap`` [log-odds],
            ``direction``: which way high values go, by the rank correlation between value and SHAP value;
            "mixed" where that is within 0.3 of zero, and for categories.
        """
        strength = np.abs(self.influences).mean(axis=0)
        table = pd.DataFrame(
            {
                "feature": [feature.name for feature in self.known],
                "description": [feature.description for feature in self.known],
                "unit": [feature.unit for feature in self.known],
                "mean_abs_shap": strength,
                "direction": [
                    MIXED
                    if feature.unit == CATEGORY
                    else _direction(self.features[feature.name], self.influences[:, index])
                    for index, feature in enumerate(self.known)
                ],
            }
        )
        return table.iloc[np.argsort(-strength, kind="stable")].reset_index(drop=True)

    def sentences(self, top: int = 5) -> list[str]:
        """Return what drives retention, one sentence per group of features, for readers who know no statistics.

        The influence of a group is the mean absolute sum of its SHAP values, as a share of that of all groups.
        The rank correlation of that sum with a plain feature of the group shows which customers leave. It compares
        customers who are alike in the rest, and readers compare all: where the forecast of all goes the other way, no
        direction is said.

        Parameters
        ----------
        top : int
            Most sentences returned; groups of less than 1% are left out.
        """
        found = self.shares()
        if not found:
            return [
                "Nothing known of the customers tells who will leave: the prediction is the same for all."
            ]
        told = [row for row in found[:top] if row["share"] >= 0.01]
        return [_sentence(rank, **row) for rank, row in enumerate(told)]

    def shares(self) -> list[dict[str, Any]]:
        """Return what drives retention, by group of features, strongest first; see `sentences`.

        Returns
        -------
        list of dict
            ``group``, ``share`` of all influence and ``direction``: what customers with much of it are likelier to do
            (``leave``, ``stay``, or ``mixed``). Empty where nothing has any influence.
        """
        names, member, sums = group_sums(self.influences, self.known)
        strength = np.abs(sums).mean(axis=0)
        if not strength.sum():
            return []
        shares, forecast = strength / strength.sum(), self.influences.sum(axis=1)
        found = []
        for group in np.argsort(-shares, kind="stable"):
            there = {feature.name for feature, of in zip(self.known, member, strict=True) if of == group}
            axes = [_numbers(self.features[axis]) for axis in _TOLD[names[group]].told_by if axis in there]
            goal = _goal(axes, sums[:, group], forecast)
            found.append({"group": names[group], "share": round(float(shares[group]), 4), "direction": goal})
        return found


def _goal(
    axes: Sequence[NDArray[np.float64]], own: NDArray[np.float64], forecast: NDArray[np.float64]
) -> str:
    for values in axes:
        if direction := direction_of(values, own):
            if direction != direction_of(values, forecast, weak=0.0):
                break
            return "leave" if direction > 0 else "stay"
    return "mixed"


def _sentence(rank: int, group: str, share: float, direction: str) -> str:
    place = ("matters most", "comes next", "also counts")[min(rank, 2)]
    if group.endswith("s"):
        place = place.replace("matters", "matter").replace("comes", "come").replace("counts", "count")
    influence = f"({100 * share:.0f}% of all influence)"
    if direction == "mixed":
        return f"{group.capitalize()} {place} {influence}, but in no single direction."
    how = "are the likeliest" if rank == 0 else "are likelier"
    return f"{_TOLD[group].much.capitalize()} {how} to {direction}: {group} {place} {influence}."


def _direction(values: pd.Series, phi: NDArray[np.float64]) -> str:
    if not np.any(phi):
        return NONE
    return {1: RAISES, -1: LOWERS, 0: MIXED}[direction_of(_numbers(values), phi)]


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    return values.to_numpy(dtype=float, na_value=np.nan)
