"""Expected spend: trees boosted from the prior forecasts of spend, and a stack of three forms of it.

    E = level * tweedie^w_1 * hurdle^w_2 * alone^w_3,    w >= 0, sum of w = 1

and the mean of the first two, without a level, for customers who decide the total alone: a geometric mean is too low
where its forms differ widely.

The forms: a Tweedie model; the hurdle, which is P(buy) times the spend of buyers by a gamma model; and alone, which
is the hurdle with trees that start from nothing (docs/model.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from clvml.config import ModelConfig
from clvml.models.anchor import Level
from clvml.models.boosting import SpendRegressor
from clvml.models.model_file import State
from clvml.models.prior import SPEND_COLUMNS, fit_blend

Array = NDArray[np.float64]
Rows = NDArray[np.float32]

# Least P(buy) by which a prior is divided to get the spend of a buyer.
_LEAST_P_BUY = 0.02
STACKED = ("tweedie", "hurdle", "alone")
FORMS = (*STACKED, "mean", "stack")
# Stacking weights of the three where the log is too short to hold out a window, and how strongly learnt weights are
# shrunk towards them (docs/decisions/013, 016 and 020).
EQUAL_WEIGHTS = (1.0 / len(STACKED),) * len(STACKED)
_HELD_TO_EQUAL = 0.03
# Stands for zero in a logarithm.
_LEAST = 1e-300


@dataclass(frozen=True)
class Spend:
    """E[spend] by trees on one prior; the prior alone where the trees are None.

    Attributes
    ----------
    blend : array of shape (k,)
        Weights of the prior's forecasts of spend (`SPEND_COLUMNS`).
    tweedie, gamma : SpendRegressor or None
        Both are given or neither.
    gamma_alone : SpendRegressor or None
        Spend of buyers by trees that start from nothing, where the others start from a prior.
    base : {"blend", "btyd", "trailing", "none"}
        What the trees were boosted from.
    share : float
        Weight of the trees, from 0 to 1; the prior that they were boosted from has the rest.
    weights : tuple of float
        Weight of each of `STACKED` in their geometric mean, the stack; they add up to 1.
    """

    blend: Array = field(default_factory=lambda: _one_forecast("btyd_spend"))
    tweedie: SpendRegressor | None = None
    gamma: SpendRegressor | None = None
    gamma_alone: SpendRegressor | None = None
    base: str = "blend"
    share: float = 1.0
    weights: tuple[float, ...] = EQUAL_WEIGHTS

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        X: pd.DataFrame,
        weights: Array,
        base: str,
        boosting: Mapping[str, Any],
        share: float,
        stacking: tuple[float, ...],
    ) -> Spend:
        """Fit on snapshots with the prior's columns, what the trees read of them, and a weight for each, shape (n,).

        ``share`` is the weight of the trees beside their prior, ``stacking`` the weights of the forms. ``boosting`` are
        the parameters of `SpendRegressor`.
        """
        spend = frame["actual_spend"].clip(lower=0.0).to_numpy()
        blend = _blend_of(base, frame, spend, weights)
        prior = None if base == "none" else _blended(frame, blend)
        bought = frame["churned"].to_numpy() == 0

        def of_buyers(start: Array | None) -> SpendRegressor:
            start = None if start is None else start[bought]
            return SpendRegressor("gamma", **boosting).fit(X[bought], spend[bought], weights[bought], start)

        return cls(
            blend=blend,
            tweedie=SpendRegressor("tweedie", **boosting).fit(X, spend, weights, prior),
            gamma=of_buyers(_given_purchase(prior, frame)),
            gamma_alone=None if prior is None else of_buyers(None),
            base=base,
            share=share,
            weights=stacking,
        )

    @property
    def trees(self) -> dict[str, SpendRegressor]:
        """The trees by the name of their file; empty where there are none."""
        named = {"tweedie": self.tweedie, "gamma": self.gamma, "gamma_alone": self.gamma_alone}
        return {name: trees for name, trees in named.items() if trees is not None}

    def prior(self, frame: pd.DataFrame) -> Array | None:
        """Return the prior forecast of spend, shape (n,), or None where trees start from nothing."""
        return None if self.base == "none" else self.blended(frame)

    def blended(self, frame: pd.DataFrame) -> Array:
        """Return the blended prior forecast of spend, shape (n,), whether trees start from it or not."""
        return _blended(frame, self.blend)

    def starts(self, frame: pd.DataFrame) -> tuple[Array | None, Array | None]:
        """Return the priors of the trees of spend and of buyers' spend, shape (n,) each; None: they have none."""
        prior = self.prior(frame)
        return prior, _given_purchase(prior, frame)

    def forms(self, frame: pd.DataFrame, rows: Rows, p_churn: Array, level: Level) -> dict[str, Array]:
        """Return E[spend] by each of `FORMS`, shape (n,) each: means of trees and their prior, if they have one.

        ``frame`` holds the prior's columns, ``rows`` those of the trees. Each form is multiplied by its ``level``.
        """
        if self.tweedie is None or self.gamma is None:
            return dict.fromkeys(FORMS, self.blended(frame))
        prior, given = self.starts(frame)
        share = 1.0 if prior is None else self.share
        beside = 0.0 if prior is None else (1.0 - share) * prior
        given_purchase = self.gamma.expected(self.gamma.margin(rows, given))
        forms = {
            "tweedie": self.tweedie.expected(self.tweedie.margin(rows, prior)),
            "hurdle": (1.0 - p_churn) * given_purchase,
        }
        forms["alone"] = forms["hurdle"]
        if self.gamma_alone is not None:
            forms["alone"] = (1.0 - p_churn) * self.gamma_alone.expected(self.gamma_alone.margin(rows))
        # The level is that of the others.
        own = (share * (forms["tweedie"] + forms["hurdle"])) / 2.0 + beside
        forms = {name: getattr(level, name) * (share * spend + beside) for name, spend in forms.items()}
        stack = level.stack * _geometric_mean([forms[name] for name in STACKED], self.weights)
        mean = (forms["tweedie"] + forms["hurdle"]) / 2.0
        return {**forms, "mean": mean, "stack": np.where(level.decides(frame), own, stack)}

    def level_of_stack(self, forms: Mapping[str, Array]) -> float:
        """Return the factor that brings the geometric mean of the forms, shape (n,) each, to their mean total."""
        stacked = [forms[name] for name in STACKED]
        total = sum(weight * spend.sum() for weight, spend in zip(self.weights, stacked, strict=True))
        product = _geometric_mean(stacked, self.weights).sum()
        return float(total / product) if total > 0 else 1.0

    def best_weights(self, forms: Mapping[str, Array], spend: ArrayLike) -> tuple[float, ...]:
        """Return the stacking weights of `STACKED`, from forecasts for customers that the trees have not seen.

        Non-negative weights that add up to 1 (Breiman 1996, Stacked regressions) minimise the squared error of square
        roots. It is a compromise: a few large customers decide the error in money, and the many small ones that of
        logarithms. The stack is scaled to the actual total, since the level of one window is a single draw. The
        weights are shrunk towards equal ones.
        """
        actual = np.clip(np.asarray(spend, dtype=float), 0.0, None)
        if self.gamma_alone is None or actual.sum() <= 0:
            return EQUAL_WEIGHTS
        logs = np.log(np.maximum(np.column_stack([forms[name] for name in STACKED]), _LEAST))
        roots, equal = np.sqrt(actual), np.asarray(EQUAL_WEIGHTS)

        def error(weights: Array) -> float:
            spend = np.exp(logs @ weights)
            return float(np.mean((roots - np.sqrt(spend * (actual.sum() / spend.sum()))) ** 2))

        scale = max(error(equal), 1e-12)
        found = minimize(
            lambda weights: error(weights) / scale + _HELD_TO_EQUAL * float(((weights - equal) ** 2).sum()),
            equal,
            bounds=[(0.0, 1.0)] * len(equal),
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0},
            method="SLSQP",
        ).x
        weights = np.clip(found, 0.0, None)
        return tuple(map(float, weights / weights.sum()))

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the trees into a directory, and return the other values for ``model.json``."""
        for name, trees in self.trees.items():
            trees.save(directory / f"{name}.json")
        return {
            "blend": self.blend.tolist(),
            "spend_share": self.share,
            "spend_weights": list(self.weights),
            "spend_scale": {name: trees.scale_ for name, trees in self.trees.items()} or None,
        }

    @classmethod
    def load(cls, state: State, directory: Path, model: ModelConfig) -> Spend:
        """Return what `save` wrote and described."""
        scales = state.spend_scale.model_dump(exclude_none=True) if state.spend_scale else {}
        trees = {
            name: SpendRegressor("tweedie" if name == "tweedie" else "gamma", n_jobs=model.n_jobs).load(
                directory / f"{name}.json", scale, state.predictors
            )
            for name, scale in scales.items()
        }
        weights = tuple(state.spend_weights)
        return cls(
            np.asarray(state.blend), **trees, base=model.base, share=state.spend_share, weights=weights
        )


def _blended(frame: pd.DataFrame, blend: Array) -> Array:
    """Return the blended prior forecast, shape (n,); without a matrix product, whose rounding depends on all rows."""
    return sum(weight * frame[name].to_numpy() for name, weight in zip(SPEND_COLUMNS, blend, strict=True))


def _geometric_mean(forecasts: Sequence[Array], weights: Sequence[float]) -> Array:
    """Return the weighted geometric mean, shape (n,); without a matrix product, whose rounding depends on all rows."""
    return np.exp(
        sum(
            weight * np.log(np.maximum(spend, _LEAST))
            for weight, spend in zip(weights, forecasts, strict=True)
        )
    )


def _blend_of(base: str, frame: pd.DataFrame, spend: Array, weights: Array) -> Array:
    """Return the weights of `SPEND_COLUMNS` in the prior forecast of spend, shape (k,)."""
    alone = {"btyd": "btyd_spend", "trailing": "trailing_365d", "none": ""}
    if base in alone:
        return _one_forecast(alone[base])
    return fit_blend(frame[list(SPEND_COLUMNS)].to_numpy(), spend, weights)


def _one_forecast(name: str) -> Array:
    return np.array([float(column == name) for column in SPEND_COLUMNS])


def _given_purchase(prior: Array | None, frame: pd.DataFrame) -> Array | None:
    """Return the prior expected spend of each customer given a purchase, shape (n,)."""
    if prior is None:
        return None
    return prior / np.clip(1.0 - frame["btyd_p_churn"].to_numpy(), _LEAST_P_BUY, 1.0)
