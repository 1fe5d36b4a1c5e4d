"""RFM and behavioural features, declared as data.

`FEATURES` is the only list of features: the data dictionary, the words of the reasons and the warehouse SQL come
from it.
"""

from __future__ import annotations

from collections.abc import Collection

from clvml.customers.groups import Feature

WINDOWS = (30, 90, 180, 365)
DECAYS = (30, 90, 365)


def _weighted(days: int, weight: str, counts: tuple[str, str], spend: tuple[str, str]) -> list[Feature]:
    """Return purchase days and spend under a weight, by name and description; reasons say them of the plain window."""
    said = f"bought on {{purchase_days_{days}d:.0f}} of the last {days} days"
    said_of_spend = f"spent {{spend_sum_{days}d:,.0f}} in the last {days} days"
    return [
        Feature(counts[0], f"sum(purchase * {weight})", "days", counts[1], said, "frequency"),
        Feature(spend[0], f"sum(amount * {weight})", "currency", spend[1], said_of_spend, "spend"),
    ]


def _windowed(days: int) -> list[Feature]:
    return _weighted(
        days,
        f"last_{days}d",
        (f"purchase_days_{days}d", f"purchase days in the last {days} days"),
        (f"spend_sum_{days}d", f"net spend in the last {days} days"),
    )


def _decayed(days: int) -> list[Feature]:
    return _weighted(
        days,
        f"decay_{days}d",
        (f"purchase_days_decay_{days}d", f"purchase days, each weighing exp(-age / {days} days)"),
        (f"spend_decay_{days}d", f"net spend, weighing exp(-age / {days} days)"),
    )


def _trend(days: int, of_days: int | None) -> list[Feature]:
    whole = f"_{of_days}d" if of_days else ""
    counts = f"purchase_days{whole}"
    spend = f"spend_sum{whole}"
    of_words = f"the last {of_days} days" if of_days else "all history"
    return [
        Feature(
            f"purchase_days_trend_{days}d",
            f"purchase_days_{days}d / nullif({counts}, 0)",
            "",
            f"purchase days of the last {days} days as a share of those of {of_words}",
            f"{{purchase_days_trend_{days}d:.0%}} of the purchase days of {of_words}"
            f" fell into the last {days}",
            "trend",
        ),
        Feature(
            f"spend_trend_{days}d",
            f"case when {spend} > 0 then spend_sum_{days}d / {spend} end",
            "",
            f"net spend of the last {days} days as a share of that of {of_words}",
            f"{{spend_trend_{days}d:.0%}} of the spend of {of_words} fell into the last {days}",
            "trend",
        ),
    ]


