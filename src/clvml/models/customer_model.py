"""The whole model of a customer base: prior, churn trees, spend trees, intervals, outlook."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from clvml.config import Config, ValueConfig
from clvml.customers import Feature, available_features
from clvml.customers.given import read_given
from clvml.customers.snapshots import CustomerDays
from clvml.customers.windows import trainable, training_cutoffs
from clvml.errors import InputError
from clvml.models.anchor import Level
from clvml.models.boosting import logit_of
from clvml.models.churn import Churn
from clvml.models.giveaway import learn_attributes, learn_events
from clvml.models.intervals import SpendIntervals, fit_intervals
from clvml.models.model_file import State, read_state, write_state
from clvml.models.outlook import (
    HORIZONS,
    bought_once,
    carry_on,
    lifetime_value,
    next_order_days,
    spend_by_days,
    value_days,
)
from clvml.models.prior import Prior, fit_prior
from clvml.models.season import DAYS_OF_YEAR
from clvml.models.spend import EQUAL_WEIGHTS, Spend
from clvml.models.trees import NothingToLearn, Trees, cross_fitted, fit_trees, with_prior
from clvml.threads import one_blas_thread

Array = NDArray[np.float64]

# Customers to train on for each row that the trees may see (docs/model.md).
_CUSTOMERS_OF_A_ROW = 4


@dataclass(frozen=True)
class CustomerModel:
    """Predicts churn, spend and value of every customer of a purchase log.

    Attributes
    ----------
    config : Config
        As trained; the columns and cleaning of a scored file follow it.
    as_of : date
        Nothing dated at or after it was used.
    columns : tuple of str
        Optional columns of the purchase log that the features use.
    trees : Trees
        Prior and boosted trees.
    intervals : SpendIntervals
        Learnt from forecasts of the newest training window by a model that had not seen it, or not these customers.
    fallback : dict of str to float
        ``p_churn`` and ``spend`` of customers without a purchase day.
    tiers : tuple of float
        Least ``clv`` [currency] of the tiers, highest first, from the customers at ``as_of``.
    thresholds : dict of str to float
        Other limits from these customers, so that a customer's segment does not depend on who else is scored.
    notes : tuple of str
        Remarks on the training, such as what a short log made necessary, in words.
    """

    config: Config
    as_of: date
    columns: tuple[str, ...]
    trees: Trees
    intervals: SpendIntervals
    fallback: dict[str, float]
    tiers: tuple[float, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())

    @property
    def horizon_days(self) -> int:
        """Days of future that the model predicts."""
        return self.config.windows.horizon_days

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of the model, those of attributes and events last."""
        return (*available_features(self.columns), *(one.feature for one in self.trees.given))

    def read(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return a feature table with the attributes as the trees read them: numbers, and codes of categories.

        Raises
        ------
        InputError
            A feature of the trained model is missing, or an attribute holds something else than in training.
        """
        self.check_features(features.columns)
        return read_given(features, self.trees.given)

    @one_blas_thread
    def predict(
        self,
        features: pd.DataFrame,
        cutoff: date,
        value: ValueConfig | None = None,
        log_from: date | None = None,
    ) -> pd.DataFrame:
        """Predict each customer of the feature table of one cutoff.

        Parameters
        ----------
        features : DataFrame
            One row per customer (`CustomerDays.features`).
        cutoff : date
            The first day not observed.
        value : ValueConfig, optional
            Margin, discount rate and retention cost instead of the trained ones.
        log_from : date, optional
            First day of the log of the features; by default, or if earlier, that of the training log.

        Returns
        -------
        DataFrame
            Same index. ``p_churn``, ``expected_orders`` [purchase days], ``expected_spend`` and its
            ``_low`` and ``_high`` [currency, over the horizon], ``expected_spend_{30,90,180,365}d``, ``clv``
            [currency], ``next_order_days`` [days; NaN beyond a year]. Customers without any purchase day get
            the fallback.
        """
        value = value or self.config.value
        days = [*HORIZONS, *value_days(value)]
        p_churn, orders, expected, waits = (
            np.full(len(features), value)
            for value in (
                self.fallback["p_churn"],
                1.0 - self.fallback["p_churn"],
                self.fallback["spend"],
                np.nan,
            )
        )
        known = (features["purchase_days"] > 0).to_numpy()
        if known.any():
            bought = features if known.all() else features[known]
            frame, p_churn[known], expected[known] = self._at_horizon(bought, cutoff, log_from)
            buys = np.maximum(1.0 - frame["btyd_p_churn"].to_numpy(), 1e-9)
            orders[known] = (1.0 - p_churn[known]) * np.maximum(frame["btyd_orders"].to_numpy() / buys, 1.0)
            waits[known] = next_order_days(
                self.trees.prior, bought, cutoff, self.horizon_days, p_churn[known]
            )
        low, high = self.intervals.interval(expected, p_churn)
        spend_by = expected[:, None] * (np.asarray(days, dtype=float) / self.horizon_days)
        if known.any():
            spend_by[known] = spend_by_days(
                self.trees.prior, bought, cutoff, self.horizon_days, days, expected[known]
            )
        predicted = pd.DataFrame(
            {
                "p_churn": p_churn,
                "expected_orders": orders,
                "expected_spend": expected,
                "next_order_days": waits,
                "expected_spend_low": low,
                "expected_spend_high": high,
                **{f"expected_spend_{days}d": spend_by[:, place] for place, days in enumerate(HORIZONS)},
                "clv": lifetime_value(spend_by[:, len(HORIZONS) :], value),
            },
            index=features.index,
        )
        _check_finite(predicted.drop(columns="next_order_days"))
        return predicted

    def _at_horizon(
        self, features: pd.DataFrame, cutoff: date, log_from: date | None
    ) -> tuple[pd.DataFrame, Array, Array]:
        """Return the features with the prior's columns, P(no purchase) and E[spend], all over the whole horizon.

        The prior extends forecasts of trees that were trained on a shorter horizon: the odds of no purchase change as
        the prior's do, and spend grows as its expected purchases.
        """
        frame = self.frame(features, cutoff, log_from=log_from)
        trees, horizon = self.trees, self.horizon_days
        if trees.horizon_days == horizon:
            p_churn = trees.p_churn(frame)
            return frame, p_churn, trees.spends(frame, p_churn)[self.config.model.spend]
        shorter = self.frame(features, cutoff, trees.horizon_days, log_from)
        p_shorter = trees.p_churn(shorter)
        prior, shorter_prior = logit_of(frame["btyd_p_churn"]), logit_of(shorter["btyd_p_churn"])
        p_churn = expit(logit_of(p_shorter) + prior - shorter_prior)
        expected = trees.spends(shorter, p_shorter)[self.config.model.spend]
        carried = spend_by_days(trees.prior, features, cutoff, trees.horizon_days, [horizon], expected)
        return frame, p_churn, carried[:, 0]

    def frame(
        self,
        features: pd.DataFrame,
        cutoff: date,
        horizon_days: int | None = None,
        log_from: date | None = None,
    ) -> pd.DataFrame:
        """Return the features and the columns of the prior, over the whole horizon by default.

        It raises as `read` does.
        """
        forecast = self.trees.prior.forecast(features, cutoff, horizon_days or self.horizon_days, log_from)
        return pd.concat([self.read(features), forecast], axis="columns")

    def check_features(self, names: Collection[str]) -> None:
        """Raise `InputError` where a feature of the trained model is missing."""
        self.trees.check_features(names, self.columns)

    def with_tiers(self, tiers: tuple[float, ...], thresholds: dict[str, float]) -> CustomerModel:
        """Return the model with the least ``clv`` of each value tier, highest first, and other limits."""
        return replace(self, tiers=tiers, thresholds=thresholds)

    def save(self, directory: Path) -> None:
        """Write the trees as JSON, and ``model.json`` with a digest of each file, into an existing directory."""
        state = {
            "config": self.config.without_passwords().model_dump(mode="json"),
            "as_of": self.as_of.isoformat(),
            "columns": list(self.columns),
            "prior": self.trees.prior.to_dict(),
            "predictors": list(self.trees.predictors),
            "attributes": [asdict(one) | {"levels": list(one.levels)} for one in self.trees.attributes],
            "events": [one._asdict() for one in self.trees.events],
            "level": self.trees.level._asdict(),
            "trained_days": self.trees.horizon_days,
            **self.trees.churn.save(directory),
            **self.trees.spend.save(directory),
            "intervals": self.intervals.to_dict(),
            "fallback": self.fallback,
            "tiers": list(self.tiers),
            "thresholds": self.thresholds,
            "notes": list(self.notes),
        }
        write_state(state, directory, State)

    @classmethod
    def load(cls, directory: Path) -> CustomerModel:
        """Read what `save` wrote; runs no code that came with it.

        Raises
        ------
        InputError
            The directory holds no model, one of another format version, or one that was changed since.
        """
        state = read_state(directory, State)
        config = state.parsed_config
        trees = Trees(
            prior=Prior.from_dict(state.prior.model_dump()),
            horizon_days=state.trained_days,
            predictors=tuple(state.predictors),
            attributes=state.known_attributes,
            events=state.event_kinds,
            churn=Churn.load(state, directory, config.model),
            spend=Spend.load(state, directory, config.model),
            level=Level(**state.level.model_dump()),
        )
        return cls(
            config=config,
            as_of=date.fromisoformat(state.as_of),
            columns=tuple(state.columns),
            trees=trees,
            intervals=SpendIntervals.from_dict(state.intervals.model_dump()),
            fallback=state.fallback.model_dump(),
            tiers=tuple(state.tiers),
            thresholds=state.thresholds.model_dump(exclude_none=True),
            notes=tuple(state.notes),
        )


def _check_finite(predicted: pd.DataFrame) -> None:
    wrong = ~np.isfinite(predicted.to_numpy())
    if wrong.any():
        named = ", ".join(predicted.columns[wrong.any(axis=0)][:5])
        raise InputError(
            f"the model gives {wrong.any(axis=1).sum():,} of {len(predicted):,} customers no finite {named}; their "
            "amounts are absurdly large, or the model is not as a training wrote it: mend the rows, or train it again"
        )


@one_blas_thread
def fit_customer_model(days: CustomerDays, as_of: date, config: Config) -> CustomerModel:
    """Train on everything before ``as_of`` and nothing after.

    Snapshots at the training cutoffs are stacked; the prior is fitted at ``as_of``; trees learn from both. A model that
    was trained only on windows that had ended before the newest one began predicts this window. Its forecasts choose
    the stacking weights, and the intervals are learnt from them. Without such a model the weights are equal, and the
    intervals are learnt from `cross_fitted`.

    Of many customers a sample is drawn first, and all is fitted on it (`CustomerDays.sampled`).

    On a log too short for the horizon, trees are trained on a shorter one (`clvml.customers.windows.trainable`), and
    the prior extends it. Where no trees can be trained, the prior predicts alone. The model's notes say which was done.

    Raises
    ------
    InputError
        Nobody bought anything, or an attribute is of no use or gives the future away.
    """
    windows = trainable(days.first_day, as_of, config.windows)
    if windows is None:
        history = (as_of - days.first_day).days
        return _prior_alone(days, as_of, config, f"{history} days of history are too short to train on")
    notes = []
    if windows.horizon_days < config.windows.horizon_days:
        notes.append(
            f"{(as_of - days.first_day).days} days of history are too short to train on"
            f" {config.windows.horizon_days}-day windows: trained on {windows.horizon_days} days, and carried on from"
            " there as the purchase model (BTYD) expects"
        )
    cutoffs = training_cutoffs(days.first_day, as_of, windows)
    horizon, trained = config.windows.horizon_days, windows.horizon_days
    newest = cutoffs[-1]
    most = _CUSTOMERS_OF_A_ROW * config.model.max_rows
    everybody, days = days, days.sampled(newest, most)
    if days is not everybody:
        notes.append(
            f"trained on {most:,} of the customers who had a line before {newest}, chosen by their ids:"
            f" {_CUSTOMERS_OF_A_ROW} for each of the model.max_rows that the trees see"
        )
    days, left_out = learn_events(days, newest, config)
    snapshots = {cutoff: days.snapshots([cutoff], horizon, label_days=trained) for cutoff in cutoffs}
    attributes, snapshots, note = learn_attributes(days, snapshots, config)
    notes += filter(None, [left_out, note])
    ended = {c: s for c, s in snapshots.items() if c + timedelta(days=trained) <= newest}
    held_out = snapshots[newest]
    # Where no unseen window is left to test the trees on, the prior counts as much as one window.
    unseen, churn_share, weights = None, None, EQUAL_WEIGHTS
    spend_share = len(cutoffs) / (len(cutoffs) + 1)
    if ended:
        # The windows that had ended may hold too little to learn from, or no purchase at all.
        with suppress(NothingToLearn, InputError):
            earlier = fit_trees(days, ended, newest, config, trained, attributes=attributes)
            frame = with_prior(held_out, earlier.prior, newest, trained)
            unseen = earlier.chosen_on(frame)
            p_churn = unseen.p_churn(frame)
            spend = unseen.spends(frame, p_churn)[config.model.spend]
            churn_share, spend_share, weights = unseen.churn.share, 1.0, unseen.spend.weights
    try:
        trees = fit_trees(
            days, snapshots, as_of, config, trained, churn_share, spend_share, weights, attributes=attributes
        )
    except NothingToLearn as reason:
        return _prior_alone(everybody, as_of, config, str(reason))
    if unseen is None:
        p_churn, spend = cross_fitted(trees, snapshots, config)
        notes.append(
            "the log is too short to hold out a training window: its intervals come from forecasts of each half of the"
            " customers by trees of the other half"
        )
    if trees.churn.trees is None:
        notes.append(
            "the training windows show no churn to learn from: the purchase model (BTYD) predicts it"
        )
    once = pd.concat([snapshot[snapshot["purchase_days"] == 1] for snapshot in snapshots.values()])
    if once.empty:
        once = held_out
    if config.model.season and not trees.prior.season.years:
        young = (as_of - days.first_day).days < DAYS_OF_YEAR
        why = "less than a year of history" if young else "none can be told from chance or growth"
        notes.append(f"forecasts carry no season: {why}")
    p_once, spend_once = carry_on(
        trees.prior,
        bought_once(days.features(as_of, horizon)),
        as_of,
        trained,
        horizon,
        float(once["churned"].mean()),
        max(float(once["actual_spend"].mean()), 0.0),
    )
    # Of spend over the whole horizon, which intervals are looked up by.
    longer = horizon / trained
    return CustomerModel(
        config=config,
        as_of=as_of,
        columns=days.columns,
        trees=trees,
        intervals=fit_intervals(
            longer * spend, p_churn, longer * held_out["actual_spend"], level_spread=trees.level.spread
        ),
        fallback={"p_churn": p_once, "spend": spend_once},
        notes=tuple(notes),
    )


def _prior_alone(days: CustomerDays, as_of: date, config: Config, reason: str) -> CustomerModel:
    """Return a model without trees, for a log on which none can be trained."""
    horizon = config.windows.horizon_days
    prior = fit_prior(days, as_of, horizon, config.model.season)
    expected = prior.forecast(bought_once(days.features(as_of, horizon)), as_of, horizon)
    return CustomerModel(
        config=config,
        as_of=as_of,
        columns=days.columns,
        trees=Trees(prior, horizon),
        intervals=SpendIntervals.assumed(),
        fallback={
            "p_churn": float(expected["btyd_p_churn"].mean()),
            "spend": float(expected["btyd_spend"].mean()),
        },
        notes=(f"{reason}: the purchase model (BTYD) predicts alone, and the intervals are a rule of thumb",),
    )
