"""The formulas for customer value that people know, beside the forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import ValueConfig
from clvml.evaluation.plain_formulas import days_kept, monthly_formula, purchase_formula, yearly_formula

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
    kept = days_kept(float(np.mean(p_churn)), horizon, value_days)
    spend, last_year, days, age = (
        history[name].to_numpy(dtype=float) for name in ("spend_sum", "spend_sum_365d", "purchase_days", "T")
    )
    values = (
        purchase_formula(spend, days, age, horizon, kept),
        monthly_formula(spend, age, horizon, value_days),
        yearly_formula(last_year, kept),
    )
    return pd.DataFrame({name: margin * of for name, of in zip(FORMULAS, values, strict=True)})


def compare(
    scores: pd.DataFrame, clv: Array, margin: Array, value: ValueConfig, names: pd.Series
) -> pd.DataFrame:
    said = formula_values(
        scores[list(HISTORY)],
        scores["p_churn"].to_numpy(),
        int(scores["horizon_days"].iloc[0]),
        value.horizon_days,
        margin,
    )
    groups = names.to_numpy(dtype=object)
    model = pd.Series(clv).groupby(groups).sum()
    # Of groups that hold next to nothing, a ratio says nothing.
    weighty = model[(model > 0.0) & (model >= 0.005 * float(model.sum()))]
    rows = []
    for name in FORMULAS:
        total = float(said[name].sum())
        ratio = (said[name].groupby(groups).sum().reindex(weighty.index) / weighty).sort_values()
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
