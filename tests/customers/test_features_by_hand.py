"""Features of three customers, worked out by hand."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd

from clvml.customers import FEATURES

CUTOFF = date(2024, 4, 1)
MISSING = math.nan

# Ages at the cutoff: 388, 347, 81, 31, 12 days for ann; 1 for bob; 60 for cyd.
HAND = pd.DataFrame(
    [
        ("ann", "2023-03-10", 40.0, "o1", "p1", 2.0),
        ("ann", "2023-03-10", 20.0, "o1", "p2", 1.0),
        ("ann", "2023-04-20", -10.0, "o1", "p2", -1.0),  # a day of refunds alone
        ("ann", "2024-01-11", 30.0, "o2", "p1", 1.0),
        ("ann", "2024-01-11", 0.0, "o2", "gift", 1.0),  # a free item beside a purchase
        ("ann", "2024-03-01", 50.0, "o3", "p3", 5.0),
        ("ann", "2024-03-01", 10.0, "o4", "p1", 1.0),  # a second order on the same day
        ("ann", "2024-03-01", -5.0, "o3", "p3", -1.0),  # a refund on a purchase day
        ("ann", "2024-03-20", 0.0, "o5", "gift", 1.0),  # a free item alone
        ("ann", "2024-04-01", 99.0, "o6", "p9", 1.0),  # the cutoff is not history
        ("bob", "2024-03-31", 25.0, "o7", "p1", 1.0),  # first purchase the day before the cutoff
        ("bob", "2024-04-10", 8.0, "o8", "p1", 1.0),
        ("bob", "2024-05-01", 7.0, "o9", "p1", 1.0),
        ("cyd", "2024-02-01", -15.0, "o0", "p1", -1.0),  # never a purchase
    ],
    columns=["customer_id", "order_day", "amount", "order_id", "product_id", "quantity"],
)


def decayed(scale: int, by_age: dict[int, float]) -> float:
    return sum(value * math.exp(-age / scale) for age, value in by_age.items())


# One line per feature: ann, bob, cyd; worked out by hand for a horizon of 30 days.
EXPECTED = {
    "purchase_days": (3, 1, 0),
    "T": (388, 1, MISSING),
    "days_since_last_order": (31, 1, MISSING),
    "spend_sum": (60 - 10 + 30 + 55, 25, -15),
    "purchase_days_30d": (0, 1, 0),
    "spend_sum_30d": (0, 25, 0),
    "purchase_days_90d": (2, 1, 0),
    "spend_sum_90d": (85, 25, -15),
    "purchase_days_180d": (2, 1, 0),
    "spend_sum_180d": (85, 25, -15),
    "purchase_days_365d": (2, 1, 0),
    "spend_sum_365d": (75, 25, -15),
    "purchase_days_decay_30d": (decayed(30, {388: 1, 81: 1, 31: 1}), decayed(30, {1: 1}), 0),
    "spend_decay_30d": (
        decayed(30, {388: 60, 347: -10, 81: 30, 31: 55}),
        decayed(30, {1: 25}),
        decayed(30, {60: -15}),
    ),
    "purchase_days_decay_90d": (decayed(90, {388: 1, 81: 1, 31: 1}), decayed(90, {1: 1}), 0),
    "spend_decay_90d": (
        decayed(90, {388: 60, 347: -10, 81: 30, 31: 55}),
        decayed(90, {1: 25}),
        decayed(90, {60: -15}),
    ),
    "purchase_days_decay_365d": (decayed(365, {388: 1, 81: 1, 31: 1}), decayed(365, {1: 1}), 0),
    "spend_decay_365d": (
        decayed(365, {388: 60, 347: -10, 81: 30, 31: 55}),
        decayed(365, {1: 25}),
        decayed(365, {60: -15}),
    ),
    "spend_first": (60, 25, MISSING),
    "spend_last": (55, 25, MISSING),
    "spend_max": (60, 25, MISSING),
    "spend_std": (16.072751, MISSING, MISSING),  # of 60, 30, 55
    "gap_std": (181.726443, MISSING, MISSING),  # of 307, 50
    "gap_max": (307, MISSING, MISSING),
    "gap_last": (50, MISSING, MISSING),
    "refund_sum": (15, 0, 15),
    "season_spend_sum": (-10, 0, 0),  # ages 336 to 365
    "orders_per_day": (4 / 3, 1, MISSING),
    "lines_per_day": (5 / 3, 1, MISSING),
    "units_per_day": (10 / 3, 1, MISSING),
    "products_count": (3, 1, 0),
    "products_per_day": (5 / 3, 1, MISSING),
    "new_products_share_180d": (1 / 3, 1, MISSING),
    "frequency": (2, 0, 0),
    "recency": (357, 0, MISSING),
    "monetary_value": (37.5, 0, 0),
    "spend_mean": (45, 25, MISSING),
    "purchase_rate": (90 / 418, 30 / 31, MISSING),
    "spend_rate": (4050 / 418, 750 / 31, MISSING),
    "recency_ratio": (357 / 388, 0, MISSING),
    "gap_mean": (178.5, MISSING, MISSING),
    "gap_current_ratio": (31 / 178.5, MISSING, MISSING),
    "gap_current_of_max": (31 / 307, MISSING, MISSING),
    "gap_variation": (1.018075, MISSING, MISSING),
    "spend_last_ratio": (55 / 45, 1, MISSING),
    "purchase_days_trend_30d": (0, 1, MISSING),
    "spend_trend_30d": (0, 1, MISSING),
    "purchase_days_trend_90d": (1, 1, MISSING),
    "spend_trend_90d": (1, 1, MISSING),
    "purchase_days_trend_180d": (1, 1, MISSING),
    "spend_trend_180d": (85 / 75, 1, MISSING),
    "purchase_days_trend_365d": (2 / 3, 1, MISSING),
    "spend_trend_365d": (75 / 135, 1, MISSING),
    "refund_share": (0.1, 0, 1),
    "season_spend_share": (-10 / 75, 0, MISSING),
}


def test_features_by_hand(build_days):
    frame = build_days(HAND).features(CUTOFF, 30)
    assert list(frame["customer_id"]) == ["ann", "bob", "cyd"]
    assert list(frame.columns) == ["customer_id", "cutoff", *EXPECTED]
    assert (frame["cutoff"] == pd.Timestamp(CUTOFF)).all()
    for name, values in EXPECTED.items():
        np.testing.assert_allclose(frame[name], values, atol=1.5e-6, err_msg=name)


def test_customer_days_by_hand(build_days):
    days = build_days(HAND[HAND["customer_id"] == "ann"])
    rows = days.connection.execute(
        f"select cast(day as varchar), purchase_amount, gap from {days.table}"
        " where purchase_amount is not null order by day"
    ).fetchall()
    assert rows == [
        ("2023-03-10", 60.0, None),
        ("2024-01-11", 30.0, 307),
        ("2024-03-01", 55.0, 50),
        ("2024-04-01", 99.0, 31),
    ]
    amounts = days.connection.execute(f"select day, sum(amount) from {days.table} group by day order by day")
    assert [amount for _, amount in amounts.fetchall()] == [60.0, -10.0, 30.0, 55.0, 0.0, 99.0]


def test_words_say_the_value(build_days):
    ann = build_days(HAND).features(CUTOFF, 30).iloc[0].to_dict()
    said = {feature.name: feature.words.format(**ann) for feature in FEATURES}
    assert said["days_since_last_order"] == "no purchase for 31 days; usually every 178"
    assert said["purchase_days_90d"] == "bought on 2 of the last 90 days"
    assert said["refund_share"] == "10% of what was bought was refunded"
