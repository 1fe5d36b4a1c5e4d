"""A thousand CDNOW customers on 1 January 1998, their churn by the MBG/NBD model, and trees that learnt it."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from clvml.customers import Feature, available_features
from clvml.customers.snapshots import CustomerDays
from clvml.explain import Typical, shap_values
from clvml.explain.reference import find_typical
from clvml.models.boosting import logit_of
from clvml.models.btyd import BetaGeometric

CDNOW = Path(__file__).parents[2] / "data" / "cdnow.parquet"


class Example(NamedTuple):
    features: pd.DataFrame
    feature_list: tuple[Feature, ...]
    booster: xgb.Booster
    typical: dict[str, Typical]
    contributions: np.ndarray


@pytest.fixture(scope="session")
def example():
    with duckdb.connect() as connection:
        connection.execute(
            "create table log as select customer_id, order_date::date as order_day, amount,"
            f" quantity::double as quantity from '{CDNOW}' where customer_id::int % 23 = 0"
        )
        table = CustomerDays(connection, "log", ("quantity",)).features(date(1998, 1, 1), 180)
    table = table[table["purchase_days"] > 0].reset_index(drop=True)
    model = BetaGeometric.from_dict(
        {"variant": "mbg", "params": {"r": 0.525, "alpha": 43.3, "a": 0.891, "b": 1.614}}
    )
    p_churn = model.p_no_purchase(180, table["frequency"], table["recency"], table["T"])
    feature_list = available_features(("quantity",))
    features = table[[feature.name for feature in feature_list]]
    settings = {"tree_method": "hist", "max_depth": 4, "learning_rate": 0.15, "nthread": 1}
    booster = xgb.train(settings, xgb.DMatrix(features, logit_of(np.clip(p_churn, 1e-3, 1 - 1e-3))), 250)
    contributions = shap_values(booster, features.to_numpy(np.float32))
    typical = {
        name: Typical(*one) for name, one in find_typical(features, contributions, feature_list).items()
    }
    return Example(features, feature_list, booster, typical, contributions)
