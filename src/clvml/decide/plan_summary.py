"""What a plan comes to, and what to know about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.decide.allocation import Allocation, allocate
from clvml.decide.gains import Gains
from clvml.decide.market import Market, Task
from clvml.decide.playbook import Playbook
from clvml.decide.power import customers_needed, retention_variance, smallest_save_rate
from clvml.scores.totals import LEVEL_SPREAD, REACH

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

CURVE_POINTS = 20
# A curve is read off a picture: points as near to their bound as this are on it.
_CURVE_NEAR = 1e-4
EFFECT_FACTORS = (0.5, 1.5)
# Where an effect is only assumed, holding out half at first earned as much over six simulated rounds as a tenth, with
# fewer losing ones.
ASSUMED_SHARE = 0.5


def summarise(
    playbook: Playbook,
    gains: Gains,
    market: Market,
    found: Allocation,
    held: Flags,
    why: pd.Series | None,
    budget: float,
) -> dict[str, Any]:
    """Return what a plan comes to, as numbers and texts that JSON takes.

    Parameters
    ----------
    market : Market
        Of the task that was solved.
    held : ndarray of bool, shape (n,)
        Who is in the control group where planned.
    why : Series of str, shape (n,)
        Why nothing is planned; missing where something is. None at all: ``left_alone`` and ``effects`` are left out.
    budget : float
        inf for no limit.
    """
    planned = found.choice >= 0
    everything = found if np.isinf(budget) else allocate(market.task, np.inf, market)
    all_of, treated = _Money(gains, found.choice, planned), _Money(gains, found.choice, planned & ~held)
    further = {} if why is None else {"left_alone": _left_alone(why, gains)}
    if why is not None:
        further["effects"] = [
            _with_effects(gains, market.task, found.choice, budget, f) for f in EFFECT_FACTORS
        ]
    return {
        "customers": len(planned),
        "planned": int(planned.sum()),
        "treated": int((planned & ~held).sum()),
        "control": int((planned & held).sum()),
        "cost": _cents(all_of.cost),
        "cost_treated": _cents(treated.cost),
        **all_of.figures(),
        "profit_treated": _cents(treated.profit),
        "holding_out_costs": _cents(all_of.profit - treated.profit),
        "bound": _cents(found.bound),
        "gap": found.gap,
        "next_unit_brings": round(found.price, 4),
        "nothing_more_pays_at": _cents(everything.totals.cost),
        "actions": [
            _of_action(playbook, gains, found.choice, held, place) for place in range(len(gains.actions))
        ],
        "curve": _curve(market, budget, everything),
        **further,
    }


class _Money:
    """Cost and profit of some of the customers, treated as chosen."""

    def __init__(self, gains: Gains, choice: NDArray[np.int8], who: Flags) -> None:
        own = np.flatnonzero(who)
        at = choice[own], own
        rate = gains.save_rate[at]
        self.cost = float(gains.cost_of(at).sum())
        self.profit = float((rate * gains.at_stake[at] - gains.sure_cost[at]).sum())
        # One belief is wrong for all who share it, and all customers together spend more or less than was expected:
        # neither cancels out with more customers.
        belief = choice[own].astype(np.int64) * 256 + gains.group[at]
        _, codes = np.unique(belief, return_inverse=True)
        by_belief = (
            np.bincount(codes, weights=gains.save_rate_sd[at] * gains.at_stake[at]) if len(own) else 0.0
        )
        value = float((rate * gains.p_churn[own] * gains.value[own]).sum())
        self.spread = float(np.sqrt(np.square(by_belief).sum() + (LEVEL_SPREAD * value) ** 2))

    def figures(self) -> dict[str, float]:
        """Return the profit with its 80 % interval."""
        return {
            "profit": _cents(self.profit),
            "profit_low": _cents(self.profit - REACH * self.spread),
            "profit_high": _cents(self.profit + REACH * self.spread),
        }


def _of_action(
    playbook: Playbook, gains: Gains, choice: NDArray[np.int8], held: Flags, place: int
) -> dict[str, Any]:
    name = gains.actions[place]
    action, own = playbook.actions[name], choice == place
    count, control = int(own.sum()), int((own & held).sum())
    money = _Money(gains, choice, own)
    row = {
        "action": name,
        "channel": action.channel,
        "customers": count,
        "treated": count - control,
        "control": control,
        "cap": action.cap,
        "cost": _cents(money.cost),
        **money.figures(),
        "save_rate": action.save_rate.mean,
        "source": action.save_rate.source,
        "break_even_save_rate": None,
        "smallest_save_rate_seen": None,
        "customers_needed": None,
    }
    if not count:
        return row
    p = gains.p_churn[own]
    rate = float(gains.save_rate[place][own].mean())
    row["save_rate"] = round(rate, 6)
    # That at which the action pays for all its customers together.
    at_stake = float(gains.at_stake[place][own].sum())
    row["break_even_save_rate"] = round(float(gains.sure_cost[place][own].sum()) / at_stake, 6)
    smallest = smallest_save_rate(p, control)
    spread, removed = retention_variance(p)
    needed = customers_needed(rate * float(p.mean()), spread, playbook.control.share, removed)
    row["smallest_save_rate_seen"] = round(smallest, 6) if np.isfinite(smallest) else None
    row["customers_needed"] = int(needed) if np.isfinite(needed) else None
    return row


def _left_alone(why: pd.Series, gains: Gains) -> list[dict[str, Any]]:
    """Return how many customers are left alone for which reason, and what they are worth if kept."""
    own = pd.Series(gains.value).groupby(why.to_numpy(dtype=object)).agg(["size", "sum"])
    return [
        {"why": str(reason), "customers": int(row["size"]), "value_if_kept": _cents(row["sum"])}
        for reason, row in own.sort_values("size", ascending=False, kind="stable").iterrows()
    ]


def _curve(market: Market, budget: float, everything: Allocation) -> list[dict[str, float]]:
    """Return the profit that each of some budgets would bring: concave, never falling."""
    most = everything.totals.cost
    if most <= 0:
        return [{"budget": 0.0, "profit": 0.0}]
    # The curve bends most where the first money is spent.
    budgets = most * np.linspace(0.0, 1.0, CURVE_POINTS) ** 2
    if budget < most:
        budgets = np.append(budgets, budget)
    budgets = np.unique(np.round(budgets, 2))
    return [
        {"budget": float(step), "profit": round(max(float(value), 0.0), 6) + 0.0}
        for step, value in zip(budgets, _values(market, budgets), strict=True)
    ]


def _values(market: Market, budgets: Array) -> Array:
    if market.task.queue is not None:
        return market.task.queue.most(budgets)
    prices = None
    for step in budgets:
        prices = market.settle(float(step), prices, _CURVE_NEAR)[0]
    return market.values(budgets.tolist())


def profit_with_effects(gains: Gains, choice: NDArray[np.int8], factor: float) -> float:
    """Return what a plan would earn if all save rates were multiplied [currency]."""
    at = _planned(choice)
    return float((gains.rate(factor)[at] * gains.at_stake[at] - gains.sure_cost[at]).sum())


def _planned(choice: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.intp]]:
    own = np.flatnonzero(choice >= 0)
    return choice[own], own


def _with_effects(
    gains: Gains, task: Task, choice: NDArray[np.int8], budget: float, factor: float
) -> dict[str, Any]:
    """Return what the plan would earn if all save rates were multiplied, and the plan that would be made then."""
    at = _planned(choice)
    gain, cost = gains.gain(factor), gains.cost(factor)
    gain[np.isneginf(task.gain)] = -np.inf
    # More customers kept are more vouchers redeemed: the other plan may cost what this one would then.
    best = allocate(Task(gain, cost, task.caps), max(budget, float(cost[at].sum())))
    profit = profit_with_effects(gains, choice, factor)
    # Within the gap of the optimiser, this plan may be the better one.
    other = best.choice if best.totals.gain > profit else choice
    theirs = np.flatnonzero(other >= 0)
    return {
        "factor": factor,
        "profit_of_this_plan": _cents(profit),
        "profit_of_its_own_plan": _cents(max(best.totals.gain, profit)),
        "customers_of_its_own_plan": len(theirs),
        "cost_of_its_own_plan": _cents(float(cost[other[theirs], theirs].sum())),
    }


def advice(playbook: Playbook, summary: dict[str, Any], budget: float, people: str) -> list[str]:
    """Return what to know about a plan before it is carried out; ``people`` are customers or subscribers."""
    notes: list[str] = []
    unit = f" {playbook.currency}" if playbook.currency else ""
    used = [row for row in summary["actions"] if row["customers"]]
    if not used:
        notes.append(
            "nothing is planned: the budget is 0"
            if budget == 0
            else "nothing is planned: no action that is allowed brings more than it costs, or the budget is too small"
        )
        return notes
    if summary["nothing_more_pays_at"] < budget < np.inf:
        notes.append(
            f"nothing more pays beyond {summary['nothing_more_pays_at']:,.2f}{unit}: the rest of the budget stays"
            " unspent"
        )
    share = playbook.control.share
    if share == 0:
        notes.append(
            "nobody is held out, so that what the campaign did cannot be measured; set control.share"
        )
        return notes
    unspent = summary["cost"] - summary["cost_treated"]
    notes.append(
        f"the control group costs {summary['holding_out_costs']:,.2f}{unit} of expected profit, and leaves"
        f" {unspent:,.2f}{unit} of the cost unspent"
    )
    if any(action.save_rate.campaign == playbook.campaign for action in playbook.actions.values()):
        notes.append(
            f"save rates were learnt from a campaign '{playbook.campaign}' already: the same {people} are held out"
            " again, and what it did to the others counts in; another name draws anew (--set campaign=NAME)"
        )
    assumed = [row["action"] for row in used if row["source"] == "assumed"]
    if assumed and share < ASSUMED_SHARE:
        notes.append(
            f"the save rates of {', '.join(assumed)} are assumed and not measured: hold out half the first time"
            f" (--set control.share={ASSUMED_SHARE}), and let `clvml readback` replace them"
        )
    blind = [
        row
        for row in used
        if row["smallest_save_rate_seen"] is None or row["smallest_save_rate_seen"] > abs(row["save_rate"])
    ]
    if blind:
        needed = [
            f"{row['action']} {row['customers_needed']:,}"
            for row in blind
            if row["customers_needed"] is not None
        ]
        notes.append(
            f"the control groups of {', '.join(row['action'] for row in blind)} are too small to show save rates as"
            " small as these" + (f"; planned {people} that it takes: {', '.join(needed)}" if needed else "")
        )
    return notes


def _cents(money: float) -> float:
    return round(float(money), 2) + 0.0
