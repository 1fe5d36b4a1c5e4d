"""Churn and spend trees on one prior, and the level that the prior keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from clvml.config import PRIOR, Config, ModelConfig
from clvml.customers import available_features
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.models.boosting import PROBABILITY_MARGIN, ChurnClassifier, SpendRegressor, logit_of
from clvml.models.intervals import LEVEL_SPREAD
from clvml.models.prior import BTYD_COLUMNS, SPEND_COLUMNS, Prior, fit_blend, fit_prior

Array = NDArray[np.float64]

# A training cutoff this many days older than the newest weighs 1/e of it.
_WEIGHT_DAYS = 90.0
# P(buy) below which the spend of a buyer is not divided out of a prior any further.
_LEAST_P_BUY = 0.02
# Stacking weights that the churn trees may have beside BTYD, on the logit scale. The first is also used where the log
# is too short to hold out a window and choose one: trees trained on few windows are too sure, most where customers
# are few.
_SHARES = (0.75, 1.0, 0.5, 0.25, 0.0)
_USUAL_SHARE = _SHARES[0]
# The share of a forecast's mean miss in the training windows that is expected to last, and the mean squared error of
# the logarithm of totals that no forecast can avoid: the larger it is, the more equal are the weights of the forecasts.
_LASTING_MISS = 1.0 / 3.0
_LEVEL_NOISE = 0.1
# No miss counts for more: a window in which nothing was sold, or a great deal refunded, says little of the next.
_LARGEST_MISS = float(np.log(4.0))
_LARGEST_LOGIT = float(logit_of(1.0))
# How many windows of the log itself the usual spread of the level counts for: windows are few and alike.
_USUAL_WINDOWS = 4.0
FORMS = ("tweedie", "hurdle", "alone", "mean", "stack")
# Stacking weights of the three forecasts of spend where the log is too short to hold out a window, and how strongly
# learnt weights are drawn towards them. Both were chosen on twelve logs (docs/decisions/013).
_USUAL_WEIGHTS = (0.4, 0.4, 0.2)
_HELD_TO_USUAL = 0.02


class NothingToLearn(Exception):
    """The training windows hold nothing that trees could learn from; the message says what is missing."""


class Level(NamedTuple):
    """What brings the trees to the level at which the prior expects the customer base as a whole.

    Trees know who buys more than whom, but take the level of the training windows for that of all time: a
    model trained on autumns expects an autumn. The prior knows a year and the wear of the customer base.

    Attributes
    ----------
    churn_shift : float
        Added to the logit of P(churn).
    tweedie, hurdle, alone : float
        Factors of the expected spend by each form.
    spread : float
        Standard deviation of the logarithm by which all customers together come in above or below.
    """

    churn_shift: float = 0.0
    tweedie: float = 1.0
    hurdle: float = 1.0
    alone: float = 1.0
    spread: float = LEVEL_SPREAD


class ChurnChoice(NamedTuple):
    """What the churn trees count beside BTYD, from 0 to 1, and whether they are boosted from it."""

    churn_share: float = _USUAL_SHARE
    churn_boosted: bool = True


def _btyd_alone() -> Array:
    return np.asarray([float(name == "btyd_spend") for name in SPEND_COLUMNS])


NO_CORRECTION = Level()


@dataclass(frozen=True)
class Trees:
    """Churn and spend trees on one prior; what is fitted twice, for selection and for use.

    Where there was nothing to learn from, the trees are None and the prior stands alone.

    Attributes
    ----------
    prior : Prior
    horizon_days : int
        Days of future after a training cutoff.
    predictors : tuple of str
        Columns that the trees read.
    blend : array of shape (k,)
        Weights of the prior's forecasts of spend (`SPEND_COLUMNS`).
    churn : ChurnClassifier or None
    tweedie, gamma : SpendRegressor or None
        Both or none.
    gamma_alone : SpendRegressor or None
        Spend of buyers by trees that start from nothing, where the others start from a prior.
    level : Level
    base : {"blend", "btyd", "trailing", "none"}
        What the trees were boosted from.
    churn_share : float
        What the churn trees count beside BTYD, from 0 to 1.
    churn_boosted : bool
        Whether the churn trees were boosted from BTYD, where ``base`` lets them; they start from nothing otherwise.
    churn_rival : ChurnClassifier or None
        Churn trees that start from nothing, where they are to be compared (`best_churn`).
    churn_slope : float
        Factor of the logits of BTYD's P(no purchase), from 0 to 1.
    spend_share : float
        What the trees of spend count beside the prior that they were boosted from, from 0 to 1.
    spend_weights : tuple of float
        What the forms `tweedie`, `hurdle` and `alone` count in the stack; they add up to 1.
    """

    prior: Prior
    horizon_days: int
    predictors: tuple[str, ...] = ()
    blend: Array = field(default_factory=_btyd_alone)
    churn: ChurnClassifier | None = None
    tweedie: SpendRegressor | None = None
    gamma: SpendRegressor | None = None
    gamma_alone: SpendRegressor | None = None
    level: Level = NO_CORRECTION
    base: str = "blend"
    churn_share: float = _USUAL_SHARE
    churn_boosted: bool = True
    churn_rival: ChurnClassifier | None = None
    churn_slope: float = 1.0
    spend_share: float = 1.0
    spend_weights: tuple[float, ...] = _USUAL_WEIGHTS

    def p_churn(self, frame: pd.DataFrame) -> Array:
        """Return P(no purchase): a mean of trees and BTYD on the logit scale, at the level of the anchor.

        Where ``base`` holds no BTYD, trees stand alone.
        """
        if self.churn is None:
            return expit(logit_of(frame["btyd_p_churn"]) + self.level.churn_shift)
        trees, prior = self._churn_logits(frame, self.churn, self.churn_boosted)
        return expit(self.churn_share * trees + (1.0 - self.churn_share) * prior + self.level.churn_shift)

    def best_churn(self, frame: pd.DataFrame, churned: ArrayLike) -> ChurnChoice:
        """Return which churn trees, at which share, rank and spread unseen customers best, whatever their level.

        The log loss of each is taken at the level that came true, since the level of one window is one draw. Trees
        that start from nothing have to be better by more than the standard error of the difference (Breiman et al.
        1984, section 3.4.3), lest the kind changes with every training.
        """
        y = np.asarray(churned, dtype=float)
        if self.churn is None or not 0.0 < y.mean() < 1.0:
            return ChurnChoice()

        def best(churn: ChurnClassifier, boosted: bool) -> tuple[ChurnChoice, Array]:
            trees, prior = self._churn_logits(frame, churn, boosted)
            losses = {
                share: _losses_at_true_level(share * trees + (1.0 - share) * prior, y) for share in _SHARES
            }
            share = min(losses, key=lambda share: float(losses[share].mean()))
            return ChurnChoice(share, boosted), losses[share]

        choice, losses = best(self.churn, True)
        if self.churn_rival is None:
            return choice
        other, other_losses = best(self.churn_rival, False)
        gain = losses - other_losses
        return other if gain.mean() > gain.std() / np.sqrt(len(gain)) else choice

    def with_churn(self, choice: ChurnChoice) -> Trees:
        """Return the trees with the churn trees that were chosen (`best_churn`)."""
        churn = self.churn if choice.churn_boosted or self.churn_rival is None else self.churn_rival
        return replace(self, churn=churn, **choice._asdict())

    def _churn_logits(
        self, frame: pd.DataFrame, churn: ChurnClassifier, boosted: bool
    ) -> tuple[Array, Array]:
        """Return the logits of the churn trees and of the prior; trees without a prior stand in for it."""
        prior = _churn_prior(frame, self.base, self.churn_slope)
        trees = churn.margin(self._rows(frame), prior if boosted else None)
        trees = np.clip(trees, -_LARGEST_LOGIT, _LARGEST_LOGIT)
        return trees, trees if prior is None else logit_of(prior)

    def spends(self, frame: pd.DataFrame, p_churn: Array) -> dict[str, Array]:
        """Return E[spend] by each of `FORMS`, shape (n,) each: means of trees and their prior, if they have one."""
        if self.tweedie is None or self.gamma is None:
            return dict.fromkeys(FORMS, _blended(frame, self.blend))
        rows, prior = self._rows(frame), self.spend_prior(frame)
        share = 1.0 if prior is None else self.spend_share
        beside = 0.0 if prior is None else (1.0 - share) * prior
        given_purchase = self.gamma.expected(self.gamma.margin(rows, _given_purchase(prior, frame)))
        forms = {
            "tweedie": self.tweedie.expected(self.tweedie.margin(rows, prior)),
            "hurdle": (1.0 - p_churn) * given_purchase,
        }
        forms["alone"] = forms["hurdle"]
        if self.gamma_alone is not None:
            forms["alone"] = (1.0 - p_churn) * self.gamma_alone.expected(self.gamma_alone.margin(rows))
        forms = {name: getattr(self.level, name) * (share * spend + beside) for name, spend in forms.items()}
        stack = np.sum(
            [w * spend for w, spend in zip(self.spend_weights, forms.values(), strict=True)], axis=0
        )
        return {**forms, "mean": (forms["tweedie"] + forms["hurdle"]) / 2.0, "stack": stack}

    def best_spend(self, frame: pd.DataFrame, spend: ArrayLike) -> tuple[float, ...]:
        """Return what each form of spend is to count, from customers that the trees have not seen.

        Non-negative weights that add up to 1 (Breiman 1996, Stacked regressions) minimise the squared error of square
        roots, between that of money, which a few large customers decide, and that of logarithms, which the many small
        ones do. Each form is taken at the level that came true, since the level of one window is one draw. The weights
        are held to the usual ones.
        """
        actual = np.clip(np.asarray(spend, dtype=float), 0.0, None)
        if self.gamma_alone is None or actual.sum() <= 0:
            return _USUAL_WEIGHTS
        forms = self.spends(frame, self.p_churn(frame))
        stacked = np.column_stack([forms[name] for name in FORMS[: len(_USUAL_WEIGHTS)]])
        stacked *= actual.sum() / np.maximum(stacked.sum(axis=0), 1e-9)
        roots, usual = np.sqrt(actual), np.asarray(_USUAL_WEIGHTS)

        def error(weights: Array) -> float:
            return float(np.mean((roots - np.sqrt(np.maximum(stacked @ weights, 0.0))) ** 2))

        scale = max(error(usual), 1e-12)
        found = minimize(
            lambda weights: error(weights) / scale + _HELD_TO_USUAL * float(((weights - usual) ** 2).sum()),
            usual,
            bounds=[(0.0, 1.0)] * len(usual),
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0},
            method="SLSQP",
        ).x
        weights = np.clip(found, 0.0, None)
        return tuple(map(float, weights / weights.sum()))

    def _rows(self, frame: pd.DataFrame) -> NDArray[np.float32]:
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

    @property
    def spend_trees(self) -> dict[str, SpendRegressor]:
        """The trees of spend by form; empty where there are none."""
        return {
            name: trees
            for name, trees in (
                ("tweedie", self.tweedie),
                ("gamma", self.gamma),
                ("gamma_alone", self.gamma_alone),
            )
            if trees is not None
        }

    def spend_prior(self, frame: pd.DataFrame) -> Array | None:
        """Return the prior forecast of spend, shape (n,), or None where trees start from nothing."""
        return None if self.base == "none" else _blended(frame, self.blend)


def fit_trees(
    days: CustomerDays,
    snapshots: dict[date, pd.DataFrame],
    as_of: date,
    config: Config,
    horizon_days: int,
    churn_choice: ChurnChoice | None = None,
    spend_share: float = 1.0,
    spend_weights: tuple[float, ...] = _USUAL_WEIGHTS,
) -> Trees:
    """Fit the prior on what lies before ``as_of``, and trees on snapshots labelled over ``horizon_days``.

    ``churn_choice`` says which churn trees to grow; without one, both kinds are, for `Trees.best_churn`.
    ``spend_share`` is what the trees of spend count beside their prior, ``spend_weights`` what their forms do.

    Raises
    ------
    NothingToLearn
        Fewer than two customers bought anything before the newest of the snapshots, or none after.
    """
    prior = fit_prior(days, as_of, config.windows.horizon_days, config.model.season)
    newest = max(snapshots)
    frame = pd.concat(
        [with_prior(snapshot, prior, cutoff, horizon_days) for cutoff, snapshot in snapshots.items()],
        ignore_index=True,
    )
    churned = frame["churned"].to_numpy()
    customers = frame["customer_id"].nunique()
    if customers < 2 or not (frame["actual_spend"] > 0).any():
        spent = "" if customers < 2 else ", none of whom bought again"
        raise NothingToLearn(f"the training windows hold {customers} customer(s){spent}")
    age = np.concatenate([np.full(len(s), (newest - cutoff).days) for cutoff, s in snapshots.items()])
    weights = np.exp(-age / _WEIGHT_DAYS)
    levels = frame[["cutoff", "actual_spend", "btyd_spend", "trailing_365d"]]
    totals = levels.assign(actual_spend=levels["actual_spend"].clip(lower=0.0)).groupby("cutoff").sum()
    chances = _chances(weights, config.model.max_rows)
    kept = np.random.default_rng(config.seed).random(len(frame)) < chances
    spenders = (frame["actual_spend"] > 0).to_numpy()
    if not kept[spenders].any():
        # Too few to be left to chance.
        kept, chances = kept | spenders, np.where(spenders, 1.0, chances)
    frame, churned, weights = frame[kept], churned[kept], weights[kept] / chances[kept]
    spend = frame["actual_spend"].clip(lower=0.0).to_numpy()
    base = config.model.base
    blend = _blend_of(base, frame, spend, weights)
    spend_prior = None if base == "none" else _blended(frame, blend)
    predictors = _predictors(days.columns, config.model.leave_out)
    X = frame[list(predictors)]
    boosting = _boosting_parameters(config.model, config.seed)
    bought = churned == 0
    slope = _churn_slope(frame, churned, weights)
    churn_prior = _churn_prior(frame, base, slope)
    chosen = churn_choice or ChurnChoice()
    churn, rival = (
        ChurnClassifier(**boosting).fit(X, churned, weights, start) if wanted and not bought.all() else None
        for start, wanted in (
            (churn_prior if chosen.churn_boosted else None, True),
            (None, churn_choice is None and churn_prior is not None),
        )
    )
    trees = Trees(
        prior=prior,
        horizon_days=horizon_days,
        predictors=predictors,
        blend=blend,
        churn=churn,
        churn_rival=rival,
        tweedie=SpendRegressor("tweedie", **boosting).fit(X, spend, weights, spend_prior),
        gamma=SpendRegressor("gamma", **boosting).fit(
            X[bought], spend[bought], weights[bought], _given_purchase(spend_prior, frame, bought)
        ),
        gamma_alone=None
        if spend_prior is None
        else SpendRegressor("gamma", **boosting).fit(X[bought], spend[bought], weights[bought]),
        base=base,
        churn_share=chosen.churn_share,
        churn_boosted=chosen.churn_boosted,
        churn_slope=slope,
        spend_share=spend_share,
        spend_weights=spend_weights,
    )
    now = days.features(as_of, config.windows.horizon_days)
    now = now[now["purchase_days"] > 0]
    level = _level(trees, with_prior(now, prior, as_of, horizon_days), totals)
    return replace(trees, level=level if config.model.calibrate else Level(spread=level.spread))


def _level(trees: Trees, now: pd.DataFrame, totals: pd.DataFrame) -> Level:
    """Return what brings the trees' predictions of all customers of today to the level of the prior.

    ``totals`` has one row per training cutoff: what was spent, and what BTYD and trailing spend said. Part of what
    each of the two missed on average is added to what it says now; each counts by how near it would have come with
    that: trailing spend is sound where the customer base is steady, and far too high where a cohort fades. What
    both together would have missed by tells how far the level can be relied on.
    """
    p_churn = trees.p_churn(now)
    churn_shift = logit_of(now["btyd_p_churn"].mean()) - logit_of(p_churn.mean())
    spends = trees.spends(now, expit(logit_of(p_churn) + churn_shift))
    actual = _log(totals["actual_spend"])
    anchor = trust = 0.0
    missed = np.zeros(len(totals))
    for name in ("btyd_spend", "trailing_365d"):
        miss = (actual - _log(totals[name])).clip(-_LARGEST_MISS, _LARGEST_MISS)
        lasting = _LASTING_MISS * float(miss.mean())
        weight = 1.0 / (float(((miss - lasting) ** 2).mean()) + _LEVEL_NOISE)
        anchor += weight * (float(_log(now[name].sum())) + lasting)
        missed += weight * (miss - lasting).to_numpy()
        trust += weight
    anchor /= trust
    # Windows overlap: a year of 90-day windows, a month apart, is worth about five.
    windows = 1.0 + (max(totals.index) - min(totals.index)).days / trees.horizon_days
    squares = _USUAL_WINDOWS * LEVEL_SPREAD**2 + windows * float(np.mean((missed / trust) ** 2))
    spread = float(np.sqrt(squares / (_USUAL_WINDOWS + windows)))

    def factor(spend: Array) -> float:
        return float(np.exp(anchor - _log(spend.sum())))

    tweedie, hurdle, alone = (factor(spends[name]) for name in ("tweedie", "hurdle", "alone"))
    return Level(float(churn_shift), tweedie, hurdle, alone, spread)


def _log(total: ArrayLike) -> Any:
    return np.log(np.maximum(total, 1e-9))


def with_prior(snapshot: pd.DataFrame, prior: Prior, cutoff: date, horizon_days: int) -> pd.DataFrame:
    return pd.concat([snapshot, prior.forecast(snapshot, cutoff, horizon_days)], axis="columns")


def _boosting_parameters(model: ModelConfig, seed: int) -> dict[str, Any]:
    taken = model.model_dump(include=set(ChurnClassifier().get_params()))
    return {**taken, "random_state": seed}


def _chances(weights: Array, most: int) -> Array:
    """Return the chance of each row to be trained on, in proportion to its weight, for ``most`` rows in all.

    A row that weighs little costs as much time as one that weighs much: dropping such rows and raising the
    weight of those that stay by as much loses the least.
    """
    if len(weights) <= most:
        return np.ones(len(weights))
    chances = weights * (most / weights.sum())
    for _ in range(20):
        # Rows that are sure to stay leave their surplus to the others.
        sure = chances >= 1.0
        left = most - sure.sum()
        if left <= 0 or sure.all():
            break
        scaled = np.where(sure, 1.0, weights * (left / weights[~sure].sum()))
        if np.allclose(scaled, chances):
            break
        chances = scaled
    return np.minimum(chances, 1.0)


def _blended(frame: pd.DataFrame, blend: Array) -> Array:
    """Return the blended prior forecast of spend, shape (n,); no matrix product, so each row stands alone."""
    return sum(weight * frame[name].to_numpy() for name, weight in zip(SPEND_COLUMNS, blend, strict=True))


def _blend_of(base: str, frame: pd.DataFrame, spend: Array, weights: Array) -> Array:
    """Return the weights of `SPEND_COLUMNS` in the prior forecast of spend, shape (k,)."""
    alone = {"btyd": "btyd_spend", "trailing": "trailing_365d", "none": ""}
    if base in alone:
        return np.array([float(column == alone[base]) for column in SPEND_COLUMNS])
    return fit_blend(frame[list(SPEND_COLUMNS)].to_numpy(), spend, weights)


def _predictors(columns: Sequence[str], leave_out: Collection[str]) -> tuple[str, ...]:
    known = available_features(columns)
    features = (f.name for f in known if f.predictor and f.group not in leave_out)
    forecasts = () if PRIOR in leave_out else (*BTYD_COLUMNS, "btyd_spend", "trailing_365d")
    return (*features, *forecasts)


def _churn_prior(frame: pd.DataFrame, base: str, slope: float) -> Array | None:
    return expit(slope * logit_of(frame["btyd_p_churn"])) if base in ("blend", "btyd") else None


def _churn_slope(frame: pd.DataFrame, churned: Array, weights: Array) -> float:
    """Return by how much the logits of BTYD's P(no purchase) spread too far, from 0 to 1: logistic regression.

    Where nearly everybody buys again, BTYD is far too sure of it, and trees that start there do not get away.
    """
    if churned.min() == churned.max():
        return 1.0
    logits = logit_of(frame[["btyd_p_churn"]])
    slope = LogisticRegression(C=np.inf).fit(logits, churned, weights).coef_[0, 0]
    return float(np.clip(slope, 0.0, 1.0))


def _losses_at_true_level(logits: Array, churned: Array) -> Array:
    """Return each customer's log loss, shape (n,), by probabilities that are moved to the share that churned."""
    shift = brentq(lambda by: float(expit(logits + by).mean() - churned.mean()), -50.0, 50.0)
    p = np.clip(expit(logits + shift), PROBABILITY_MARGIN, 1.0 - PROBABILITY_MARGIN)
    return -(churned * np.log(p) + (1.0 - churned) * np.log1p(-p))


def _given_purchase(
    spend_prior: Array | None, frame: pd.DataFrame, rows: slice | NDArray[np.bool_] = slice(None)
) -> Array | None:
    """Return the prior spend of the customers in ``rows``, if they buy at all."""
    if spend_prior is None:
        return None
    p_buy = np.clip(1.0 - frame["btyd_p_churn"].to_numpy(), _LEAST_P_BUY, 1.0)
    return (spend_prior / p_buy)[rows]
