"""Who gets which action: the most gain within a budget and a cap per action, one action each at most.

Prices are sought, one of the budget and one of each cap, at which what everybody would choose for themselves fits
(Dantzig and Wolfe 1960): a small linear programme mixes the plans that were tried, its dual values are the next prices,
and no plan at all can gain more than the prices say (Lagrange). That bound is returned beside the plan. Up to
`EXACT_CUSTOMERS` customers, an integer programme then decides on whom the prices leave open (HiGHS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from clvml.decide.quiet import quiet_stdout

Array = NDArray[np.float64]
Choice = NDArray[np.int8]

EXACT_CUSTOMERS = 2_000
# Prices are sought on so many customers before all of them are asked.
_SAMPLE = 20_000
_MOST_ROUNDS = 200
# Bound and mixture as near as this are equal.
_NEAR = 1e-6
_FIRST_OPEN = 200
# Enough for the integer programme to close its gap; a plan must not depend on how quick a machine is.
_MOST_NODES = 2_000
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


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
        return self.cost <= _with_rounding(budget) and bool((self.counts <= task.caps).all())


@dataclass(frozen=True)
class Allocation:
    """A plan, and what it is known to be worth.

    Attributes
    ----------
    choice : ndarray of int8, shape (n,)
        The action of each customer; -1 for none.
    totals : Totals
    bound : float
        No plan within budget and caps gains more [currency].
    price : float
        What one more unit of the budget would bring; 0 where nothing more pays.
    """

    choice: Choice
    totals: Totals
    bound: float
    price: float

    @property
    def gap(self) -> float:
        """By how much the plan falls short of the bound at most, as a share of it."""
        return max(0.0, 1.0 - self.totals.gain / self.bound) if self.bound > 0 else 0.0


@dataclass
class Market:
    """Prices, and what everybody would choose at them: what was tried for one budget serves for another.

    Attributes
    ----------
    task : Task
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
        self, budget: float, start: Array | None = None, near: float = _NEAR
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


def allocate(task: Task, budget: float, market: Market | None = None) -> Allocation:
    """Choose an action or none for each customer.

    Parameters
    ----------
    task : Task
    budget : float
        Cost at most; inf for no limit.
    market : Market, optional
        Of the same task: what was tried for another budget serves again.

    >>> task = Task(np.array([[9.0, 3.0], [40.0, 10.0]]), np.array([[1.0, 1.0], [10.0, 10.0]]), np.full(2, np.inf))
    >>> allocate(task, 11.0).choice.tolist()
    [1, 0]
    """
    market = market or Market(task)
    free = np.zeros(1 + len(task.caps))
    choice, _ = market.ask(free)
    totals = Totals.of(task, choice)
    market.tried.append((free, totals))
    if totals.fits(task, budget):
        return Allocation(choice, totals, totals.gain, 0.0)
    start = _sample_prices(task, budget) if task.customers > _SAMPLE else None
    prices, weights, _, bound = market.settle(budget, start)
    price = float(prices[0])
    rounded = _improve(task, _deal(market, weights), budget, prices)
    if task.customers <= EXACT_CUSTOMERS:
        rounded, bound = _exact(market, budget, prices, bound, rounded)
    totals = Totals.of(task, rounded)
    return Allocation(rounded, totals, max(bound, totals.gain), price)


def _sample_prices(task: Task, budget: float) -> Array:
    """Return the prices of an evenly spread part of the customers."""
    chosen = np.linspace(0, task.customers - 1, _SAMPLE).astype(np.intp)
    share = _SAMPLE / task.customers
    return Market(task.part(chosen, share)).settle(budget * share)[0]


