"""The optimiser: by hand, against brute force, and against the integer programme."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from clvml.decide import allocation
from clvml.decide.allocation import allocate
from clvml.decide.market import Market, Task, Totals

MAIL, CALL = [9, 3, 0.8, -0.6], [40, 10, -1, -8]
EXAMPLE = np.array([MAIL, CALL]), np.array([[1.0] * 4, [10.0] * 4])


@pytest.mark.parametrize(
    ("budget", "profit"),
    [
        *(
            (0, 0),
            (1, 9),
            (2, 12),
            (5, 12.8),
            (10, 40),
            (11, 43),
            (12, 43.8),
            (20, 50),
            (21, 50.8),
            (100, 50.8),
        ),
        (np.inf, 50.8),
    ],
)
def test_the_example_worked_by_hand(budget, profit):
    found = allocate(Task(*EXAMPLE, np.full(2, np.inf)), budget)
    assert found.totals.gain == pytest.approx(profit)
    assert found.totals.cost == pytest.approx(min(budget, found.totals.cost))
    assert found.totals.cost <= 21


@pytest.mark.parametrize(("budget", "profit"), [(10, 40), (11, 43), (12, 43.8), (30, 43.8)])
def test_one_call_at_most(budget, profit):
    assert allocate(Task(*EXAMPLE, np.array([np.inf, 1])), budget).totals.gain == pytest.approx(profit)


@pytest.mark.parametrize("customers", [3_000, 30_000])
@pytest.mark.parametrize("budget", [0.0, 0.01])
def test_a_budget_that_pays_for_nobody_is_used_as_well_as_it_can_be(customers, budget):
    draw = np.random.default_rng(0)
    task = Task(draw.gamma(0.5, 30, (1, customers)), draw.uniform(0.1, 9, (1, customers)), np.full(1, np.inf))
    found = allocate(task, budget)
    assert (found.totals.gain, found.bound, found.gap) == (0.0, 0.0, 0.0)
    assert found.price == (task.gain / task.cost).max()


tasks = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-20, 100), min_size=n, max_size=n), min_size=2, max_size=3),
        st.lists(st.integers(0, 9), min_size=3 * n, max_size=3 * n),
        st.lists(st.one_of(st.integers(0, 3), st.just(np.inf)), min_size=3, max_size=3),
        st.integers(0, 25),
    )
)


def brute_force(task, budget):
    best = 0.0
    for choice in itertools.product(range(-1, len(task.caps)), repeat=task.customers):
        totals = Totals.of(task, np.array(choice, dtype=np.int8))
        if totals.fits(task, budget):
            best = max(best, totals.gain)
    return best


@given(tasks)
@settings(max_examples=60)
def test_no_plan_is_better(drawn):
    gains, costs, caps, budget = drawn
    k, n = len(gains), len(gains[0])
    task = Task(
        np.array(gains) / 7.0, np.array(costs[: k * n], dtype=float).reshape(k, n), np.array(caps[:k], float)
    )
    found = allocate(task, float(budget))
    best = brute_force(task, budget)
    assert found.totals.gain == pytest.approx(best, rel=2e-6, abs=1e-9)
    assert found.bound >= best - 1e-9


def world(n, seed=0):
    """Return a task like a shop's: six actions, five caps, a fifth of the pairs not allowed."""
    draw = np.random.default_rng(seed)
    value, p = draw.lognormal(4, 1.2, n), draw.beta(1, 1, n)
    save = np.array([0.01, 0.03, 0.06, 0.08, 0.08, 0.1])[:, None]
    redeemed = np.array([0, 0, 3.3, 0, 0, 7.5])[:, None]
    cost = np.array([0.1, 1, 0.5, 12, 8, 2])[:, None] + redeemed * (1 - p + p * save)
    gain = value * p * save - cost
    gain[draw.random(gain.shape) < 0.2] = -np.inf
    return Task(gain, cost, np.floor(np.array([np.inf, 0.05 * n, 0.1 * n, 0.02 * n, 0.01 * n, 0.05 * n])))


def integer_programme(task, budget):
    """Return the gain of the best plan as one integer programme over all pairs finds it."""
    gain = np.where(task.gain > 0, task.gain, -1.0)
    k, n = gain.shape
    rows = [
        LinearConstraint(np.tile(np.eye(n), (1, k)), ub=1),
        LinearConstraint(task.cost.reshape(1, -1), ub=budget),
    ]
    for action in np.flatnonzero(np.isfinite(task.caps)):
        own = np.zeros((k, n))
        own[action] = 1
        rows.append(LinearConstraint(own.reshape(1, -1), ub=task.caps[action]))
    bounds = Bounds(0, (task.gain > 0).reshape(-1).astype(float))
    found = milp(
        -gain.reshape(-1),
        integrality=np.ones(k * n),
        bounds=bounds,
        constraints=rows,
        options={"mip_rel_gap": 1e-7},
    )
    return -found.fun


