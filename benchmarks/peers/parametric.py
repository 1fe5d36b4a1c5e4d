"""BG/NBD, MBG/NBD and Pareto/NBD with Gamma-Gamma, by lifetimes and pymc-marketing themselves.

All see one row per customer of what is known at the cutoff: `frequency`, `recency` and `T` [days] and
`monetary_value` [currency]. A model is fitted once per cutoff and asked for every horizon.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

# Tried in this order, as the documentation of lifetimes advises where a fit does not converge.
PENALIZERS = (0.0, 0.001, 0.01, 0.1)
# Expected orders, P(no order in the window), P(alive) of a horizon [days].
Forecast = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def fit_lifetimes(model: str, history: pd.DataFrame) -> tuple[Forecast, np.ndarray, str]:
    """Return the forecast of a model of lifetimes, the value of an order per customer, and the settings."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

    fitter = {"BG/NBD": BetaGeoFitter, "MBG/NBD": ModifiedBetaGeoFitter, "Pareto/NBD": ParetoNBDFitter}[model]
    x, recency, age = (history[name].to_numpy() for name in ("frequency", "recency", "T"))
    fitted, penalizer = _first_that_converges(fitter, x, recency, age)
    settings = f"maximum likelihood, penalizer {penalizer:g}"

    def forecast(days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        orders = np.asarray(fitted.conditional_expected_number_of_purchases_up_to_time(days, x, recency, age))
        alive = np.asarray(fitted.conditional_probability_alive(x, recency, age))
        if model == "Pareto/NBD":
            none = np.asarray(
                fitted.conditional_probability_of_n_purchases_up_to_time(0, days, x, recency, age)
            )
        else:
            none = _no_order(fitted.params_["r"], fitted.params_["alpha"], x, age, alive, days)
        return orders, none, alive

    bought = _repeat_buyers(history)
    if bought["monetary_value"].std() > 0:
        gamma, penalizer = _first_that_converges(
            GammaGammaFitter, bought["frequency"], bought["monetary_value"]
        )
        settings += f"; Gamma-Gamma penalizer {penalizer:g}"
        value = np.asarray(gamma.conditional_expected_average_profit(x, history["monetary_value"].to_numpy()))
    else:
        settings += "; every order has the same value, so no Gamma-Gamma"
        value = np.full(len(history), bought["monetary_value"].mean())
    return forecast, value, settings


def fit_pymc(model: str, history: pd.DataFrame) -> tuple[Forecast, np.ndarray, str]:
    """Return the same of pymc-marketing: default priors, maximum a posteriori."""
    from pymc_marketing import clv

    data = history.assign(customer_id=np.arange(len(history)))
    fitted = {"BG/NBD": clv.BetaGeoModel}[model](data=data[["customer_id", "frequency", "recency", "T"]])
    fitted.fit(method="map", progressbar=False)

    def forecast(days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        orders = _mean_draw(fitted.expected_purchases(data, future_t=days))
        none = _mean_draw(fitted.expected_probability_no_purchase(days, data))
        return orders, none, _mean_draw(fitted.expected_probability_alive(data))

    bought = _repeat_buyers(data)
    settings = "default priors, MAP"
    if bought["monetary_value"].std() > 0:
        gamma = clv.GammaGammaModel(data=bought[["customer_id", "frequency", "monetary_value"]])
        gamma.fit(method="map", progressbar=False)
        # Defined for whoever came back only; others get the mean of all, as their documentation does.
        columns = ["customer_id", "frequency", "monetary_value"]
        value = _mean_draw(gamma.expected_customer_spend(data[columns]))
    else:
        settings += "; every order has the same value, so no Gamma-Gamma"
        value = np.full(len(history), bought["monetary_value"].mean())
    return forecast, value, settings


def _first_that_converges(fitter: type, *columns: object) -> tuple[object, float]:
    failure: Exception = ValueError("not fitted")
    for penalizer in PENALIZERS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return fitter(penalizer_coef=penalizer).fit(*columns), penalizer
        except Exception as error:  # noqa: BLE001 (lifetimes raises its own and numpy's)
            failure = error
    raise failure


def _no_order(
    r: float, alpha: float, x: np.ndarray, age: np.ndarray, alive: np.ndarray, days: int
) -> np.ndarray:
    """Return P(no order in the window) by (M)BG/NBD, which lifetimes has for new customers only.

    Customers leave at an order, so whoever is alive at the cutoff stays so until the next; the rate is then
    Gamma(r + x, alpha + T), and P(none | alive) = ((alpha + T) / (alpha + T + t)) ^ (r + x).
    """
    return 1.0 - alive * (1.0 - ((alpha + age) / (alpha + age + days)) ** (r + x))


def _repeat_buyers(history: pd.DataFrame) -> pd.DataFrame:
    bought = history[(history["frequency"] > 0) & (history["monetary_value"] > 0)]
    if len(bought) < 2:
        raise ValueError(f"{len(bought)} customers came back: too few for Gamma-Gamma")
    return bought


def _mean_draw(values: object) -> np.ndarray:
    return values.mean(dim=("chain", "draw")).to_numpy()  # type: ignore[attr-defined]
