"""The season of a log: how much more or less than usual is sold at a time of the year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

DAYS_OF_YEAR = 365
SMOOTHING_DAYS = 15
# A season seen once is part chance. One year of log counts for this share of what it shows, two for
# 1 - (1 - share) ** 2, and so on.
TRUST_IN_ONE_YEAR = 0.75


@dataclass(frozen=True)
class Season:
    """Sales of each day of the year relative to the mean day.

    Attributes
    ----------
    index : tuple of float
        365 positive numbers with mean 1, by day of year (29 February counts as 28 February). All 1 where
        the log is shorter than a year.
    years : int
        Full years the index was learnt from.
    """

    index: tuple[float, ...]
    years: int

    def factor(self, start: date, days: int) -> float:
        """Return the mean index over ``[start, start + days)``: 1.2 means 20 % above the usual.

        >>> Season.flat().factor(date(2024, 2, 28), 90)
        1.0
        """
        return float(self.curve(start, days).mean())

    def curve(self, start: date, days: int) -> np.ndarray:
        """Return the index of each day of ``[start, start + days)``, shape (days,)."""
        if not self.years:
            return np.ones(days)
        positions = _day_of_year(pd.date_range(start, periods=days))
        return np.asarray(self.index)[positions]

    @classmethod
    def flat(cls) -> Season:
        """Return the season of a log too short to show one."""
        return cls(index=(1.0,) * DAYS_OF_YEAR, years=0)

    def to_dict(self) -> dict[str, Any]:
        """Return the season as JSON-ready values."""
        return {"index": [round(value, 6) for value in self.index], "years": self.years}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Season:
        """Return the season that `to_dict` described."""
        return cls(index=tuple(float(value) for value in state["index"]), years=int(state["years"]))


def fit_season(daily_totals: pd.Series) -> Season:
    """Learn the season from net sales per day.

    Each full year before the end of the series is divided by its own mean, so that growth from year to
    year is not taken for season; days of the year are averaged over the years, smoothed with a Gaussian of
    15 days around the circle of the year, and shrunk towards 1 by the number of years seen.

    Parameters
    ----------
    daily_totals : Series of float
        Net sales [currency] of every day up to the cutoff, indexed by day.

    Returns
    -------
    Season
        Flat where there is less than a year or nothing was sold in one.
    """
    years = len(daily_totals) // DAYS_OF_YEAR
    if years == 0:
        return Season.flat()
    recent = daily_totals.iloc[-years * DAYS_OF_YEAR :]
    values = np.clip(recent.to_numpy(dtype=float), 0.0, None).reshape(years, DAYS_OF_YEAR)
    means = values.mean(axis=1, keepdims=True)
    if not np.all(means > 0):
        return Season.flat()
    positions = _day_of_year(pd.DatetimeIndex(recent.index))
    relative = np.bincount(positions, (values / means).ravel(), DAYS_OF_YEAR)
    counts = np.bincount(positions, minlength=DAYS_OF_YEAR)
    level = relative / np.maximum(counts, 1)
    trust = 1.0 - (1.0 - TRUST_IN_ONE_YEAR) ** years
    index = 1.0 + trust * (_smooth_around(level) - 1.0)
    index = np.clip(index, 0.1, None)
    return Season(index=tuple((index / index.mean()).tolist()), years=years)


def _day_of_year(days: pd.DatetimeIndex) -> np.ndarray:
    # Counting from 1 March of a leap-free calendar: 29 February falls on 28 February, all else keeps its place.
    month = days.month.to_numpy()
    day = np.where((month == 2) & (days.day == 29), 28, days.day)
    starts = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    return starts[month - 1] + day - 1


def _smooth_around(values: np.ndarray) -> np.ndarray:
    offsets = np.arange(len(values))
    distance = np.minimum(offsets, len(values) - offsets)
    kernel = np.exp(-0.5 * (distance / SMOOTHING_DAYS) ** 2)
    smoothed = np.fft.irfft(np.fft.rfft(values) * np.fft.rfft(kernel / kernel.sum()), len(values))
    return np.asarray(smoothed)
