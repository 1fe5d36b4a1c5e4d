"""Pareto/NBD with Gamma-Gamma by pymc-marketing: default priors, maximum a posteriori."""

from __future__ import annotations

import numpy as np
import pandas as pd
from parametric import Forecast, _mean_draw, fit_pymc


def fit_pymc_pareto(model: str, history: pd.DataFrame) -> tuple[Forecast, np.ndarray, str]:
    """Return what `parametric.fit_pymc` returns of the BG/NBD."""
    from pymc_marketing import clv

    data = history.assign(customer_id=np.arange(len(history)))
    fitted = {"Pareto/NBD": clv.ParetoNBDModel}[model](
        data=data[["customer_id", "frequency", "recency", "T"]]
    )
    fitted.fit(method="map", progressbar=False)

    def forecast(days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        orders = _mean_draw(fitted.expected_purchases(data, future_t=days))
        none = _mean_draw(fitted.expected_purchase_probability(data, n_purchases=0, future_t=days))
        return orders, none, _mean_draw(fitted.expected_probability_alive(data, future_t=0))

    # The value of an order is that of its BG/NBD: Gamma-Gamma knows nothing of how often somebody buys.
    _, value, settings = fit_pymc("BG/NBD", history)
    return forecast, value, settings
