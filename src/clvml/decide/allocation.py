"""Who gets which action: the most gain within a budget and a cap per action, one action each at most.

Prices are sought at which what everybody would choose for themselves fits (`clvml.decide.market`), and a whole plan is
made of those that were tried. What no plan exceeds is returned beside it. Up to `EXACT_CUSTOMERS` customers, an integer
programme then decides on whom the prices leave open (HiGHS).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from clvml.decide.market import NEAR, Array, Choice, Market, Queue, Task, Totals, with_rounding
from clvml.decide.quiet import quiet_stdout

EXACT_CUSTOMERS = 2_000
# Prices are sought on so many customers before all of them are asked.
_SAMPLE = 20_000
_FIRST_OPEN = 200
# Enough for the integer programme to close its gap; a plan must not depend on how quick a machine is.
_MOST_NODES = 2_000
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Allocation:
    """A plan, and what it is known to be worth.

    Attributes
    ----------
    choice : ndarray of int8, shape (n,)
        The action of each customer; -1 for none.
    bound : float
        No plan within budget and caps gains more [currency].
    price : float
        What one more unit of the budget would bring; of what costs more than the budget, a unit of it once the budget
        is that large. 0 where nothing more pays.
    """

    choice: Choice
    totals: Totals
    bound: float
    price: float

    @property
    def gap(self) -> float:
        """By how much the plan falls short of the bound at most, as a share of it."""
        return max(0.0, 1.0 - self.totals.gain / self.bound) if self.bound > 0 else 0.0


def allocate(task: Task, budget: float, market: Market | None = None) -> Allocation:
    """Choose an action or none for each customer.

    Parameters
    ----------
    budget : float
        Cost at most; inf for no limit.
    market : Market, optional
        Of the same task: what was tried for another budget serves again.

    >>> task = Task(np.array([[9.0, 3.0], [40.0, 10.0]]), np.array([[1.0, 1.0], [10.0, 10.0]]), np.full(2, np.inf))
    >>> allocate(task, 11.0).choice.tolist()
    [1, 0]
    """
    # What alone costs more than the budget is in no plan; prices would mix a part of it in.
    dear = (task.cost > with_rounding(budget)) & (task.gain > 0) & (task.caps >= 1.0)[:, None]
    if dear.any():
        found = allocate(replace(task, gain=np.where(dear, -np.inf, task.gain)), budget)
        return replace(found, price=max(found.price, float((task.gain[dear] / task.cost[dear]).max())))
    market = market or Market(task)
    free = np.zeros(1 + len(task.caps))
    choice, _ = market.ask(free)
    totals = Totals.of(task, choice)
    market.tried.append((free, totals))
    if totals.fits(task, budget):
        return Allocation(choice, totals, totals.gain, 0.0)
    if task.queue is None:
        start = _sample_prices(task, budget) if task.customers > _SAMPLE else None
        prices, weights, _, bound = market.settle(budget, start)
        rounded = _deal(market, weights)
    else:
        prices, bound, rounded = _first(task, task.queue, budget)
    price = float(prices[0])
    rounded = _improve(task, rounded, budget, prices)
    if task.customers <= EXACT_CUSTOMERS:
        rounded, bound = _exact(market, budget, prices, bound, rounded)
    totals = Totals.of(task, rounded)
    return Allocation(rounded, totals, max(bound, totals.gain), price)


def _first(task: Task, queue: Queue, budget: float) -> tuple[Array, float, Choice]:
    """Return prices, bound and plan of a budget that pays for the first of a queue, and not for all."""
    count = queue.affordable(budget)
    choice = np.full(task.customers, -1, dtype=np.int8)
    choice[queue.order[:count]] = 0
    gain, cost = task.gain[0, queue.order[count]], task.cost[0, queue.order[count]]
    return np.array([gain / max(cost, 1e-12), 0.0]), float(queue.most(budget)), choice


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
    regret[:-1][(task.gain <= 0) | (task.cost > with_rounding(budget))] = np.inf
    second = np.sort(np.partition(regret, 1, axis=0)[1])
    for most in (_FIRST_OPEN, EXACT_CUSTOMERS):
        short = bound - Totals.of(task, known).gain + 1e-12 * bound
        if short <= NEAR * bound:
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
    scale, near = max(float(gain.max()), 1e-12), NEAR * bound / 2.0
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
    if cost <= with_rounding(budget):
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
