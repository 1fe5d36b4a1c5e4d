"""Features against loops, and what must hold of any log."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.customers import available_features, customer_days_query, features_query

CUTOFF = date(2024, 4, 1)
COLUMNS = ["customer_id", "order_day", "amount", "order_id", "product_id", "quantity"]

MISSING = math.nan


def loop_over_lines(
    lines: Sequence[dict[str, Any]], cutoff: date, horizon: int, columns: Sequence[str]
) -> dict[str, float]:
    """Every feature of one customer, without SQL."""
    past = [line for line in lines if line["order_day"] < cutoff]
    bought = [line for line in past if line["amount"] > 0]
    days = sorted({line["order_day"] for line in bought})
    net = {day: sum(line["amount"] for line in past if line["order_day"] == day) for day in days}
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    n = len(days)

    def age(day: date) -> int:
        return (cutoff - day).days

    def spend(oldest: float, youngest: int = 0) -> float:
        return sum(line["amount"] for line in past if youngest < age(line["order_day"]) <= oldest)

    def count_days(oldest: float) -> int:
        return sum(age(day) <= oldest for day in days)

    def ratio(top: float, bottom: float) -> float:
        return top / bottom if bottom and not math.isnan(bottom) else MISSING

    def share(part: float, whole: float) -> float:
        return part / whole if whole > 0 else MISSING

    def std(values: Sequence[float]) -> float:
        return statistics.stdev(values) if len(values) > 1 else MISSING

    T = age(days[0]) if days else MISSING
    idle = age(days[-1]) if days else MISSING
    gap_mean = ratio(T - idle, n - 1) if n else MISSING
    total = spend(math.inf)
    refunds = -sum(line["amount"] for line in past if line["amount"] < 0)
    season = spend(365, max(365 - horizon, 0))
    features = {
        "purchase_days": n,
        "T": T,
        "days_since_last_order": idle,
        "spend_sum": total,
        "spend_first": net[days[0]] if days else MISSING,
        "spend_last": net[days[-1]] if days else MISSING,
        "spend_max": max(net.values(), default=MISSING),
        "spend_std": std(list(net.values())),
        "gap_std": std(gaps),
        "gap_max": max(gaps, default=MISSING),
        "gap_last": gaps[-1] if gaps else MISSING,
        "refund_sum": refunds,
        "season_spend_sum": season,
        "lines_per_day": ratio(len(bought), n),
        "frequency": max(n - 1, 0),
        "recency": T - idle,
        "monetary_value": max((total - net[days[0]]) / (n - 1), 0) if n > 1 else 0,
        "spend_mean": ratio(total, n),
        "purchase_rate": 30 * n / (T + 30),
        "spend_rate": 30 * total / (T + 30),
        "recency_ratio": (T - idle) / T,
        "gap_mean": gap_mean,
        "gap_current_ratio": ratio(idle, gap_mean),
        "gap_current_of_max": ratio(idle, max(gaps, default=MISSING)),
        "gap_variation": ratio(std(gaps), gap_mean),
        "spend_last_ratio": share(net[days[-1]] * n, total) if days else MISSING,
        "refund_share": ratio(refunds, refunds + max(total, 0)),
        "season_spend_share": share(season, spend(365)),
    }
    for window in (30, 90, 180, 365):
        features[f"purchase_days_{window}d"] = count_days(window)
        features[f"spend_sum_{window}d"] = spend(window)
    for scale in (30, 90, 365):
        features[f"purchase_days_decay_{scale}d"] = sum(math.exp(-age(day) / scale) for day in days)
        features[f"spend_decay_{scale}d"] = sum(
            line["amount"] * math.exp(-age(line["order_day"]) / scale) for line in past
        )
    for window, whole in ((30, 90), (90, 180), (180, 365), (365, math.inf)):
        features[f"purchase_days_trend_{window}d"] = ratio(count_days(window), count_days(whole))
        features[f"spend_trend_{window}d"] = share(spend(window), spend(whole))
    if "order_id" in columns:
        orders = sum(len({b["order_id"] for b in bought if b["order_day"] == day}) for day in days)
        features["orders_per_day"] = ratio(orders, n)
    if "quantity" in columns:
        features["units_per_day"] = ratio(sum(line["quantity"] for line in bought), n)
    if "product_id" in columns:
        known: set[str] = set()
        products = new = products_180 = new_180 = 0
        for day in days:
            basket = {b["product_id"] for b in bought if b["order_day"] == day}
            products += len(basket)
            new += len(basket - known)
            if age(day) <= 180:
                products_180 += len(basket)
                new_180 += len(basket - known)
            known |= basket
        features["products_count"] = new
        features["products_per_day"] = ratio(products, n)
        features["new_products_share_180d"] = ratio(new_180, products_180)
    return features


def random_lines(seed: int, customers: int = 25) -> pd.DataFrame:
    """A log with refunds, free items and several lines a day; amounts in quarters, which add up exactly."""
    rng = np.random.default_rng(seed)
    n = 12 * customers
    owners = rng.integers(0, customers, n)
    # Squared, so that short and long gaps, and days with several lines, all occur.
    days = (rng.random(n) ** 2 * 700).astype(int)
    kind = rng.random(n)
    amounts = np.where(kind < 0.15, -1, np.where(kind < 0.25, 0, 1)) * rng.integers(1, 400, n) / 4
    amounts[owners == 0] = -np.abs(amounts[owners == 0])  # a customer of refunds alone
    return pd.DataFrame(
        {
            "customer_id": [f"c{owner}" for owner in owners],
            "order_day": [CUTOFF + timedelta(days=60 - int(day)) for day in days],
            "amount": amounts,
            "order_id": [f"o{k}" for k in rng.integers(0, n // 2, n)],
            "product_id": [f"p{k}" for k in rng.integers(0, 8, n)],
            "quantity": rng.integers(1, 6, n) * np.sign(amounts),
        }
    )


@pytest.mark.parametrize("horizon", [30, 400])
@pytest.mark.parametrize(
    "optional",
    [[], ["quantity"], ["order_id"], ["product_id"], ["order_id", "product_id", "quantity"]],
    ids=lambda names: "+".join(names) or "no optional column",
)
def test_features_equal_a_loop(build_days, optional, horizon):
    lines = random_lines(seed=len(optional) + horizon)[["customer_id", "order_day", "amount", *optional]]
    frame = build_days(lines).features(CUTOFF, horizon).set_index("customer_id")
    past = lines[lines["order_day"] < CUTOFF]
    assert list(frame.index) == sorted(past["customer_id"].unique())
    assert list(frame.columns[1:]) == [feature.name for feature in available_features(optional)]
    for customer, own in past.groupby("customer_id"):
        expected = loop_over_lines(own.to_dict("records"), CUTOFF, horizon, optional)
        assert set(expected) == set(frame.columns[1:])
        for name, value in expected.items():
            np.testing.assert_allclose(
                frame.loc[customer, name], value, rtol=1e-7, atol=1.5e-6, err_msg=f"{name} of {customer}"
            )


def test_a_feature_without_a_purchase_day_is_missing_or_sane(build_days):
    frame = build_days(random_lines(3)).features(CUTOFF, 90).set_index("customer_id")
    nobody = frame.loc["c0"].drop("cutoff").astype(float)
    assert nobody["purchase_days"] == nobody["frequency"] == nobody["monetary_value"] == 0
    assert nobody["spend_sum"] < 0 < nobody["refund_sum"]
    assert nobody["refund_share"] == 1
    assert nobody[["T", "days_since_last_order", "recency", "gap_mean", "spend_mean"]].isna().all()
    assert not np.isinf(frame.drop(columns="cutoff").to_numpy(float)).any()


def test_money_that_cancels_out_is_no_spend(build_days):
    lines = pd.DataFrame(
        {"customer_id": "ann", "order_day": date(2024, 3, 1), "amount": [0.1, 0.2, -0.3], "order_id": "o1"}
    )
    for columns in (["customer_id", "order_day", "amount"], list(lines)):
        frame = build_days(lines[columns]).features(CUTOFF, 30)
        assert frame["spend_sum"][0] == 0
        assert np.isnan(frame["spend_trend_30d"][0])
        assert frame["refund_share"][0] == 1


def test_one_customer_and_integer_ids(build_days):
    lines = pd.DataFrame({"customer_id": [7, 7], "order_day": [date(2024, 3, 1)] * 2, "amount": [2.0, 3.0]})
    frame = build_days(lines).features(CUTOFF, 30)
    assert frame["customer_id"].tolist() == [7]
    assert frame["spend_sum"].tolist() == [5.0]


def test_invariants_of_a_feature_table(build_days):
    frame = build_days(random_lines(5, customers=200)).features(CUTOFF, 90)
    assert frame["customer_id"].is_unique
    assert frame["customer_id"].is_monotonic_increasing
    bought = frame[frame["purchase_days"] > 0]
    assert len(bought) < len(frame)
    assert (bought["recency"] + bought["days_since_last_order"] == bought["T"]).all()
    assert (bought["days_since_last_order"] >= 1).all()
    assert (bought["frequency"] == bought["purchase_days"] - 1).all()
    windows = [f"purchase_days_{days}d" for days in (30, 90, 180, 365)]
    counts = frame[[*windows, "purchase_days"]].to_numpy()
    assert (np.diff(counts, axis=1) >= 0).all()
    assert (frame["purchase_days"] >= frame["purchase_days_decay_365d"]).all()
    assert (bought["gap_max"].fillna(0) >= bought["gap_last"].fillna(0)).all()
    assert (bought["spend_max"] >= bought["spend_last"]).all()
    shares = frame[[c for c in frame if c.startswith("purchase_days_trend")]]
    assert shares.min().min() >= 0
    assert shares.max().max() <= 1


def test_windowed_spend_grows_with_the_window_where_nothing_is_refunded(build_days):
    lines = random_lines(6).assign(amount=lambda frame: frame["amount"].abs())
    frame = build_days(lines).features(CUTOFF, 90)
    sums = frame[[*(f"spend_sum_{days}d" for days in (30, 90, 180, 365)), "spend_sum"]]
    assert (np.diff(sums.to_numpy(), axis=1) >= 0).all()
    assert (frame["refund_sum"] == 0).all()


OFFSETS = st.integers(-500, 60)
AMOUNTS = st.integers(-40, 120).map(lambda quarters: quarters / 4)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cyd"]),
        OFFSETS,
        AMOUNTS,
        st.sampled_from(["o1", "o2", "o3"]),
        st.sampled_from(["p1", "p2", "p3"]),
        st.integers(1, 5).map(float),
    ),
    min_size=1,
    max_size=12,
)
DETAILED = pytest.mark.parametrize("detailed", [False, True], ids=["lines", "lines with orders and products"])


def to_frame(lines: Sequence[tuple[Any, ...]], detailed: bool) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=COLUMNS)
    frame["order_day"] = [CUTOFF + timedelta(days=offset) for offset in frame["order_day"]]
    return frame if detailed else frame[COLUMNS[:3]]


@DETAILED
@settings(max_examples=10)
@given(lines=LINES, later=LINES)
def test_nothing_at_or_after_the_cutoff_changes_a_feature(build_days, detailed, lines, later):
    past = [line for line in lines if line[1] < 0] or [("ann", -1, 5.0, "o1", "p1", 1.0)]
    future = [(customer, abs(offset), *rest) for customer, offset, *rest in later]
    alone = build_days(to_frame(past, detailed)).features(CUTOFF, 30)
    together = build_days(to_frame([*future, *past], detailed)).features(CUTOFF, 30)
    pd.testing.assert_frame_equal(alone, together, check_exact=True)


@DETAILED
@settings(max_examples=10)
@given(lines=LINES, data=st.data())
def test_the_order_of_rows_changes_nothing(build_days, detailed, lines, data):
    shuffled = data.draw(st.permutations(lines))
    one = build_days(to_frame(lines, detailed)).features(CUTOFF, 30)
    other = build_days(to_frame(shuffled, detailed)).features(CUTOFF, 30)
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_the_same_call_twice_gives_identical_frames_and_changes_no_input(build_days):
    rng = np.random.default_rng(0)
    lines = random_lines(8, customers=2_000)
    lines["amount"] = lines["amount"] * rng.lognormal(size=len(lines))  # sums that depend on their order
    before = lines.copy(deep=True)
    days = build_days(lines)
    first, second = days.features(CUTOFF, 90), days.features(CUTOFF, 90)
    again = build_days(lines.sample(frac=1, random_state=1)).features(CUTOFF, 90)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    pd.testing.assert_frame_equal(lines, before, check_exact=True)


def test_queries_hold_no_date_but_the_cutoff():
    assert "date '" not in customer_days_query("purchase_log", ["product_id"])
    query = features_query("select * from customer_days", CUTOFF, 30)
    assert query.count("date '") == query.count("date '2024-04-01'") == 2
