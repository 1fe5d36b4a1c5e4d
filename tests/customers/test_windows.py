"""Cutoffs and the split into history and future."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from clvml.config import WindowsConfig
from clvml.customers.windows import (
    SHORTEST_HORIZON_DAYS,
    HistoryVerdict,
    check_history,
    future,
    history,
    test_cutoffs,
    trainable,
    training_cutoffs,
)

FIRST_DAY = date(2020, 1, 1)
WINDOWS = st.builds(
    WindowsConfig,
    horizon_days=st.integers(1, 400),
    step_days=st.integers(1, 100),
    max_cutoffs=st.integers(1, 20),
    min_history_days=st.integers(1, 400),
)
AS_OF = st.integers(0, 1500).map(lambda days: FIRST_DAY + timedelta(days=days))


def test_training_cutoffs_by_hand():
    windows = WindowsConfig(horizon_days=90, step_days=30, max_cutoffs=12, min_history_days=60)
    # The newest window is [3 April, 2 July); 3 February would leave 33 days of history.
    assert training_cutoffs(date(2024, 1, 1), date(2024, 7, 2), windows) == [
        date(2024, 3, 4),
        date(2024, 4, 3),
    ]


def test_a_log_of_exactly_the_least_length_gives_one_cutoff():
    windows = WindowsConfig(horizon_days=90, min_history_days=60)
    enough = FIRST_DAY + timedelta(days=150)
    assert training_cutoffs(FIRST_DAY, enough, windows) == [FIRST_DAY + timedelta(days=60)]
    assert training_cutoffs(FIRST_DAY, enough - timedelta(days=1), windows) == []


@given(as_of=AS_OF, windows=WINDOWS)
def test_training_windows_have_ended_and_have_history(as_of, windows):
    cutoffs = training_cutoffs(FIRST_DAY, as_of, windows)
    assert len(cutoffs) <= windows.max_cutoffs
    for cutoff in cutoffs:
        assert cutoff + timedelta(days=windows.horizon_days) <= as_of
        assert (cutoff - FIRST_DAY).days >= windows.min_history_days
    assert all((later - earlier).days == windows.step_days for earlier, later in pairwise(cutoffs))
    long_enough = (as_of - FIRST_DAY).days >= windows.min_history_days + windows.horizon_days
    assert bool(cutoffs) == long_enough


@given(as_of=AS_OF, windows=WINDOWS, folds=st.integers(1, 8))
def test_test_windows_have_ended_and_leave_training_windows_before_them(as_of, windows, folds):
    cutoffs = test_cutoffs(FIRST_DAY, as_of, windows, folds)
    assert len(cutoffs) <= folds
    assert cutoffs == sorted(set(cutoffs))
    for cutoff in cutoffs:
        assert cutoff + timedelta(days=windows.horizon_days) <= as_of
        shorter = trainable(FIRST_DAY, cutoff, windows)
        trained_on = training_cutoffs(FIRST_DAY, cutoff, shorter)
        assert trained_on
        assert trained_on[-1] + timedelta(days=shorter.horizon_days) <= cutoff
        assert shorter == windows or len(cutoffs) == 1
    assert all((later - earlier).days <= windows.horizon_days for earlier, later in pairwise(cutoffs))
    if cutoffs:
        assert cutoffs[-1] == as_of - timedelta(days=windows.horizon_days)


@given(as_of=AS_OF, windows=WINDOWS)
def test_a_short_log_trains_on_windows_as_long_as_what_precedes_them(as_of, windows):
    shorter = trainable(FIRST_DAY, as_of, windows)
    history = (as_of - FIRST_DAY).days
    if shorter is None:
        assert history < max(2 * SHORTEST_HORIZON_DAYS, windows.horizon_days + windows.min_history_days)
        return
    assert shorter.horizon_days <= windows.horizon_days
    newest = training_cutoffs(FIRST_DAY, as_of, shorter)[-1]
    assert newest + timedelta(days=shorter.horizon_days) == as_of
    if shorter != windows:
        assert newest - FIRST_DAY >= as_of - newest


def test_what_a_log_is_long_enough_for_is_said():
    windows = WindowsConfig(horizon_days=180)
    needs = "a horizon of 180 days needs 240 (180 of horizon and 60 of history)"

    def verdict(days):
        return check_history(FIRST_DAY, FIRST_DAY + timedelta(days=days), windows)

    assert verdict(240) == HistoryVerdict(
        True, 180, 180, f"the log has 240 days before 2020-08-28; {needs}: enough, up to 180 days"
    )
    assert verdict(239) == HistoryVerdict(
        False,
        119,
        179,
        f"the log has 239 days before 2020-08-27; {needs}: not enough; windows of 119 days will be trained on, and"
        " carried on from there",
    )
    assert verdict(27) == HistoryVerdict(
        False,
        0,
        0,
        f"the log has 27 days before 2020-01-28; {needs}: not enough to train on; the purchase model (BTYD) will"
        " predict alone",
    )
    assert verdict(-5).message.startswith("the log has 0 days before")


def test_folds_lie_closer_where_the_log_is_short():
    windows = WindowsConfig(horizon_days=100, min_history_days=50)
    as_of = FIRST_DAY + timedelta(days=50 + 200 + 20)
    spacings = [(b - a).days for a, b in pairwise(test_cutoffs(FIRST_DAY, as_of, windows, 3))]
    assert spacings == [10, 10]


def test_history_and_future_are_half_open_and_share_no_day():
    with duckdb.connect() as connection:
        connection.execute(
            "create table days as select cast(day as date) as day"
            " from range(date '2024-03-30', date '2024-04-05', interval 1 day) as r(day)"
        )

        def read(query: str) -> list[str]:
            return [str(row[0]) for row in connection.execute(f"{query} order by day").fetchall()]

        cutoff = date(2024, 4, 1)
        assert read(history("days", cutoff)) == ["2024-03-30", "2024-03-31"]
        assert read(future("days", cutoff, 2)) == ["2024-04-01", "2024-04-02"]