@pytest.mark.parametrize("seed", range(3))
def test_the_exact_plan_is_that_of_the_integer_programme(seed):
    task = world(150, seed)
    budget = 0.3 * allocate(task, np.inf).totals.cost
    assert allocate(task, budget).totals.gain == pytest.approx(integer_programme(task, budget), rel=2e-6)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, np.inf])
def test_the_fast_plan_is_near_its_bound_and_within_its_limits(monkeypatch, share):
    task = world(3_000)
    budget = share * allocate(task, np.inf).totals.cost
    found = allocate(task, budget)
    assert found.totals.fits(task, budget)
    assert found.gap < 5e-4
    assert (task.gain[found.choice[found.choice >= 0], np.flatnonzero(found.choice >= 0)] > 0).all()


def test_the_fast_plan_is_near_the_exact_one(monkeypatch):
    task = world(400, seed=5)
    budget = 0.4 * allocate(task, np.inf).totals.cost
    exact = allocate(task, budget)
    monkeypatch.setattr(allocation, "EXACT_CUSTOMERS", 0)
    fast = allocate(task, budget)
    assert fast.totals.gain <= exact.totals.gain + 1e-9
    assert fast.totals.gain == pytest.approx(exact.totals.gain, rel=2e-3)
    assert fast.bound >= exact.totals.gain


@pytest.mark.parametrize("even", [True, False], ids=["one price", "a price each"])
@pytest.mark.parametrize("share", [0.003, 0.3, 0.97])
@pytest.mark.parametrize("customers", [150, 2_500])
def test_one_action_without_a_cap_needs_no_search_for_prices(even, share, customers):
    draw = np.random.default_rng(customers)
    cost = np.full((1, customers), 2.0) if even else draw.uniform(0.5, 9, (1, customers))
    # Some are worth exactly as much as others.
    task = Task(np.round(draw.lognormal(2, 1.2, (1, customers)), 1) - cost, cost, np.array([np.inf]))
    market, budget = Market(task), max(9.0, share * allocate(task, np.inf).totals.cost)
    found = allocate(task, budget, market)
    best = integer_programme(task, budget)
    assert found.totals.fits(task, budget)
    assert found.totals.gain == pytest.approx(best, rel=2e-6 if even or customers <= 2_000 else 1e-3)
    # The same as the search says, which is not made.
    assert len(market.tried) == 2
    searched = market.settle(budget)
    assert found.bound <= searched[3] * (1 + 1e-6) and found.bound >= best * (1 - 2e-6)
    assert found.price == pytest.approx(searched[0][0], rel=0.2 if customers == 150 else 0.05)


def test_equal_customers_are_dealt_out_and_not_left_out():
    """Without dealing, all or none of a thousand equal customers would get the action."""
    task = Task(np.full((1, 3_000), 5.0), np.full((1, 3_000), 2.0), np.array([np.inf]))
    found = allocate(task, 1_001.0)
    assert found.totals.counts.tolist() == [500]
    assert found.price == pytest.approx(2.5)


def test_the_order_of_customers_changes_what_a_plan_gains_by_nothing_to_speak_of():
    task = world(2_500, seed=3)
    budget = 0.4 * allocate(task, np.inf).totals.cost
    turned = task.part(np.random.default_rng(1).permutation(2_500))
    assert allocate(turned, budget).totals.gain == pytest.approx(allocate(task, budget).totals.gain, rel=1e-3)


def test_profit_over_the_budget_is_concave_and_never_falls():
    task = world(2_000, seed=2)
    market, most = Market(task), allocate(task, np.inf).totals.cost
    budgets = np.linspace(0, most, 12)
    for budget in budgets:
        market.settle(budget)
    steps = np.diff(market.values(budgets.tolist()))
    assert (steps >= -1e-6).all()
    assert (np.diff(steps) <= 1e-6).all()


def test_a_task_of_nobody_and_one_where_nothing_pays():
    assert allocate(Task(np.zeros((1, 0)), np.zeros((1, 0)), np.array([np.inf])), 5.0).totals.cost == 0.0
    nothing = allocate(Task(np.full((2, 3), -np.inf), np.ones((2, 3)), np.array([1.0, np.inf])), 5.0)
    assert nothing.choice.tolist() == [-1, -1, -1]
    assert nothing.gap == 0.0
