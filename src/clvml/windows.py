"""Cutoffs, horizons, and the split of the purchase days into history and future.

All windows are half-open: history is ``day < cutoff``, the target window is
``[cutoff, cutoff + horizon)``. Feature code is handed only what `history` returns and label code only
what `future` returns, so that no feature can see the days it is meant to predict.
"""

from __future__ import annotations

from datetime import date, timedelta

from clvml.config import WindowsConfig


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

    Every test window has ended by ``as_of`` and leaves at least one training cutoff before it. The
    folds lie a horizon apart where the log is long enough, and closer (their windows then overlap, but
    never a training and a test window of the same fold) where it is not.

    >>> windows = WindowsConfig(horizon_days=30, min_history_days=30)
    >>> [str(c) for c in test_cutoffs(date(2024, 1, 1), date(2024, 6, 1), windows, folds=3)]
    ['2024-03-03', '2024-04-02', '2024-05-02']
    """
    newest = as_of - timedelta(days=windows.horizon_days)
    earliest = first_day + timedelta(days=windows.min_history_days + windows.horizon_days)
    room = (newest - earliest).days
    if room < 0:
        return []
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
