"""A plan of one kind of contact, for a cost, a save rate and a budget that a reader tries out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.decide.control import in_control
from clvml.decide.gains import value_if_kept
from clvml.decide.plan import SETTLED_BY, Choices, check_scores, choices_of, settled
from clvml.decide.plan_file import TREATED
from clvml.decide.plan_summary import profit_with_effects
from clvml.decide.playbook import ControlGroup, Playbook, parse_playbook
from clvml.errors import InputError
from clvml.report.facts import SAVE_RATE
from clvml.scores.segments import LEFT_ALONE, may_be_called
from clvml.storage.sql import literal

ACTION = "contact"
# Beyond it, money has no cents in a binary number.
_MOST_MONEY = 1e12
_KEPT, _KEPT_OFFERS = 64, 4
_RULE = f"segment is null or segment not in ({', '.join(map(literal, LEFT_ALONE))})"


@dataclass(frozen=True)
class Wish:
    """What a reader tries out.

    Attributes
    ----------
    cost : float
        Of one contact [currency].
    save_rate : float
        Share of those who would leave that it keeps.
    budget : float or None
        Cost in all at most [currency]; None: as much as pays.
    """

    cost: float
    save_rate: float = SAVE_RATE
    budget: float | None = None

    def address(self) -> dict[str, str]:
        """Return what stands in an address, the same in every language."""
        said = {"cost": number_text(self.cost), "save": number_text(100 * self.save_rate)}
        return said if self.budget is None else {**said, "budget": number_text(self.budget)}


def read_wish(
    given: Mapping[str, str], usual: Wish, number: Callable[[str], float | None]
) -> tuple[Wish, list[str]]:
    """Return what an address asks for, and the names of those of its numbers that cannot be.

    Parameters
    ----------
    given : mapping
        ``cost`` and ``budget`` in money, ``save`` in percent; what is missing or empty is as usual.
    number : callable
        Reads a number as a person writes it; None where it is not a number.
    """
    found = {"cost": usual.cost, "save": 100 * usual.save_rate, "budget": usual.budget}
    faults = []
    for name, most in (("budget", _MOST_MONEY), ("cost", _MOST_MONEY), ("save", 100.0)):
        if not given.get(name, "").strip():
            continue
        value = number(given[name])
        # Cents and hundredths of a percent; a contact that costs nothing would have no limit.
        value = None if value is None else round(value, 2)
        if value is None or not 0 <= value <= most or (name == "cost" and value == 0):
            faults.append(name)
        else:
            found[name] = value
    cost, save, budget = found["cost"], found["save"], found["budget"]
    return Wish(cost or usual.cost, round((save or 0.0) / 100, 4), budget), faults


def number_text(value: float) -> str:
    """Return a number with at most two decimals, as `Language.read_number` takes it in any language.

    >>> number_text(1000.0), number_text(2.5), number_text(-0.004)
    ('1000', '2.5', '0')
    """
    text = f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def playbook_of(wish: Wish, campaign: str, currency: str | None, rule: str | None = _RULE) -> Playbook:
    """Return what is tried out as a playbook for `clvml plan`; ``rule`` says whom the contact may go to."""
    return parse_playbook(
        {
            "campaign": campaign,
            "currency": currency,
            "actions": {
                ACTION: {
                    "contact_cost": wish.cost,
                    # Nobody has measured it: it may be off by half.
                    "save_rate": {"mean": wish.save_rate, "sd": wish.save_rate / 2},
                    "where": rule,
                }
            },
        }
    )


@dataclass(frozen=True)
class ContactPlan:
    """What a wish comes to.

    Attributes
    ----------
    summary : dict
        See `clvml.decide.plan_summary.summarise`; in brief.
    profit_of_half : float
        If the contact keeps only half as many as is assumed [currency].
    treated : Series of str
        Whom to contact, those with most to gain first; without the control group.
    """

    playbook: Playbook
    summary: dict[str, Any]
    profit_of_half: float
    treated: pd.Series

    def rows(self) -> pd.DataFrame:
        """Return whom to contact as a plan has it: ``customer_id, campaign, action, group, channel``."""
        return pd.DataFrame(
            {
                "customer_id": self.treated.array,
                "campaign": self.playbook.campaign,
                "action": ACTION,
                "group": TREATED,
                "channel": self.playbook.actions[ACTION].channel,
            }
        )


@dataclass(frozen=True)
class _Offer:
    scores: pd.DataFrame
    playbook: Playbook
    choices: Choices
    held: NDArray[np.bool_]


class ContactPlans:
    """Plans of the customers of a scoring; the last ones asked for are kept.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the table ``customers``.
    anybody : bool
        Whether everybody may be contacted, as of subscribers, whose plan may be called as a segment is.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        as_of: date,
        horizon_days: int,
        currency: str | None,
        anybody: bool = False,
    ) -> None:
        self._rule = None if anybody else _RULE
        self._called = "true" if anybody else may_be_called("segment::VARCHAR")
        self._connection = connection
        self._as_of, self._horizon, self._currency = as_of, horizon_days, currency
        self._campaign = f"{ACTION}-{as_of}"
        self._customers: pd.DataFrame | None = None
        self._made = lru_cache(_KEPT)(self._settle)
        self._offers = lru_cache(_KEPT_OFFERS)(self._offered)
        # Two cores are no faster with ten plans at once, and ten need ten times the memory.
        self._planning = threading.Lock()

    def plan(self, wish: Wish) -> ContactPlan:
        """Return the plan that is most profitable within the budget.

        Raises
        ------
        InputError
            The scored file holds a customer twice, or an invalid churn risk.
        """
        with self._planning:
            return self._made(wish)

    def get_ready(self) -> None:
        """Do what all plans need, so that the first reader of one need not wait for it."""
        with suppress(InputError), self._planning:
            self._everybody()

    def forget(self) -> None:
        """Let go of all customers and plans: the caches hold this object, and would keep them for a while."""
        self._customers = None
        self._made.cache_clear()
        self._offers.cache_clear()

    def _settle(self, wish: Wish) -> ContactPlan:
        offer = self._offers(wish.cost, wish.save_rate)
        found = settled(offer.scores, offer.playbook, offer.choices, wish.budget, offer.held, brief=True)
        treated = np.flatnonzero((found.found.choice >= 0) & ~found.held)
        best = treated[np.argsort(-offer.choices.task.gain[0][treated], kind="stable")]
        half = profit_with_effects(offer.choices.gains, found.found.choice, 0.5)
        return ContactPlan(
            playbook_of(wish, self._campaign, self._currency, self._rule),
            found.summary,
            half,
            offer.scores["customer_id"].take(best),
        )

    def _offered(self, cost: float, save_rate: float) -> _Offer:
        """Return the contact at a cost and a save rate, which serves for all budgets."""
        everybody = self._everybody()
        gain = save_rate * everybody["stake"].to_numpy() - cost
        # Of whom nothing is gained no plan takes anybody; one of them stands for all where there is nobody else.
        paying = np.flatnonzero(gain > 0) if (gain > 0).any() else np.array([0])
        scores = everybody.take(paying)
        # Those who are to be left alone are not among them.
        playbook = playbook_of(Wish(cost, save_rate), self._campaign, self._currency, rule=None)
        return _Offer(scores, playbook, choices_of(scores, playbook), scores["held"].to_numpy(dtype=bool))

    def _everybody(self) -> pd.DataFrame:
        if self._customers is None:
            with self._connection.cursor() as cursor:
                # Whom nothing can be gained of is of no plan.
                where = f"{self._called} and p_churn > 0 and clv > 0"
                query = f"select customer_id, p_churn, clv from customers where {where}"
                found = cursor.execute(f"{query} order by clv desc, customer_id").fetch_df()
                if found.empty:
                    found = cursor.execute(f"{query.replace(where, 'true')} limit 1").fetch_df()
            # Those with most at stake first, for every cost and save rate: what is sorted is quick to sort. Of those
            # with as much, the first of the scored file, as in `clvml plan`.
            p_churn = found["p_churn"].to_numpy()
            stake = p_churn * value_if_kept(found["clv"], p_churn)
            found = found.assign(stake=stake).take(np.argsort(-stake, kind="stable"))
            found["customer_id"] = found["customer_id"].astype("string")
            found = found.assign(as_of=self._as_of.isoformat(), horizon_days=self._horizon)
            check_scores(found, SETTLED_BY)
            # Once for all plans: names of customers and campaign alone decide.
            share = ControlGroup().share
            self._customers = found.assign(held=in_control(found["customer_id"], self._campaign, share))
        return self._customers
