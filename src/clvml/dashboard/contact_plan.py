"""A plan of one kind of contact, for a cost, a save rate and a budget that a reader tries out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from clvml.decide.gains import value_if_kept
from clvml.decide.plan import SETTLED_BY, check_scores, settled
from clvml.decide.plan_file import TREATED
from clvml.decide.playbook import Playbook, parse_playbook
from clvml.report.facts import SAVE_RATE
from clvml.scores.segments import LEFT_ALONE, may_be_called

ACTION = "contact"
# Beyond it, money has no cents in a binary number.
_MOST_MONEY = 1e12
_KEPT = 16


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
    usual : Wish
    number : callable
        Reads a number as a person writes it; None where it is none.
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


def playbook_of(wish: Wish, campaign: str, currency: str | None) -> Playbook:
    """Return what is tried out as a playbook for `clvml plan`."""
    alone = ", ".join(f"'{segment}'" for segment in LEFT_ALONE)
    return parse_playbook(
        {
            "campaign": campaign,
            "currency": currency,
            "actions": {
                ACTION: {
                    "contact_cost": wish.cost,
                    # Nobody has measured it: it may be off by half.
                    "save_rate": {"mean": wish.save_rate, "sd": wish.save_rate / 2},
                    "where": f"segment is null or segment not in ({alone})",
                }
            },
        }
    )


@dataclass(frozen=True)
class ContactPlan:
    """What a wish comes to.

    Attributes
    ----------
    playbook : Playbook
    summary : dict
        See `clvml.decide.plan_summary.summarise`.
    treated : Series of str
        Whom to contact, those with most to gain first; without the control group.
    """

    playbook: Playbook
    summary: dict[str, Any]
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


class ContactPlans:
    """Plans of the customers of a scoring; the last ones asked for are kept.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the table ``customers``.
    as_of : date
    horizon_days : int
    currency : str, optional
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, as_of: date, horizon_days: int, currency: str | None
    ) -> None:
        self._connection = connection
        self._as_of, self._horizon, self._currency = as_of, horizon_days, currency
        self._customers: pd.DataFrame | None = None
        self._made: OrderedDict[Wish, ContactPlan] = OrderedDict()
        # Two cores are no faster with ten plans at once, and ten need ten times the memory.
        self._planning = threading.Lock()

    def plan(self, wish: Wish) -> ContactPlan:
        """Return the plan that is most profitable within the budget.

        Raises
        ------
        InputError
            The scored file holds a customer twice, or a churn risk that is none.
        """
        with self._planning:
            if wish not in self._made:
                self._made[wish] = self._settle(wish)
            self._made.move_to_end(wish)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return self._made[wish]

    def _settle(self, wish: Wish) -> ContactPlan:
        everybody = self._everybody()
        campaign = f"contact-{self._as_of}"
        playbook = playbook_of(wish, campaign, self._currency)
        p_churn = everybody["p_churn"].to_numpy()
        gain = wish.save_rate * p_churn * value_if_kept(everybody["clv"], p_churn) - wish.cost
        # Of whom nothing is gained no plan takes anybody; one of them stands for all where there is nobody else.
        open_ = np.flatnonzero(gain > 0) if (gain > 0).any() else np.array([0])
        scores = everybody.take(open_)
        found = settled(scores, playbook, wish.budget)
        treated = np.flatnonzero((found.found.choice >= 0) & ~found.held)
        best = treated[np.argsort(-gain[open_][treated], kind="stable")]
        return ContactPlan(playbook, found.summary, scores["customer_id"].take(best))

    def _everybody(self) -> pd.DataFrame:
        if self._customers is None:
            with self._connection.cursor() as cursor:
                # Whom nothing can be gained of is of no plan.
                where = f"{may_be_called('segment::VARCHAR')} and p_churn > 0 and clv > 0"
                query = f"select customer_id, segment::VARCHAR as segment, p_churn, clv from customers where {where}"
                found = cursor.execute(f"{query} order by risk_place").fetch_df()
                if found.empty:
                    found = cursor.execute(f"{query.replace(where, 'true')} limit 1").fetch_df()
            found["customer_id"] = found["customer_id"].astype("string")
            found["segment"] = found["segment"].astype("category")
            found = found.assign(as_of=self._as_of.isoformat(), horizon_days=self._horizon)
            check_scores(found, SETTLED_BY)
            self._customers = found
        return self._customers
