"""Monitoring: what was predicted against what happened, drift since training, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.customers.attributes import CATEGORY
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.evaluation.folds import interval
from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS, coverage
from clvml.models.outlook import HORIZONS
from clvml.scores.scorer import Scorer
from clvml.scores.tiers import TIERS

Recommendation = Literal["keep", "recalibrate", "retrain"]
Array = NDArray[np.float64]

# Population stability index: below the first nothing to speak of, from the second on another population
# (Siddiqi 2006, chapter 9).
SLIGHT_DRIFT, STRONG_DRIFT = 0.10, 0.25
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
_BINS = 10
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
        In the scored file; in the data without a score.
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
    as_of = date.fromisoformat(str(scores["as_of"].iloc[0]))
    horizon = int(scores["horizon_days"].iloc[0])
    elapsed = (until - as_of).days
    over = [days_ahead for days_ahead in {*HORIZONS, horizon} if days_ahead <= elapsed]
    if not over:
        raise InputError(
            f"the scores are as of {as_of} and the data ends before {until}: {max(elapsed, 0)} days are too few to"
            f" compare, {min(*HORIZONS, horizon)} are needed; monitor again later or give newer data"
        )
    compared = horizon if horizon in over else max(over)
    outcome = _outcome(scores, days, as_of, compared)
    known = days.features(until, horizon)
    seen = known["customer_id"].isin(set(scores["customer_id"]))
    if not seen.any():
        raise InputError(
            f"none of the {len(scores):,} scored customers is in the data; give the log that the scores were made"
            " from, with the same customer ids, continued to a later day"
        )
    metrics = _metrics(outcome, compared == horizon)
    drift = _drift(days, until, scorer)
    recommendation, reasons = _recommend(outcome, metrics, drift, promised or {}, scorer, until)
    unjudged = _unjudged(metrics, drift, promised or {}, scorer)
    return Monitoring(
        as_of=as_of,
        until=until,
        horizon_days=horizon,
        compared_days=compared,
        customers=len(scores),
        new_customers=int((~seen).sum()),
        metrics=metrics,
        tiers=_by_tier(outcome, compared == horizon),
        drift=drift,
        recommendation=recommendation,
        reasons=reasons,
        unjudged=unjudged,
    )


def population_stability(then: ArrayLike, now: ArrayLike) -> float:
    """Return the population stability index of two samples, in tenths of the first; missing values are a bin.

    ``sum (q - p) * log(q / p)`` over the bins, half a customer added to each so that an empty one stays finite.

    >>> population_stability([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    0.0
    """
    then, now = np.asarray(then, dtype=float), np.asarray(now, dtype=float)
    present = then[~np.isnan(then)]
    edges = (
        np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.empty(0)
    )

    def shares(values: Array) -> Array:
        place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
        counts = np.bincount(place, minlength=len(edges) + 2) + 0.5
        return np.asarray(counts / counts.sum())

    p, q = shares(then), shares(now)
    return float(((q - p) * np.log(q / p)).sum())


def distance(then: ArrayLike, now: ArrayLike) -> float:
    """Return the largest difference of two distribution functions (Kolmogorov-Smirnov); missing values are least.

    >>> distance([1.0, 2.0], [3.0, 4.0])
    1.0
    """
    then = np.sort(np.nan_to_num(np.asarray(then, dtype=float), nan=-np.inf))
    now = np.sort(np.nan_to_num(np.asarray(now, dtype=float), nan=-np.inf))
    if not len(then) or not len(now):
        return float("nan")
    at = np.concatenate([then, now])
    below_then = np.searchsorted(then, at, side="right") / len(then)
    below_now = np.searchsorted(now, at, side="right") / len(now)
    return float(np.abs(below_then - below_now).max())


def _outcome(scores: pd.DataFrame, days: CustomerDays, as_of: date, compared: int) -> pd.DataFrame:
    """Return the scores with ``predicted_spend`` over the compared days, ``actual_spend`` and ``churned``."""
    labels = days.labels(as_of, compared).set_index("customer_id")
    horizon = int(scores["horizon_days"].iloc[0])
    predicted = "expected_spend" if compared == horizon else f"expected_spend_{compared}d"
    of_scored = labels.reindex(scores["customer_id"])
    return scores.assign(
        predicted_spend=scores[predicted],
        actual_spend=of_scored["actual_spend"].fillna(0.0).to_numpy(),
        churned=(of_scored["purchases"].fillna(0) == 0).astype(int).to_numpy(),
    )


def _metrics(outcome: pd.DataFrame, horizon_over: bool) -> dict[str, float]:
    actual, predicted = outcome["actual_spend"].to_numpy(), outcome["predicted_spend"].to_numpy()
    metrics = {name: float(metric.function(actual, predicted)) for name, metric in SPEND_METRICS.items()}
    metrics |= {"actual_total": float(actual.sum()), "expected_total": float(predicted.sum())}
    if horizon_over:
        churned, p_churn = outcome["churned"].to_numpy(), outcome["p_churn"].to_numpy()
        metrics |= {name: float(metric.function(churned, p_churn)) for name, metric in CHURN_METRICS.items()}
        metrics |= {"churn_rate": float(churned.mean()), "mean_p_churn": float(p_churn.mean())}
        metrics["interval_coverage"] = _coverage(outcome)
    return metrics


def _coverage(outcome: pd.DataFrame) -> float:
    # Refunds of earlier purchases can make spend negative; an interval from zero holds what is at most zero.
    spent = np.maximum(outcome["actual_spend"], 0.0)
    return coverage(spent, outcome["expected_spend_low"], outcome["expected_spend_high"])


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
                "interval_coverage": _coverage(own),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _drift(days: CustomerDays, until: date, scorer: Scorer | None) -> pd.DataFrame:
    columns = ["name", "description", "psi", "distance", "median_then", "median_now", "weight", "words"]
    if scorer is None or days.first_day > max(
        scorer.model.trees.prior.first_day, scorer.model.as_of - timedelta(days=365)
    ):
        # What the log does not hold of the time before the training would look like drift.
        return pd.DataFrame(columns=columns)
    model = scorer.model
    days = days.counting(model.trees.events)
    both = (days.features(day, model.horizon_days) for day in (model.as_of, until))
    then, now = (features[features["purchase_days"] > 0] for features in both)
    known = [feature for feature in model.features if feature.predictor]
    scored_then, scored_now = model.predict(then, model.as_of), model.predict(now, until)
    then, now = model.read(then), model.read(now)
    strength = np.abs(scorer.surrogate.contributions(then))[:, :-1].mean(axis=0)
    weights = dict(zip(scorer.surrogate.features_, strength / max(strength.sum(), 1e-12), strict=True))
    compared = [
        ("p_churn", "predicted churn risk", scored_then["p_churn"], scored_now["p_churn"], np.nan),
        (
            "expected_spend",
            "expected spend",
            scored_then["expected_spend"],
            scored_now["expected_spend"],
            np.nan,
        ),
        *((f.name, f.description, then[f.name], now[f.name], float(weights.get(f.name, 0.0))) for f in known),
    ]
    codes = {feature.name for feature in known if feature.unit == CATEGORY}
    rows = []
    for name, description, before, after, weight in compared:
        psi = population_stability(before, after)
        middle = (np.nan, np.nan) if name in codes else (float(before.median()), float(after.median()))
        rows.append(
            (name, description, psi, distance(before, after), *middle, weight, _in_words(psi, *middle))
        )
    return pd.DataFrame(rows, columns=columns).sort_values("psi", ascending=False, ignore_index=True)


def _in_words(psi: float, then: float, now: float) -> str:
    if psi < SLIGHT_DRIFT:
        return "as in training"
    how = "strongly changed" if psi >= STRONG_DRIFT else "somewhat changed"
    if np.isnan(then) or np.isnan(now) or then == now:
        return how
    return f"{how}: the middle customer {'rose' if now > then else 'fell'} from {then:,.4g} to {now:,.4g}"


def _recommend(
    outcome: pd.DataFrame,
    metrics: dict[str, float],
    drift: pd.DataFrame,
    promised: Mapping[str, float],
    scorer: Scorer | None,
    until: date,
) -> tuple[Recommendation, list[str]]:
    retrain: list[str] = []
    for name in RANKING_METRICS:
        if name in metrics and name in promised:
            low, high = _chance(outcome, name)
            if high < promised[name] - _TOLERATED_FALL:
                label = {**SPEND_METRICS, **CHURN_METRICS}[name].label
                retrain.append(
                    f"the order of customers is worse than in training: {label} {metrics[name]:.3f}"
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
    if scorer is not None and "interval_coverage" in metrics:
        intervals = scorer.model.intervals
        variance = intervals.variance(outcome["predicted_spend"], outcome["p_churn"])
        low, high = intervals.total_interval(metrics["expected_total"], float(variance.sum()))
        if not low <= metrics["actual_total"] <= high:
            recalibrate.append(
                f"customers spent {metrics['actual_total']:,.0f} where {metrics['expected_total']:,.0f} was"
                f" expected ({low:,.0f} to {high:,.0f} at {intervals.level:.0%})"
            )
    if metrics.get("expected_calibration_error", 0.0) > _MISCALIBRATED:
        recalibrate.append(
            f"{metrics['churn_rate']:.0%} bought nothing where {metrics['mean_p_churn']:.0%} were expected to"
        )
    if metrics.get("interval_coverage", 1.0) < _LEAST_COVERAGE:
        recalibrate.append(
            f"the intervals of spend held {metrics['interval_coverage']:.0%} of customers, fewer than"
            f" {_LEAST_COVERAGE:.0%}"
        )
    if recalibrate:
        return "recalibrate", recalibrate
    if (
        scorer is None
        and "interval_coverage" not in metrics
        and not any(n in promised for n in RANKING_METRICS)
    ):
        return "keep", ["nothing can be judged yet"]
    reasons = ["all that could be judged is within its limits"]
    if share > 0.0:
        reasons.append(
            f"features that make up {share:.0%} of the explained churn risk have strongly changed; below"
            f" {_DRIFTED_SHARE:.0%} that alone is not a reason to train again"
        )
    return "keep", reasons


def _unjudged(
    metrics: Mapping[str, float], drift: pd.DataFrame, promised: Mapping[str, float], scorer: Scorer | None
) -> list[str]:
    """Return what the recommendation knows nothing of."""
    missing = []
    if not any(name in promised for name in RANKING_METRICS):
        missing.append("the order of customers (what the model reached in training is not known)")
    if "interval_coverage" not in metrics:
        missing.append("churn, intervals and the total (the horizon is not over)")
    if scorer is None:
        missing.append("total spend, drift and the age of the model (the model cannot be read)")
    elif drift.empty:
        missing.append("drift (the data does not reach back to the training)")
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
    return monitoring.as_of + timedelta(days=monitoring.horizon_days)
