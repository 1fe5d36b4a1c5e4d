"""What a test out of time says, in numbers and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from clvml.evaluation.backtest import MODEL_NAME, Backtest
from clvml.evaluation.leaderboard import METRICS
from clvml.evaluation.reach import churn_reach


def answer(tested: Backtest) -> str:
    """Return in one sentence how the model compares with the baselines."""
    board = tested.leaderboard
    best = {row["metric"]: row for row in board.best_others().to_dict("records")}
    dates = len(board.folds["cutoff"].unique())
    parts = []
    if _defined(best, "gini"):
        parts.append(f"finds the money {_standing(tested, best, 'gini')}")
    if _defined(best, "wape"):
        row = best["wape"]
        mine = METRICS["wape"].text(row["champion_value"])
        theirs = f"{METRICS['wape'].text(row['opponent_value'])} of {short_name(row['opponent'])}"
        words = {"better": f"below the {theirs}", "worse": f"above the {theirs}"}
        said = words.get(row["verdict"], f"not clearly different from the {theirs}")
        parts.append(f"its spend error (WAPE) is {mine}, {said}")
    if _defined(best, "roc_auc"):
        parts.append(f"it tells who will leave {_standing(tested, best, 'roc_auc')}")
    if _defined(best, "total_bias"):
        size = METRICS["total_bias"].text(best["total_bias"]["champion_value"], signed=False)
        parts.append(f"the total it expected was {size} off on average")
    said = "; ".join(parts) or "could not be compared, because nothing happened in the test windows"
    return f"Across {dates} test date{'s' * (dates > 1)}, {MODEL_NAME} {said}."


def reach(tested: Backtest) -> tuple[date, pd.DataFrame]:
    """Return the newest test date, and whom each churn cut-off reached on it (`churn_reach`)."""
    newest = tested.predictions["cutoff"].max()
    rows = tested.predictions[tested.predictions["cutoff"] == newest]
    return pd.Timestamp(newest).date(), churn_reach(rows["churned"], rows[tested.models[0].churn])


def standings(tested: Backtest, metrics: Sequence[str]) -> dict[str, list[str]]:
    """Return ``{verdict: metrics}`` in words, against the best baseline of each metric."""
    found: dict[str, list[str]] = {"better": [], "no clear difference": [], "worse": []}
    rows = {row["metric"]: row for row in tested.leaderboard.best_others().to_dict("records")}
    for name in metrics:
        if _defined(rows, name):
            row, metric = rows[name], METRICS[name]
            theirs = metric.text(row["opponent_value"], signed=False)
            label = "size of the bias" if name == "total_bias" else short_label(name)
            found[row["verdict"]].append(f"{label} ({short_name(row['opponent'])}: {theirs})")
    return found


def short_label(metric: str) -> str:
    """Return the name of a metric for the head of a column.

    >>> short_label("wape"), short_label("top_10_share")
    ('WAPE', 'top 10 %')
    """
    label = METRICS[metric].label
    return label.partition("(")[2].rstrip(")") or label.removeprefix("Money in the ")


def short_name(model: str) -> str:
    """Return the name of a model without what it says in brackets.

    >>> short_name("BTYD (MBG/NBD, Gamma-Gamma)")
    'BTYD'
    """
    return model.partition(" (")[0]


def headline_metrics(tested: Backtest) -> dict[str, float]:
    """Return the pooled metrics of our model by name, with the coverage of its intervals."""
    pooled = tested.leaderboard.pooled
    ours = pooled[pooled["model"] == MODEL_NAME]
    metrics = {str(metric): float(value) for metric, value in zip(ours["metric"], ours["value"], strict=True)}
    frame = tested.predictions
    # Refunds of earlier purchases can make spend negative; an interval from zero holds what is at most zero.
    actual = np.maximum(frame["actual_spend"], 0.0)
    held = pd.Series((actual >= frame["low"]) & (actual <= frame["high"]))
    metrics["interval_coverage"] = float(held.groupby(frame["cutoff"]).mean().mean())
    return metrics


def _defined(rows: Mapping[str, Any], metric: str) -> bool:
    return metric in rows and bool(np.isfinite([rows[metric]["champion_value"], rows[metric]["low"]]).all())


def _standing(tested: Backtest, best: Mapping[str, Any], metric: str) -> str:
    versus = tested.leaderboard.versus
    if (versus.loc[versus["metric"] == metric, "verdict"] == "better").all():
        return "better than every baseline"
    row = best[metric]
    how = "worse than" if row["verdict"] == "worse" else "about as well as"
    return f"{how} the best baseline, {short_name(row['opponent'])}"
