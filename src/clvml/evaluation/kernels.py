"""The metrics as functions of a `Sample`: one value per resample, shape (resamples,).

What each says, and where it is undefined, stands with the functions of the same name in `clvml.evaluation.metrics`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clvml.evaluation.resampling import Sample, dot, ratio, running_sums

Array = NDArray[np.float64]

GROUPS = 10
LOG_LOSS_CLIP = 1e-15


def wape(s: Sample) -> Array:
    return ratio(s.absolute_error, s.drawn.absolute)


def mae(s: Sample) -> Array:
    return ratio(s.absolute_error, s.drawn.size)


def mean_squared_error(s: Sample) -> Array:
    return ratio(s.drawn.total((s.drawn.actual - s.predicted) ** 2), s.drawn.size)


def rmse(s: Sample) -> Array:
    return np.sqrt(mean_squared_error(s))


def spearman(s: Sample) -> Array:
    together = dot(s.drawn.weighted_ranks, s.ranking.to_rows(s.ranks))
    spread = s.drawn.rank_spread * dot(s.sizes * s.ranks, s.ranks)
    return np.where(s.drawn.rank_spread > 0, ratio(together, np.sqrt(spread), 0.0), np.nan)


def gini(s: Sample) -> Array:
    return ratio(dot(s.actuals, s.ranks), s.drawn.perfect_area)


def total_bias(s: Sample) -> Array:
    return ratio(s.drawn.total(s.predicted), s.drawn.money) - 1


def _decile_gaps(s: Sample) -> Array:
    gaps = s.sizes * -s.ranking.values[:, None]
    gaps += s.actuals
    cuts = s.up_to(np.arange(1, GROUPS + 1) / GROUPS, gaps, running_sums(gaps))
    return np.abs(np.diff(cuts, axis=0, prepend=0.0)).sum(axis=0)


def decile_calibration_error(s: Sample) -> Array:
    return ratio(_decile_gaps(s), s.drawn.money)


def top_share(s: Sample, share: float) -> Array:
    rest = s.up_to(np.array([1 - share]), s.actuals, s.actuals_to_here)[0]
    return ratio(s.drawn.money - rest, s.drawn.money)


def roc_auc(s: Sample) -> Array:
    # The Mann-Whitney statistic, by the rank sum of the churners.
    churned = s.drawn.money
    pairs = churned * (s.drawn.size - churned)
    return 0.5 + ratio(dot(s.actuals, s.ranks), pairs)


def average_precision(s: Sample) -> Array:
    churned = s.drawn.money
    caught = churned - s.actuals_to_here
    caught += s.actuals
    flagged = s.drawn.size - s.sizes_to_here
    flagged += s.sizes
    # Where none is flagged none is caught: any divisor above 0 will do.
    caught /= np.maximum(flagged, 1e-300)
    return ratio(dot(s.actuals, caught), churned)


def log_loss(s: Sample) -> Array:
    p = np.clip(s.predicted, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return ratio(s.drawn.total(-np.where(s.drawn.actual == 1, np.log(p), np.log1p(-p))), s.drawn.size)


def expected_calibration_error(s: Sample) -> Array:
    return ratio(_decile_gaps(s), s.drawn.size)