_OF_DAYS = (
    Feature(
        "purchase_days",
        "sum(purchase)",
        "days",
        "days with at least one line of positive amount",
        "{purchase_days:.0f} purchases in {T:.0f} days as a customer",
        "frequency",
    ),
    Feature(
        "T",
        "max(purchase_age)",
        "days",
        "days from the first purchase day to the cutoff",
        "customer for {T:.0f} days",
        "recency",
        predictor=False,
    ),
    Feature(
        "days_since_last_order",
        "min(purchase_age)",
        "days",
        "days from the last purchase day to the cutoff",
        "no purchase for {days_since_last_order:.0f} days; usually every {gap_mean:.0f}",
        "recency",
    ),
    Feature(
        "spend_sum",
        "sum(amount)",
        "currency",
        "net spend in all history",
        "spent {spend_sum:,.0f} in all",
        "spend",
    ),
    *(feature for days in WINDOWS for feature in _windowed(days)),
    *(feature for days in DECAYS for feature in _decayed(days)),
    Feature(
        "spend_first",
        "arg_max(purchase_amount, purchase_age)",
        "currency",
        "net spend of the first purchase day",
        "first purchase of {spend_first:,.0f}",
        "spend",
    ),
    Feature(
        "spend_last",
        "arg_min(purchase_amount, purchase_age)",
        "currency",
        "net spend of the last purchase day",
        "last purchase of {spend_last:,.0f}",
        "spend",
    ),
    Feature(
        "spend_max",
        "max(purchase_amount)",
        "currency",
        "net spend of the largest purchase day",
        "largest purchase of {spend_max:,.0f}",
        "spend",
    ),
    Feature(
        "spend_std",
        "stddev_samp(purchase_amount)",
        "currency",
        "standard deviation of the net spend of purchase days; missing with fewer than two",
        "purchases vary by {spend_std:,.0f}",
        "spend",
    ),
    Feature(
        "gap_std",
        "stddev_samp(gap)",
        "days",
        "standard deviation of the days between purchase days; missing with fewer than two gaps",
        "time between purchases varies by {gap_std:.0f} days; {gap_mean:.0f} on average",
        "rhythm",
    ),
    Feature(
        "gap_max",
        "max(gap)",
        "days",
        "longest time between two purchase days",
        "longest pause so far {gap_max:.0f} days, now {days_since_last_order:.0f} without a purchase",
        "rhythm",
    ),
    Feature(
        "gap_last",
        "arg_min(gap, purchase_age)",
        "days",
        "days between the last two purchase days",
        "{gap_last:.0f} days between the last two purchases; {gap_mean:.0f} on average",
        "rhythm",
    ),
    Feature(
        "refund_sum",
        "sum(refund)",
        "currency",
        "money refunded in all history, as a positive number",
        "{refund_sum:,.0f} refunded in all",
        "refunds",
        predictor=False,
    ),
    Feature(
        "season_spend_sum",
        "sum(amount * same_season)",
        "currency",
        "net spend in the days of last year that correspond to the target window",
        "spent {season_spend_sum:,.0f} in the same season last year",
        "season",
    ),
    Feature(
        "orders_per_day",
        "sum(orders) / nullif(sum(purchase), 0)",
        "orders",
        "orders per purchase day",
        "{orders_per_day:.1f} orders on a purchase day",
        "basket",
        needs="order_id",
    ),
    Feature(
        "lines_per_day",
        "sum(lines) / nullif(sum(purchase), 0)",
        "lines",
        "order lines per purchase day: the size of the basket",
        "{lines_per_day:.1f} lines in a basket",
        "basket",
    ),
    Feature(
        "units_per_day",
        "sum(units) / nullif(sum(purchase), 0)",
        "units",
        "units bought per purchase day",
        "{units_per_day:.0f} units on a purchase day",
        "basket",
        needs="quantity",
    ),
    Feature(
        "products_count",
        "sum(new_products)",
        "products",
        "different products bought in all history",
        "{products_count:.0f} different products bought",
        "basket",
        needs="product_id",
    ),
    Feature(
        "products_per_day",
        "sum(products) / nullif(sum(purchase), 0)",
        "products",
        "different products per purchase day: the variety of the basket",
        "{products_per_day:.1f} different products in a basket",
        "basket",
        needs="product_id",
    ),
    Feature(
        "new_products_share_180d",
        "sum(new_products * last_180d) / nullif(sum(products * last_180d), 0)",
        "",
        "of the products bought in the last 180 days, the share never bought before",
        "{new_products_share_180d:.0%} of the products bought in the last 180 days were new to the customer",
        "basket",
        needs="product_id",
    ),
)
_OF_CUSTOMERS = (
    Feature(
        "frequency",
        "greatest(purchase_days - 1, 0e0)",
        "days",
        "repeat purchase days",
        "came back on {frequency:.0f} days after the first purchase",
        "frequency",
        predictor=False,
    ),
    Feature(
        "recency",
        "T - days_since_last_order",
        "days",
        "days from the first to the last purchase day (BTYD sense)",
        "{recency:.0f} days between first and last purchase",
        "recency",
        predictor=False,
    ),
    Feature(
        "monetary_value",
        "case when purchase_days > 1 then greatest((spend_sum - spend_first) / (purchase_days - 1), 0e0)"
        " else 0e0 end",
        "currency",
        "net spend after the first purchase day per repeat purchase day; 0 without one",
        "{monetary_value:,.0f} per repeat purchase",
        "spend",
    ),
    Feature(
        "spend_mean",
        "spend_sum / nullif(purchase_days, 0)",
        "currency",
        "net spend per purchase day",
        "{spend_mean:,.0f} per purchase day",
        "spend",
    ),
    Feature(
        "purchase_rate",
        "30e0 * purchase_days / (T + 30)",
        "days",
        "purchase days per 30 days of tenure, shrunk for new customers",
        "buys on {purchase_rate:.1f} days a month",
        "frequency",
    ),
    Feature(
        "spend_rate",
        "30e0 * spend_sum / (T + 30)",
        "currency",
        "net spend per 30 days of tenure, shrunk for new customers",
        "spends {spend_rate:,.0f} a month",
        "spend",
    ),
    Feature(
        "recency_ratio",
        "(T - days_since_last_order) / T",
        "",
        "share of the tenure that had passed at the last purchase",
        "last purchase after {recency_ratio:.0%} of the time as a customer",
        "recency",
    ),
    Feature(
        "gap_mean",
        "(T - days_since_last_order) / nullif(purchase_days - 1, 0)",
        "days",
        "mean days between purchase days; missing for one-time buyers",
        "buys every {gap_mean:.0f} days",
        "rhythm",
    ),
    Feature(
        "gap_current_ratio",
        "days_since_last_order * (purchase_days - 1) / nullif(T - days_since_last_order, 0)",
        "",
        "days since the last purchase over the mean gap: above 1 is overdue",
        "no purchase for {days_since_last_order:.0f} days; usually every {gap_mean:.0f}",
        "recency",
    ),
    Feature(
        "gap_current_of_max",
        "days_since_last_order / gap_max",
        "",
        "days since the last purchase over the longest gap: above 1 was never seen before",
        "no purchase for {days_since_last_order:.0f} days; longest pause so far {gap_max:.0f}",
        "recency",
    ),
    Feature(
        "gap_variation",
        "gap_std * (purchase_days - 1) / nullif(T - days_since_last_order, 0)",
        "",
        "standard deviation of the gaps over their mean: 0 is clockwork, 1 is random",
        "time between purchases varies by {gap_variation:.0%} of its mean",
        "rhythm",
    ),
    Feature(
        "spend_last_ratio",
        "case when spend_sum > 0 then spend_last * purchase_days / spend_sum end",
        "",
        "spend of the last purchase day over the mean of all",
        "last purchase was {spend_last_ratio:.0%} of the usual size",
        "spend",
    ),
    *(
        feature
        for days, of_days in ((30, 90), (90, 180), (180, 365), (365, None))
        for feature in _trend(days, of_days)
    ),
    Feature(
        "refund_share",
        "refund_sum / nullif(refund_sum + greatest(spend_sum, 0e0), 0)",
        "",
        "refunds as a share of what was bought",
        "{refund_share:.0%} of what was bought was refunded",
        "refunds",
    ),
    Feature(
        "season_spend_share",
        "case when spend_sum_365d > 0 then season_spend_sum / spend_sum_365d end",
        "",
        "share of the last year's net spend that fell into the season of the target window",
        "{season_spend_share:.0%} of last year's spend fell into this season",
        "season",
    ),
)
FEATURES = (*_OF_DAYS, *(feature._replace(grain="customer") for feature in _OF_CUSTOMERS))


def available_features(columns: Collection[str]) -> tuple[Feature, ...]:
    """Return the features that a purchase log with these optional columns has."""
    return tuple(feature for feature in FEATURES if not feature.needs or feature.needs in columns)
