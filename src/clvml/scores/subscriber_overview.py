"""The overview of a scoring of subscriptions; `clvml.scores.overview` is that of purchases."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from clvml.customers.cohorts import MONTHS_SHOWN, MOST_MONTHS, retention
from clvml.customers.subscription_snapshots import MONTH_DAYS, known_at, subscription_revenue
from clvml.log.subscriptions import SubscriptionLog
from clvml.models.contract import ContractModel
from clvml.models.outlook import HORIZONS
from clvml.scores.overview import COHORTS, FORMAT, STEP_DAYS
from clvml.scores.totals import lost_variance, retained_interval, retained_total


def subscriber_overview(
    scores: pd.DataFrame,
    log: SubscriptionLog,
    model: ContractModel,
    as_of: date,
    evidence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summaries of all subscribers, ready for JSON.

    Parameters
    ----------
    scores : DataFrame
        The scored rows.
    log : SubscriptionLog
        The subscriptions that were scored.
    model : ContractModel
        The model that scored them.
    as_of : date
        The first day not observed.
    evidence : dict, optional
        How good the model is (`clvml.evaluation.evidence`).

    Returns
    -------
    dict
        As `clvml.scores.overview.build_overview`, without the parts for purchases: ``turnover`` is the revenue earned
        per month, ``buyers`` are the customers who were subscribed in it, and ``retention`` is that of the cohorts by
        quarter (`clvml.customers.cohorts`).
    """
    known = known_at(log.frame, as_of)
    return {
        "format": FORMAT,
        "as_of": as_of.isoformat(),
        "horizon_days": model.horizon_days,
        "trained_as_of": model.as_of.isoformat(),
        "currency": log.currency,
        "customers": len(scores),
        "value": model.config.value.model_dump(),
        "segments": [_all(scores)],
        "outlook": _outlook(scores, known, model, as_of),
        "turnover": _turnover(known, as_of),
        "cohorts": [],
        "retention": _retention(known, as_of),
        "new_customers": None,
        "quality": log.quality.to_dict(),
        "evidence": evidence,
    }


def _all(scores: pd.DataFrame) -> dict[str, Any]:
    """Return the sums over all subscribers, with the keys of a segment of purchases."""
    low, high = retained_total(scores)
    return {
        "segment": "all",
        "customers": len(scores),
        "p_churn": round(float(scores["p_churn"].mean()), 6),
        "expected_spend": round(float(scores["expected_spend"].sum()), 2),
        "expected_spend_low": round(low, 2),
        "expected_spend_high": round(high, 2),
        "clv": round(float(scores["clv"].sum()), 2),
    }


def _outlook(
    scores: pd.DataFrame, known: pd.DataFrame, model: ContractModel, as_of: date
) -> list[dict[str, Any]]:
    # The calendar ends with the year 9999.
    ends = list(range(STEP_DAYS, min(HORIZONS[-1], (date.max - as_of).days) + 1, STEP_DAYS))
    features = model.features(known, as_of)
    p_churn = features["customer_id"].map(scores.set_index("customer_id")["p_churn"])
    steps = np.diff(model.revenue(features, p_churn, ends), axis=1, prepend=0.0)
    full = features["monthly_price"].to_numpy()[:, None] / MONTH_DAYS * STEP_DAYS
    lost = np.maximum(full - steps, 0.0)
    low, high = retained_interval(full.sum(), lost.sum(axis=0), lost_variance(full, lost).sum(axis=0))
    return [
        {
            "segment": "all",
            "first_day": (as_of + timedelta(days=end - STEP_DAYS)).isoformat(),
            "days": STEP_DAYS,
            "expected_spend": round(amount, 2),
            "expected_spend_low": round(least, 2),
            "expected_spend_high": round(most, 2),
        }
        for end, amount, least, most in zip(
            ends, steps.sum(axis=0).tolist(), low.tolist(), high.tolist(), strict=True
        )
    ]


def _turnover(known: pd.DataFrame, as_of: date) -> list[dict[str, Any]]:
    """Return the revenue of each of the last months before ``as_of``; the newest month ends there."""
    last = as_of - timedelta(days=1)
    first = known["start"].min().date()
    rows = []
    for month in pd.period_range(first, last, freq="M")[-MOST_MONTHS:]:
        begin = max(month.start_time.date(), first)
        earned = subscription_revenue(known, begin, (min(month.end_time.date(), last) - begin).days + 1)
        rows.append({"month": str(month), "spend": round(float(earned.sum()), 2), "buyers": len(earned)})
    return rows


def _retention(known: pd.DataFrame, as_of: date) -> list[dict[str, Any]]:
    table = retention(known, as_of, "quarter")
    newest = sorted(table["cohort"].unique())[-COHORTS:]
    shown = table[table["cohort"].isin(newest) & table["month"].isin([0, *MONTHS_SHOWN])]
    return [
        {
            "quarter": row["cohort"],
            "customers": row["customers"],
            "month": row["month"],
            "retention": row["retention"],
            "revenue_retention": None if pd.isna(row["revenue_retention"]) else row["revenue_retention"],
        }
        for row in shown.to_dict("records")
    ]
