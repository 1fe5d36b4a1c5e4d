"""Customers drawn from the models' own assumptions, so that the truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Customers(NamedTuple):
    """One row per customer: the history until T, and what happened in the horizon after it."""

    frequency: np.ndarray
    recency: np.ndarray
    T: np.ndarray
    future: np.ndarray
    alive: np.ndarray


def simulate_purchases(variant, params, T, horizon_days, seed):
    """Draw customers who buy at a gamma rate and drop out at a beta probability.

    Purchases are points in time: two of them can fall on one day, as in the models.
    """
    rng = np.random.default_rng(seed)
    T = np.asarray(T, dtype=float)
    n = len(T)
    rate = rng.gamma(params["r"], 1 / params["alpha"], n)
    dropout = rng.beta(params["a"], params["b"], n)
    alive = rng.random(n) >= dropout if variant == "mbg" else np.ones(n, dtype=bool)
    now, frequency, recency, future = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    alive_at_cutoff = alive.copy()
    buying = alive.copy()
    while buying.any():
        now[buying] += rng.exponential(1 / rate[buying])
        buying &= now <= T + horizon_days
        past = buying & (now <= T)
        frequency[past] += 1
        recency[past] = now[past]
        future[buying & ~past] += 1
        drops = buying & (rng.random(n) < dropout)
        alive_at_cutoff[drops & past] = False
        buying &= ~drops
    return Customers(frequency, recency, T, future, alive_at_cutoff)


def simulate_spend(params, frequency, seed):
    """Draw each customer's mean spend over ``frequency`` purchases, and the true mean behind it."""
    rng = np.random.default_rng(seed)
    frequency = np.asarray(frequency)
    rate = rng.gamma(params["q"], 1 / params["v"], len(frequency))
    mean = rng.gamma(params["p"] * frequency) / rate / frequency
    return mean, params["p"] / rate
