"""Whom each cut-off score reaches: how many who leave, and how many who would have stayed anyway."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

CUTOFFS = tuple(round(0.1 * k, 1) for k in range(1, 10))


def churn_reach(churned: ArrayLike, p_churn: ArrayLike, cutoffs: tuple[float, ...] = CUTOFFS) -> pd.DataFrame:
    """Return what a campaign reaches that addresses everyone whose P(churn) is at least a cut-off.

    Parameters
    ----------
    churned : array of shape (n,)
        1 for customers who bought nothing, 0 for the others.
    p_churn : array of shape (n,)
        Probability of no purchase, from before.

    Returns
    -------
    DataFrame
        One row per cut-off: ``p_churn`` (the cut-off), ``customers`` reached, of whom ``leavers`` and
        ``stayers`` [customers], ``precision`` (leavers among those reached; missing where nobody is) and
        ``recall`` (share of all leavers reached; missing where nobody left).

    >>> churn_reach([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], (0.5,)).to_dict("records")
    [{'p_churn': 0.5, 'customers': 2, 'leavers': 1, 'stayers': 1, 'precision': 0.5, 'recall': 0.5}]
    """
    left, risk = np.asarray(churned, dtype=bool), np.asarray(p_churn, dtype=float)
    reached = risk[:, None] >= np.asarray(cutoffs)
    customers, leavers = reached.sum(axis=0), (reached & left[:, None]).sum(axis=0)
    return pd.DataFrame(
        {
            "p_churn": cutoffs,
            "customers": customers,
            "leavers": leavers,
            "stayers": customers - leavers,
            "precision": np.where(customers > 0, leavers / np.maximum(customers, 1), np.nan),
            "recall": leavers / left.sum() if left.any() else np.nan,
        }
    )
