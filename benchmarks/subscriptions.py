"""Churn of subscribers out of time, against sBG, Kaplan-Meier and logistic regression, on a table that you give.

`python benchmarks/subscriptions.py PATH` takes the subscriptions of Buffer (docs/subscriptions.md).
"""

from __future__ import annotations

import sys
from datetime import date

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from clvml.config import parse_any_config
from clvml.customers.subscription_snapshots import known_at, subscription_features, subscription_labels
from clvml.evaluation.metrics import brier, log_loss, roc_auc
from clvml.log.subscriptions import read_subscriptions
from clvml.models.contract import fit_contract_model, fit_curves, prior_p_churn

HORIZON = 90
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
    "windows": {"horizon_days": HORIZON},
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


def kaplan_meier(known: pd.DataFrame, at: date, features: pd.DataFrame) -> np.ndarray:
    """Return P(ends within the horizon) from the survival curve of each plan."""
    days = (known["end"].fillna(pd.Timestamp(at)) - known["start"]).dt.days
    curves = {}
    for plan, rows in known.groupby("plan").groups.items():
        if len(rows) < 100:
            rows = known.index[known["period_days"] == known.loc[rows, "period_days"].median()]
        length, ended = days.loc[rows].to_numpy(), known.loc[rows, "end"].notna().to_numpy()
        most = int(length.max()) + 1
        died = np.bincount(length[ended], minlength=most + 1)
        at_risk = len(length) - np.concatenate([[0], np.cumsum(np.bincount(length, minlength=most + 1))[:-1]])
        curves[plan] = np.concatenate([[1.0], np.cumprod(1 - died / np.maximum(at_risk, 1))])
    p = np.empty(len(features))
    for plan, rows in features.groupby("plan").indices.items():
        age, curve = features["current_days"].to_numpy()[rows], curves[plan]
        then = np.minimum(age + HORIZON, len(curve) - 1)
        p[rows] = 1 - curve[then] / np.maximum(curve[np.minimum(age, len(curve) - 1)], 1e-9)
    return p


def logistic(known: pd.DataFrame, at: date, features: pd.DataFrame) -> np.ndarray:
    """Return P(churn) of a logistic regression on tenure and plan, trained on the newest window that had ended."""
    before = at - pd.Timedelta(days=HORIZON)
    old = subscription_features(known, before)
    y = subscription_labels(known, before, HORIZON)[0].reindex(old["customer_id"]).to_numpy()
    plans = sorted(old["plan"].unique())

    def matrix(rows: pd.DataFrame) -> np.ndarray:
        told = [(rows["plan"] == plan).to_numpy(dtype=float) for plan in plans]
        return np.column_stack([np.log1p(rows["tenure_days"]), rows["tenure_days"] / 365, *told])

    return LogisticRegression(max_iter=1000).fit(matrix(old), y).predict_proba(matrix(features))[:, 1]


def main(path: str) -> None:
    config = parse_any_config(CONFIG, "configuration")
    data = config.data
    log = read_subscriptions(buffer_table(path), data.columns.model_dump(), data.early_columns)
    print(f"{len(log.frame):,} subscriptions; left out {log.rejected}; {log.overlapping:,} overlap")
    folds = []
    for cutoff in CUTOFFS:
        known = known_at(log.frame, cutoff)
        features = subscription_features(known, cutoff)
        churned, later = subscription_labels(log.frame, cutoff, HORIZON)
        model = fit_contract_model(known, cutoff, config)
        predicted = model.predict(model.features(known, cutoff))
        fold = pd.DataFrame(
            {
                "churned": churned.reindex(features["customer_id"]).to_numpy(),
                "price": features["monthly_price"],
                "later": later.reindex(features["customer_id"]).to_numpy(),
                "clvml": predicted["p_churn"],
                "sBG": prior_p_churn(fit_curves(known, cutoff), features, HORIZON),
                "Kaplan-Meier": kaplan_meier(known, cutoff, features),
                "logistic": logistic(known, cutoff, features),
                "customer_id": features["customer_id"],
            }
        )
        folds.append(fold)
        print(f"\n{cutoff}: {len(fold):,} subscribed, {fold['churned'].mean():.1%} left in {HORIZON} days")
        for name in ("clvml", "sBG", "Kaplan-Meier", "logistic"):
            p, kept = fold[name].clip(1e-4, 1 - 1e-4), fold["price"] * (1 - fold[name])
            told = "  ".join(f"{label} {float(of(fold['churned'], p)):.4f}" for label, of in MEASURES.items())
            left, money = p.sum() / fold["churned"].sum() - 1, kept.sum() / fold["later"].sum() - 1
            print(f"  {name:13} {told}  churned {left:+.1%}  monthly revenue {money:+.1%}")
    pooled = pd.concat(folds, ignore_index=True)
    codes, ids = pd.factorize(pooled["customer_id"])
    generator = np.random.default_rng(0)
    print("\nclvml less each rule, all dates together, 95 % interval of a bootstrap over customers")
    draws = [
        np.bincount(generator.integers(0, len(ids), len(ids)), minlength=len(ids))[codes]
        for _ in range(SAMPLES)
    ]
    y = pooled["churned"].to_numpy(dtype=float)
    for name in ("sBG", "Kaplan-Meier", "logistic"):
        for label, of in MEASURES.items():
            ours, theirs = (pooled[n].clip(1e-4, 1 - 1e-4).to_numpy() for n in ("clvml", name))
            gaps = [
                float(of(y, ours, w.astype(float))) - float(of(y, theirs, w.astype(float))) for w in draws
            ]
            low, high = np.quantile(gaps, [0.025, 0.975])
            print(
                f"  {name:13} {label:9} {float(of(y, ours)) - float(of(y, theirs)):+.4f} ({low:+.4f} to {high:+.4f})"
            )


if __name__ == "__main__":
    main(sys.argv[1])
