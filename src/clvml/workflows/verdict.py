"""What a test out of time says, in numbers and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from clvml.evaluation.backtest import MODEL_NAME, Backtest
from clvml.evaluation.evidence import interval_coverage
from clvml.evaluation.leaderboard import FEWEST_CUSTOMERS, METRICS
from clvml.evaluation.next_order import next_order_errors
from clvml.evaluation.reach import churn_reach
from clvml.evaluation.versus import gain_text, gains, short_label
from clvml.scores.columns import whom

# The metrics by which tables beside the purchases are judged.
_OF_GIVEN = ("wape", "rmse", "gini", "roc_auc", "log_loss", "brier")


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
        parts.append(f"its {'revenue' if tested.subscribers else 'spend'} error (WAPE) is {mine}, {said}")
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


def window_notes(tested: Backtest, horizon_days: int) -> list[str]:
    """Return what to know of test windows in which a metric says little or nothing, a sentence each."""
    notes = []
    customers = tested.predictions["customer_id"].nunique()
    if customers < FEWEST_CUSTOMERS:
        notes.append(
            f"tested on {customers:,} {whom(tested.subscribers, 'customer')}{'s' * (customers > 1)} only: too few to"
            " tell a good model from a bad one; do not rely on these metrics"
        )
    if tested.subscribers:
        return notes
    for cutoff, rows in tested.predictions.groupby("cutoff", sort=True):
        start = pd.Timestamp(str(cutoff)).date()
        window = f"from {start} to {start + timedelta(days=horizon_days - 1)}"
        total = float(rows["actual_spend"].sum())
        if (rows["churned"] == 1).all():
            notes.append(
                f"nobody who had bought before bought anything {window}: this test window says nothing of who comes"
                " back or what they spend"
            )
        elif total <= 0:
            notes.append(
                f"more was refunded than sold {window} (net {total:,.2f}): metrics that divide by the total leave this"
                " test window out"
            )
        if (rows["churned"] == 0).all():
            notes.append(f"every customer came back {window}: this test window says nothing of who leaves")
    return notes


def thin_history(customers: pd.DataFrame) -> list[str]:
    """Return a warning where customers, one row each with ``purchase_days``, are too few to learn from."""
    number, returned = len(customers), int((customers["purchase_days"] > 1).sum())
    if number >= FEWEST_CUSTOMERS and returned:
        return []
    bought = (
        f"{number:,} customer{'s' * (number > 1)} bought anything, {returned:,} of them on two days or more"
    )
    return [
        f"next to nothing can be learnt from this data: {bought}. The forecasts are little more than averages; do"
        " not rely on this model until there is more"
    ]


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


def short_name(model: str) -> str:
    """Return the name of a model without what it says in brackets.

    >>> short_name("BTYD (MBG/NBD, Gamma-Gamma)")
    'BTYD'
    """
    return model.partition(" (")[0]


def headline_metrics(tested: Backtest) -> dict[str, float]:
    """Return the pooled metrics of our model by name, interval coverage and, of purchases, next orders."""
    pooled = tested.leaderboard.pooled
    ours = pooled[pooled["model"] == MODEL_NAME]
    metrics = {str(metric): float(value) for metric, value in zip(ours["metric"], ours["value"], strict=True)}
    metrics["interval_coverage"] = interval_coverage(tested.predictions)
    if tested.subscribers:
        return metrics
    found = next_order_errors(tested.predictions)
    return metrics | {"next_order_error_days": found.error, "usual_gap_error_days": found.usual_error}


def next_order_note(tested: Backtest) -> list[str]:
    """Return a sentence on how near the dates of next orders came; none where no such order came."""
    if tested.subscribers:
        return []
    found = next_order_errors(tested.predictions)
    if not found.customers:
        return []
    return [
        f"next orders: of {found.customers:,} forecasts of a date after which the customer did come back, half were"
        f" less than {found.error:.0f} days off; the customer's usual gap was {found.usual_error:.0f} days off"
    ]


def given_notes(tested: Backtest) -> list[str]:
    """Return a sentence on what attributes of customers bring out of time, and one on what events do, where read."""
    notes = []
    for group, board in tested.without.items():
        found = gains(board)[MODEL_NAME]
        told = {
            verdict: [name for name in _OF_GIVEN if name in found and found[name].verdict == verdict]
            for verdict in ("better", "no clear difference", "worse")
        }
        said = [
            f"{verdict}: {', '.join(gain_text(found[name]) for name in names)}"
            for verdict, names in told.items()
            if names
        ]
        notes.append(
            f"what {group} bring, against the same model without them (gain, 95% interval of a paired bootstrap):"
            f" {'; '.join(said)}"
        )
    return notes


def _defined(rows: Mapping[str, Any], metric: str) -> bool:
    return metric in rows and bool(np.isfinite([rows[metric]["champion_value"], rows[metric]["low"]]).all())


def _standing(tested: Backtest, best: Mapping[str, Any], metric: str) -> str:
    versus = tested.leaderboard.versus
    if (versus.loc[versus["metric"] == metric, "verdict"] == "better").all():
        return "better than every baseline"
    row = best[metric]
    how = "worse than" if row["verdict"] == "worse" else "about as well as"
    return f"{how} the best baseline, {short_name(row['opponent'])}"
