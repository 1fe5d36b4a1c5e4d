"""Monitoring: what was predicted against what happened, drift since training, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers.snapshots import CustomerDays
from clvml.customers.subscription_snapshots import known_at, subscription_labels, subscription_revenue
from clvml.errors import InputError
from clvml.evaluation.folds import interval
from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS, coverage
from clvml.models.outlook import HORIZONS
from clvml.outcomes.drift import STRONG_DRIFT, drift, subscriber_drift
from clvml.scores.columns import is_of_subscribers, whom
from clvml.scores.scorer import Scorer
from clvml.scores.subscribers import SubscriptionScorer
from clvml.scores.tiers import TIERS
from clvml.scores.totals import LEVEL, retained_total

Recommendation = Literal["keep", "recalibrate", "retrain"]
Array = NDArray[np.float64]

# From this share of the explained churn risk on, a model with drifted features is asked about customers it
# has not met.
_DRIFTED_SHARE = 0.3
# Ranking metrics of the new period may fall so far below those of training, beside chance.
_TOLERATED_FALL = 0.02
_MISCALIBRATED = 0.10
_LEAST_COVERAGE = 0.65
# Older than so many horizons, a model is stale whatever it scores.
_STALE_HORIZONS = 2
_BOOTSTRAP_SAMPLES = 200
_MOST_RESAMPLED = 20_000
RANKING_METRICS = ("roc_auc", "spearman")


@dataclass(frozen=True)
class Monitoring:
    """What became of a scored file.

    Attributes
    ----------
    as_of, until : date
        Dates of the scores, and of the end of the new data.
    horizon_days, compared_days : int
        Days that the scores look ahead, and days of them that were compared: the longest of the scored horizons
        that is over; 0 where none is.
    customers, new_customers : int
        In the scored file; in the data without a score (of subscriptions: those who first subscribed since).
    metrics : dict of str to float
        Of spend over the compared days; of churn and of the intervals once the whole horizon is over.
    tiers : DataFrame
        One row per value tier: ``value_tier, customers, expected_spend, actual_spend`` [currency], and, once
        the horizon is over, ``p_churn``, ``churned``, ``interval_coverage``.
    drift : DataFrame
        One row per score and feature, the most drifted first: ``name, description, psi, distance`` (largest
        difference of the two distribution functions), ``median_then, median_now, weight`` (share of the
        explained churn risk), ``words``.
    recommendation : {"keep", "recalibrate", "retrain"}
    reasons : list of str
        Why, in words.
    unjudged : list of str
        What could not be judged, and why.
    grace_days : int
        Days after the horizon until churn is known (of subscriptions).
    subscribers : bool
        The scores are of subscriptions.
    """

    as_of: date
    until: date
    horizon_days: int
    compared_days: int
    customers: int
    new_customers: int
    metrics: dict[str, float]
    tiers: pd.DataFrame
    drift: pd.DataFrame
    recommendation: Recommendation
    reasons: list[str]
    unjudged: list[str]
    grace_days: int = 0
    subscribers: bool = False


def monitor(
    scores: pd.DataFrame,
    days: CustomerDays,
    until: date,
    scorer: Scorer | None,
    promised: Mapping[str, float] | None = None,
) -> Monitoring:
    """Compare a scored file with what the log says happened since.

    Parameters
    ----------
    scores : DataFrame
        A scored file (`clvml.scores.scorer.read_scores`).
    days : CustomerDays
        Of a log that goes on beyond the date of the scores.
    until : date
        The first day that the log does not cover.
    scorer : Scorer, optional
        The model that made the scores; without it, neither drift nor the total nor the age are judged.
    promised : mapping of str to float, optional
        Metrics of the model's training, out of time.

    Raises
    ------
    InputError
        The log ends before 30 days are over, or holds none of the scored customers.
    """

    def happened(as_of: date, compared: int) -> pd.DataFrame:
        labels = days.labels(as_of, compared)
        return labels.assign(churned=(labels["purchases"] == 0).astype(int)).set_index("customer_id")

    return _judged(
        scores,
        happened,
        lambda horizon: days.features(until, horizon)["customer_id"],
        drift(days, until, scorer),
        until,
        scorer,
        promised or {},
    )


def monitor_subscribers(
    scores: pd.DataFrame,
    subscriptions: pd.DataFrame,
    until: date,
    scorer: SubscriptionScorer | None,
    promised: Mapping[str, float] | None = None,
    grace_days: int = 0,
) -> Monitoring:
    """Compare a scored file of subscriptions with what their table says happened since, as `monitor` does.

    Churned is who is not subscribed at the end of the window, nor within the grace period after it, which must be
    over, too.
    """

    def happened(as_of: date, compared: int) -> pd.DataFrame:
        churned, _ = subscription_labels(known, as_of, compared, grace_days)
        earned = subscription_revenue(known, as_of, compared)
        return pd.DataFrame({"churned": churned, "actual_spend": earned.reindex(churned.index)})

    def customers(horizon: int) -> pd.Series:
        # Those who had left before the scores have none either.
        first = known.groupby("customer_id", as_index=False)["start"].min()
        since = first["start"] >= pd.Timestamp(str(scores["as_of"].iloc[0]))
        return first.loc[since | first["customer_id"].isin(scores["customer_id"]), "customer_id"]

    known = known_at(subscriptions, until)
    return _judged(
        scores,
        happened,
        customers,
        subscriber_drift(subscriptions, until, scorer),
        until,
        scorer,
        promised or {},
        grace_days,
    )


def _judged(
    scores: pd.DataFrame,
    happened: Callable[[date, int], pd.DataFrame],
    customers: Callable[[int], pd.Series],
    drifted: pd.DataFrame,
    until: date,
    scorer: Scorer | SubscriptionScorer | None,
    promised: Mapping[str, float],
    grace_days: int = 0,
) -> Monitoring:
    """Judge scores by what ``happened`` in so many days from a date: ``churned``, ``actual_spend`` [currency], by id.

    ``customers`` returns the ids of all customers, by the horizon.
    """
    as_of = date.fromisoformat(str(scores["as_of"].iloc[0]))
    horizon = int(scores["horizon_days"].iloc[0])
    elapsed = (until - as_of).days - grace_days
    over = [days_ahead for days_ahead in {*HORIZONS, horizon} if days_ahead <= elapsed]
    if not over:
        raise InputError(
            f"the scores are as of {as_of} and the data ends before {until}: {max(elapsed + grace_days, 0)} days are"
            f" too few to compare, {min(*HORIZONS, horizon) + grace_days} are needed; monitor again later or give newer"
            " data"
        )
    compared = horizon if horizon in over else max(over)
    outcome = _outcome(scores, happened(as_of, compared), compared)
    seen = customers(horizon).isin(set(scores["customer_id"]))
    if not seen.any():
        raise InputError(
            f"none of the {len(scores):,} scored customers is in the data; give the log that the scores were made"
            " from, with the same customer ids, continued to a later day"
        )
    metrics = _metrics(outcome, compared == horizon)
    if compared != horizon:
        # What training reached is of the whole horizon; over a part of it fewer buy, and their order is less sure.
        promised = {}
    recommendation, reasons = _recommend(outcome, metrics, drifted, promised, scorer, until)
    unjudged = _unjudged(metrics, drifted, promised, scorer, is_of_subscribers(scores.columns))
    return Monitoring(
        as_of=as_of,
        until=until,
        horizon_days=horizon,
        compared_days=compared,
        customers=len(scores),
        new_customers=int((~seen).sum()),
        metrics=metrics,
        tiers=_by_tier(outcome, compared == horizon),
        drift=drifted,
        recommendation=recommendation,
        reasons=reasons,
        unjudged=unjudged,
        grace_days=grace_days,
        subscribers=is_of_subscribers(scores.columns),
    )


def _outcome(scores: pd.DataFrame, happened: pd.DataFrame, compared: int) -> pd.DataFrame:
    """Return the scores with ``predicted_spend`` over the compared days, ``actual_spend`` and ``churned``."""
    horizon = int(scores["horizon_days"].iloc[0])
    predicted = "expected_spend" if compared == horizon else f"expected_spend_{compared}d"
    of_scored = happened.reindex(scores["customer_id"])
    return scores.assign(
        predicted_spend=scores[predicted],
        actual_spend=of_scored["actual_spend"].fillna(0.0).to_numpy(),
        churned=of_scored["churned"].fillna(1).astype(int).to_numpy(),
    )


def _metrics(outcome: pd.DataFrame, horizon_over: bool) -> dict[str, float]:
    actual, predicted = outcome["actual_spend"].to_numpy(), outcome["predicted_spend"].to_numpy()
    metrics = {name: float(metric.function(actual, predicted)) for name, metric in SPEND_METRICS.items()}
    metrics |= {"actual_total": float(actual.sum()), "expected_total": float(predicted.sum())}
    if horizon_over:
        churned, p_churn = outcome["churned"].to_numpy(), outcome["p_churn"].to_numpy()
        metrics |= {name: float(metric.function(churned, p_churn)) for name, metric in CHURN_METRICS.items()}
        metrics |= {"churn_rate": float(churned.mean()), "mean_p_churn": float(p_churn.mean())}
        metrics |= _coverage(outcome)
    return metrics


def _coverage(outcome: pd.DataFrame) -> dict[str, float]:
    if "expected_spend_low" not in outcome:
        # Of subscriptions, scored before they had intervals.
        return {}
    # Refunds of earlier purchases can make spend negative; an interval from zero holds what is at most zero.
    spent = np.maximum(outcome["actual_spend"], 0.0).round(2)
    held = coverage(spent, outcome["expected_spend_low"], outcome["expected_spend_high"])
    return {"interval_coverage": held}


def _by_tier(outcome: pd.DataFrame, horizon_over: bool) -> pd.DataFrame:
    rows = []
    for tier in TIERS:
        own = outcome[outcome["value_tier"] == tier]
        if own.empty:
            continue
        row: dict[str, Any] = {
            "value_tier": tier,
            "customers": len(own),
            "expected_spend": float(own["predicted_spend"].sum()),
            "actual_spend": float(own["actual_spend"].sum()),
        }
        if horizon_over:
            row |= {
                "p_churn": float(own["p_churn"].mean()),
                "churned": float(own["churned"].mean()),
                **_coverage(own),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _recommend(
    outcome: pd.DataFrame,
    metrics: dict[str, float],
    drift: pd.DataFrame,
    promised: Mapping[str, float],
    scorer: Scorer | SubscriptionScorer | None,
    until: date,
) -> tuple[Recommendation, list[str]]:
    retrain: list[str] = []
    subscribers = is_of_subscribers(outcome.columns)
    for name in RANKING_METRICS:
        if name in metrics and name in promised:
            low, high = _chance(outcome, name)
            if high < promised[name] - _TOLERATED_FALL:
                label = {**SPEND_METRICS, **CHURN_METRICS}[name].label
                retrain.append(
                    f"the order of {whom(subscribers)} is worse than in training: {label} {metrics[name]:.3f}"
                    f" ({low:.3f} to {high:.3f} by chance), {promised[name]:.3f} in training"
                )
    if scorer is not None and (age := (until - scorer.model.as_of).days) > (
        _STALE_HORIZONS * scorer.model.horizon_days
    ):
        retrain.append(
            f"the model was trained {age:,} days ago, more than {_STALE_HORIZONS} horizons of"
            f" {scorer.model.horizon_days:,} days"
        )
    drifted = drift[(drift["psi"] >= STRONG_DRIFT) & drift["weight"].notna()]
    share = float(drifted["weight"].sum()) if len(drifted) else 0.0
    if share >= _DRIFTED_SHARE:
        named = ", ".join(drifted.sort_values("weight", ascending=False)["description"].head(3))
        retrain.append(
            f"features that make up {share:.0%} of the explained churn risk have strongly changed: {named}"
        )
    if retrain:
        return "retrain", retrain

    recalibrate: list[str] = []
    # P(churn) is of the whole horizon, and so is the interval of the total.
    if "interval_coverage" in metrics and (ends := _total_interval(outcome, metrics, scorer)):
        low, high, level = ends
        if not low <= metrics["actual_total"] <= high:
            spent = "subscribers brought" if subscribers else "customers spent"
            recalibrate.append(
                f"{spent} {metrics['actual_total']:,.0f} where {metrics['expected_total']:,.0f} was"
                f" expected ({low:,.0f} to {high:,.0f} at {level:.0%})"
            )
    if metrics.get("expected_calibration_error", 0.0) > _MISCALIBRATED:
        did = "left" if subscribers else "bought nothing"
        recalibrate.append(
            f"{metrics['churn_rate']:.0%} {did} where {metrics['mean_p_churn']:.0%} were expected to"
        )
    if metrics.get("interval_coverage", 1.0) < _LEAST_COVERAGE:
        recalibrate.append(
            f"the intervals of spend held {metrics['interval_coverage']:.0%} of {whom(subscribers)}, fewer than"
            f" {_LEAST_COVERAGE:.0%}"
        )
    if recalibrate:
        return "recalibrate", recalibrate
    if scorer is None and "churn_rate" not in metrics:
        return "keep", ["nothing can be judged yet"]
    reasons = ["all that could be judged is within its limits"]
    if share > 0.0:
        reasons.append(
            f"features that make up {share:.0%} of the explained churn risk have strongly changed; below"
            f" {_DRIFTED_SHARE:.0%} that alone is not a reason to train again"
        )
    return "keep", reasons


def _total_interval(
    outcome: pd.DataFrame, metrics: Mapping[str, float], scorer: Scorer | SubscriptionScorer | None
) -> tuple[float, float, float] | None:
    """Return the ends of the interval of the total over the horizon, and its level; None without the model."""
    if is_of_subscribers(outcome.columns):
        return *retained_total(outcome), LEVEL
    if not isinstance(scorer, Scorer):
        return None
    intervals = scorer.model.intervals
    variance = intervals.variance(outcome["predicted_spend"], outcome["p_churn"])
    return *intervals.total_interval(metrics["expected_total"], float(variance.sum())), intervals.level


def _unjudged(
    metrics: Mapping[str, float],
    drift: pd.DataFrame,
    promised: Mapping[str, float],
    scorer: Scorer | SubscriptionScorer | None,
    subscribers: bool,
) -> list[str]:
    """Return what the recommendation knows nothing of."""
    missing, order = [], f"the order of {whom(subscribers)}"
    if "churn_rate" not in metrics:
        missing.append(f"{order}, churn, intervals and the total (the horizon is not over)")
    elif not any(name in promised for name in RANKING_METRICS):
        missing.append(f"{order} (what the model reached in training is not known)")
    if "churn_rate" in metrics and "interval_coverage" not in metrics:
        missing.append("the total (the scores have no intervals)")
    if scorer is None:
        # The total of subscribers is judged from their scores alone.
        total = "" if subscribers else "total spend, "
        missing.append(f"{total}drift and the age of the model (the model cannot be read)")
    elif drift.empty:
        gone = "nobody is subscribed any more, or " if subscribers else ""
        missing.append(f"drift ({gone}the data does not reach back to the training)")
    return missing


def _chance(outcome: pd.DataFrame, name: str) -> tuple[float, float]:
    """Return the ends of the 95 % bootstrap interval of a ranking metric."""
    pair = ("churned", "p_churn") if name in CHURN_METRICS else ("actual_spend", "predicted_spend")
    metric = {**SPEND_METRICS, **CHURN_METRICS}[name]
    if len(outcome) > _MOST_RESAMPLED:
        # A wider interval only makes the alarm more cautious.
        outcome = outcome.sample(_MOST_RESAMPLED, random_state=0)
    even = np.full(len(outcome), 1.0 / len(outcome))
    drawn = np.random.default_rng(0).multinomial(len(outcome), even, _BOOTSTRAP_SAMPLES).T
    values = metric.function(outcome[pair[0]], outcome[pair[1]], drawn.astype(float))
    return interval(np.asarray(values))


def next_check(monitoring: Monitoring) -> date:
    """Return the day from which the whole horizon of the scores can be compared."""
    return monitoring.as_of + timedelta(days=monitoring.horizon_days + monitoring.grace_days)
