"""A customer's own margin in their value."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clvml.config import ValueConfig

# Column beside the features; missing for a customer of whom it is not known.
OWN_MARGIN = "own_margin"


def own_clv(clv: ArrayLike, margin: ArrayLike, value: ValueConfig) -> NDArray[np.float64]:
    """Return what customers are worth at their own margin instead of that of all, shape (n,) [currency].

    >>> own_clv([300.0, 300.0], [0.6, np.nan], ValueConfig(margin=0.3)).tolist()
    [600.0, 300.0]
    """
    worth = np.asarray(clv, dtype=float)
    own = np.asarray(margin, dtype=float)
    own = np.where(np.isnan(own), value.margin, own)
    return np.asarray((worth + value.retention_cost) * own / value.margin - value.retention_cost)
