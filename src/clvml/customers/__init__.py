"""One row per customer and cutoff: customer days, windows, features from before, labels from after."""

from clvml.customers.feature_sql import customer_days_query, features_query
from clvml.customers.features import FEATURES, Feature, Group, available_features

__all__ = [
    "FEATURES",
    "Feature",
    "Group",
    "available_features",
    "customer_days_query",
    "features_query",
]
