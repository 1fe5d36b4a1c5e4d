"""Snapshots: features and labels stacked over cutoffs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.customers import snapshots

EARLY, LATE = date(2024, 2, 1), date(2024, 4, 1)
LABELS = ("purchases", "actual_spend", "churned")

LINES = pd.DataFrame(
    [
        ("ann", "2024-01-10", 40.0),
        ("ann", "2024-02-10", 25.0),
        ("ann", "2024-04-05", 10.0),
        ("bob", "2024-03-20", 30.0),
        ("bob", "2024-04-10", -30.0),
        ("cyd", "2024-01-05", -5.0),  # known by a refund alone until April
        ("cyd", "2024-04-20", 8.0),
        ("dan", "2024-06-01", 1.0),  # not yet a customer
    ],
    columns=["customer_id", "order_day", "amount"],
)


def test_snapshots_by_hand(build_days):
    frame = build_days(LINES).snapshots([EARLY, LATE], 30)
    expected = pd.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob"],
            "cutoff": pd.to_datetime([EARLY, LATE, LATE]),
            "purchases": [1, 1, 0],
            "actual_spend": [25.0, 10.0, -30.0],
            "churned": np.array([0, 0, 1], dtype="int8"),
        }
    )
    pd.testing.assert_frame_equal(
        frame[["customer_id", "cutoff", *LABELS]], expected, check_dtype=False, check_exact=True
    )
    assert frame[list(LABELS)].dtypes.astype(str).tolist() == ["int64", "float64", "int8"]


def test_snapshots_are_features_and_labels_side_by_side(build_days):
    days = build_days(LINES)
    frame = days.snapshots([EARLY, LATE], 30)
    assert not frame.duplicated(["customer_id", "cutoff"]).any()
    for cutoff in (EARLY, LATE):
        own = frame[frame["cutoff"] == pd.Timestamp(cutoff)].drop(columns=list(LABELS))
        features = days.features(cutoff, 30)
        pd.testing.assert_frame_equal(
            own.reset_index(drop=True), features[features["purchase_days"] > 0].reset_index(drop=True)
        )


def test_a_later_cutoff_changes_no_earlier_snapshot(build_days):
    days = build_days(LINES)
    both = days.snapshots([EARLY, LATE], 30)
    alone = days.snapshots([EARLY], 30)
    pd.testing.assert_frame_equal(both[: len(alone)], alone, check_exact=True)


def test_daily_totals_hold_every_day_before_the_cutoff(build_days):
    days = build_days(LINES)
    assert (days.first_day, days.last_day) == (date(2024, 1, 5), date(2024, 6, 1))
    totals = days.daily_totals(LATE)
    assert totals.index.equals(pd.date_range("2024-01-05", "2024-03-31"))
    assert totals[totals != 0].to_dict() == {
        pd.Timestamp("2024-01-05"): -5.0,
        pd.Timestamp("2024-01-10"): 40.0,
        pd.Timestamp("2024-02-10"): 25.0,
        pd.Timestamp("2024-03-20"): 30.0,
    }


def test_customers_who_share_a_code_are_told_apart(build_days, monkeypatch):
    expected = build_days(LINES).snapshots([EARLY, LATE], 30)
    tried = []

    def colliding(salt: int) -> str:
        tried.append(salt)
        return "hash(customer_id)" if salt == 2 else f"cast(length(customer_id) + {salt} as ubigint)"

    monkeypatch.setattr(snapshots, "_hash", colliding)
    pd.testing.assert_frame_equal(build_days(LINES).snapshots([EARLY, LATE], 30), expected)
    assert tried == [0, 1, 2]


def test_a_sample_is_all_that_is_known_of_some_customers(build_days):
    # Each buys every 50 days, half of them from day 100 on.
    known = [
        (f"c{i:04}", 50 * k + i % 50 + 100 * (i % 2), 10.0 + i % 7) for i in range(800) for k in range(4)
    ]
    lines = pd.DataFrame(known, columns=["customer_id", "order_day", "amount"])
    lines["order_day"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(lines["order_day"], unit="D")).dt.date
    early, late = date(2024, 3, 1), date(2024, 8, 1)
    days = build_days(lines)
    assert days.sampled(early, 400) is days
    sample = days.sampled(early, 100)
    ids = sample.features(early, 30)["customer_id"]
    assert len(ids) == 100
    # Of those who came later as many as of the others, give or take three standard deviations of both draws.
    everybody = sample.features(late, 30)["customer_id"]
    assert 200 - 37 < len(everybody) < 200 + 37
    whole = days.snapshots([early, late], 30)
    chosen = whole[whole["customer_id"].isin(everybody)].reset_index(drop=True)
    pd.testing.assert_frame_equal(sample.snapshots([early, late], 30), chosen, check_exact=True)
    totals = lines[lines["customer_id"].isin(everybody) & (lines["order_day"] < early)]["amount"].sum()
    assert sample.daily_totals(early).sum() == pytest.approx(totals)
    assert sample.first_day == days.first_day
    shuffled = build_days(lines.sample(frac=1, random_state=0)).sampled(early, 100)
    assert shuffled.features(early, 30)["customer_id"].tolist() == ids.tolist()


@pytest.mark.parametrize("columns", [["order_id"], ["product_id"], ["quantity"]])
def test_optional_columns_change_no_other_column(build_days, columns):
    detailed = LINES.assign(order_id="o1", product_id="p1", quantity=1.0)
    plain = build_days(LINES).snapshots([EARLY, LATE], 30)
    frame = build_days(detailed[[*LINES, *columns]]).snapshots([EARLY, LATE], 30)
    assert len(frame.columns) > len(plain.columns)
    pd.testing.assert_frame_equal(frame[list(plain)], plain)


@pytest.fixture
def counted(build_days):
    """Return customer days, and the list of the tables that DuckDB makes for them."""
    days, made = build_days(LINES), []

    class Counting:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, query):
            made.append(query)
            return self.connection.execute(query)

    days.connection = Counting(days.connection)
    return days, made


def test_a_table_is_made_once_for_all_threads(counted, build_days):
    days, made = counted

    def use(_):
        days.daily_totals(LATE)
        return days.snapshots([LATE], 20), days.features(LATE, 20), days.snapshots([LATE], 20, ["T"], 20)

    with ThreadPoolExecutor(4) as threads:
        frames = list(threads.map(use, range(8)))
    assert len(made) == len(set(made)) == 4
    plain = build_days(LINES)
    for shared in frames:
        pd.testing.assert_frame_equal(shared[0], plain.snapshots([LATE], 20))
        pd.testing.assert_frame_equal(shared[1], plain.features(LATE, 20))


def test_a_sample_is_drawn_in_any_thread(build_days):
    days = build_days(pd.concat([LINES] * 50, ignore_index=True))
    asked = [EARLY + timedelta(days=number) for number in range(60)]

    def use(cutoff):
        return len(days.sampled(cutoff, 1).features(cutoff, 30))

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(use, asked)) == {1}


def test_what_one_makes_of_a_table_is_seen_by_nobody_else(counted):
    days, made = counted
    expected = days.features(LATE, 20).copy()
    frame = days.features(LATE, 20)
    frame["mine"], frame["spend_sum"] = 1, 0.0
    pd.testing.assert_frame_equal(days.features(LATE, 20), expected)
    assert len(made) == 1


def test_the_tables_used_last_are_kept_within_a_share_of_the_memory(counted):
    days, made = counted
    cutoffs = [LATE - timedelta(days=n) for n in range(3)]
    size = int(days.features(LATE, 20).memory_usage().sum())
    days._most_bytes = 2.5 * size
    for cutoff in (*cutoffs[1:], LATE, cutoffs[2], LATE, cutoffs[1]):
        days.features(cutoff, 20)
    of = [
        next(n for n, cutoff in enumerate(cutoffs) if f"date '{cutoff}' as cutoff" in query) for query in made
    ]
    assert of == [0, 1, 2, 0, 1]


def test_the_share_follows_the_limit_of_the_database(build_days):
    days = build_days(LINES)
    days.connection.execute("set memory_limit = '800MB'")
    other = snapshots.CustomerDays(
        days.connection, f"(select '1' as customer_id, day as order_day, 1.0 as amount from {days.table})"
    )
    assert other._most_bytes == pytest.approx(100e6, rel=0.01)
