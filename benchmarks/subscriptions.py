"""Churn of subscribers out of time, against sBG, Kaplan-Meier and logistic regression, on a table that you give.

`python benchmarks/subscriptions.py PATH` takes the subscriptions of Buffer (docs/subscriptions.md).
"""

from __future__ import annotations

import sys
from datetime import date

import numpy as np
import pandas as pd

from clvml.config import SubscriptionConfig
from clvml.evaluation.metrics import brier, log_loss, roc_auc
from clvml.evaluation.subscription_rules import predict_subscription_fold
from clvml.log.subscriptions import read_subscriptions
from clvml.scores.totals import LEVEL

CUTOFFS = (date(2021, 9, 25), date(2021, 12, 24), date(2022, 3, 24), date(2022, 6, 22))
CONFIG = {
    "mode": "subscription",
    "data": {
        "source": "the table",
        "columns": {
            "customer_id": "customer_id",
            "start": "start_date",
            "end": "end_date",
            "plan": "plan_id",
            "price": "price",
            "period": "interval",
        },
        "early": ["posts_created", "failed_posts", "invoice_payment_failures", "channel_connection_failures"],
    },
    "windows": {"horizon_days": 90},
}
MEASURES = {"log loss": log_loss, "Brier": brier, "AUC": roc_auc}
SAMPLES = 200


def buffer_table(path: str) -> pd.DataFrame:
    """Return the table with a price for every row: that of the plan, as prices of May 2022 tell who was there then."""
    table = pd.read_parquet(path)
    table = table[table["interval"].notna()]
    unit = table["plan_amount_may2022"] / table["quantity"]
    by_plan = unit.groupby([table["plan_id"], table["interval"]]).transform("median")
    table["price"] = by_plan.fillna(unit.groupby(table["interval"]).transform("median")) * table["quantity"]
    return table


def intervals(fold: pd.DataFrame, churn: str) -> str:
    """Return the share held by the 80 % intervals, of all and where fewer than 80 % stay, and their score.

    The interval score (Gneiting & Raftery 2007) is a share of the mean revenue; less is better.
    """
    earned, low, high = (fold[name] for name in ("actual_spend", "low", "high"))
    held, free = earned.between(low, high), fold[churn] > 1 - LEVEL
    missed = (low - earned).clip(lower=0) + (earned - high).clip(lower=0)
    score = ((high - low) + 2 / (1 - LEVEL) * missed).mean() / earned.mean()
    total = fold["spend_0"].sum() / earned.sum() - 1
    return (
        f"revenue {total:+.1%}, intervals held {held.mean():.1%}, {held[free].mean():.1%} of the {free.mean():.0%} with"
        f" p_churn above {1 - LEVEL:.0%}; score {score:.3f}"
    )


def main(path: str) -> None:
    config = SubscriptionConfig.model_validate(CONFIG)
    data = config.data
    log = read_subscriptions(buffer_table(path), data.columns.model_dump(), data.early_columns)
    print(f"{len(log.frame):,} subscriptions; left out {log.reasons}; {log.overlapping:,} overlap")
    folds = []
    for cutoff in CUTOFFS:
        fold, models = predict_subscription_fold(log.frame, cutoff, config)
        columns = {model.name.partition(" (")[0]: model.churn for model in models if model.churn}
        folds.append(fold)
        print(f"\n{cutoff}: {len(fold):,} subscribed, {fold['churned'].mean():.1%} left in 90 days")
        print(f"  {intervals(fold, columns['clvml'])}")
        for name, column in columns.items():
            p, kept = fold[column], fold["monthly_price"] * (1 - fold[column])
            told = "  ".join(f"{label} {float(of(fold['churned'], p)):.4f}" for label, of in MEASURES.items())
            left, money = p.sum() / fold["churned"].sum() - 1, kept.sum() / fold["later_price"].sum() - 1
            print(f"  {name:13} {told}  churned {left:+.1%}  monthly revenue {money:+.1%}")
    pooled = pd.concat(folds, ignore_index=True)
    codes, ids = pd.factorize(pooled["customer_id"])
    generator = np.random.default_rng(0)
    print("\nclvml less each rule, all dates together, 95 % interval of a bootstrap over customers")
    draws = [
        np.bincount(generator.integers(0, len(ids), len(ids)), minlength=len(ids))[codes].astype(float)
        for _ in range(SAMPLES)
    ]
    y, ours = (pooled[name].to_numpy(dtype=float) for name in ("churned", columns.pop("clvml")))
    for name, column in columns.items():
        theirs = pooled[column].to_numpy()
        for label, of in MEASURES.items():
            gap = float(of(y, ours)) - float(of(y, theirs))
            gaps = [float(of(y, ours, w)) - float(of(y, theirs, w)) for w in draws]
            low, high = np.quantile(gaps, [0.025, 0.975])
            print(f"  {name:13} {label:9} {gap:+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main(sys.argv[1])
