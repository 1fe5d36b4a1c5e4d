"""Churn and spend from one prior, at one level. It is fitted twice: for model selection and for use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.util import hash_pandas_object
from scipy.special import expit

from clvml.config import PRIOR, Config, ModelConfig
from clvml.customers import available_features
from clvml.customers.attributes import Attribute
from clvml.customers.events import EventKind
from clvml.customers.given import Given, all_given, read_given
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError, first_of
from clvml.models.anchor import NO_CORRECTION, Level, churn_shift, deciding_spend, fit_level, totals_by_window
from clvml.models.boosting import ChurnClassifier, logit_of
from clvml.models.churn import Churn
from clvml.models.prior import BTYD_COLUMNS, PRIOR_COLUMNS, Prior, fit_prior
from clvml.models.spend import EQUAL_WEIGHTS, STACKED, Spend

Array = NDArray[np.float64]

# A training cutoff that is this many days older than the newest has 1/e of its weight.
_WEIGHT_DAYS = 90.0


class NothingToLearn(Exception):
    """The training windows hold too little to train trees on; the message says what is missing."""


@dataclass(frozen=True)
class Trees:
    """Churn and spend from one prior, which predicts alone where no trees could be trained.

    Attributes
    ----------
    horizon_days : int
        Days of future after a training cutoff.
    predictors : tuple of str
        Columns that the trees read.
    attributes : tuple of Attribute
        How attributes of customers are read, before the trees read them.
    events : tuple of EventKind
        Which events of customers are counted.
    """

    prior: Prior
    horizon_days: int
    predictors: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    events: tuple[EventKind, ...] = ()
    churn: Churn = field(default_factory=Churn)
    spend: Spend = field(default_factory=Spend)
    level: Level = NO_CORRECTION

    @property
    def given(self) -> tuple[Given, ...]:
        """The features from attributes and events."""
        return all_given(self.attributes, self.events)

    def p_churn(self, frame: pd.DataFrame) -> Array:
        """Return P(no purchase), shape (n,), for features with the prior's columns, at the level of the anchor."""
        return expit(self.churn.logits(frame, self.rows(frame)) + self.level.churn_shift)

    def spends(self, frame: pd.DataFrame, p_churn: Array) -> dict[str, Array]:
        """Return E[spend] by each form (`Spend.forms`), shape (n,) each, at the level of the anchor."""
        return self.spend.forms(frame, self.rows(frame), p_churn, self.level)

    def chosen_on(self, frame: pd.DataFrame) -> Trees:
        """Return the trees with the stacking weights that predict unseen customers best.

        ``frame`` holds features, the prior's columns and labels of one window that the trees have not seen.
        """
        chosen = replace(self, churn=self.churn.stacked(frame, self.rows(frame), frame["churned"]))
        others = ~self.level.decides(frame)
        forms = _of(chosen.spends(frame, chosen.p_churn(frame)), others)
        spend = replace(self.spend, weights=self.spend.best_weights(forms, frame["actual_spend"][others]))
        return replace(chosen, spend=spend, level=self.level._replace(stack=spend.level_of_stack(forms)))

    def check_features(self, names: Collection[str], columns: Collection[str]) -> None:
        """Raise `InputError` where a feature table lacks features of the trees; ``columns`` are those of the log."""
        lacking = [one.column for one in self.attributes if one.name not in names]
        if lacking:
            raise InputError(
                f"the model was trained with attributes of customers that this data does not have: {first_of(lacking)};"
                " give the table of customers as in training (data.attributes), or train a model without it"
            )
        if not {one.name for one in all_given((), self.events)} <= set(names):
            raise InputError(
                "the model was trained with events of customers that this data does not have; give the table of events"
                " as in training (data.events), or train a model without it"
            )
        missing = sorted(set(self.predictors) - set(names) - set(PRIOR_COLUMNS))
        if missing:
            needed = ", ".join(
                sorted({f.needs for f in available_features(columns) if f.name in missing} - {""})
            )
            remedy = f"give the column(s) {needed} as in training, or " if needed else ""
            raise InputError(
                f"the model was trained on features that this data does not have: {', '.join(missing[:5])}"
                f"{' ...' if len(missing) > 5 else ''}; {remedy}train a model on data like this"
            )

    def rows(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return the predictors of the trees from features with the prior's columns, shape (n, predictors).

        Raises
        ------
        InputError
            A value is infinite.
        """
        # In the precision of XGBoost, so that it makes no copy.
        with np.errstate(over="ignore"):
            rows = frame[list(self.predictors)].to_numpy(np.float32)
        infinite = np.isinf(rows).any(axis=0)
        if infinite.any():
            named = ", ".join(np.asarray(self.predictors)[infinite][:5])
            raise InputError(
                f"features hold infinite or absurdly large values: {named}; mend or remove these rows"
            )
        return rows


def fit_trees(
    days: CustomerDays,
    snapshots: dict[date, pd.DataFrame],
    as_of: date,
    config: Config,
    horizon_days: int,
    churn_share: float | None = None,
    spend_share: float = 1.0,
    spend_weights: tuple[float, ...] = EQUAL_WEIGHTS,
    *,
    attributes: tuple[Attribute, ...] = (),
) -> Trees:
    """Fit the prior on what lies before ``as_of``, and trees on snapshots labelled over ``horizon_days``.

    ``churn_share`` is the weight of the churn trees beside BTYD, which without it counts as much as one window.
    ``spend_share`` is the weight of the trees of spend beside their prior, ``spend_weights`` are those of the forms.
    The snapshots hold encoded ``attributes`` (`read_given`).

    Raises
    ------
    NothingToLearn
        Fewer than two customers bought anything before the newest of the snapshots, or none after.
    """
    prior = fit_prior(days, as_of, config.windows.horizon_days, config.model.season)
    given = all_given(attributes, days.kinds)
    predictors = _predictors(days.columns, config.model.leave_out, given)
    trees = Trees(prior, horizon_days, predictors, attributes, days.kinds)
    frames = {cutoff: with_prior(s, prior, cutoff, horizon_days) for cutoff, s in snapshots.items()}
    if churn_share is None:
        churn_share = len(frames) / (len(frames) + 1)
    trees = _grown(trees, frames, config, churn_share, spend_share, spend_weights)
    now = days.features(as_of, config.windows.horizon_days)
    now = read_given(now[now["purchase_days"] > 0], given)
    now = with_prior(now, prior, as_of, horizon_days)
    p_churn = trees.p_churn(now)
    shift = churn_shift(now, p_churn) if config.model.calibrate else 0.0
    giants = Level(deciding=deciding_spend(now))
    known = {one for frame in (now, *frames.values()) for one in frame["customer_id"][giants.decides(frame)]}
    others = ~now["customer_id"].isin(known).to_numpy()
    spends = _of(trees.spends(now, expit(logit_of(p_churn) + shift)), others)
    level = fit_level(now[others], shift, spends, totals_by_window(frames, known), horizon_days)
    if not config.model.calibrate:
        level = Level(spread=level.spread)
    levelled = {name: getattr(level, name) * spends[name] for name in STACKED}
    stack = trees.spend.level_of_stack(levelled)
    return replace(trees, level=level._replace(stack=stack, deciding=giants.deciding))


def cross_fitted(trees: Trees, snapshots: Mapping[date, pd.DataFrame], config: Config) -> tuple[Array, Array]:
    """Return P(no purchase) and E[spend] of the customers of the newest snapshot, shape (n,) each, unseen by the trees.

    Each half of the customers is predicted by trees that were grown on the other half (cross-fitting), or by the prior
    where that half holds nothing to learn from. Hashes of their ids say who belongs to which half.
    The level is that of the snapshots and not that of the anchor, which is today's. ``trees`` were fitted on these
    ``snapshots`` (`fit_trees`).
    """
    newest, frames, halves = max(snapshots), {}, {}
    for cutoff, snapshot in snapshots.items():
        frames[cutoff] = with_prior(snapshot, trees.prior, cutoff, trees.horizon_days)
        halves[cutoff] = hash_pandas_object(snapshot["customer_id"], index=False).to_numpy() % 2
    p_churn, spend = np.empty((2, len(frames[newest])))
    for half in np.unique(halves[newest]):
        grown = replace(trees, churn=Churn(), spend=Spend(), level=NO_CORRECTION)
        others = {cutoff: frame[halves[cutoff] != half] for cutoff, frame in frames.items()}
        with suppress(NothingToLearn):
            shares = trees.churn.share, trees.spend.share, trees.spend.weights
            grown = _grown(grown, others, config, *shares)
        own = halves[newest] == half
        frame = frames[newest][own]
        p_churn[own] = grown.p_churn(frame)
        stack = grown.spend.level_of_stack(
            _of(grown.spends(frame, p_churn[own]), ~trees.level.decides(frame))
        )
        grown = replace(grown, level=Level(stack=stack, deciding=trees.level.deciding))
        spend[own] = grown.spends(frame, p_churn[own])[config.model.spend]
    return p_churn, spend


def _grown(
    trees: Trees,
    frames: Mapping[date, pd.DataFrame],
    config: Config,
    churn_share: float,
    spend_share: float,
    spend_weights: tuple[float, ...],
) -> Trees:
    """Return ``trees`` with those of churn and spend, at no level.

    ``frames`` are snapshots with the prior's columns; it raises as `fit_trees` does.
    """
    newest, frame = max(frames), pd.concat(frames.values(), ignore_index=True)
    customers = frame["customer_id"].nunique()
    if customers < 2 or not (frame["actual_spend"] > 0).any():
        spent = "" if customers < 2 else ", none of whom bought again"
        raise NothingToLearn(f"the training windows hold {customers} customer(s){spent}")
    age = np.concatenate([np.full(len(rows), (newest - cutoff).days) for cutoff, rows in frames.items()])
    weights = np.exp(-age / _WEIGHT_DAYS)
    chances = _chances(weights, config.model.max_rows)
    kept = np.random.default_rng(config.seed).random(len(frame)) < chances
    spenders = (frame["actual_spend"] > 0).to_numpy()
    if not kept[spenders].any():
        # There are too few to sample from: all are kept.
        kept, chances = kept | spenders, np.where(spenders, 1.0, chances)
    frame, weights = frame[kept], weights[kept] / chances[kept]
    X, base = frame[list(trees.predictors)], config.model.base
    boosting = _boosting_parameters(config.model, config.seed, trees.attributes)
    return replace(
        trees,
        churn=Churn.fit(frame, X, weights, base, boosting, churn_share),
        spend=Spend.fit(frame, X, weights, base, boosting, spend_share, spend_weights),
    )


def with_prior(snapshot: pd.DataFrame, prior: Prior, cutoff: date, horizon_days: int) -> pd.DataFrame:
    """Return the snapshot of one cutoff with the prior's forecasts beside it."""
    return pd.concat([snapshot, prior.forecast(snapshot, cutoff, horizon_days)], axis="columns")


def _of(forms: Mapping[str, Array], customers: NDArray[np.bool_]) -> dict[str, Array]:
    return {name: spend[customers] for name, spend in forms.items()}


def _boosting_parameters(model: ModelConfig, seed: int, attributes: Sequence[Attribute]) -> dict[str, Any]:
    taken = model.model_dump(include=set(ChurnClassifier().get_params()))
    categories = tuple(one.name for one in attributes if one.kind == "category")
    return {**taken, "random_state": seed, "categorical_features": categories}


def _chances(weights: Array, most: int) -> Array:
    """Return the probability of keeping each row, in proportion to its weight, for ``most`` expected rows.

    Rows of small weight cost as much time as the others. Sampling them and dividing the weight of those kept by the
    probability loses the least information.
    """
    if len(weights) <= most:
        return np.ones(len(weights))
    chances = weights * (most / weights.sum())
    for _ in range(20):
        # Rows with a probability above 1 pass on the excess to the others.
        sure = chances >= 1.0
        left = most - sure.sum()
        if left <= 0 or sure.all():
            break
        scaled = np.where(sure, 1.0, weights * (left / weights[~sure].sum()))
        if np.allclose(scaled, chances):
            break
        chances = scaled
    return np.minimum(chances, 1.0)


def _predictors(
    columns: Sequence[str], leave_out: Collection[str], given: Sequence[Given]
) -> tuple[str, ...]:
    known = (*available_features(columns), *(one.feature for one in given))
    features = (f.name for f in known if f.predictor and f.group not in leave_out)
    forecasts = () if PRIOR in leave_out else (*BTYD_COLUMNS, "btyd_spend", "trailing_365d")
    return (*features, *forecasts)
