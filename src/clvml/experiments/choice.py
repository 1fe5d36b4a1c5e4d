"""Variants held against the first of them: chosen on the earlier test dates, reported on the last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from clvml.evaluation.backtest import MODEL_NAME
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import METRICS, Leaderboard, build_leaderboard
from clvml.evaluation.versus import Gain, gains, short_label

_KEYS = ["cutoff", "customer_id"]
_LABELS = [*_KEYS, "actual_spend", "churned"]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    base : str
        The first variant.
    metric : str
        By which the best is found.
    earlier, last : Leaderboard
        Variants with the base as champion, on the test dates but the last, and on the last.
    baselines : dict of str to dict of str to float
        ``{"earlier" or "last": {(baseline, metric): value}}``.
    dates : tuple of date
        The test dates.
    rows : int
        Predictions of each variant on them.
    apart : tuple of str
        Variants that predict something else than the base does (another horizon, other cleaning), and stand
        in neither board.
    """

    base: str
    metric: str
    earlier: Leaderboard
    last: Leaderboard
    baselines: dict[str, dict[tuple[str, str], float]]
    dates: tuple[date, ...]
    rows: int
    apart: tuple[str, ...]

    @property
    def best(self) -> str:
        """The variant that is best on the earlier test dates."""
        return self.ranked()[0]

    def gains(self, board: Leaderboard) -> dict[str, Gain]:
        """Return ``{variant: Gain}`` of all but the base, by the chosen metric."""
        return {name: found[self.metric] for name, found in gains(board).items() if self.metric in found}

    def ranked(self) -> list[str]:
        """Return the variants, best first by the chosen metric on the earlier test dates."""
        gains = self.gains(self.earlier)
        return sorted(self.earlier.models, key=lambda name: -gains[name].gain if name != self.base else 0.0)


def compare(
    predictions: Mapping[str, pd.DataFrame], base: str, metric: str, samples: int, seed: int
) -> Comparison:
    """Hold variants against the base, on the same customers and dates.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        By variant: one row per test date and customer, with labels and columns ``spend/<model>`` and
        ``churn/<model>``.
    base : str
        The variant that others are held against; where it is missing (it failed), the first that is there.
    samples, seed : int
        Of the bootstrap.
    """
    base = base if base in predictions else next(iter(predictions))
    sorted_ = {name: frame.sort_values(_KEYS, ignore_index=True) for name, frame in predictions.items()}
    labels = sorted_[base][_LABELS]
    together = {name: frame for name, frame in sorted_.items() if frame[_LABELS].equals(labels)}
    columns = {
        f"{kind}/{name}": frame[f"{kind}/{MODEL_NAME}"]
        for name, frame in together.items()
        for kind in ("spend", "churn")
    }
    frame = pd.concat([labels, pd.DataFrame(columns)], axis="columns")
    last = frame["cutoff"] == frame["cutoff"].max()
    models = model_columns(frame, together)
    earlier_board, last_board = (
        build_leaderboard(frame[rows], models, base, samples, seed) for rows in (~last, last)
    )
    return Comparison(
        base=base,
        metric=metric,
        earlier=earlier_board,
        last=last_board,
        baselines={
            "earlier": _baselines(sorted_[base][~last]),
            "last": _baselines(sorted_[base][last]),
        },
        dates=tuple(day.date() for day in sorted(pd.to_datetime(frame["cutoff"].unique()))),
        rows=len(frame),
        apart=tuple(name for name in predictions if name not in together),
    )


def model_columns(frame: pd.DataFrame, names: Iterable[str]) -> tuple[ModelColumns, ...]:
    """Return the columns of the models called ``names``."""
    return tuple(
        ModelColumns(
            name,
            f"spend/{name}" if f"spend/{name}" in frame else None,
            f"churn/{name}" if f"churn/{name}" in frame else None,
        )
        for name in names
    )


