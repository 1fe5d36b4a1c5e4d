"""What the benchmark measures beside the metrics of the leaderboard: intervals, and the best constant forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clvml.evaluation.metrics import brier, log_loss, rmse


def coverage(predictions: pd.DataFrame, name: str) -> dict[str, float]:
    """Return how often the 80 % interval held: overall, for one-time buyers, in the worst tenths by value.

    Means over the dates. Refunds of earlier orders can make spend negative; zero counts as the least.
    """
    actual = np.maximum(predictions["actual_spend"], 0.0)
    held = pd.DataFrame(
        {
            "held": (actual >= predictions[f"{name} low"]) & (actual <= predictions[f"{name} high"]),
            "cutoff": predictions["cutoff"],
            "once": predictions["purchase_days"] == 1,
        }
    )
    rank = predictions.groupby("cutoff")[f"{name} spend"].rank(method="first", pct=True)
    held["tenth"] = np.ceil(rank * 10).astype(int)

    def mean(rows: pd.DataFrame) -> float:
        return float(rows.groupby("cutoff")["held"].mean().mean())

    tenths = {tenth: mean(rows) for tenth, rows in held.groupby("tenth")}
    return {
        "overall": mean(held),
        "one-time buyers": mean(held[held["once"]]) if held["once"].any() else float("nan"),
        "lowest tenth": min(tenths.values()),
        "highest tenth": max(tenths.values()),
        "top tenth": tenths[10],
    }


def interval_score(predictions: pd.DataFrame, name: str) -> tuple[float, float]:
    """Return the interval score [currency] of 80 % intervals, and the share they held: means over the dates.

    Width, plus 2 / .2 of the distance of what lies outside (Gneiting and Raftery 2007). Best are the 10 % and the 90 %
    quantile.
    """
    actual = np.maximum(predictions["actual_spend"], 0.0)
    low, high = predictions[f"{name} low"], predictions[f"{name} high"]
    outside = np.maximum(low - actual, 0.0) + np.maximum(actual - high, 0.0)
    found = pd.DataFrame({"score": high - low + 2 / 0.2 * outside, "held": outside == 0})
    means = found.groupby(predictions["cutoff"]).mean().mean()
    return float(means["score"]), float(means["held"])


def constant_scores(predictions: pd.DataFrame) -> dict[str, float]:
    """Return what the same number for everybody scores, were the best one known: the zero of a skill.

    RMSE of the mean spend, log loss and Brier score of the churn rate; means over the dates.
    """
    rows = []
    for _, fold in predictions.groupby("cutoff"):
        rate = np.full(len(fold), fold["churned"].mean())
        rows.append(
            {
                "rmse": rmse(fold["actual_spend"], np.full(len(fold), fold["actual_spend"].mean())),
                "log_loss": log_loss(fold["churned"], rate),
                "brier": brier(fold["churned"], rate),
            }
        )
    return pd.DataFrame(rows).mean().to_dict()
