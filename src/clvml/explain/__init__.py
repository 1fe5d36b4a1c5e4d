"""Why churn risk and expected spend of a customer are what they are: SHAP values, reasons in words, drivers of all.

The plots are in `clvml.explain.driver_plots`, the only module to import matplotlib and shap: scoring needs neither.
"""

from clvml.explain.influence import driver_sentences, driver_shares, drivers
from clvml.explain.surrogate import Surrogate, log_odds, log_spend, shap_values
from clvml.explain.wording import Typical, reasons

__all__ = [
    "Surrogate",
    "Typical",
    "driver_sentences",
    "driver_shares",
    "drivers",
    "log_odds",
    "log_spend",
    "reasons",
    "shap_values",
]
