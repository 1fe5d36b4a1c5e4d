"""Snapshots of subscriptions: one row per subscribed customer and cutoff, features from before, labels from after."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

# What trees see beside the prior and the plan, and what it means.
FEATURES = {
    "tenure_days": "days since the customer's first subscription began",
    "current_days": "days since the current subscription began",
    "period_days": "days of a billing period",
    "days_since_renewal": "days since the current billing period began",
    "days_to_renewal": "days until the next billing period",
    "monthly_price": "price of all that runs, per month",
    "running": "subscriptions that run",
    "ended_before": "subscriptions that ended before",
    "days_paused": "days without a subscription between the first start and now",
    "price_ratio": "monthly price over that of the subscription before",
    "plan_left_90d": "share of the plan's subscriptions of 90 days ago that have ended since",
    "all_left_90d": "share of all subscriptions of 90 days ago that have ended since",
}
MONTH_DAYS = 30.4375


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
    known = known.assign(monthly=monthly, runs=known["end"].isna())
    by = known.groupby("customer_id", sort=True)
    known["before"] = by["monthly"].shift()
    covered = (known["end"].fillna(at) - known["start"]).dt.days
    running = known[known["runs"]]
    # The newest of those that run is the current one.
    current = running.groupby("customer_id", sort=True).tail(1).set_index("customer_id")
    ids = current.index
    tenure = (at - by["start"].min().reindex(ids)).dt.days
    age = (at - current["start"]).dt.days
    since = age % current["period_days"]
    left = _left(known, at)
    features = pd.DataFrame(
        {
            "plan": current["plan"],
            "tenure_days": tenure,
            "current_days": age,
            "period_days": current["period_days"],
            "days_since_renewal": since,
            "days_to_renewal": current["period_days"] - since,
            "monthly_price": running.groupby("customer_id")["monthly"].sum().reindex(ids),
            "running": running.groupby("customer_id").size().reindex(ids),
            "ended_before": (~known["runs"]).groupby(known["customer_id"]).sum().reindex(ids),
            "days_paused": (tenure - covered.groupby(known["customer_id"]).sum().reindex(ids)).clip(lower=0),
            "price_ratio": current["monthly"] / current["before"].where(current["before"] > 0),
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
    period after it.
    """
    at, end = pd.Timestamp(cutoff), pd.Timestamp(cutoff + timedelta(days=horizon_days))
    runs = (subscriptions["start"] < at) & ~(subscriptions["end"] < at)
    ids = pd.Index(np.unique(subscriptions.loc[runs, "customer_id"].to_numpy(dtype=object)))
    until = end + pd.Timedelta(days=grace_days)
    later = subscriptions[(subscriptions["start"] < until) & ~(subscriptions["end"] < end)]
    price = (later["price"] / later["period_days"] * MONTH_DAYS).groupby(later["customer_id"]).sum()
    churned = pd.Series((~ids.isin(price.index)).astype("int8"), index=ids)
    return churned, price.reindex(ids).fillna(0.0)


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