def _exact(market: Market, budget: float, prices: Array, bound: float, known: Choice) -> tuple[Choice, float]:
    """Return the best plan there is, and what none exceeds; where the nodes run out, the best found.

    What costs a customer more at the prices than a known plan falls short of the bound is in no better plan
    (reduced-cost fixing), which leaves little to decide. Those on whom least depends are decided first: the better the
    known plan, the fewer are left.
    """
    task = market.task
    _, best = market.ask(prices)
    worth = np.vstack([task.gain - prices[0] * task.cost - prices[1:, None], np.zeros((1, task.customers))])
    regret = best - worth
    regret[:-1][(task.gain <= 0) | (task.cost > _with_rounding(budget))] = np.inf
    second = np.sort(np.partition(regret, 1, axis=0)[1])
    for most in (_FIRST_OPEN, EXACT_CUSTOMERS):
        short = bound - Totals.of(task, known).gain + 1e-12 * bound
        if short <= _NEAR * bound:
            break
        slack = short if (second <= short).sum() <= most else min(short, float(second[most - 1]))
        known, proven = _decided(task, budget, regret <= slack, known, bound)
        if slack == short:
            bound = min(bound, proven)
    return known, bound


def _decided(
    task: Task, budget: float, kept: NDArray[np.bool_], known: Choice, bound: float
) -> tuple[Choice, float]:
    """Return the best plan among the choices kept, shape (k + 1, n), and what none of these exceeds."""
    own = np.arange(task.customers)
    # What is known stays among the choices, whatever rounding did to it.
    kept[known, own] = True
    open_ = np.flatnonzero(kept.sum(axis=0) > 1)
    choice = known.copy()
    choice[open_] = -1
    done = Totals.of(task, choice)
    action, place = np.nonzero(kept[:-1, open_])
    gain, cost = task.gain[action, open_[place]], task.cost[action, open_[place]]
    if not len(gain):
        return known, done.gain
    pairs, ones = np.arange(len(gain)), np.ones(len(gain))
    each = csr_array((ones, (place, pairs)), shape=(len(open_), len(gain)))
    # Who may not be left without an action must have one.
    limits = [LinearConstraint(each, lb=1.0 - kept[-1, open_], ub=np.ones(len(open_)))]
    capped = np.flatnonzero(np.isfinite(task.caps))
    if len(capped):
        of_action = csr_array((ones, (action, pairs)), shape=(len(task.caps), len(gain)))
        limits.append(
            LinearConstraint(of_action[capped], ub=np.floor(task.caps[capped]) - done.counts[capped])
        )
    unit = max(float(cost.max()), 1e-12)
    if np.isfinite(budget):
        limits.append(LinearConstraint(csr_array(cost[None, :] / unit), ub=(budget - done.cost) / unit))
    scale, near = max(float(gain.max()), 1e-12), _NEAR * bound / 2.0
    with quiet_stdout():
        found = milp(
            -gain / scale,
            integrality=ones,
            bounds=Bounds(0, 1),
            constraints=limits,
            options={"mip_rel_gap": near / max(bound - done.gain, near), "node_limit": _MOST_NODES},
        )
    proven = np.inf if found.mip_dual_bound is None else done.gain - float(found.mip_dual_bound) * scale
    if found.x is None:
        return known, proven
    taken = found.x > 0.5
    choice[open_[place[taken]]] = action[taken]
    # The solver keeps a limit to a tolerance of its own.
    totals = Totals.of(task, choice)
    better = totals.fits(task, budget) and totals.gain > Totals.of(task, known).gain
    return (choice if better else known), proven


def _deal(market: Market, weights: Array) -> Choice:
    """Return a plan near a mixture: customers on whom its plans disagree are dealt out in its proportions."""
    active = np.flatnonzero(weights > 1e-9)
    plans = np.stack([market.ask(market.tried[place][0])[0] for place in active])
    ends = np.cumsum(weights[active]) / weights[active].sum()
    choice: Choice = plans[0].copy()
    open_ = np.flatnonzero((plans != plans[0]).any(axis=0))
    if not len(open_):
        return choice
    # Those of whom the plans say the same are dealt among themselves.
    base = len(market.task.caps) + 1
    pattern = np.zeros(len(open_), dtype=np.int64)
    for plan in plans:
        pattern = np.unique(pattern * base + plan[open_] + 1, return_inverse=True)[1]
    order = np.argsort(pattern, kind="stable")
    starts = np.searchsorted(pattern[order], np.arange(pattern.max() + 1))
    rank = np.arange(len(open_)) - starts[pattern[order]]
    place = np.searchsorted(ends, ((rank + 0.5) * _GOLDEN) % 1.0, side="right")
    dealt = open_[order]
    choice[dealt] = plans[np.minimum(place, len(plans) - 1), dealt]
    return choice


