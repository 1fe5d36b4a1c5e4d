"""Forecasts in margin, by churn risk: what each method expected of the customers, and what they brought."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from clvml.evaluation.folds import ModelColumns

# By our P(churn) at the test date, as `churn_risk` of a scored file.
_BELOW = {"likely to stay": 1 / 3, "in doubt": 2 / 3, "likely to leave": np.inf}


def margin_table(predictions: pd.DataFrame, models: Sequence[ModelColumns], margin: float) -> pd.DataFrame:
    """Hold forecasts against what came, in margin, all test dates together.

    Parameters
    ----------
    predictions : DataFrame
        Out of time: see `clvml.evaluation.backtest.Backtest`.
    models : sequence of ModelColumns
        Ours first, by whose P(churn) customers are grouped.
    margin : float
        Share of the spend that is earned.

    Returns
    -------
    DataFrame
        One row per forecast of spend, and per group of customers (``all`` first): ``model, customers, group, said,
        came`` [currency], ``times`` (said / came; NaN where nothing came) and ``error`` (mean distance per customer
        [currency]).
    """
    p_churn = predictions[models[0].churn].to_numpy(float)
    group = np.select([p_churn < edge for edge in _BELOW.values()], list(_BELOW), default="")
    came = margin * predictions["actual_spend"].to_numpy(float)
    rows = []
    for model in models:
        if model.spend is None:
            continue
        said = margin * predictions[model.spend].to_numpy(float)
        for name in ("all", *_BELOW):
            own = np.full(len(said), True) if name == "all" else group == name
            if not own.any():
                continue
            total = float(came[own].sum())
            rows.append(
                {
                    "model": model.name,
                    "customers": int(own.sum()),
                    "group": name,
                    "said": round(float(said[own].sum()), 2),
                    "came": round(total, 2),
                    "times": float(said[own].sum()) / total if total > 0 else np.nan,
                    "error": round(float(np.abs(said[own] - came[own]).mean()), 4),
                }
            )
    return pd.DataFrame(rows)
