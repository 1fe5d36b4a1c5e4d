"""Drift: what has changed among customers since their model was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.customers import Feature
from clvml.customers.attributes import CATEGORY
from clvml.customers.snapshots import CustomerDays
from clvml.customers.subscription_snapshots import explained_features, known_at
from clvml.explain.of_customers import contributions
from clvml.explain.of_subscribers import contributions as subscriber_contributions
from clvml.scores.scorer import Scorer
from clvml.scores.subscribers import SubscriptionScorer
from clvml.scores.tiers import TIER_SHARES

Array = NDArray[np.float64]

# Population stability index: below the first nothing to speak of, from the second on another population
# (Siddiqi 2006, chapter 9).
SLIGHT_DRIFT, STRONG_DRIFT = 0.10, 0.25
_BINS = 10
_COLUMNS = ["name", "description", "psi", "distance", "median_then", "median_now", "weight", "words"]


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


def tier_shift(clv: Array, thresholds: Sequence[float]) -> tuple[float, Array]:
    """Return the population stability index of value tiers against those of training, and their shares now.

    At training, `TIER_SHARES` of the customers reached the thresholds. Who is worth just as much as one (``clv`` has
    whole cents) counts for the tier in which they were then.

    >>> psi, shares = tier_shift(np.array([9.0, 8.0, 7.0, 1.0]), (8.0, 4.0, 2.0))
    >>> round(psi, 2), shares.tolist()
    (0.62, [0.25, 0.5, 0.0, 0.25])
    """
    edges = np.round(np.asarray(thresholds, dtype=float), 2)[:, None]
    reached = np.clip(TIER_SHARES, (clv > edges).mean(axis=1), (clv >= edges).mean(axis=1))
    then, now = (np.diff(shares, prepend=0.0, append=1.0) for shares in (TIER_SHARES, reached))
    # As in `population_stability`.
    p, q = ((shares * len(clv) + 0.5) / (len(clv) + 0.5 * len(shares)) for shares in (then, now))
    return float(((q - p) * np.log(q / p)).sum()), now


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


def drift(days: CustomerDays, until: date, scorer: Scorer | None) -> pd.DataFrame:
    """Return what has changed among customers since their model was trained; empty where that cannot be known.

    One row per score and feature, the most drifted first: see `clvml.outcomes.monitoring.Monitoring`.
    """
    if scorer is None or days.first_day > max(
        scorer.model.trees.prior.first_day, scorer.model.as_of - timedelta(days=365)
    ):
        # What the log does not hold of the time before the training would look like drift.
        return pd.DataFrame(columns=_COLUMNS)
    model = scorer.model
    days = days.counting(model.trees.events)
    both = (days.features(day, model.horizon_days) for day in (model.as_of, until))
    then, now = (features[features["purchase_days"] > 0] for features in both)
    known = [feature for feature in model.features if feature.predictor]
    scored = model.predict(then, model.as_of), model.predict(now, until)
    (churn,) = contributions(model, scorer.reference, then, model.as_of, value=False)
    strength = dict(
        zip((f.name for f in model.features), np.abs(churn)[:, :-1].mean(axis=0).tolist(), strict=True)
    )
    return drift_table(scored, (model.read(then), model.read(now)), known, strength)


def subscriber_drift(
    subscriptions: pd.DataFrame, until: date, scorer: SubscriptionScorer | None
) -> pd.DataFrame:
    """Return what has changed among subscribers since their model was trained, as `drift` of customers who buy.

    Empty also where nobody is subscribed any more.
    """
    first = subscriptions["start"].min().date()
    has_left = known_at(subscriptions, until)["end"].notna()
    if scorer is None or first > scorer.model.as_of - timedelta(days=365) or has_left.all():
        return pd.DataFrame(columns=_COLUMNS)
    model = scorer.model
    then, now = (model.features(subscriptions, day) for day in (model.as_of, until))
    known = explained_features(model.config.data.early_columns)
    churn = subscriber_contributions(model, scorer.reference, then)
    strength = dict(zip((f.name for f in known), np.abs(churn)[:, :-1].mean(axis=0).tolist(), strict=True))
    return drift_table((model.predict(then), model.predict(now)), (then, now), known, strength)


def drift_table(
    scored: tuple[pd.DataFrame, pd.DataFrame],
    features: tuple[pd.DataFrame, pd.DataFrame],
    known: Sequence[Feature],
    strength: Mapping[str, float],
) -> pd.DataFrame:
    """Return the drift of scores and of the known features, of which there are those then and those now.

    ``strength`` is the mean absolute contribution of each feature to the churn risk.
    """
    then, now = features
    whole = max(sum(strength.values()), 1e-12)
    scores = {"p_churn": "predicted churn risk", "expected_spend": "expected spend"}
    compared: list[tuple[str, str, pd.Series, pd.Series, float]] = [
        *((name, words, scored[0][name], scored[1][name], np.nan) for name, words in scores.items()),
        *(
            (f.name, f.description, then[f.name], now[f.name], strength.get(f.name, 0.0) / whole)
            for f in known
        ),
    ]
    codes = {feature.name for feature in known if feature.unit == CATEGORY}
    rows = []
    for name, description, before, after, weight in compared:
        psi = population_stability(before, after)
        middle = (np.nan, np.nan) if name in codes else (float(before.median()), float(after.median()))
        rows.append(
            (name, description, psi, distance(before, after), *middle, weight, _in_words(psi, *middle))
        )
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values("psi", ascending=False, ignore_index=True)


def _in_words(psi: float, then: float, now: float) -> str:
    if psi < SLIGHT_DRIFT:
        return "as in training"
    how = "strongly changed" if psi >= STRONG_DRIFT else "somewhat changed"
    if np.isnan(then) or np.isnan(now) or then == now:
        return how
    return f"{how}: the middle customer {'rose' if now > then else 'fell'} from {then:,.4g} to {now:,.4g}"
