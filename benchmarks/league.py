"""The league of `benchmarks/report.py`: clear differences from each rival, mean ranks and mean skills.

A comparison is one rival, one metric, one group of dates, on the mean over these dates. With some ten rivals in a
metric one of them looks better by luck, so the p-values of a metric and group are corrected by Holm's method (1979):
the chance that any of them is called clear without being so is 5 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

BETTER, LEVEL, WORSE = "better", "no clear difference", "worse"
# What is proper for what is promised: means, their order and their total; probabilities.
JUDGED = ("rmse", "gini", "total_bias", "roc_auc", "log_loss", "brier")
LEVEL_OF_TEST = 0.05
# From the 95 % interval of the bootstrap to its standard error.
ENDS_APART = 2 * norm.ppf(0.975)


def holm(p_values: Iterable[float], level: float = LEVEL_OF_TEST) -> list[bool]:
    """Return which hypotheses Holm's step-down method rejects.

    >>> holm([0.03, 0.01, 0.04])  # .01 is below .05 / 3, .03 is not below .05 / 2
    [False, True, False]
    """
    p = np.asarray(list(p_values), dtype=float)
    rejected = np.zeros(len(p), dtype=bool)
    for step, place in enumerate(np.argsort(p, kind="stable")):
        if not p[place] <= level / (len(p) - step):
            break
        rejected[place] = True
    return rejected.tolist()


class Comparison(NamedTuple):
    """One rival in one metric of one group: the verdict after Holm, and what is behind it."""

    group: str
    metric: str
    rival: str
    verdict: str
    row: dict[str, Any]


def comparisons(result: dict[str, Any], champion: str, metrics: Iterable[str]) -> list[Comparison]:
    """Return the comparisons of a group with each rival, none where the champion has no forecast.

    A p-value is that of the difference over its bootstrap standard error, two-sided.
    """
    if result["board"]["champion"] != champion:
        return []
    found = []
    for metric in metrics:
        rows = [row for row in result["board"]["versus"] if row["metric"] == metric]
        rows = [row for row in rows if row["low"] is not None and row["difference"] is not None]
        p_values = []
        for row in rows:
            error = (row["high"] - row["low"]) / ENDS_APART
            # Two forecasts in the same order differ by rounding alone.
            least = 1e-9 * max(abs(row["champion_value"]), abs(row["opponent_value"]))
            p_values.append(2 * norm.sf(abs(row["difference"]) / max(error, least, 1e-300)))
        for row, clear in zip(rows, holm(p_values), strict=True):
            verdict = (BETTER if row["difference"] > 0 else WORSE) if clear else LEVEL
            found.append(Comparison(result["name"], metric, row["opponent"], verdict, row))
    return found


def count(found: Iterable[Comparison]) -> Counter[str]:
    """Return how many comparisons are better, level and worse."""
    return Counter(one.verdict for one in found)


def league(results: list[dict[str, Any]], models: Iterable[str]) -> pd.DataFrame:
    """Return one row per model and metric: `model, metric, rank, skill`, each log counting the same.

    Ranks are those of a group of dates, best 1, ties the mean of theirs. A model that predicts the metric elsewhere
    and has no forecast in a group comes last there, with skill 0. Groups are averaged within a log, and logs over all.
    """
    names = list(models)
    values = {(result["group"]["data_set"], result["name"]): group_values(result) for result in results}
    parts = []
    for metric in JUDGED:
        column = wide(
            {key: {name: own.get(name, {}).get(metric) for name in names} for key, own in values.items()}
        )
        column = column.astype(float).dropna(axis="columns", how="all")
        ranks = column.rank(axis=1, ascending=metric == "total_bias", na_option="bottom")
        skills = column if metric == "total_bias" else column.fillna(0.0)
        part = pd.DataFrame({"rank": by_log(ranks), "skill": by_log(skills)})
        parts.append(part.rename_axis("model").reset_index().assign(metric=metric))
    return pd.concat(parts, ignore_index=True)


def wide(values: dict[tuple[str, str], dict[str, Any]]) -> pd.DataFrame:
    """Return one row per (log, group) and one column per model."""
    keys = pd.MultiIndex.from_tuples(values, names=["log", "group"])
    return pd.DataFrame(list(values.values()), index=keys)


def by_log(values: pd.DataFrame) -> pd.Series:
    return values.groupby(level="log").mean().mean()


def group_values(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the skill of every model in a group by metric, and for the total the mean |log| of its error.

    Skill is 1 for a perfect forecast and 0 for the same number for everybody: Gini itself, 2 AUC - 1, and 1 - the
    score over that of the best constant for the others.
    """
    found: dict[str, dict[str, float]] = {}
    for row in result["board"]["pooled"]:
        metric, value = row["metric"], row["value"]
        if metric not in JUDGED or value is None:
            continue
        if metric == "total_bias":
            at_dates = [
                fold["value"]
                for fold in result["board"]["folds"]
                if fold["metric"] == metric and fold["model"] == row["model"] and fold["value"] is not None
            ]
            # A total of nothing is worse than any other; 1 % of it stands for it.
            value = float(np.mean(np.abs(np.log(np.maximum(1.0 + np.array(at_dates), 0.01)))))
        elif metric == "roc_auc":
            value = 2 * value - 1
        elif metric != "gini":
            value = 1 - value / result["constant"][metric]
        found.setdefault(row["model"], {})[metric] = value
    return found


def interval_league(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per model with intervals: `rank`, `ratio` to the best score, share `held`, each log the same."""
    found = {(result["group"]["data_set"], result["name"]): result["interval_scores"] for result in results}
    frame, shares = (
        wide({key: {name: both[place] for name, both in own.items()} for key, own in found.items()})
        for place in (0, 1)
    )
    best = frame.min(axis=1)
    return pd.DataFrame(
        {
            "rank": by_log(frame.rank(axis=1)),
            "ratio": np.exp(by_log(np.log(frame.div(best, axis=0)))),
            "held": by_log(shares),
        }
    )
