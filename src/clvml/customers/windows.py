"""Cutoffs, horizons, and the split of the purchase days into history and future.

All windows are half-open: history is ``day < cutoff``, the target window is
``[cutoff, cutoff + horizon)``. Feature code is handed only what `history` returns and label code only
what `future` returns, so that no feature can see the days it is meant to predict.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from clvml.config import WindowsConfig

# A window shorter than this shows too little of a customer to train on.
SHORTEST_HORIZON_DAYS = 14


def trainable(first_day: date, as_of: date, windows: WindowsConfig) -> WindowsConfig | None:
    """Return the windows with the longest horizon that can be trained on what lies before ``as_of``.

    The horizon stays where a training cutoff with ``min_history_days`` before it and a whole horizon after it
    fits. Else it is half of the history, so that as much is seen before a cutoff as is predicted after it;
    forecasts are then carried on to the horizon asked for. None where even that is too short.

    >>> windows = WindowsConfig(horizon_days=180)
    >>> [trainable(date(2024, 1, 1), date(2024, month, 1), windows).horizon_days for month in (12, 4)]
    [180, 45]
    >>> trainable(date(2024, 1, 1), date(2024, 1, 20), windows) is None
    True
    """
    history = (as_of - first_day).days
    if history >= windows.horizon_days + windows.min_history_days:
        return windows
    bridged = min(history // 2, windows.horizon_days)
    if bridged < min(SHORTEST_HORIZON_DAYS, windows.horizon_days):
        return None
    least = min(windows.min_history_days, bridged)
    return windows.model_copy(update={"horizon_days": bridged, "min_history_days": least})


class HistoryVerdict(NamedTuple):
    """What a log is long enough for, in numbers and in words: whether the horizon asked for can be trained on itself.

    ``trained_days`` is the length of the windows that are trained on [days]; 0 where none fits and BTYD predicts alone.
    ``longest_horizon_days`` is the longest horizon that could be trained on itself [days].
    """

    enough: bool
    trained_days: int
    longest_horizon_days: int
    message: str


def check_history(first_day: date, as_of: date, windows: WindowsConfig) -> HistoryVerdict:
    """Say whether there is enough log for the horizon, and what is done where there is not.

    >>> check_history(date(2024, 1, 1), date(2024, 4, 10), WindowsConfig(horizon_days=90)).trained_days
    50
    """
    history, horizon, least = (as_of - first_day).days, windows.horizon_days, windows.min_history_days
    longest = max(0, history - least)
    trained = trainable(first_day, as_of, windows)
    # Half of the log is enough history, even where it is shorter than `min_history_days`.
    least = min(least, max(history - horizon, horizon))
    message = (
        f"the log has {max(0, history):,} day{'' if history == 1 else 's'} before {as_of}; a horizon of"
        f" {horizon:,} days needs {horizon + least:,} ({horizon:,} of horizon and {least:,} of history): "
    )
    days = trained.horizon_days if trained else 0
    enough = days == horizon
    if enough:
        longest = max(longest, days)
        message += f"enough, up to {longest:,} days"
    elif days:
        message += f"not enough; windows of {days:,} days will be trained on, and carried on from there"
    else:
        message += "not enough to train on; the purchase model (BTYD) will predict alone"
    return HistoryVerdict(enough, days, longest, message)


def training_cutoffs(first_day: date, as_of: date, windows: WindowsConfig) -> list[date]:
    """Return the cutoffs whose target windows have ended by ``as_of``, oldest first.

    The newest is ``as_of - horizon``; the others lie ``step_days`` apart before it, as long as
    ``min_history_days`` of log precede them.

    >>> windows = WindowsConfig(horizon_days=30, step_days=30, max_cutoffs=2, min_history_days=30)
    >>> [str(c) for c in training_cutoffs(date(2024, 1, 1), date(2024, 6, 1), windows)]
    ['2024-04-02', '2024-05-02']
    """
    newest = as_of - timedelta(days=windows.horizon_days)
    earliest = first_day + timedelta(days=windows.min_history_days)
    cutoffs = [newest - timedelta(days=windows.step_days * k) for k in range(windows.max_cutoffs)]
    return [cutoff for cutoff in reversed(cutoffs) if cutoff >= earliest]


def test_cutoffs(first_day: date, as_of: date, windows: WindowsConfig, folds: int) -> list[date]:
    """Return up to ``folds`` test cutoffs for a rolling-origin backtest, oldest first.

    Every test window has ended by ``as_of`` and leaves at least one training cutoff before it; where the log
    is too short for one, a single fold is left whose model is trained on shorter windows. The folds lie a
    horizon apart where the log is long enough, and closer (their windows then overlap, but
    never a training and a test window of the same fold) where it is not.

    >>> windows = WindowsConfig(horizon_days=30, min_history_days=30)
    >>> [str(c) for c in test_cutoffs(date(2024, 1, 1), date(2024, 6, 1), windows, folds=3)]
    ['2024-03-03', '2024-04-02', '2024-05-02']
    """
    newest = as_of - timedelta(days=windows.horizon_days)
    earliest = first_day + timedelta(days=windows.min_history_days + windows.horizon_days)
    room = (newest - earliest).days
    if room < 0:
        return [newest] if newest > first_day and trainable(first_day, newest, windows) else []
    spacing = min(windows.horizon_days, room // (folds - 1)) if folds > 1 else 0
    if spacing == 0:
        return [newest]
    return [newest - timedelta(days=spacing * k) for k in reversed(range(folds))]


# pytest collects names that begin with "test"; this one is not a test.
test_cutoffs.__test__ = False  # type: ignore[attr-defined]


def history(days: str, cutoff: date) -> str:
    """Return SQL of the rows of relation ``days`` (customer days) before ``cutoff``."""
    return f"select * from {days} where day < date '{cutoff}'"


def future(days: str, cutoff: date, horizon_days: int) -> str:
    """Return SQL of the rows of relation ``days`` in ``[cutoff, cutoff + horizon_days)``."""
    end = cutoff + timedelta(days=horizon_days)
    return f"select * from {days} where day >= date '{cutoff}' and day < date '{end}'"
