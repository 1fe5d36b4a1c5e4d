"""The season of a log: sales at a time of the year relative to the usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.models.history import check_history

Array = NDArray[np.float64]

DAYS_OF_YEAR = 365
SMOOTHING_DAYS = 15
# Number of days whose plain mean has the variance of the smoothed value.
_KERNEL_DAYS = 2.0 * np.sqrt(np.pi) * SMOOTHING_DAYS
# A season seen once is partly chance: it is shrunk to this share after one year, to 1 - (1 - share) ** 2 after two
# years, and so on.
TRUST_IN_ONE_YEAR = 0.75
# Sales are raised to this share of the usual, so that their logarithm is finite.
_LEAST_INDEX = 0.1
# Two centuries; days before them are usual ones.
_LONGEST_HISTORY = 73_000
# Ends of the beginning, the middle and the whole of a log's first year [days], for `running_share`.
_YEAR_OF_ARRIVALS = (60, 180, 365)


@dataclass(frozen=True)
class Season:
    """Sales of each day of the year, relative to the expected sales of the customer base without a season.

    Attributes
    ----------
    index : tuple of float
        365 positive numbers by day of the year (29 February counts as the 28th); 1 is as usual.
    years : int
        Full years the index was learnt from; 0 where the log is too short, and every index is then 1.
    """

    index: tuple[float, ...]
    years: int

    @classmethod
    def flat(cls) -> Season:
        """Return the season of a log too short to show one."""
        return cls(index=(1.0,) * DAYS_OF_YEAR, years=0)

    def factor(self, start: date, days: int) -> float:
        """Return the mean index over ``[start, start + days)``: 1.2 is 20 % above the usual.

        >>> Season.flat().factor(date(2024, 2, 28), 90)
        1.0
        """
        return float(self.curve(start, days).mean())

    def curve(self, start: date, days: int) -> Array:
        """Return the index of each day of ``[start, start + days)``, shape (days,)."""
        return np.asarray(self.index)[_days_of_year(start, days)]

    def history(self, features: pd.DataFrame, cutoff: date) -> tuple[Array, Array, Array]:
        """Return ``frequency``, and ``recency`` and ``T`` in usual days, shape (n,) each.

        90 days without a purchase at index .5 are 45 usual days, since fewer purchases are expected then.

        Raises
        ------
        ValueError
            A history is impossible (`clvml.models.history.check_history`).

        >>> seen = pd.DataFrame({"frequency": [1], "recency": [10], "T": [100]})
        >>> Season((0.5,) * DAYS_OF_YEAR, 1).history(seen, date(2024, 5, 1))
        (array([1.]), array([5.]), array([50.]))
        """
        frequency, recency, T = check_history(features["frequency"], features["recency"], features["T"])
        if not self.years or not len(T):
            return frequency, recency, T
        days = int(min(np.ceil(T.max()), _LONGEST_HISTORY))
        # Counted back from the cutoff, so that no customer's value depends on the others.
        usual = np.cumsum(self.curve(cutoff - timedelta(days=days), days)[::-1])
        usual = np.concatenate([[0.0], usual])

        def ago(lapse: Array) -> Array:
            return np.interp(lapse, np.arange(days + 1), usual) + np.maximum(lapse - _LONGEST_HISTORY, 0.0)

        return frequency, ago(T) - ago(T - recency), ago(T)

    def to_dict(self) -> dict[str, Any]:
        """Return the season as JSON-ready values."""
        return {"index": list(self.index), "years": self.years}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Season:
        """Return the season that `to_dict` described."""
        return cls(index=tuple(float(value) for value in state["index"]), years=int(state["years"]))


def fit_season(
    daily_totals: pd.Series,
    surprises: Sequence[tuple[date, int, float]],
    ages: ArrayLike = (),
    chance: float = 0.0,
) -> Season:
    """Estimate the season from two views of the log, as far as they agree.

    Sales per day show the season, but also growth and the arrival of a cohort. The ratio of actual spend to the spend
    that BTYD expected of the same customers, in past windows, is free of both. But it is too high where the log begins
    and BTYD knows little about anyone. Both views are smoothed. Where they deviate from 1 in the same direction, the
    smaller deviation is taken, elsewhere none. The season is a mean of that and of the season of the sales, which
    counts the more, the higher the squared correlation of the two views over the year, or `running_share`: a log that
    begins amid a running business holds neither growth from nothing nor a cohort. The season is shrunk towards 1 by
    the number of years.

    Parameters
    ----------
    daily_totals : Series of float
        Net sales [currency] of every day up to the cutoff, indexed by day.
    surprises : sequence of (start, days, ratio)
        Past windows, with actual over expected spend.
    ages : array of shape (customers,)
        Days from each customer's first purchase to the cutoff (``T``).
    chance : float
        Variance of the logarithm of a usual day's sales if purchases were independent. Both views contain this noise,
        so that they may agree on it; the season is shrunk by its share of the variance of sales.

    Returns
    -------
    Season
        Flat where sales cover less than a year, a year has no sales, sales vary no more than by chance, or there are
        too few past windows and `running_share` is 0.
    """
    years = len(daily_totals) // DAYS_OF_YEAR
    covered = sum(days for _, days, _ in surprises) >= DAYS_OF_YEAR - 5
    running = running_share(daily_totals, ages)
    if years == 0 or not (covered or running):
        return Season.flat()
    recent = daily_totals.iloc[-years * DAYS_OF_YEAR :]
    steady = np.clip(recent.to_numpy(dtype=float), 0.0, None) * np.exp(
        -_growth(daily_totals) * np.arange(len(recent)) / DAYS_OF_YEAR
    )
    sales = steady.reshape(years, DAYS_OF_YEAR)
    means = sales.mean(axis=1, keepdims=True)
    if not np.all(means > 0):
        return Season.flat()
    # Each year is divided by its own mean, which removes the remaining growth from year to year.
    first = pd.Timestamp(recent.index[0]).date()
    of_sales = _level(_days_of_year(first, len(recent)), (sales / means).ravel())
    of_sales = np.log(np.maximum(_smooth_around(of_sales), _LEAST_INDEX))

    beyond_chance = _share_beyond(chance / (_KERNEL_DAYS * years), of_sales)
    if beyond_chance == 0.0:
        return Season.flat()

    of_customers = _of_customers(surprises) if covered else np.zeros(DAYS_OF_YEAR)
    agreed = np.where(
        of_sales * of_customers > 0,
        np.sign(of_sales) * np.minimum(np.abs(of_sales), np.abs(of_customers)),
        0.0,
    )
    believed = max(max(_correlation(of_sales, of_customers), 0.0) ** 2, running)
    season = believed * of_sales + (1.0 - believed) * agreed
    season *= (1.0 - (1.0 - TRUST_IN_ONE_YEAR) ** years) * beyond_chance
    return Season(index=tuple(np.round(np.exp(season), 6).tolist()), years=years)


def running_share(daily_totals: pd.Series, ages: ArrayLike) -> float:
    """Return how likely a log begins amid a running business, from 0 to 1.

    Most customers of a running business appear soon after the log begins and few later, while its sales stay level.
    A young business keeps gaining customers, and the sales of a cohort fade.

    Parameters
    ----------
    daily_totals : Series of float
        Net sales [currency] of every day of the log up to the cutoff.
    ages : array of shape (customers,)
        Days from each customer's first purchase to the cutoff (``T``).

    >>> sales = pd.Series(1.0, index=pd.date_range("2024-01-01", periods=400))
    >>> running_share(sales, 400 - np.arange(60))
    1.0
    >>> running_share(sales, 400 - np.arange(400))
    0.0
    """
    log_days, (begun, late, year) = len(daily_totals), _YEAR_OF_ARRIVALS
    if log_days < year:
        return 0.0
    met = log_days - np.asarray(ages, dtype=float)
    arrivals_begun, arrivals_late = (
        (met < begun).sum() / begun,
        ((met >= late) & (met < year)).sum() / (year - late),
    )
    sales = daily_totals.to_numpy(dtype=float)
    sales_begun, sales_late = sales[:begun].mean(), sales[late:year].mean()
    if arrivals_begun <= 0 or sales_begun <= 0:
        return 0.0
    known = np.clip(1.0 - arrivals_late / arrivals_begun, 0.0, 1.0)
    # Sales that have halved count as those of a cohort.
    steady = np.clip(2.0 * sales_late / sales_begun - 1.0, 0.0, 1.0)
    return float(known * steady)


def _of_customers(surprises: Sequence[tuple[date, int, float]]) -> Array:
    """Return the mean logarithm of actual over expected spend by day of the year, centred at 0, shape (365,)."""
    days = np.concatenate([_days_of_year(start, n) for start, n, _ in surprises])
    ratios = np.concatenate([np.full(n, np.log(max(ratio, _LEAST_INDEX))) for _, n, ratio in surprises])
    smooth = _smooth_around(_level(days, ratios))
    return smooth - smooth.mean()


def _growth(daily_totals: pd.Series) -> float:
    """Return the growth of sales per year on the logarithm: the newest days against the same days a year before.

    It is multiplied by the share of a year that these days cover, since a few weeks may differ by chance.
    """
    sales = daily_totals.to_numpy(dtype=float)
    days = min(len(sales) - DAYS_OF_YEAR, DAYS_OF_YEAR)
    if days <= 0:
        return 0.0
    now, before = sales[-days:].sum(), sales[-days - DAYS_OF_YEAR : -DAYS_OF_YEAR].sum()
    return float(np.log(now / before)) * days / DAYS_OF_YEAR if now > 0 and before > 0 else 0.0


def _share_beyond(chance: float, values: Array) -> float:
    variance = float(values.var())
    return max(1.0 - chance / variance, 0.0) if variance > 0 else 0.0


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(), other - other.mean()
    spread = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / spread) if spread > 0 else 0.0


def _days_of_year(start: date, days: int) -> NDArray[np.int64]:
    """Return the position in the index of each day of ``[start, start + days)``, shape (days,)."""
    dates = np.datetime64(start, "D") + np.arange(days)
    months = dates.astype("datetime64[M]")
    month, day = months.astype(int) % 12, (dates - months).astype(int)
    month_starts = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    return month_starts[month] + np.where(month == 1, np.minimum(day, 27), day)


def _level(days: NDArray[np.int64], values: Array) -> Array:
    counts = np.bincount(days, minlength=DAYS_OF_YEAR)
    sums = np.bincount(days, values, DAYS_OF_YEAR)
    # A day of the year that no window covers (at most a few) gets the mean of all.
    return np.where(counts > 0, sums / np.maximum(counts, 1), values.mean())


def _smooth_around(values: Array) -> Array:
    offsets = np.arange(len(values))
    distance = np.minimum(offsets, len(values) - offsets)
    kernel = np.exp(-0.5 * (distance / SMOOTHING_DAYS) ** 2)
    return np.fft.irfft(np.fft.rfft(values) * np.fft.rfft(kernel / kernel.sum()), len(values))
