"""What a feature is, and the groups that features are told in."""

from __future__ import annotations

from typing import Literal, NamedTuple


class FeatureGroup(NamedTuple):
    """How the influence of a group is told to readers who know no statistics.

    Attributes
    ----------
    told_by : tuple of str
        Plain features of the group. The first whose direction is clear tells it: where most customers bought once,
        the plainest does not tell them apart.
    much : str
        Customers for whom these features are high.
    """

    told_by: tuple[str, ...]
    much: str


class Feature(NamedTuple):
    """One column of the feature table.

    Attributes
    ----------
    name : str
        ``{measure}_{aggregate}_{window}``.
    sql : str
        An aggregate over the rows of `clvml.customers.feature_sql` (``grain="day"``) or an expression over the
        aggregates of the customer (``grain="customer"``).
    unit : str
        Unit of the value; ``""`` for a ratio.
    description : str
        For the data dictionary.
    words : str
        How a reason says the value; fields are feature names. A clause after ``;`` is left out when one
        of its values is missing. Features of different groups never share words.
    group : str
        What a reason is about. Reasons name one feature per group, so that they do not repeat themselves.
    grain : {"day", "customer"}
        What the expression reads.
    needs : str
        The optional column of the purchase log without which the feature is missing.
    predictor : bool
        Whether the models see it. Raw ages are kept from them: trees learn the level of young
        cohorts from an age and misjudge older ones (docs/decisions/002).
    """

    name: str
    sql: str
    unit: str
    description: str
    words: str
    group: str
    grain: Literal["day", "customer"] = "day"
    needs: str = ""
    predictor: bool = True


GROUPS: dict[str, FeatureGroup] = {
    "recency": FeatureGroup(("days_since_last_order",), "customers who have not bought for long"),
    "frequency": FeatureGroup(
        ("purchase_days", "purchase_days_365d", "purchase_days_90d"), "customers who bought often"
    ),
    "spend": FeatureGroup(("spend_sum", "spend_sum_365d", "spend_sum_90d"), "customers who spent much"),
    "trend": FeatureGroup(
        ("purchase_days_trend_365d", "purchase_days_trend_180d", "purchase_days_trend_90d"),
        "customers who made most of their purchases lately",
    ),
    "rhythm": FeatureGroup(("gap_mean", "gap_max"), "customers with long pauses between purchases"),
    "basket": FeatureGroup(("products_per_day", "lines_per_day"), "customers with full baskets"),
    "refunds": FeatureGroup(("refund_share", "refund_sum"), "customers who send much back"),
    "season": FeatureGroup(
        ("season_spend_sum", "season_spend_share"), "customers who bought in the same season last year"
    ),
    # What is given with `data.attributes`; no order of theirs holds in every table.
    "attributes": FeatureGroup((), "customers with certain attributes"),
    # What is given with `data.events`: tickets drive away, visits bring back.
    "events": FeatureGroup((), "customers with certain events"),
}
