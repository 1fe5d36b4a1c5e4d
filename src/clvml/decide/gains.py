"""What each action would bring for each customer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.decide.playbook import Playbook
from clvml.scores.rules import matches

Array = NDArray[np.float64]

# P(staying) counts as this much at least: below it, what the few who come back are worth is overrated seventeen times
# and more, and a few hundred customers would hold half of all that is at stake.
LEAST_STAYING = 0.15


def value_if_kept(clv: ArrayLike, p_churn: ArrayLike) -> Array:
    """Return what customers are worth if they stay [currency]: ``max(clv, 0) / max(1 - p_churn, 0.15)``.

    >>> value_if_kept([500.0, 100.0, -3.0], [0.5, 0.99, 0.5]).round(2).tolist()
    [1000.0, 666.67, 0.0]
    """
    worth = np.maximum(np.asarray(clv, dtype=float), 0.0)
    return np.asarray(worth / np.maximum(1.0 - np.asarray(p_churn, dtype=float), LEAST_STAYING))


@dataclass(frozen=True)
class Gains:
    """What each of k actions would bring for each of n customers, in the order of the playbook.

    ``gain = save_rate * at_stake - sure_cost``: who would have stayed anyway takes the offer up, too, so that
    ``at_stake = p_churn * (value_if_kept - incentive_cost * redeem_rate)`` and
    ``sure_cost = contact_cost + incentive_cost * redeem_rate * (1 - p_churn)``.

    Attributes
    ----------
    value : ndarray, shape (n,)
        Value if kept [currency].
    p_churn : ndarray, shape (n,)
    save_rate, save_rate_sd : ndarray, shape (k, n)
    group : ndarray of int, shape (k, n)
        Customers of an action whose save rate is the same belief.
    at_stake, sure_cost : ndarray, shape (k, n)
        [currency]
    """

    actions: tuple[str, ...]
    value: Array
    p_churn: Array
    save_rate: Array
    save_rate_sd: Array
    group: NDArray[np.int8]
    at_stake: Array
    sure_cost: Array

    @classmethod
    def of(cls, scores: pd.DataFrame, playbook: Playbook) -> Gains:
        """Return the gains of the customers of a scored table.

        Raises
        ------
        InputError
            A rule of the playbook does not fit the scores.
        """
        p = scores["p_churn"].to_numpy(dtype=float)
        value = value_if_kept(scores["clv"].to_numpy(dtype=float), p)
        n = len(scores)
        rates, spreads, groups, stakes, costs = [], [], [], [], []
        for name, action in playbook.actions.items():
            rate, beliefs = action.save_rate, action.save_rate.by
            if beliefs:
                where = f"playbook, actions.{name}.save_rate.by"
                held = [matches(scores, belief.where, where) for belief in beliefs]
                group = np.select(held, range(1, len(held) + 1), default=0).astype(np.int8)
                rates.append(np.array([rate.mean, *(belief.mean for belief in beliefs)])[group])
                spreads.append(np.array([rate.sd, *(belief.sd for belief in beliefs)])[group])
                groups.append(group)
            else:
                rates.append(np.broadcast_to(rate.mean, n))
                spreads.append(np.broadcast_to(rate.sd, n))
                groups.append(np.broadcast_to(np.int8(0), n))
            redeemed = action.incentive_cost * action.redeem_rate
            stakes.append(p * (value - redeemed))
            costs.append(action.contact_cost + redeemed * (1.0 - p))
        stacked = (np.stack(part) for part in (rates, spreads, groups, stakes, costs))
        return cls(tuple(playbook.actions), value, p, *stacked)

    def gain(self, factor: float = 1.0) -> Array:
        """Return the expected gain, shape (k, n) [currency], with save rates multiplied by ``factor``."""
        return self.rate(factor) * self.at_stake - self.sure_cost

    def rate(self, factor: float) -> Array:
        """Return the save rates multiplied by ``factor``, shape (k, n): nobody keeps more than all who would leave."""
        return self.save_rate if factor == 1.0 else np.clip(factor * self.save_rate, -1.0, 1.0)

    def cost(self, factor: float = 1.0) -> Array:
        """Return the expected cost, contact and incentive, shape (k, n) [currency]."""
        # What is saved and not at stake has been paid for.
        redeemed = self.p_churn * self.value - self.at_stake
        return np.maximum(self.sure_cost + self.rate(factor) * redeemed, 0.0)

    def cost_of(self, at: tuple[NDArray[np.int8], NDArray[np.intp]]) -> Array:
        """Return the expected cost of chosen actions of some customers, shape (m,) [currency]."""
        redeemed = self.p_churn[at[1]] * self.value[at[1]] - self.at_stake[at]
        return np.maximum(self.sure_cost[at] + self.save_rate[at] * redeemed, 0.0)

    def break_even(self) -> Array:
        """Return the save rate at which each action pays, shape (k, n); inf where none does."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.at_stake > 0, self.sure_cost / self.at_stake, np.inf)
