"""Prices at which what everybody would choose for themselves fits a budget and a cap per action.

One of the budget and one of each cap (Dantzig and Wolfe 1960): a small linear programme mixes the plans that were
tried, its dual values are the next prices, and no plan at all can gain more than the prices say (Lagrange).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

Array = NDArray[np.float64]
Choice = NDArray[np.int8]

# Bound and mixture as near as this are equal.
NEAR = 1e-6
_MOST_ROUNDS = 200


@dataclass(frozen=True)
class Queue:
    """For whom the only action pays: those first who bring most for what they cost (Dantzig 1957).

    Attributes
    ----------
    order : ndarray of int, shape (m,)
        Of those equally good, the first of the task stand first.
    spent, earned : ndarray, shape (m + 1,)
        Cost and gain of the first 0, 1, ... m of them [currency].
    """

    order: NDArray[np.intp]
    spent: Array
    earned: Array

    @classmethod
    def of(cls, gain: Array, cost: Array) -> Queue:
        paying = np.flatnonzero(gain > 0)
        order = paying[np.argsort(-gain[paying] / np.maximum(cost[paying], 1e-12), kind="stable")]
        spent, earned = (np.append(0.0, np.cumsum(values[order])) for values in (cost, gain))
        return cls(order, spent, earned)

    def most(self, budgets: ArrayLike) -> Array:
        """Return what nobody exceeds with each of some budgets [currency]: the last may be paid for in part."""
        return np.asarray(np.interp(np.asarray(budgets, dtype=float), self.spent, self.earned))

    def affordable(self, budget: float) -> int:
        """Return how many of the first a budget pays for that does not pay for all."""
        count = int(np.searchsorted(self.spent, with_rounding(budget), side="right")) - 1
        return min(count, len(self.order) - 1)


@dataclass(frozen=True)
class Task:
    """What is to be decided.

    Attributes
    ----------
    gain : ndarray, shape (k, n)
        What each of k actions brings for each of n customers [currency]; -inf where it is not allowed. What brings
        nothing or less is never chosen.
    cost : ndarray, shape (k, n)
        What it costs, non-negative [currency].
    caps : ndarray, shape (k,)
        Customers per action at most; inf for no cap.
    """

    gain: Array
    cost: Array
    caps: Array

    @property
    def customers(self) -> int:
        return len(self.gain[0])

    @cached_property
    def queue(self) -> Queue | None:
        """Who comes first, where there is nothing to choose but whom; None with more actions, or a cap."""
        return (
            Queue.of(self.gain[0], self.cost[0]) if len(self.caps) == 1 and np.isinf(self.caps[0]) else None
        )

    def part(self, chosen: NDArray[np.intp], share: float = 1.0) -> Task:
        """Return the task of some of the customers, with that share of the caps."""
        return Task(
            np.ascontiguousarray(self.gain[:, chosen]),
            np.ascontiguousarray(self.cost[:, chosen]),
            self.caps * share,
        )


@dataclass(frozen=True)
class Totals:
    """What a plan comes to: gain, cost [currency], customers per action."""

    gain: float
    cost: float
    counts: Array

    @classmethod
    def of(cls, task: Task, choice: Choice) -> Totals:
        gain = cost = 0.0
        counts = np.zeros(len(task.caps))
        for action in range(len(task.caps)):
            own = np.flatnonzero(choice == action)
            counts[action] = len(own)
            gain += float(task.gain[action][own].sum())
            cost += float(task.cost[action][own].sum())
        return cls(gain, cost, counts)

    def fits(self, task: Task, budget: float) -> bool:
        return self.cost <= with_rounding(budget) and bool((self.counts <= task.caps).all())


@dataclass
class Market:
    """Prices, and what everybody would choose at them: what was tried for one budget serves for another.

    Attributes
    ----------
    tried : list of (prices, Totals)
        Prices of the budget and of each cap, shape (1 + k,).
    """

    task: Task
    tried: list[tuple[Array, Totals]] = field(default_factory=list)

    def __post_init__(self) -> None:
        k = len(self.task.caps)
        self.tried.append((np.full(1 + k, np.inf), Totals(0.0, 0.0, np.zeros(k))))

    def ask(self, prices: Array) -> tuple[Choice, Array]:
        """Return what each customer chooses at given prices, and what that is worth after them, shape (n,) each."""
        n = self.task.customers
        best, choice = np.zeros(n), np.full(n, -1, dtype=np.int8)
        if np.isinf(prices).any():
            return choice, best
        for action, cap_price in enumerate(prices[1:]):
            worth = self.task.gain[action] - prices[0] * self.task.cost[action]
            worth -= cap_price
            better = worth > best
            choice[better] = action
            np.maximum(best, worth, out=best)
        return choice, best

    def settle(
        self, budget: float, start: Array | None = None, near: float = NEAR
    ) -> tuple[Array, Array, float, float]:
        """Seek the prices for a budget, until bound and mixture are as near as a share of the bound.

        Returns
        -------
        prices : ndarray, shape (1 + k,)
        weights : ndarray
            Of the plans in ``tried``; they add up to 1.
        value : float
            What that mixture gains.
        bound : float
            What no plan exceeds.
        """
        limits = np.concatenate([[budget], self.task.caps])
        bound, best_prices = np.inf, np.zeros(len(limits))
        prices = np.zeros(len(limits)) if start is None else start
        weights, value = np.zeros(0), 0.0
        for round_ in range(_MOST_ROUNDS):
            choice, worth = self.ask(prices)
            self.tried.append((prices, Totals.of(self.task, choice)))
            # A price of zero on what has no limit counts nothing.
            offered = float(worth.sum()) + float(prices[prices > 0] @ limits[prices > 0])
            if offered < bound:
                bound, best_prices = offered, prices
            weights, value, wanted = self._mixture(limits)
            if bound - value <= near * max(bound, 0.0):
                break
            # Half way from the best prices so far: the mixture's own leap about (Wentges 1997).
            mixed = 0.5 * best_prices + 0.5 * wanted if round_ % 4 != 3 else wanted
            prices = wanted if np.allclose(mixed, prices, rtol=1e-12, atol=0.0) else mixed
        return best_prices, weights, value, bound

    def values(self, budgets: Sequence[float]) -> Array:
        """Return what the best mixture of all that was tried gains with each budget: concave, never falling."""
        return np.array([self._mixture(np.concatenate([[budget], self.task.caps]))[1] for budget in budgets])

    def _mixture(self, limits: Array) -> tuple[Array, float, Array]:
        gains = np.array([totals.gain for _, totals in self.tried])
        used = np.array([[totals.cost, *totals.counts] for _, totals in self.tried]).T
        limited = np.isfinite(limits)
        # In units near one, or the solver's tolerances would be money.
        scale = np.maximum(np.abs(used).max(axis=1), 1e-12)
        unit = max(float(gains.max()), 1e-12)
        found = linprog(
            -gains / unit,
            A_ub=(used / scale[:, None])[limited],
            b_ub=(limits / scale)[limited],
            A_eq=np.ones((1, len(gains))),
            b_eq=[1.0],
            method="highs",
        )
        if found.status != 0:
            raise RuntimeError(f"the mixture of plans could not be solved: {found.message}")
        prices = np.zeros(len(limits))
        prices[limited] = np.maximum(-found.ineqlin.marginals, 0.0) * unit / scale[limited]
        return found.x, -float(found.fun) * unit, prices


def with_rounding(budget: float) -> float:
    """Return a budget that sums which come to it exactly do not exceed by rounding."""
    return budget * (1.0 + 1e-12) + 1e-9
