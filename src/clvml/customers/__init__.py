"""One row per customer and cutoff: customer days, windows, features from before, labels from after."""

from clvml.config import Group
from clvml.customers.feature_sql import customer_days_query, features_query
from clvml.customers.features import FEATURES, available_features
from clvml.customers.groups import GROUPS, Feature
