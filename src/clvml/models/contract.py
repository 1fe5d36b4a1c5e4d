"""Churn of subscribers: a shifted-beta-geometric prior under right censoring, and trees boosted from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln

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
from clvml.models.boosting import ChurnClassifier
from clvml.models.model_file import Part, Positive, Stored, read_state, write_state
from clvml.models.outlook import lifetime_value, value_days

Array = NDArray[np.float64]

# A plan with fewer subscriptions is predicted by the curve of its billing period.
LEAST_PLAN = 500
_LEAST_ROWS = 100
_TREES_FILE = "churn.json"


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    """Survival of a contract over billing periods, where each customer leaves at each renewal with a rate of their own.

    The rate is Beta(a, b) over customers, so that ``S(t) = B(a, b + t) / B(a, b)``, continued to parts of a period.

    References
    ----------
    Fader & Hardie (2007), "How to project customer retention", Journal of Interactive Marketing 21(1), equation 6.
    """

    a: float
    b: float

    @classmethod
    def fit(cls, periods: ArrayLike, ended: ArrayLike) -> ShiftedBetaGeometric:
        """Fit by maximum likelihood on whole periods survived, shape (n,), and whether the contract then ended.

        One that ended after ``k`` whole periods counts ``S(k) - S(k + 1)``; one that still runs is right censored and
        counts ``S(k)``.

        >>> float(ShiftedBetaGeometric.fit([0, 1, 2, 3], [True, True, False, False]).p_end(0.0, 0.0))
        0.0
        """
        table = pd.DataFrame(
            {"k": np.floor(np.asarray(periods, dtype=float)), "ended": np.asarray(ended, dtype=bool)}
        )
        counts = table.value_counts(sort=False).reset_index(name="n")
        k, gone, n = (counts[name].to_numpy() for name in ("k", "ended", "n"))

        def loss(logs: Array) -> float:
            a, b = np.exp(logs)
            # S(k) - S(k + 1) = B(a + 1, b + k) / B(a, b)
            likelihood = np.where(gone, betaln(a + 1, b + k), betaln(a, b + k)) - betaln(a, b)
            return -float(n @ likelihood) / float(n.sum()) + 1e-4 * float(logs @ logs)

        found = minimize(loss, np.log([1.0, 5.0]), method="L-BFGS-B", bounds=[(-7.0, 9.0)] * 2)
        a, b = np.exp(found.x)
        return cls(float(a), float(b))

    def p_end(self, age: ArrayLike, ahead: ArrayLike) -> Array:
        """Return P(ends within ``ahead`` periods, given that it has run for ``age``), shape of the two."""
        age, ahead = np.asarray(age, dtype=float), np.asarray(ahead, dtype=float)
        return 1.0 - np.exp(betaln(self.a, self.b + age + ahead) - betaln(self.a, self.b + age))


def fit_curves(subscriptions: pd.DataFrame, cutoff: date) -> dict[tuple[float, str], ShiftedBetaGeometric]:
    """Return a curve for each billing period (plan ``""``), and for each plan in it that has enough subscriptions.

    Only what was known at the cutoff counts.
    """
    known = known_at(subscriptions, cutoff)
    ended = known["end"].notna()
    days = (known["end"].fillna(pd.Timestamp(cutoff)) - known["start"]).dt.days
    periods = days / known["period_days"]
    curves = {}
    for period in sorted(known["period_days"].unique()):
        rows = known.index[known["period_days"] == period]
        curves[float(period), ""] = ShiftedBetaGeometric.fit(periods.loc[rows], ended.loc[rows])
        for plan, part in known.loc[rows].groupby("plan").groups.items():
            if len(part) >= LEAST_PLAN:
                curves[float(period), str(plan)] = ShiftedBetaGeometric.fit(
                    periods.loc[part], ended.loc[part]
                )
    return curves


def prior_p_churn(
    curves: dict[tuple[float, str], ShiftedBetaGeometric], features: pd.DataFrame, horizon_days: int
) -> Array:
    """Return the prior P(the current subscription ends within the horizon), shape (n,)."""
    p = np.empty(len(features))
    nearest = np.array([period for period, plan in curves if not plan])
    for rows in features.groupby(["period_days", "plan"]).indices.values():
        period, plan = features["period_days"].iloc[rows[0]], str(features["plan"].iloc[rows[0]])
        curve = curves.get((period, plan)) or curves[float(nearest[np.abs(nearest - period).argmin()]), ""]
        p[rows] = curve.p_end(features["current_days"].to_numpy()[rows] / period, horizon_days / period)
    return p


class _Curve(Part):
    period_days: Positive
    plan: str
    a: Positive
    b: Positive


class ContractState(Stored):
    """What ``model.json`` holds of a model of subscriptions."""

    MODE: ClassVar[str] = "subscription"
    FORMAT: ClassVar[int] = 1

    plans: list[str]
    curves: list[_Curve]

    def check_config(self) -> None:
        """Raise ValueError where the configuration is invalid, or the prior has no curve."""
        self.parsed_config  # noqa: B018 - of the user's own making, and checked like the rest
        if not any(curve.plan == "" for curve in self.curves):
            raise ValueError("its prior has no curve of a billing period")
        if _TREES_FILE not in self.files:
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
    curves : dict
        The prior, fitted at ``as_of``.
    trees : ChurnClassifier
        Boosted from the prior on the logit.
    tiers : tuple of float
        Least ``clv`` [currency] of the value tiers, highest first, from the customers at ``as_of``.
    notes : tuple of str
        What to know of the training, in words.
    """

    config: SubscriptionConfig
    as_of: date
    plans: tuple[str, ...]
    curves: dict[tuple[float, str], ShiftedBetaGeometric]
    trees: ChurnClassifier
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
        prior = prior_p_churn(self.curves, features, self.horizon_days)
        p = self.trees.predict_proba(_matrix(features, self.plans), prior=prior)[:, 1]
        price = features["monthly_price"].to_numpy()
        return pd.DataFrame(
            {
                "p_churn": p,
                "expected_spend": revenue(p, price, self.horizon_days, [self.horizon_days])[:, 0],
                "clv": lifetime_value(revenue(p, price, self.horizon_days, value_days(value)), value),
            },
            index=features.index,
        )

    def save(self, directory: Path) -> None:
        """Write the trees as JSON, and ``model.json`` with a digest of each file, into an existing directory."""
        self.trees.save(directory / _TREES_FILE)
        state: dict[str, Any] = {
            "config": self.config.without_passwords().model_dump(mode="json"),
            "as_of": self.as_of.isoformat(),
            "plans": list(self.plans),
            "curves": [
                {"period_days": period, "plan": plan, "a": curve.a, "b": curve.b}
                for (period, plan), curve in self.curves.items()
            ],
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
        names = _columns(tuple(config.data.early_columns), plans)
        return cls(
            config=config,
            as_of=date.fromisoformat(state.as_of),
            plans=plans,
            curves={
                (curve.period_days, curve.plan): ShiftedBetaGeometric(curve.a, curve.b)
                for curve in state.curves
            },
            trees=ChurnClassifier(n_jobs=config.model.n_jobs).load(directory / _TREES_FILE, names),
            tiers=tuple(state.tiers),
            notes=tuple(state.notes),
        )


def fit_contract_model(subscriptions: pd.DataFrame, as_of: date, config: SubscriptionConfig) -> ContractModel:
    """Train on what was known before ``as_of``: the prior at each training cutoff, trees on the windows that had ended.

    Raises
    ------
    InputError
        No window had ended with both subscribers who left and some who stayed.
    """
    known = known_at(subscriptions, as_of)
    horizon, data = config.windows.horizon_days, config.data
    early = tuple(data.early_columns)
    # The label of a window is known when its grace period has passed.
    seen = as_of - timedelta(days=data.grace_days)
    cutoffs = training_cutoffs(known["start"].min().date(), seen, config.windows) if len(known) else []
    frames, priors, labels = [], [], []
    for cutoff in cutoffs:
        features = subscription_features(known, cutoff, early, data.early_days)
        if features.empty or (known["start"] < pd.Timestamp(cutoff)).sum() < _LEAST_ROWS:
            continue
        churned, _ = subscription_labels(known, cutoff, horizon, data.grace_days)
        frames.append(features)
        priors.append(prior_p_churn(fit_curves(known, cutoff), features, horizon))
        labels.append(churned.reindex(features["customer_id"]).to_numpy())
    y = np.concatenate(labels) if labels else np.empty(0)
    if len(np.unique(y)) < 2:
        raise InputError(
            f"no window of {horizon} days before {as_of} has customers who left and others who stayed, and"
            f" {_LEAST_ROWS} subscriptions begun before it; give a longer table of subscriptions or a shorter"
            " windows.horizon_days"
        )
    rows = pd.concat(frames, ignore_index=True)
    counts = rows["plan"].value_counts()
    plans = tuple(sorted(str(plan) for plan in counts.index[counts >= LEAST_PLAN]))
    trees = ChurnClassifier(**config.model.model_dump(), random_state=config.seed)
    trees.fit(_matrix(rows, plans), y, prior=np.concatenate(priors))
    return ContractModel(config, as_of, plans, fit_curves(known, as_of), trees)


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


def _matrix(features: pd.DataFrame, plans: tuple[str, ...]) -> pd.DataFrame:
    told = {f"plan_{number}": (features["plan"] == plan).astype(float) for number, plan in enumerate(plans)}
    numbers = features.drop(columns=["customer_id", "plan"])
    return numbers.astype(float).assign(**told)
