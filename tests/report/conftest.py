from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvml.report.facts import Facts, read_facts

AS_OF = date(2024, 3, 1)
SEGMENTS = ("VIP", "regular", "lapsing", "lost")


def scored_frame(customers: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return rows as `clvml score` writes them, made up."""
    draw = np.random.default_rng(seed)
    p_churn = draw.uniform(0.01, 0.99, customers).round(6)
    spent = draw.lognormal(5, 1.4, customers).round(2)
    expected = (spent * (1 - p_churn) * 0.5).round(2)
    risk = np.select([p_churn < 1 / 3, p_churn < 2 / 3], ["low", "medium"], "high")
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{number:05d}" for number in range(customers)],
            "as_of": AS_OF.isoformat(),
            "horizon_days": 90,
            "p_churn": p_churn,
            "churn_risk": risk,
            "expected_spend": expected,
            "clv": (expected * 0.8).round(2),
            "historic_spend": spent,
            "last_order_date": "2024-02-01",
            "segment": np.asarray(SEGMENTS)[(p_churn * 4).astype(int)],
            "reason_1": "bought on 2 of the last 90 days (lowers churn risk)",
            "reason_2": "no purchase for 1 day; usually every 31 (raises churn risk)",
            "reason_3": None,
            "model_version": "3",
            "reason_1_key": "purchase_days_90d-",
            "reason_1_values": "2",
            "reason_2_key": "days_since_last_order+",
            "reason_2_values": "1;31",
            "reason_3_key": None,
            "reason_3_values": None,
        }
    )
    return frame.sort_values("clv", ascending=False, kind="stable").reset_index(drop=True)


def overview_of(frame: pd.DataFrame) -> dict[str, Any]:
    """Return an overview that goes with made-up rows."""
    segments = [
        {
            "segment": name,
            "customers": len(rows),
            "p_churn": float(rows["p_churn"].mean()),
            "expected_spend": float(rows["expected_spend"].sum()),
            "expected_spend_low": float(rows["expected_spend"].sum() * 0.8),
            "expected_spend_high": float(rows["expected_spend"].sum() * 1.3),
            "clv": float(rows["clv"].sum()),
        }
        for name, rows in [*frame.groupby("segment"), ("all", frame)]
    ]
    total = float(frame["expected_spend"].sum())
    shares = np.linspace(0, 1, 21)
    return {
        "format": 1,
        "as_of": AS_OF.isoformat(),
        "horizon_days": 90,
        "currency": "EUR",
        "customers": len(frame),
        "value": {"margin": 0.3, "discount_rate": 0.1, "horizon_days": 365, "retention_cost": 0.0},
        "segments": segments,
        "outlook": [
            {
                "segment": "all",
                "first_day": (AS_OF + timedelta(days=30 * step)).isoformat(),
                "days": 30,
                "expected_spend": total / 3,
                "expected_spend_low": total / 4,
                "expected_spend_high": total / 2,
            }
            for step in range(12)
        ],
        "turnover": [
            {"month": str(month), "spend": 1000.0 * (1 + month.month), "buyers": 10}
            for month in pd.period_range("2022-01", "2024-02", freq="M")
        ],
        "cohorts": [
            {"quarter": "2023Q1", "customers": 50, "returned": [0.4, 0.3, 0.2]},
            {"quarter": "2023Q4", "customers": 20, "returned": []},
        ],
        "new_customers": {
            "customers": 30,
            "first_day": "2022-06-01",
            "last_day": "2023-02-28",
            "horizon_days": 365,
            "mean_spend": 210.0,
            "median_spend": 120.0,
            "mean_first_spend": 60.0,
        },
        "quality": {
            "rows_in": 1000,
            "money_in": 9000.0,
            "rows_out": 990,
            "money_out": 8900.0,
            "one_time_share": 0.31,
            "reasons": [
                {"reason": "missing customer id", "treatment": "rejected", "rows": 10, "money": 100.0},
                {"reason": "refund", "treatment": "kept", "rows": 3, "money": -20.0},
            ],
            "warnings": [],
        },
        "evidence": {
            "cutoffs": ["2023-09-01", "2023-12-01"],
            "predictions": 700,
            "champion": "clvml",
            "models": {
                "clvml": {"wape": 0.7, "top_10_share": 0.6, "roc_auc": 0.8, "total_bias": 0.02},
                "trailing 365 days": {"wape": 0.8, "top_10_share": 0.58},
                "zero": {"wape": 1.0},
            },
            "verdicts": {"wape": "better", "roc_auc": "no clear difference"},
            "top_fifth_share": 0.72,
            "total_off": 0.05,
            "coverage": 0.81,
            "gains": {
                "customers": shares.tolist(),
                "model": (shares**0.5).tolist(),
                "perfect": (shares**0.3).tolist(),
            },
            "calibration": [
                {"customers": 70, "p_churn": tenth / 10, "churned": tenth / 10} for tenth in range(10)
            ],
            "drivers": [
                {"group": "frequency", "share": 0.6, "direction": "stay"},
                {"group": "recency", "share": 0.4, "direction": "leave"},
            ],
        },
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    """Return a function that writes a scored file."""

    def written(frame: pd.DataFrame) -> Path:
        path = tmp_path / "scores.csv"
        frame.to_csv(path, index=False)
        return path

    return written


@pytest.fixture
def facts(write: Callable[[pd.DataFrame], Path]) -> Facts:
    frame = scored_frame()
    return replace(read_facts(write(frame), overview_of(frame)), won=won(fair=4.0, ads=1.5))


def won(**ratios: float) -> pd.DataFrame:
    """Return what winning customers cost and brings, by source: made-up ratios of value to cost, at one cost."""
    rows = {
        name: {
            "customers": 100 if name != "all" else 100 * len(ratios),
            "spend": 5000.0,
            "cost_each": 50.0,
            "value_to_cost": ratio,
            "ratio_low": ratio - 0.5,
            "ratio_high": ratio + 0.5,
            "highest_cost": 50.0 * ratio,
            "payback_months": 3.0 if ratio > 1 else float("nan"),
        }
        for name, ratio in {**ratios, "all": sum(ratios.values()) / len(ratios)}.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