def _improve(task: Task, choice: Choice, budget: float, prices: Array) -> Choice:
    """Return a plan made to fit, and filled up with what is left."""
    choice = _within_caps(task, choice, prices)
    choice = _within_budget(task, choice, budget)
    for _ in range(3):
        choice, moved = _fill(task, choice, budget)
        if not moved:
            break
    return choice


def _within_caps(task: Task, choice: Choice, prices: Array) -> Choice:
    """Take customers out of actions that are over their cap, those first who lose least at the prices."""
    choice = choice.copy()
    counts = Totals.of(task, choice).counts
    for action in np.flatnonzero(counts > task.caps):
        own = np.flatnonzero(choice == action)
        over = int(counts[action] - np.floor(task.caps[action]))
        worth = task.gain[action][own] - prices[0] * task.cost[action][own]
        choice[own[np.argsort(worth, kind="stable")[:over]]] = -1
    return choice


def _within_budget(task: Task, choice: Choice, budget: float) -> Choice:
    """Take out customers until the cost fits, those first who gain least for what they cost."""
    cost = Totals.of(task, choice).cost
    if cost <= _with_rounding(budget):
        return choice
    choice = choice.copy()
    own = np.flatnonzero(choice >= 0)
    costs, gains = task.cost[choice[own], own], task.gain[choice[own], own]
    order = np.argsort(gains / np.maximum(costs, 1e-12), kind="stable")
    freed = np.cumsum(costs[order])
    count = int(np.searchsorted(freed, cost - budget)) + 1
    choice[own[order[:count]]] = -1
    return choice


def _fill(task: Task, choice: Choice, budget: float) -> tuple[Choice, bool]:
    """Spend what is left on the moves that bring most for it; return whether there was one."""
    totals = Totals.of(task, choice)
    left, room = budget - totals.cost, np.floor(task.caps) - totals.counts
    own = np.arange(task.customers)
    chosen = choice >= 0
    gain = np.where(chosen, task.gain[choice, own], 0.0)
    cost = np.where(chosen, task.cost[choice, own], 0.0)
    moves = []
    for place in np.flatnonzero(room > 0):
        more, dearer = task.gain[place] - gain, task.cost[place] - cost
        open_ = np.flatnonzero((more > 0) & (dearer <= left) & (choice != place) & (task.gain[place] > 0))
        # As many as could be paid for and a few more: the best for the money.
        rate = more[open_] / np.maximum(dearer[open_], 1e-12)
        best = open_[np.argsort(-rate, kind="stable")[:_SAMPLE]]
        moves.append(np.column_stack([np.full(len(best), place), best, more[best], dearer[best]]))
    if not moves:
        return choice, False
    listed = np.concatenate(moves)
    listed = listed[np.argsort(-listed[:, 2] / np.maximum(listed[:, 3], 1e-12), kind="stable")]
    choice, touched, moved = choice.copy(), set(), False
    for to, whom, _, dearer in listed.tolist():
        action, customer = int(to), int(whom)
        if dearer > left or room[action] < 1 or customer in touched:
            continue
        if choice[customer] >= 0:
            room[choice[customer]] += 1
        choice[customer] = action
        left -= dearer
        room[action] -= 1
        touched.add(customer)
        moved = True
    return choice, moved


def _with_rounding(budget: float) -> float:
    """Return a budget that sums which come to it exactly do not exceed by rounding."""
    return budget * (1.0 + 1e-12) + 1e-9
