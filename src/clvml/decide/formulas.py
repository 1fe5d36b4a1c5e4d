"""The formulas for customer value that people know, beside the forecast."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import ValueConfig

Array = NDArray[np.float64]

# What plain formulas need of the log (`clvml.customers.features`).
HISTORY = ("purchase_days", "T", "spend_sum", "spend_sum_365d")
FORMULAS = {
    "purchase value x frequency x lifetime": "own purchase value and frequency, the average customer's lifetime",
    "monthly value x months": "own spend per month since the first purchase, and nobody leaves",
    "yearly profit x years kept": "own spend of the last year, kept as long as the average customer",
}


def formula_values(
    history: pd.DataFrame, p_churn: Array, horizon: int, value_days: int, margin: Array
) -> pd.DataFrame:
    """Return what plain formulas say that each customer is worth over the value horizon, by `FORMULAS`.

    Parameters
    ----------
    history : DataFrame
        `HISTORY`, one row per customer.
    p_churn : ndarray, shape (n,)
        Over ``horizon`` days; its mean sets the average customer's lifetime, at a constant rate of leaving.
    horizon, value_days : int
        Days.
    margin : ndarray, shape (n,)
    """
    leaving = -math.log1p(-min(float(np.mean(p_churn)), 1.0 - 1e-9)) / horizon
    # Of the value horizon, the days that the average customer is still there.
    kept = -math.expm1(-leaving * value_days) / leaving if leaving > 0 else float(value_days)
    # A customer's single order of yesterday is not one a day.
    age = np.maximum(history["T"].to_numpy(dtype=float), horizon)
    spend, last_year = (
        history["spend_sum"].to_numpy(dtype=float),
        history["spend_sum_365d"].to_numpy(dtype=float),
    )
    days = history["purchase_days"].to_numpy(dtype=float)
    purchase = np.divide(spend, days, out=np.zeros(len(days)), where=days > 0)
    values = (purchase * (days / age) * kept, spend / age * value_days, last_year / 365.0 * kept)
    return pd.DataFrame({name: margin * of for name, of in zip(FORMULAS, values, strict=True)})


def compare(scores: pd.DataFrame, clv: Array, margin: Array, value: ValueConfig, by: str) -> pd.DataFrame:
    said = formula_values(
        scores[list(HISTORY)],
        scores["p_churn"].to_numpy(),
        int(scores["horizon_days"].iloc[0]),
        value.horizon_days,
        margin,
    )
    names = scores[by].astype("string").fillna("(none)").to_numpy(dtype=object)
    model = pd.Series(clv).groupby(names).sum()
    # Of groups that hold next to nothing, a ratio says nothing.
    weighty = model[model >= 0.005 * max(float(model.sum()), 0.0)]
    rows = []
    for name in FORMULAS:
        total = float(said[name].sum())
        ratio = (said[name].groupby(names).sum().reindex(weighty.index) / weighty).sort_values()
        row = {
            "formula": name,
            "total": round(total, 2),
            "ratio": total / clv.sum() if clv.sum() > 0 else np.nan,
        }
        if len(ratio):
            row |= {"underrates": ratio.index[0], "by": ratio.iloc[0], "overrates": ratio.index[-1]}
            row["by_times"] = ratio.iloc[-1]
        rows.append(row)
    return pd.DataFrame(rows)