def answer(comparison: Comparison) -> str:
    """Return the verdict in a sentence or two."""
    label = short_label(comparison.metric)
    base, best = comparison.base, comparison.best

    def value(board: Leaderboard, name: str) -> str:
        return value_text(board, comparison.metric, values(board).get((name, comparison.metric), math.nan))

    def against(board: Leaderboard, name: str) -> str:
        return f"{label} {value(board, name)} against {value(board, base)}"

    earlier, last = comparison.gains(comparison.earlier), comparison.gains(comparison.last)
    if not earlier:
        return f"Nothing could be compared with '{base}'."
    if best == base:
        near = max(earlier, key=lambda name: earlier[name].gain)
        worse = sum(gain.verdict == "worse" for gain in earlier.values())
        return (
            f"No variant is better than '{base}' on the dates used for choosing ({label}"
            f" {value(comparison.earlier, base)}); the nearest, '{near}', has"
            f" {value(comparison.earlier, near)}. {worse} of {len(earlier)}"
            f" {'is' if worse == 1 else 'are'} clearly worse."
        )
    gain, later = earlier[best], last[best]
    held = {
        "better": "it is better there, too",
        "worse": "there, it is worse",
        "no clear difference": "there is no clear difference there",
    }[later.verdict]
    lead = {
        "better": f"'{best}' is better than '{base}'",
        "no clear difference": f"'{best}' comes out first, but not clearly before '{base}'",
    }.get(gain.verdict, f"'{best}' comes out first")
    convinced = gain.verdict == "better" and later.verdict != "worse"
    advice = f"Worth a change to '{best}'." if convinced else f"No reason to leave '{base}'."
    return (
        f"{lead} on the dates used for choosing ({against(comparison.earlier, best)}; gain {gain.gain:.3g}, 95%"
        f" interval {gain.low:.3g} to {gain.high:.3g}). At the last date, which was not used for choosing: "
        f"{against(comparison.last, best)}; {held} (gain {later.gain:.3g}, {later.low:.3g} to {later.high:.3g})."
        f" {advice}"
    )


def values(board: Leaderboard) -> dict[tuple[str, str], float]:
    """Return ``{(model, metric): mean over the dates}``.

    Where zero is best, of several dates it is the mean of the distance from zero, as it is in the gain: too
    much at one date does not make up for too little at another.
    """
    found = _by_model_and_metric(board.pooled)
    if _dates(board) > 1:
        zero_is_best = board.folds["metric"].map(lambda name: METRICS[name].better == "zero")
        sizes = board.folds[zero_is_best].assign(value=lambda folds: folds["value"].abs())
        found |= _by_model_and_metric(sizes.groupby(["model", "metric"])["value"].mean().reset_index())
    return found


def value_text(board: Leaderboard, metric: str, value: float) -> str:
    """Return one of `values` as people read it: a size has no sign."""
    return METRICS[metric].text(value, signed=_dates(board) == 1)


def value_label(board: Leaderboard, metric: str) -> str:
    """Return what `values` holds of a metric, for the head of a column."""
    label = short_label(metric)
    return f"size of {label}" if METRICS[metric].better == "zero" and _dates(board) > 1 else label


def run_metrics(predictions: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of our model: means over the test dates but the last, and ``last_fold.*`` of that."""
    last = predictions["cutoff"] == predictions["cutoff"].max()
    metrics: dict[str, float] = {}
    for prefix, rows in (("", predictions[~last]), ("last_fold.", predictions[last])):
        pooled = point_board(rows).pooled
        ours = pooled[pooled["model"] == MODEL_NAME]
        metrics |= {
            f"{prefix}{name}": float(value) for name, value in zip(ours["metric"], ours["value"], strict=True)
        }
    return metrics


def point_board(rows: pd.DataFrame) -> Leaderboard:
    """Return the metrics of our model alone on these rows."""
    # One draw: only the values are needed.
    return build_leaderboard(rows, model_columns(rows, [MODEL_NAME]), MODEL_NAME, samples=1, seed=0)


def earlier_dates(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of the test dates but the last."""
    return predictions[predictions["cutoff"] < predictions["cutoff"].max()]


def _dates(board: Leaderboard) -> int:
    return int(board.folds["cutoff"].nunique())


def _by_model_and_metric(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {
        (str(model), str(metric)): float(value)
        for model, metric, value in zip(rows["model"], rows["metric"], rows["value"], strict=True)
    }


def _baselines(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    names = [str(column).partition("/")[2] for column in rows if str(column).startswith("spend/")]
    names = [name for name in names if name != MODEL_NAME]
    if not names:
        return {}
    return values(build_leaderboard(rows, model_columns(rows, names), names[0], samples=1, seed=0))
