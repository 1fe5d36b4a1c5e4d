"""Churn of subscribers: trees boosted from the survival of their plan by day of age."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.special import expit

from clvml.config import SubscriptionConfig, ValueConfig
from clvml.customers.subscription_snapshots import (
    FEATURES,
    MONTH_DAYS,
    known_at,
    subscription_features,
    subscription_labels,
)
from clvml.customers.windows import training_cutoffs
from clvml.errors import InputError
from clvml.models.boosting import ChurnClassifier, logit_of
from clvml.models.churn import best_share
from clvml.models.model_file import Factor, Part, Positive, Share, Stored, read_state, write_state
from clvml.models.outlook import lifetime_value, value_days
from clvml.models.subscriber_intervals import SAME_PRICE, shares_paid, stayers_revenue
from clvml.models.survival import LEAST_PLAN, Hazards, fit_hazards, prior_p_churn, survival
from clvml.threads import one_blas_thread

Array = NDArray[np.float64]

_LEAST_ROWS = 100
_TREES_FILE = "churn.json"
# Customers x days held at once, 32 MB an array.
_CELLS = 4_000_000


class _Hazard(Part):
    period_days: Positive
    plan: str
    by_day: Annotated[list[Share], Field(min_length=1)]


class ContractState(Stored):
    """What ``model.json`` holds of a model of subscriptions."""

    MODE: ClassVar[str] = "subscription"
    FORMAT: ClassVar[int] = 4

    plans: list[str]
    hazards: list[_Hazard]
    stayers: Annotated[list[Factor], Field(min_length=1)]
    trees: bool
    share: Share

    def check_config(self) -> None:
        """Raise ValueError where the configuration is invalid, or the prior lacks hazards that it needs."""
        self.parsed_config  # noqa: B018 - parsing it checks it
        whole = {one.period_days: len(one.by_day) for one in self.hazards if one.plan == ""}
        if not whole or any(len(one.by_day) > whole.get(one.period_days, 0) for one in self.hazards):
            raise ValueError("its prior lacks hazards of a billing period")
        if self.trees and _TREES_FILE not in self.files:
            raise ValueError("it does not name all files of its trees")

    @property
    def parsed_config(self) -> SubscriptionConfig:
        """The configuration that the model was trained with."""
        return SubscriptionConfig.model_validate(self.config)


@dataclass(frozen=True)
class ContractModel:
    """Predicts who is not subscribed at the end of a window, and what revenue is left.

    Attributes
    ----------
    as_of : date
        The first day that the model has not seen.
    plans : tuple of str
        Plans that trees tell apart, in the order of their columns.
    hazards : dict
        The prior, fitted at ``as_of``.
    stayers : tuple of float
        Quantiles of what those who stay pay, as a share of today's price (`subscriber_intervals.stayers_revenue`).
    trees : ChurnClassifier or None
        Boosted from the prior on the logit; None where there was nothing to learn from: the prior stands alone.
    share : float
        Stacking weight of the trees on the logit, from 0 to 1; the prior has the rest.
    tiers : tuple of float
        Least ``clv`` [currency] of the value tiers, highest first, from the customers at ``as_of``.
    notes : tuple of str
        Remarks on the training, in words.
    """

    config: SubscriptionConfig
    as_of: date
    plans: tuple[str, ...]
    hazards: Hazards
    trees: ChurnClassifier | None
    share: float = 0.75
    stayers: tuple[float, ...] = SAME_PRICE
    tiers: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def horizon_days(self) -> int:
        """Days of future that the model predicts."""
        return self.config.windows.horizon_days

    def features(self, subscriptions: pd.DataFrame, cutoff: date) -> pd.DataFrame:
        """Return one row per customer who is subscribed at the cutoff, as `predict` takes it.

        Raises
        ------
        InputError
            Nobody is subscribed.
        """
        features = subscription_features(
            subscriptions, cutoff, tuple(self.config.data.early_columns), self.config.data.early_days
        )
        if features.empty:
            raise InputError(f"nobody is subscribed on {cutoff}; choose another --as-of, or give newer data")
        return features

    @one_blas_thread
    def predict(self, features: pd.DataFrame, value: ValueConfig | None = None) -> pd.DataFrame:
        """Predict the customers of a feature table (`features`), with ``value`` instead of the trained configuration.

        Returns
        -------
        DataFrame
            Same index. ``p_churn``; ``expected_spend`` [currency, revenue earned over the horizon] with its 80 %
            interval ``expected_spend_low``, ``expected_spend_high`` [currency, whole cents]; ``clv`` [currency, present
            value of margin].
        """
        value = value or self.config.value
        trees, prior = self.logits(features)
        p = expit(self.share * trees + (1.0 - self.share) * prior)
        spend = self.revenue(features, p, [self.horizon_days, *value_days(value)])
        low, high = self._interval(features, p)
        return pd.DataFrame(
            {
                "p_churn": p,
                "expected_spend": spend[:, 0],
                # Rounded outwards to the cent, so that the interval holds customers who pay exactly that price.
                "expected_spend_low": np.floor(np.minimum(low, spend[:, 0]) * 100.0 + 1e-6) / 100.0,
                "expected_spend_high": np.ceil(np.maximum(high, spend[:, 0]) * 100.0 - 1e-6) / 100.0,
                "clv": lifetime_value(spend[:, 1:], value),
            },
            index=features.index,
        )

    def revenue(self, features: pd.DataFrame, p_churn: ArrayLike, days: Sequence[int]) -> Array:
        """Return the expected revenue of the next so many days [currency], shape (n, len(days)).

        Prices stay as they are. Customers leave by the hazards of their plan, scaled so that ``p_churn`` of them leave
        within the horizon.
        """
        paid = np.empty((len(features), len(days)))
        for rows, survived in self._survival(features, p_churn, max(days, default=0)):
            # Customers pay for a day when they are subscribed at its end.
            paid[rows] = np.cumsum(survived[:, 1:], axis=1)[:, np.asarray(days) - 1]
        return _daily_price(features)[:, None] * paid

    def _interval(self, features: pd.DataFrame, p_churn: Array) -> tuple[Array, Array]:
        ends = np.empty((2, len(features)))
        for rows, survived in self._survival(features, p_churn, self.horizon_days):
            ends[:, rows] = shares_paid(survived, self.stayers)
        low, high = ends * _daily_price(features) * self.horizon_days
        return low, high

    def _survival(
        self, features: pd.DataFrame, p_churn: ArrayLike, days: int
    ) -> Iterator[tuple[slice, Array]]:
        """Yield rows and their P(still subscribed after so many days), in chunks that limit memory."""
        p, horizon = np.asarray(p_churn, dtype=float), self.horizon_days
        step = max(_CELLS // max(days, horizon), 1)
        for begin in range(0, len(features), step):
            rows = slice(begin, begin + step)
            survived = survival(self.hazards, features.iloc[rows], p[rows], horizon, max(days, horizon))
            yield rows, survived[:, : days + 1]

    def logits(self, features: pd.DataFrame) -> tuple[Array, Array]:
        """Return the log-odds of churn by the trees and by the prior, shape (n,) each; without trees, the same."""
        p = prior_p_churn(self.hazards, features, self.horizon_days)
        prior = logit_of(p)
        if self.trees is None:
            return prior, prior
        return self.trees.margin(matrix(features, self.plans).to_numpy(dtype=np.float32), p), prior

    def save(self, directory: Path) -> None:
        """Write the trees as JSON, and ``model.json`` with a digest of each file, into an existing directory."""
        if self.trees is not None:
            self.trees.save(directory / _TREES_FILE)
        state: dict[str, Any] = {
            "config": self.config.without_passwords().model_dump(mode="json"),
            "as_of": self.as_of.isoformat(),
            "plans": list(self.plans),
            "hazards": [
                {"period_days": period, "plan": plan, "by_day": by_day.tolist()}
                for (period, plan), by_day in self.hazards.items()
            ],
            "trees": self.trees is not None,
            "share": self.share,
            "stayers": list(self.stayers),
            "tiers": list(self.tiers),
            "notes": list(self.notes),
        }
        write_state(state, directory, ContractState)

    @classmethod
    def load(cls, directory: Path) -> ContractModel:
        """Read what `save` wrote; runs no code that came with it.

        Raises
        ------
        InputError
            The directory holds no model of subscriptions, one of another format version, or one that was changed
            since.
        """
        state = read_state(directory, ContractState)
        config, plans = state.parsed_config, tuple(state.plans)
        trees = None
        if state.trees:
            names = _columns(tuple(config.data.early_columns), plans)
            trees = ChurnClassifier(n_jobs=config.model.n_jobs).load(directory / _TREES_FILE, names)
        return cls(
            config=config,
            as_of=date.fromisoformat(state.as_of),
            plans=plans,
            hazards={(one.period_days, one.plan): np.asarray(one.by_day) for one in state.hazards},
            trees=trees,
            share=state.share,
            stayers=tuple(state.stayers),
            tiers=tuple(state.tiers),
            notes=tuple(state.notes),
        )


@one_blas_thread
def fit_contract_model(subscriptions: pd.DataFrame, as_of: date, config: SubscriptionConfig) -> ContractModel:
    """Train on what was known before ``as_of``: the prior, trees boosted from it, and the stacking weight.

    Raises
    ------
    InputError
        There are fewer than 100 subscriptions, or none that ended, or none that still runs.
    """
    known = known_at(subscriptions, as_of)
    horizon, data = config.windows.horizon_days, config.data
    if len(known) < _LEAST_ROWS or known["end"].isna().all() or known["end"].notna().all():
        raise InputError(
            f"{len(known):,} subscriptions began before {as_of}, {known['end'].notna().sum():,} of which have ended: at"
            f" least {_LEAST_ROWS} are needed, some ended and some not; give a longer table of subscriptions"
        )
    model = replace(_with_trees(known, as_of, config), stayers=stayers_revenue(known, as_of, horizon))
    if model.trees is None:
        note = (
            f"no window of {horizon} days before {as_of} has customers who left and others who stayed: the survival of"
            " the plans predicts alone"
        )
        return replace(model, notes=(note,))
    # The stacking weight is chosen on the newest window that has ended, with trees that have not seen it.
    held = as_of - timedelta(days=data.grace_days + horizon)
    earlier = _with_trees(known_at(known, held), held, config)
    if earlier.trees is None:
        return model
    features = subscription_features(known, held, tuple(data.early_columns), data.early_days)
    churned, _ = subscription_labels(known, held, horizon, data.grace_days)
    y = churned.reindex(features["customer_id"]).to_numpy(dtype=float)
    if not 0.0 < y.mean() < 1.0:
        return model
    return replace(model, share=best_share(*earlier.logits(features), y))


def _with_trees(known: pd.DataFrame, as_of: date, config: SubscriptionConfig) -> ContractModel:
    """Return the model of what was known before ``as_of``, with trees from the windows that had ended, if any."""
    horizon, data = config.windows.horizon_days, config.data
    hazards = fit_hazards(known, as_of)
    # The label of a window is known when its grace period has passed.
    seen = as_of - timedelta(days=data.grace_days)
    frames, labels = [], []
    for cutoff in training_cutoffs(known["start"].min().date(), seen, config.windows):
        features = subscription_features(known, cutoff, tuple(data.early_columns), data.early_days)
        if features.empty or (known["start"] < pd.Timestamp(cutoff)).sum() < _LEAST_ROWS:
            continue
        churned, _ = subscription_labels(known, cutoff, horizon, data.grace_days)
        frames.append(features)
        labels.append(churned.reindex(features["customer_id"]).to_numpy())
    y = np.concatenate(labels) if labels else np.empty(0)
    if len(np.unique(y)) < 2:
        return ContractModel(config, as_of, (), hazards, None)
    rows = pd.concat(frames, ignore_index=True)
    counts = rows["plan"].value_counts()
    plans = tuple(sorted(str(plan) for plan in counts.index[counts >= LEAST_PLAN]))
    trees = ChurnClassifier(**config.model.model_dump(), random_state=config.seed)
    # Every cutoff uses today's prior: trees must not learn what earlier priors lacked, such as a first yearly renewal.
    trees.fit(matrix(rows, plans), y, prior=prior_p_churn(hazards, rows, horizon))
    return ContractModel(config, as_of, plans, hazards, trees)


def _daily_price(features: pd.DataFrame) -> Array:
    return features["monthly_price"].to_numpy(dtype=float) / MONTH_DAYS


def _columns(early: tuple[str, ...], plans: tuple[str, ...]) -> list[str]:
    """Return the names of the trees' columns."""
    return [*FEATURES, *early, *(f"plan_{number}" for number in range(len(plans)))]


def matrix(features: pd.DataFrame, plans: tuple[str, ...]) -> pd.DataFrame:
    """Return the trees' columns of a feature table, with an indicator for each of these plans."""
    told = {f"plan_{number}": (features["plan"] == plan).astype(float) for number, plan in enumerate(plans)}
    numbers = features.drop(columns=["customer_id", "plan"])
    return numbers.astype(float).assign(**told)
