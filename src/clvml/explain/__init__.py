"""Explanations of churn risk and expected spend: SHAP values, reasons for one customer, drivers of all customers.

The plots are in `clvml.explain.driver_plots`, the only module to import matplotlib and shap: scoring needs neither.
"""

from clvml.explain.influence import Explanation
from clvml.explain.reference import Reference
from clvml.explain.treeshap import shap_values
from clvml.explain.wording import Typical, reasons
