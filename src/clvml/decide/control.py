"""The control group: planned customers whom chance leaves untreated."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.decide.playbook import Playbook

_BYTES = 8


def in_control(units: pd.Series, campaign: str, share: float) -> NDArray[np.bool_]:
    """Return who is held out of a campaign, shape (n,).

    The names of the campaign and of the unit alone decide (SHA-256). Nobody changes sides when others come, go or stand
    in another order; a larger share holds out the same units and more; another campaign draws anew.

    Parameters
    ----------
    units : Series of str, shape (n,)
        The customer, household or account, which stays together.
    share : float
        Of the units, from 0 to 1.

    >>> in_control(pd.Series(["a", "b", "c", "a"]), "spring", 0.5).tolist()
    [False, True, True, False]
    """
    codes, names = pd.factorize(units)
    below = min(int(share * 256**_BYTES), 256**_BYTES - 1).to_bytes(_BYTES)
    salt = f"{campaign}\0"
    drawn = (
        hashlib.sha256(f"{salt}{name}".encode("utf-8", "surrogatepass")).digest()[:_BYTES] < below
        for name in names.tolist()
    )
    return np.fromiter(drawn, dtype=bool, count=len(names))[codes]


def units_of(scores: pd.DataFrame, playbook: Playbook) -> pd.Series:
    """Return the unit of each customer as text; who has none is a unit of their own."""
    unit = playbook.control.unit
    own = scores["customer_id"].astype("string")
    if unit == "customer_id":
        return own
    # A customer must not share a unit with a household of the same name.
    return scores[unit].astype("string").radd(f"{unit} ").fillna("customer_id " + own)
