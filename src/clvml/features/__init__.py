"""Features of a customer, from what lies before a cutoff."""

from clvml.features.declared import FEATURES, Feature, Group, available_features
from clvml.features.queries import customer_days_query, features_query

__all__ = [
    "FEATURES",
    "Feature",
    "Group",
    "available_features",
    "customer_days_query",
    "features_query",
]
