"""Labels: what happened in the target window, and nothing else."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

CUTOFF = date(2024, 4, 1)

LINES = pd.DataFrame(
    [
        ("ann", "2024-03-31", 40.0),  # the day before the window
        ("ann", "2024-04-01", 10.0),  # the first day of the window
        ("ann", "2024-04-01", 5.0),  # a second line: still one purchase day
        ("ann", "2024-04-30", 20.0),  # the last day of a window of 30
        ("ann", "2024-05-01", 80.0),  # the day after
        ("bob", "2024-04-10", -7.5),  # a refund alone is not a purchase
        ("cyd", "2024-04-10", 0.0),  # nor is a free item
        ("dan", "2024-04-02", 30.0),
        ("dan", "2024-04-09", -10.0),  # refunds are netted
        ("eve", "2024-03-01", 9.0),  # not in the window at all
    ],
    columns=["customer_id", "order_day", "amount"],
)


def test_labels_by_hand(build_days):
    labels = build_days(LINES).labels(CUTOFF, 30)
    expected = pd.DataFrame(
        {
            "customer_id": ["ann", "bob", "cyd", "dan"],
            "purchases": [2, 0, 0, 1],
            "actual_spend": [35.0, -7.5, 0.0, 20.0],
        }
    )
    pd.testing.assert_frame_equal(labels, expected, check_dtype=False)


@pytest.mark.parametrize(("horizon", "purchases", "spend"), [(1, 1, 15.0), (29, 1, 15.0), (31, 3, 115.0)])
def test_the_window_is_half_open(build_days, horizon, purchases, spend):
    labels = build_days(LINES).labels(CUTOFF, horizon).set_index("customer_id")
    assert labels.loc["ann"].tolist() == [purchases, spend]


def test_windows_side_by_side_add_up(build_days):
    days = build_days(LINES)
    whole = days.labels(CUTOFF, 31)[["purchases", "actual_spend"]].sum()
    parts = [days.labels(CUTOFF, 9), days.labels(date(2024, 4, 10), 22)]
    assert sum(part["purchases"].sum() for part in parts) == whole["purchases"]
    assert sum(part["actual_spend"].sum() for part in parts) == pytest.approx(whole["actual_spend"])


def test_nothing_outside_the_window_changes_a_label(build_days):
    inside = LINES[LINES["order_day"].between("2024-04-01", "2024-04-30")]
    alone = build_days(inside).labels(CUTOFF, 30)
    pd.testing.assert_frame_equal(build_days(LINES).labels(CUTOFF, 30), alone, check_exact=True)


def test_an_empty_window_has_no_labels(build_days):
    labels = build_days(LINES).labels(date(2025, 1, 1), 30)
    assert labels.empty
    assert list(labels.columns) == ["customer_id", "purchases", "actual_spend"]
