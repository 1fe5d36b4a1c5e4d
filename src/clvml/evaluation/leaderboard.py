"""Models side by side on the same customers and dates, with intervals and a verdict in words.

The interval comes from a bootstrap that draws customers, not rows: the same customer returns at every cutoff,
and all its rows go together (Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90). Every
model is measured on the same draws, so what they share, mostly which large buyers were drawn, cancels in the
difference. It says how sure the result is for other customers of this business on these dates; it cannot know
of dates unlike them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvml.errors import did_you_mean
from clvml.evaluation.folds import (
    ModelColumns,
    Values,
    check_predictions,
    folds_of,
    interval,
    mean_of_folds,
    measured,
    resampled,
    stacked,
)
from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS, Metric

METRICS = SPEND_METRICS | CHURN_METRICS
# What people are shown, and what a page counts as measures; the others say nearly the same again.
SPEND_SHOWN = ("wape", "rmse", "spearman", "gini", "total_bias", "top_10_share")
CHURN_SHOWN = ("roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error")
# Fewer customers, drawn again and again, are too alike for the interval to be believed.
FEWEST_CUSTOMERS = 30


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """What `build_leaderboard` found.

    Parameters
    ----------
    champion : str
        The model all others are held against.
    models : tuple of str
        All models, in the order they were given.
    folds : DataFrame
        One row per model, cutoff and metric: `model, cutoff, metric, value`.
    pooled : DataFrame
        One row per model and metric: `model, metric, value, low, high`. The value is the mean over folds, and
        low to high its 95% interval.
    versus : DataFrame
        One row per opponent and metric that both have: `opponent, metric, difference, low, high, verdict,
        champion_value, opponent_value`. The difference is in the champion's favour: positive means that the
        champion is better. The verdict is "better" or "worse" where the 95% interval leaves out 0 and there
        are 30 customers or more, else "no clear difference". Where zero is best, the two values are the means
        over folds of the distance from zero, so that too much at one date does not make up for too little at
        another.
    samples, seed : int
        How many times customers were drawn, and the seed.
    """

    champion: str
    models: tuple[str, ...]
    folds: pd.DataFrame
    pooled: pd.DataFrame
    versus: pd.DataFrame
    samples: int
    seed: int

    def best_others(self) -> pd.DataFrame:
        """Return the rows of `versus` against the best opponent of each metric: one row per metric.

        The opponent is the best one on the same data, so its luck counts for it: the verdict is on the strict
        side for the champion.
        """
        gap = self.versus["difference"].fillna(math.inf)
        # The first of equals, so that ties go by the order in which the models were given.
        best = gap.groupby(self.versus["metric"], sort=False).idxmin()
        return self.versus.loc[best].reset_index(drop=True)

    def verdicts(self, metrics: Iterable[str] | None = None) -> list[str]:
        """Return one sentence per metric: the champion against the best of the other models.

        All metrics that the champion shares with another model, or `metrics`; ValueError for any other name.
        """
        rows = {str(row["metric"]): row for row in self.best_others().to_dict("records")}
        wanted = _known(metrics, list(rows), "compared")
        others = self.versus["metric"].value_counts()
        return [_sentence(METRICS[name], rows[name], others[name] > 1) for name in wanted]

    def table(self, metrics: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the pooled values as text, to be shown: one row per model, one column per metric.

        All metrics that were measured, or `metrics`; ValueError for any other name. Models are sorted by the
        first metric, best first. A metric that a model lacks is "-".
        """
        wanted = _known(metrics, list(dict.fromkeys(self.pooled["metric"])), "measured")
        values = self.pooled.set_index(["model", "metric"])["value"].to_dict()
        shown = {
            name: np.array([values.get((model, name), math.nan) for model in self.models]) for name in wanted
        }
        best_first = np.argsort(-METRICS[wanted[0]].goodness(shown[wanted[0]]), kind="stable")
        texts = {
            METRICS[name].label: ["-" if math.isnan(v) else METRICS[name].text(v) for v in column]
            for name, column in shown.items()
        }
        return pd.DataFrame(texts, index=pd.Index(self.models, name="model")).iloc[best_first]

    def __repr__(self) -> str:
        return "\n".join([self.table().to_string(), "", *self.verdicts()])

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.verdicts())
        return f"{self.table().to_html()}<ul>{said}</ul>"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts, lists, text and numbers, ready for JSON. NaN becomes None."""
        return {
            "champion": self.champion,
            "models": list(self.models),
            "samples": self.samples,
            "seed": self.seed,
            "metrics": {
                name: {key: getattr(METRICS[name], key) for key in ("label", "better", "description")}
                for name in dict.fromkeys(self.pooled["metric"])
            },
            "folds": _records(self.folds),
            "pooled": _records(self.pooled),
            "versus": _records(self.versus),
            "verdicts": self.verdicts(),
        }


def build_leaderboard(
    predictions: pd.DataFrame, models: Sequence[ModelColumns], champion: str, samples: int, seed: int
) -> Leaderboard:
    """Measure every model at every cutoff, and the champion against each of the others.

    The pooled value is the mean over folds of the metric, not the metric of all rows stacked: folds overlap
    in customers and differ in season, and stacked, a model would be paid for telling the dates apart. Folds
    in which a metric is undefined are left out of its mean.

    Parameters
    ----------
    predictions : DataFrame
        Out-of-time predictions, one row per `cutoff` and `customer_id`, with `actual_spend` [currency],
        `churned` (0 or 1) and the columns of the models. The order of the rows does not matter.
    champion : str
        Name of the model that the others are held against.
    samples : int
        How many times to draw the customers; 500 gives a steady verdict.
    seed : int
        Not negative. The same seed and predictions give the same leaderboard.

    Raises
    ------
    ValueError
        If a column is missing, a (cutoff, customer_id) comes twice, a value is missing, infinite or out of
        range, the names of the models are not unique, or the champion is not among them.
    """
    models = tuple(models)
    check_predictions(predictions, models, champion, samples, seed)
    folds, customers = folds_of(predictions, models)
    point = stacked([measured(fold, np.ones((len(fold.customers), 1))) for fold in folds])
    drawn = resampled(folds, customers, samples, seed)

    names = [model.name for model in models]
    keys = [(name, metric) for name in names for metric in METRICS if (name, metric) in point]
    per_fold = [
        {"model": name, "cutoff": fold.cutoff, "metric": metric, "value": value}
        for name, metric in keys
        for fold, value in zip(folds, point[name, metric][:, 0].tolist(), strict=True)
    ]
    pooled = [
        {"model": name, "metric": metric, "value": mean_of_folds(point[name, metric]).item()}
        | dict(zip(("low", "high"), interval(mean_of_folds(drawn[name, metric])), strict=True))
        for name, metric in keys
    ]
    versus = [
        _compare(METRICS[metric], name, point, drawn, champion, customers)
        for name, metric in keys
        if name != champion and (champion, metric) in point
    ]
    return Leaderboard(
        champion=champion,
        models=tuple(names),
        folds=pd.DataFrame(per_fold, columns=["model", "cutoff", "metric", "value"]),
        pooled=pd.DataFrame(pooled, columns=["model", "metric", "value", "low", "high"]),
        versus=pd.DataFrame(versus, columns=list(_Comparison._fields)),
        samples=samples,
        seed=seed,
    )


class _Comparison(NamedTuple):
    opponent: str
    metric: str
    difference: float
    low: float
    high: float
    verdict: str
    champion_value: float
    opponent_value: float


def _compare(
    metric: Metric, opponent: str, point: Values, drawn: Values, champion: str, customers: int
) -> _Comparison:
    mine, theirs = (
        mean_of_folds(metric.goodness(point[name, metric.name])).item() for name in (champion, opponent)
    )
    low, high = interval(
        mean_of_folds(metric.goodness(drawn[champion, metric.name]))
        - mean_of_folds(metric.goodness(drawn[opponent, metric.name]))
    )
    # Two models in the same order differ by rounding alone, which is not a difference.
    least = 1e-9 * max(abs(mine), abs(theirs))
    verdict = "better" if low > least else "worse" if high < -least else ""
    if not verdict or customers < FEWEST_CUSTOMERS:
        verdict = "no clear difference"
    sign = 1.0 if metric.better == "higher" else -1.0
    return _Comparison(opponent, metric.name, mine - theirs, low, high, verdict, sign * mine, sign * theirs)


def _sentence(metric: Metric, row: dict[Any, Any], several: bool) -> str:
    mine, theirs = row["champion_value"], row["opponent_value"]
    if math.isnan(mine) or math.isnan(row["low"]):
        return f"{metric.label}: undefined here (nobody spent, or all customers did the same)"
    own, other, low, high = (
        metric.text(value, signed=False) for value in (mine, theirs, row["low"], row["high"])
    )
    off = "off by " if metric.better == "zero" else ""
    others = ", the best of the others" if several else ""
    against = f"{metric.label}: {off}{own} against {other} for '{row['opponent']}'{others}"
    return f"{against}: {row['verdict']} (95% interval of the gain {low} to {high})"


def _known(wanted: Iterable[str] | None, known: list[str], what: str) -> list[str]:
    names = list(wanted or ()) or known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"not {what}: {unknown}{did_you_mean(unknown[0], known)}; there are {known}")
    return names


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else value
