"""Snapshots of subscriptions: one row per subscribed customer and cutoff, features from before, labels from after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from clvml.customers.groups import Feature, FeatureGroup


def _feature(name: str, unit: str, description: str, words: str, group: str) -> Feature:
    # Made by `subscription_features` and not by SQL.
    return Feature(name, "", unit, description, words, group)


# What trees see beside the prior and the plan.
SUBSCRIPTION_FEATURES = (
    _feature(
        "tenure_days",
        "days",
        "days since the customer's first subscription began",
        "first subscribed {tenure_days:.0f} days ago",
        "tenure",
    ),
    _feature(
        "current_days",
        "days",
        "days since the current subscription began",
        "the current subscription began {current_days:.0f} days ago",
        "tenure",
    ),
    _feature(
        "period_days",
        "days",
        "days of a billing period",
        "billed every {period_days:.0f} days",
        "billing",
    ),
    _feature(
        "days_since_renewal",
        "days",
        "days since the current billing period began",
        "{days_since_renewal:.0f} days since the last renewal",
        "billing",
    ),
    _feature(
        "days_to_renewal",
        "days",
        "days until the next billing period",
        "{days_to_renewal:.0f} days to the next renewal",
        "billing",
    ),
    _feature(
        "monthly_price",
        "currency",
        "price of all that runs, per month",
        "pays {monthly_price:,.2f} a month",
        "price",
    ),
    _feature(
        "running", "", "subscriptions that run", "{running:.0f} subscriptions at the same time", "price"
    ),
    _feature(
        "pauses",
        "",
        "times without a subscription between the first start and now",
        "{pauses:.0f} pauses between subscriptions",
        "pauses",
    ),
    _feature(
        "days_paused",
        "days",
        "days without a subscription between the first start and now",
        "{days_paused:.0f} days without a subscription since the first",
        "pauses",
    ),
    _feature(
        "price_ratio",
        "",
        "monthly price of all that runs over that of all that ran just before the newest began",
        "pays {price_ratio:.0%} of the price before",
        "price",
    ),
    _feature(
        "plan_left_90d",
        "share",
        "share of the plan's subscriptions of 90 days ago that have ended since",
        "{plan_left_90d:.0%} of the plan's subscriptions ended within 90 days",
        "plan",
    ),
    _feature(
        "all_left_90d",
        "share",
        "share of all subscriptions of 90 days ago that have ended since",
        "{all_left_90d:.0%} of all subscriptions ended within 90 days",
        "plan",
    ),
)
FEATURES = tuple(feature.name for feature in SUBSCRIPTION_FEATURES)
# What reasons are about.
SUBSCRIPTION_GROUPS = {
    "tenure": FeatureGroup(("tenure_days", "current_days"), "customers who have been subscribed for long"),
    "billing": FeatureGroup(("period_days",), "customers with long billing periods"),
    "price": FeatureGroup(("monthly_price",), "customers who pay much"),
    "pauses": FeatureGroup(("pauses", "days_paused"), "customers who paused before"),
    "plan": FeatureGroup(("plan_left_90d",), "customers on plans that many have left lately"),
    "early signs": FeatureGroup((), "customers with many early signs"),
}
# What reasons say of a column of `data.early`. The number stands last, so that no noun after it depends on it.
EARLY = "{column} in the first days: {value:,.0f}"
MONTH_DAYS = 30.4375


def explained_features(early: Mapping[str, str]) -> list[Feature]:
    """Return the features that reasons are made of: all that differ between customers, and ``early`` ones.

    ``early`` holds the input's names by ours.
    """
    told = [
        _feature(ours, "", theirs, EARLY.replace("{column}", theirs).replace("value", ours), "early signs")
        for ours, theirs in early.items()
    ]
    return [feature for feature in SUBSCRIPTION_FEATURES if feature.name != "all_left_90d"] + told


def known_at(subscriptions: pd.DataFrame, cutoff: date) -> pd.DataFrame:
    """Return what was known at the cutoff: subscriptions begun before it; ends at or after it are unknown."""
    at = pd.Timestamp(cutoff)
    begun = subscriptions[subscriptions["start"] < at]
    return begun.assign(end=begun["end"].where(begun["end"] < at))


def subscription_features(
    subscriptions: pd.DataFrame, cutoff: date, early: tuple[str, ...] = (), early_days: int = 30
) -> pd.DataFrame:
    """Return one row per customer who is subscribed at the cutoff: ``customer_id``, ``plan`` and `FEATURES`.

    ``early`` names numbers that are known ``early_days`` after a subscription began, and missing before.
    """
    at = pd.Timestamp(cutoff)
    known = known_at(subscriptions, cutoff)
    monthly = known["price"] / known["period_days"] * MONTH_DAYS
    known = known.assign(monthly=monthly, runs=known["end"].isna(), until=known["end"].fillna(at))
    # The order must not tell of ends that are unknown yet, as that of the log does.
    known = known.sort_values(["customer_id", "start", "plan", "monthly", *early], ignore_index=True)
    by = known.groupby("customer_id", sort=True)
    running = known[known["runs"]]
    # The newest of those that run is the current one.
    current = running.groupby("customer_id", sort=True).tail(1).set_index("customer_id")
    ids = current.index
    if current.empty:
        return pd.DataFrame(columns=["customer_id", "plan", *FEATURES, *early])
    tenure = (at - by["start"].min().reindex(ids)).dt.days
    age = (at - current["start"]).dt.days
    since = age % current["period_days"]
    price = running.groupby("customer_id")["monthly"].sum().reindex(ids)
    left, paused = _left(known, at), _days_paused(known)
    features = pd.DataFrame(
        {
            "plan": current["plan"],
            "tenure_days": tenure,
            "current_days": age,
            "period_days": current["period_days"],
            "days_since_renewal": since,
            "days_to_renewal": current["period_days"] - since,
            "monthly_price": price,
            "running": running.groupby("customer_id").size().reindex(ids),
            "pauses": (paused > 0).groupby(known["customer_id"]).sum().reindex(ids),
            "days_paused": paused.groupby(known["customer_id"]).sum().reindex(ids),
            "price_ratio": price / _price_before(known, current["start"]).reindex(ids),
            "plan_left_90d": current["plan"].map(left),
            "all_left_90d": left.attrs["all"],
            **{name: current[name].where(age >= early_days) for name in early},
        },
        index=ids,
    )
    return features.reset_index()


def subscription_labels(
    subscriptions: pd.DataFrame, cutoff: date, horizon_days: int, grace_days: int = 0
) -> tuple[pd.Series, pd.Series]:
    """Return ``churned`` (0 or 1) and the monthly price at the end of the window, by customer_id of the subscribed.

    Churned is who has no subscription that runs at the end of the window, and none that begins within the grace
    period after it. The price is that of what runs at the end, or else of what begins within the grace period.
    """
    at, end = pd.Timestamp(cutoff), pd.Timestamp(cutoff + timedelta(days=horizon_days))
    runs = (subscriptions["start"] < at) & ~(subscriptions["end"] < at)
    ids = pd.Index(np.unique(subscriptions.loc[runs, "customer_id"].to_numpy(dtype=object)))
    until = end + pd.Timedelta(days=grace_days)
    later = subscriptions[(subscriptions["start"] < until) & ~(subscriptions["end"] < end)]
    runs_on = later["start"] < end
    # What follows a subscription that still runs may replace it: both would count its price twice.
    later = later[runs_on | ~later["customer_id"].isin(later.loc[runs_on, "customer_id"])]
    price = (later["price"] / later["period_days"] * MONTH_DAYS).groupby(later["customer_id"]).sum()
    churned = pd.Series((~ids.isin(price.index)).astype("int8"), index=ids)
    return churned, price.reindex(ids).fillna(0.0)


def subscription_revenue(subscriptions: pd.DataFrame, cutoff: date, horizon_days: int) -> pd.Series:
    """Return what is earned in the window [currency], by customer_id of those with a subscription in it.

    A subscription earns its price for the days that it runs.
    """
    at, end = pd.Timestamp(cutoff), pd.Timestamp(cutoff + timedelta(days=horizon_days))
    until = subscriptions["end"].fillna(end)
    until = until.where(until < end, end)
    days = (until - subscriptions["start"].where(subscriptions["start"] > at, at)).dt.days.clip(lower=0)
    earned = days * subscriptions["price"] / subscriptions["period_days"]
    return earned[days > 0].groupby(subscriptions["customer_id"]).sum()


def _days_paused(known: pd.DataFrame) -> pd.Series:
    """Return the days before each subscription that no earlier one of the customer covers; missing of the first."""
    latest = known.groupby("customer_id")["until"].cummax().groupby(known["customer_id"]).shift()
    return (known["start"] - latest).dt.days.clip(lower=0)


def _price_before(known: pd.DataFrame, newest: pd.Series) -> pd.Series:
    """Return the monthly price of all that ran just before a customer's newest began, or when it last ran; or missing.

    ``newest`` is the start of the newest that runs, by customer_id.
    """
    earlier = known.assign(began=known["customer_id"].map(newest)).query("start < began")
    until = earlier[["until", "began"]].min(axis=1)
    last = until.groupby(earlier["customer_id"]).transform("max")
    price = earlier.loc[until == last].groupby("customer_id")["monthly"].sum()
    return price[price > 0]


def _left(known: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    """Return the share that ended in the last 90 days by plan, drawn towards that of all as by 50 subscriptions."""
    then = at - pd.Timedelta(days=90)
    ran = known[(known["start"] < then) & ~(known["end"] < then)]
    ended = ran["end"].notna()
    overall = float(ended.mean()) if len(ran) else np.nan
    counts = ended.groupby(ran["plan"]).agg(["sum", "size"])
    left = (counts["sum"] + 50 * overall) / (counts["size"] + 50)
    left.attrs["all"] = overall
    return left
