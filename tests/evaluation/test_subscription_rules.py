"""The rules for subscribers, by hand, and that no forecast sees what came later."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.config import SubscriptionConfig
from clvml.customers.subscription_snapshots import known_at, subscription_revenue
from clvml.errors import InputError
from clvml.evaluation.subscription_rules import (
    NO_CHANGE,
    kaplan_meier,
    predict_subscription_fold,
    predict_subscription_folds,
)

CONFIG = SubscriptionConfig.model_validate(
    {
        "mode": "subscription",
        "data": {
            "source": "",
            "columns": {name: name for name in ("customer_id", "start", "end", "plan", "price", "period")},
        },
        "windows": {"horizon_days": 60, "max_cutoffs": 3},
        "model": {"n_estimators": 20, "n_jobs": 1},
    }
)


def table_of(starts: list[str], ends: list[str | None], **columns: object) -> pd.DataFrame:
    days = {
        name: pd.to_datetime(texts).astype("datetime64[us]")
        for name, texts in (("start", starts), ("end", ends))
    }
    ids = [f"c{number}" for number in range(len(starts))]
    return pd.DataFrame(
        {"customer_id": ids, **days, "plan": "p", "price": 30.0, "period_days": 30.0} | columns
    )


def test_kaplan_meier_by_hand():
    """Of four that began together, one ends after 10 days, one is seen for 15 only, one ends after 20."""
    known = table_of(
        ["2021-01-01", "2021-01-16", "2021-01-01", "2021-01-01"], ["2021-01-11", None, "2021-01-21", None]
    )
    features = pd.DataFrame({"plan": ["p", "p"], "current_days": [0.0, 10.0]})
    p = kaplan_meier(known, date(2021, 1, 31), features, 20)
    # Who ends on the last day of the window ran through it; at ten days, the first end is not over.
    np.testing.assert_allclose(p, [1 / 4, 1 - 3 / 4 * 1 / 2])


def test_revenue_is_the_price_of_the_days_within_the_window():
    table = table_of(
        ["2021-01-01", "2021-03-10", "2021-01-01", "2021-05-01"],
        ["2021-03-11", None, "2021-02-01", None],
        customer_id=["a", "a", "b", "c"],
    )
    # Ten days of the first and 21 of the second, at 1 a day; b ended before, c begins later.
    assert subscription_revenue(table, date(2021, 3, 1), 30).to_dict() == {"a": 10.0 + 21.0}


@pytest.fixture(scope="module")
def subscriptions() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    start = pd.Timestamp("2021-01-01") + pd.to_timedelta(chance.integers(0, 500, 1200), unit="D")
    end = start + pd.to_timedelta(30 * chance.geometric(0.12, 1200), unit="D")
    table = table_of([str(day) for day in start], [str(day) for day in end])
    return table.sort_values("customer_id", ignore_index=True)


def test_a_forecast_knows_nothing_of_what_came_after(subscriptions):
    cutoff = date(2022, 1, 1)
    full, models = predict_subscription_fold(subscriptions, cutoff, CONFIG)
    blind, _ = predict_subscription_fold(known_at(subscriptions, cutoff), cutoff, CONFIG)
    said = [column for model in models for column in (model.spend, model.churn) if column]
    assert len(said) == 9
    pd.testing.assert_frame_equal(full[said], blind[said])
    assert full["churned"].sum() > 0
    assert blind["churned"].sum() == 0
    nobody_leaves = next(model for model in models if model.name == NO_CHANGE)
    np.testing.assert_allclose(full[nobody_leaves.spend], 60.0)


def test_folds_leave_out_those_of_which_nothing_can_be_learnt(subscriptions):
    told: list[str] = []
    predictions, _ = predict_subscription_folds(subscriptions, date(2022, 3, 1), CONFIG, 3, told.append)
    assert predictions["cutoff"].nunique() == 3
    assert not predictions.duplicated(["cutoff", "customer_id"]).any()
    with pytest.raises(InputError, match="too short to test a horizon of 60 days"):
        predict_subscription_folds(subscriptions, date(2021, 2, 1), CONFIG)
    with pytest.raises(InputError, match="no subscription began before 2020"):
        predict_subscription_folds(subscriptions, date(2020, 1, 1), CONFIG)
