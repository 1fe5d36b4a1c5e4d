"""Churn of subscribers: trees boosted from the survival of their plan by day of age."""

from __future__ import annotations

from collections.abc import Sequence
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
from clvml.models.churn import SHARES, best_share
from clvml.models.model_file import Part, Positive, Share, Stored, read_state, write_state
from clvml.models.outlook import lifetime_value, value_days
from clvml.models.survival import LEAST_PLAN, Hazards, fit_hazards, prior_p_churn
from clvml.threads import one_blas_thread

Array = NDArray[np.float64]

_LEAST_ROWS = 100
_TREES_FILE = "churn.json"


class _Hazard(Part):
    period_days: Positive
    plan: str
    by_day: Annotated[list[Share], Field(min_length=1)]


class ContractState(Stored):
    """What ``model.json`` holds of a model of subscriptions."""

    MODE: ClassVar[str] = "subscription"
    FORMAT: ClassVar[int] = 3

    plans: list[str]
    hazards: list[_Hazard]
    trees: bool
    share: Share

    def check_config(self) -> None:
        """Raise ValueError where the configuration is invalid, or the prior lacks hazards that it needs."""
        self.parsed_config  # noqa: B018 - of the user's own making, and checked like the rest
        whole = {one.period_days: len(one.by_day) for one in self.hazards if one.plan == ""}
        if not whole or any(len(one.by_day) > whole.get(one.period_days, 0) for one in self.hazards):
            raise ValueError("its prior lacks hazards of a billing period")
        if self.trees and _TREES_FILE not in self.files:
            raise ValueError("files of trees that it needs are not named")

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
    trees : ChurnClassifier or None
        Boosted from the prior on the logit; None where there was nothing to learn from: the prior stands alone.
    share : float
        What the trees count beside the prior, on the logit, from 0 to 1.
    tiers : tuple of float
        Least ``clv`` [currency] of the value tiers, highest first, from the customers at ``as_of``.
    notes : tuple of str
        What to know of the training, in words.
    """

    config: SubscriptionConfig
    as_of: date
    plans: tuple[str, ...]
    hazards: Hazards
    trees: ChurnClassifier | None
    share: float = SHARES[0]
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
            Nobody is.
        """
        features = subscription_features(
            subscriptions, cutoff, tuple(self.config.data.early_columns), self.config.data.early_days
        )
        if features.empty:
            raise InputError(f"nobody is subscribed on {cutoff}; choose another --as-of, or give newer data")
        return features

    @one_blas_thread
    def predict(self, features: pd.DataFrame, value: ValueConfig | None = None) -> pd.DataFrame:
        """Predict the customers of a feature table (`features`); ``value`` instead of the trained one.

        Returns
        -------
        DataFrame
            Same index. ``p_churn``, ``expected_spend`` [currency, revenue earned over the horizon], ``clv``
            [currency, present value of margin]. After the horizon, a customer leaves at the constant rate that
            ``p_churn`` implies.
        """
        value = value or self.config.value
        trees, prior = self.logits(features)
        p = expit(self.share * trees + (1.0 - self.share) * prior)
        price = features["monthly_price"].to_numpy()
        return pd.DataFrame(
            {
                "p_churn": p,
                "expected_spend": revenue(p, price, self.horizon_days, [self.horizon_days])[:, 0],
                "clv": lifetime_value(revenue(p, price, self.horizon_days, value_days(value)), value),
            },
            index=features.index,
        )

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
            tiers=tuple(state.tiers),
            notes=tuple(state.notes),
        )


@one_blas_thread
def fit_contract_model(subscriptions: pd.DataFrame, as_of: date, config: SubscriptionConfig) -> ContractModel:
    """Train on what was known before ``as_of``: the prior, trees from it, and what each counts.

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
    model = _with_trees(known, as_of, config)
    if model.trees is None:
        note = (
            f"no window of {horizon} days before {as_of} has customers who left and others who stayed: the survival of"
            " the plans predicts alone"
        )
        return replace(model, notes=(note,))
    # The newest window that has ended, for trees that have not seen it.
    held = as_of - timedelta(days=data.grace_days + horizon)
    earlier = _with_trees(known_at(known, held), held, config)
    if earlier.trees is None:
        return model
    features = subscription_features(known, held, tuple(data.early_columns), data.early_days)
    churned, _ = subscription_labels(known, held, horizon, data.grace_days)
    y = churned.reindex(features["customer_id"]).to_numpy(dtype=float)
    if not 0.0 < y.mean() < 1.0:
        return model
    return replace(model, share=best_share(*earlier.logits(features), y)[0])


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
    # The prior of today at every cutoff: what it lacked at earlier ones, such as a first yearly renewal, is no lesson.
    trees.fit(matrix(rows, plans), y, prior=prior_p_churn(hazards, rows, horizon))
    return ContractModel(config, as_of, plans, hazards, trees)


def revenue(p_churn: ArrayLike, monthly_price: ArrayLike, horizon_days: int, days: Sequence[int]) -> Array:
    """Return the revenue of the next so many days [currency], shape (n, len(days)).

    The price stays, and customers leave at the constant rate at which ``p_churn`` leave within the horizon.
    """
    p = np.minimum(np.asarray(p_churn, dtype=float), 1 - 1e-9)
    hazard = np.maximum(-np.log1p(-p) / horizon_days, 1e-12)[:, None]
    # The days that are paid: the integral of exp(-hazard t).
    paid = -np.expm1(-hazard * np.asarray(days, dtype=float)) / hazard
    return np.asarray(monthly_price, dtype=float)[:, None] / MONTH_DAYS * paid


def _columns(early: tuple[str, ...], plans: tuple[str, ...]) -> list[str]:
    """Return the names of what trees read."""
    return [*FEATURES, *early, *(f"plan_{number}" for number in range(len(plans)))]


def matrix(features: pd.DataFrame, plans: tuple[str, ...]) -> pd.DataFrame:
    """Return what trees read of a feature table, where these plans are told apart."""
    told = {f"plan_{number}": (features["plan"] == plan).astype(float) for number, plan in enumerate(plans)}
    numbers = features.drop(columns=["customer_id", "plan"])
    return numbers.astype(float).assign(**told)
