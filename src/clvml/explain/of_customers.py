"""Contribution of each feature to the forecasts of a customer. It is exact, since both forecasts are sums.

The logit of P(churn) and the logarithm of the expected spend are weighted sums of trees, of priors and, for spend, of
log P(buy) (docs/model.md). Trees have their SHAP values, a prior the Shapley values of its few inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from scipy.special import expit

from clvml.explain.propagation import mixed, pushed, shapley, through
from clvml.explain.reference import TYPICAL_ROWS, Reference, find_typical
from clvml.explain.treeshap import shap_values
from clvml.models.boosting import logit_of
from clvml.models.customer_model import CustomerModel
from clvml.models.outlook import spend_by_days
from clvml.models.prior import PRIOR_COLUMNS
from clvml.models.spend import STACKED
from clvml.threads import one_blas_thread

Array = NDArray[np.float64]

# The inputs of a prior, by the feature that a reason names; every other number that it reads follows from them.
INPUTS: dict[str, tuple[str, ...]] = {
    "purchase_days": ("purchase_days",),
    "days_since_last_order": ("days_since_last_order",),
    "gap_mean": ("gap_mean", "gap_std"),
    "spend_mean": ("spend_mean", "monetary_value"),
    "spend_sum_365d": ("spend_sum_365d", "spend_sum_180d", "spend_sum_90d"),
}
# The inputs of BTYD's expected purchases, whose computation takes most of the time.
_OF_PURCHASES = frozenset(("purchase_days", "days_since_last_order", "gap_mean", "gap_std"))
_READ = [name for names in INPUTS.values() for name in names]
# One-time buyers have no gap. They get that of the reference, since Shapley values also try more purchases.
_GAP = "gap_mean"
BATCH_ROWS = 32_768
# Stands for zero in a logarithm.
_LEAST = 1e-9


@one_blas_thread
def fit_reference(model: CustomerModel, features: pd.DataFrame, cutoff: date, seed: int) -> Reference:
    """Return the median customer of a feature table of customers who bought something, and what is typical of all."""
    known = features.sample(min(len(features), TYPICAL_ROWS), random_state=seed)
    gaps = known["gap_mean"].dropna()
    gap = float(gaps[gaps > 0].median()) if (gaps > 0).any() else float(model.horizon_days)
    inputs = inputs_of(known, gap).median()
    inputs["purchase_days"] = max(np.round(inputs["purchase_days"]), 1.0)
    # The median gap of those who have one.
    inputs[_GAP] = gap
    reference = Reference(inputs={str(name): float(value) for name, value in inputs.items()})
    churn, value = contributions(model, reference, known, cutoff)
    read = model.read(known)
    return Reference(
        inputs=reference.inputs,
        churn=find_typical(read, churn, model.features),
        value=find_typical(read, value, model.features),
    )


def check_inputs(inputs: Mapping[str, float | str]) -> None:
    """Raise ValueError where the inputs cannot belong to a reference customer."""
    if set(inputs) != set(_READ) or not all(isinstance(value, float) for value in inputs.values()):
        raise ValueError(f"inputs must be numbers: {', '.join(_READ)}")
    days, silent, gap, spread = (
        float(inputs[name]) for name in ("purchase_days", "days_since_last_order", "gap_mean", "gap_std")
    )
    if not (
        1 <= days <= 1e6
        and days == int(days)
        and 0 <= silent <= 1e6
        and 1 <= gap <= 1e6
        and 0 <= spread <= 1e6
    ):
        raise ValueError("inputs are impossible for a customer")


@one_blas_thread
def contributions(
    model: CustomerModel,
    reference: Reference,
    features: pd.DataFrame,
    cutoff: date,
    log_from: date | None = None,
    value: bool = True,
) -> tuple[Array, ...]:
    """Return what each feature adds to the logit of P(churn) and, with ``value``, to the logarithm of expected spend.

    Parameters
    ----------
    features : DataFrame
        One row per customer with a purchase day, as `CustomerModel.predict` takes them, with ``cutoff`` and
        ``log_from``.

    Returns
    -------
    tuple of arrays of shape (n, len(model.features) + 1)
        In the order of ``model.features``, then the base: the forecast of the prior for the reference customer, and
        the mean of the trees. A row adds up to the forecast.
    """
    shape = (len(features), len(model.features) + 1)
    if not reference.inputs or not len(features):
        return tuple(np.zeros(shape) for _ in range(1 + value))
    found = []
    for start in range(0, len(features), BATCH_ROWS):
        batch = features.iloc[start : start + BATCH_ROWS]
        customers = _Customers(model, reference, batch, cutoff, log_from)
        parts = [customers.churn(), customers.value()] if value else [customers.churn()]
        found.append([np.column_stack([phi.T, total - phi.sum(axis=0)]) for phi, total in parts])
    return tuple(np.concatenate(whole) for whole in zip(*found, strict=True))


def inputs_of(features: pd.DataFrame, gap: float) -> pd.DataFrame:
    """Return the inputs of a prior, none missing: one-time buyers get those that a second purchase would give them."""
    own = features[_READ].astype(float)
    once = own["purchase_days"] <= 1
    own["gap_mean"] = own["gap_mean"].mask(once, gap).fillna(gap)
    own["gap_std"] = own["gap_std"].fillna(own["gap_mean"])
    own["monetary_value"] = own["monetary_value"].mask(once, own["spend_mean"])
    return own


def history_of(inputs: pd.DataFrame) -> pd.DataFrame:
    """Return the features that a prior reads, from inputs that may mix a customer and the reference."""
    frequency = inputs["purchase_days"] - 1.0
    recency = frequency * inputs["gap_mean"]
    return inputs.assign(frequency=frequency, recency=recency, T=recency + inputs["days_since_last_order"])


class _Customers:
    """Parts of the forecasts of some customers; contributions have the shape (features, n)."""

    def __init__(
        self,
        model: CustomerModel,
        reference: Reference,
        features: pd.DataFrame,
        cutoff: date,
        log_from: date | None,
    ) -> None:
        self.model, self.trees = model, model.trees
        self.cutoff, self.log_from = cutoff, log_from
        self.place = {feature.name: place for place, feature in enumerate(model.features)}
        self.reference = reference.inputs
        self.inputs = inputs_of(features.reset_index(drop=True), float(reference.inputs[_GAP]))
        self.frame = model.frame(features, cutoff, self.trees.horizon_days, log_from)
        self.rows = self.trees.rows(self.frame)
        self.purchases: dict[frozenset[str], tuple[Array, Array]] = {}
        # Of what trees read, only trailing spend depends on the last input, and on no other input.
        self.games = self._game(self._btyd, list(INPUTS)[:-1])

    def churn(self) -> tuple[Array, Array]:
        """Return the contributions to the logit of P(churn), and that logit, shape (n,)."""
        phi, total = self._trained
        if self.trees.horizon_days != self.model.horizon_days:
            phi = through(_within, phi, total) + self._of("carried")
            total = _within(total) + self._btyd(self.inputs)["carried"]
        return phi, total

    def value(self) -> tuple[Array, Array]:
        """Return the contributions to the logarithm of the expected spend, and that logarithm, shape (n,)."""
        spend, name = self.trees.spend, self.model.config.model.spend
        forms = self.trees.spends(self.frame, expit(self._trained[1]))
        self.games |= self._game(self._spend)
        if spend.tweedie is None or spend.gamma is None:
            phi = self._of("blend")
        elif name == "stack":
            phi = sum(
                (weight * self._form(form) for weight, form in zip(spend.weights, STACKED, strict=True)),
                np.zeros(()),
            )
            if (decides := self.trees.level.decides(self.frame)).any():
                phi = np.where(decides, self._beyond_the_stack(phi, forms), phi)
        elif name == "mean":
            logs = {form: _log(forms[form]) for form in ("tweedie", "hurdle")}
            phi = mixed(0.5, logs["tweedie"], self._form("tweedie"), logs["hurdle"], self._form("hurdle"))
        else:
            phi = self._form(name)
        trained, horizon, own = self.trees.horizon_days, self.model.horizon_days, forms[name]
        if trained == horizon:
            return phi, _log(own)

        def carried(inputs: pd.DataFrame, _: Collection[str] = ()) -> dict[str, Array]:
            history = history_of(inputs)
            spend = spend_by_days(self.trees.prior, history, self.cutoff, trained, [horizon], own)
            return {"spend": _log(spend[:, 0])}

        whole = carried(self.inputs)["spend"]
        return phi + self._spread(self._game(carried)["spend"]), whole

    @cached_property
    def _trained(self) -> tuple[Array, Array]:
        """The contributions to the logit of P(churn) over the horizon of the trees, and that logit."""
        churn, shift = self.trees.churn, self.trees.level.churn_shift
        if churn.trees is None:
            return self._of("btyd_p_churn"), logit_of(self.frame["btyd_p_churn"]) + shift
        prior, share = churn.prior(self.frame), churn.share
        margin = churn.trees.margin(self.rows)
        phi = through(_within, self._boosted(churn.trees.booster_, None), margin)
        if prior is None:
            return phi, _within(margin) + shift
        logits = share * _within(margin) + (1.0 - share) * prior
        return share * phi + (1.0 - share) * self._of("btyd_p_churn"), logits + shift

    def _beyond_the_stack(self, phi: Array, forms: Mapping[str, Array]) -> Array:
        """Return contributions to the logarithm of a forecast that differs from the stack, in proportion to its own.

        So the base is the same for all.
        """
        logs = [
            weight * _log(forms[form]) for weight, form in zip(self.trees.spend.weights, STACKED, strict=True)
        ]
        base = sum(logs, _log(np.array(self.trees.level.stack))) - phi.sum(axis=0)
        return phi * (_log(forms["stack"]) - base) / phi.sum(axis=0)

    def _form(self, form: str) -> Array:
        """Return the contributions to the logarithm of one of `STACKED`."""
        spend, prior = self.trees.spend, self.trees.spend.prior(self.frame)
        if form == "alone" and spend.gamma_alone is None:
            form = "hurdle"
        start, given = spend.starts(self.frame)
        trees, margin = {
            "tweedie": (spend.tweedie, start),
            "hurdle": (spend.gamma, given),
            "alone": (spend.gamma_alone, None),
        }[form]
        if trees is None:
            raise AssertionError(form)
        phi = self._boosted(trees.booster_, None if margin is None else form)
        if form != "tweedie":
            phi = phi + through(_log_buys, *self._trained)
        if prior is None or spend.share == 1.0:
            return phi
        alone = np.log(trees.expected(trees.margin(self.rows, margin)))
        if form != "tweedie":
            alone = alone + _log_buys(self._trained[1])
        return mixed(spend.share, alone, phi, _log(prior), self._of("blend"))

    def _boosted(self, booster: xgb.Booster, start: str | None) -> Array:
        """Return the contributions to the sum of trees and of the prior that they start from."""
        phi = np.zeros((len(self.place), len(self.rows)))
        values = shap_values(booster, self.rows).T[:-1].astype(float)
        for name, own in zip(self.trees.predictors, values, strict=True):
            if name in self.games:
                phi += self._spread(pushed(self.games[name]) * own)
            else:
                phi[self.place.get(name, self.place["spend_sum_365d"])] += own
        return phi if start is None else phi + self._of(start)

    def _game(
        self,
        worth: Callable[[pd.DataFrame, frozenset[str]], dict[str, Array]],
        players: Collection[str] = INPUTS,
    ) -> dict[str, Array]:
        return shapley(self.inputs, self.reference, [INPUTS[name] for name in players], worth)

    def _of(self, game: str) -> Array:
        return self._spread(self.games[game])

    def _spread(self, of_inputs: Array) -> Array:
        """Return contributions of `INPUTS` as contributions of features."""
        phi = np.zeros((len(self.place), of_inputs.shape[1]))
        # All inputs, or all but the last.
        for name, values in zip(INPUTS, of_inputs, strict=False):
            phi[self.place[name]] = values
        return phi

    def _prior(self, inputs: pd.DataFrame, absent: frozenset[str]) -> pd.DataFrame:
        """Return the prior's columns for inputs; those named ``absent`` have the values of the reference."""
        prior, history, days = self.trees.prior, history_of(inputs), self.trees.horizon_days
        absent &= _OF_PURCHASES
        if absent not in self.purchases:
            self.purchases[absent] = prior.purchases(history, self.cutoff, days)
        return prior.forecast(history, self.cutoff, days, self.log_from, self.purchases[absent])

    def _btyd(self, inputs: pd.DataFrame, absent: frozenset[str] = frozenset()) -> dict[str, Array]:
        """Return the parts of the prior that the churn forecast and the trees use, on their scales."""
        frame, trees = self._prior(inputs, absent), self.trees
        read = {
            name for name in trees.predictors if name in PRIOR_COLUMNS and not name.startswith("trailing")
        }
        found = {name: _log(frame[name]) for name in read}
        found["btyd_p_churn"] = logit_of(frame["btyd_p_churn"])
        if trees.horizon_days != self.model.horizon_days:
            whole, _ = trees.prior.purchases(history_of(inputs), self.cutoff, self.model.horizon_days)
            found["carried"] = logit_of(whole) - found["btyd_p_churn"]
        return found

    def _spend(self, inputs: pd.DataFrame, absent: frozenset[str]) -> dict[str, Array]:
        """Return the parts of the prior that the spend forecast uses, on the logarithm."""
        frame, spend = self._prior(inputs, absent), self.trees.spend
        found = {"blend": _log(spend.blended(frame))}
        for form, one, start in zip(
            ("tweedie", "hurdle"), (spend.tweedie, spend.gamma), spend.starts(frame), strict=True
        ):
            if one is not None and start is not None:
                found[form] = one.starting_margin(start)
        return found


def _log(amount: pd.Series | Array) -> Array:
    return np.log(np.maximum(np.asarray(amount, dtype=float), _LEAST))


def _log_buys(logit: Array) -> Array:
    """Return the logarithm of P(buy) at a logit of P(churn)."""
    return -np.logaddexp(0.0, logit)


def _within(logit: Array) -> Array:
    """Return logits clipped to the range of `logit_of`."""
    limit = float(logit_of(1.0))
    return np.clip(logit, -limit, limit)
