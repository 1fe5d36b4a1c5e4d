"""What became of scored subscribers, by hand."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from clvml.config import SubscriptionConfig
from clvml.config.loading import parse_any_config
from clvml.errors import InputError
from clvml.explain import Reference
from clvml.log.subscriptions import COLUMNS
from clvml.models.contract import ContractModel
from clvml.models.survival import fit_hazards
from clvml.outcomes.monitoring import monitor_subscribers, next_check
from clvml.scores.subscribers import SubscriptionScorer

AS_OF, MONTH = date(2024, 4, 1), 30.4375


def subscriptions() -> pd.DataFrame:
    """Four subscribers on 1 April: one stays, one leaves, one is back within the grace period, one pays more."""
    rows = [
        ("stays", "2024-01-01", None, 10.0),
        ("leaves", "2024-01-01", "2024-04-11", 10.0),
        ("back", "2024-01-01", "2024-04-21", 20.0),
        ("back", "2024-05-03", None, 20.0),
        ("more", "2024-01-01", "2024-04-16", 10.0),
        ("more", "2024-04-16", None, 30.0),
        ("new", "2024-04-02", None, 10.0),
        ("former", "2024-01-01", "2024-03-01", 10.0),
    ]
    table = pd.DataFrame(rows, columns=["customer_id", "start", "end", "price"])
    for name in ("start", "end"):
        table[name] = pd.to_datetime(table[name]).astype("datetime64[us]")
    return table.assign(plan="basic", period_days=MONTH)


def scored(**changed: object) -> pd.DataFrame:
    ids = ["stays", "leaves", "back", "more"]
    table = pd.DataFrame(
        {
            "customer_id": ids,
            "as_of": AS_OF.isoformat(),
            "horizon_days": 30,
            "p_churn": [0.1, 0.6, 0.4, 0.2],
            "expected_spend": [9.0, 6.0, 15.0, 9.0],
            "value_tier": ["gold", "gold", "silver", "silver"],
            "plan": "basic",
            "monthly_price": 10.0,
            "tenure_days": 91,
            **{f"expected_spend_{days}d": [9.0, 6.0, 15.0, 9.0] for days in (30, 90, 180, 365)},
        }
    )
    return table.assign(**changed)


def test_churn_and_revenue_are_those_of_the_window() -> None:
    found = monitor_subscribers(scored(), subscriptions(), date(2024, 5, 8), None, grace_days=7)
    assert (found.compared_days, found.customers, found.new_customers) == (30, 4, 1)
    # Only one has left: who is back within the grace period has not.
    assert found.metrics["churn_rate"] == 0.25
    earned = [30 * 10, 10 * 10, 20 * 20, 15 * 10 + 15 * 30]
    assert found.metrics["actual_total"] == pytest.approx(sum(earned) / MONTH)
    assert found.metrics["expected_total"] == 39.0
    assert found.metrics["roc_auc"] == 1.0
    assert "interval_coverage" not in found.metrics
    gold = found.tiers.set_index("value_tier").loc["gold"]
    assert gold["actual_spend"] == pytest.approx((300 + 100) / MONTH)
    assert (gold["churned"], gold["p_churn"]) == (0.5, pytest.approx(0.35))


def test_churn_waits_for_the_grace_period() -> None:
    with pytest.raises(InputError, match="31 days are too few to compare, 37 are needed"):
        monitor_subscribers(scored(), subscriptions(), date(2024, 5, 2), None, grace_days=7)
    longer = monitor_subscribers(
        scored(horizon_days=60), subscriptions(), date(2024, 5, 8), None, grace_days=7
    )
    assert longer.compared_days == 30 and "churn_rate" not in longer.metrics
    assert next_check(longer) == date(2024, 6, 7)


def test_what_ends_later_changes_nothing() -> None:
    table = subscriptions()
    table.loc[table["customer_id"] == "stays", "end"] = pd.Timestamp("2024-05-08")
    until = date(2024, 5, 8)
    one, other = (
        monitor_subscribers(scored(), given, until, None, grace_days=7) for given in (table, subscriptions())
    )
    assert one.metrics == other.metrics


def test_scores_are_compared_also_where_everybody_has_left() -> None:
    table = subscriptions()
    earlier = table.assign(start=table["start"] - pd.Timedelta(days=400))
    config = parse_any_config(
        {
            "mode": "subscription",
            "data": {"source": "x.csv", "columns": {name: name for name in COLUMNS}},
            "windows": {"horizon_days": 30},
        },
        "test",
    )
    assert isinstance(config, SubscriptionConfig)
    model = ContractModel(config, AS_OF, (), fit_hazards(earlier, AS_OF), None)
    ended = earlier.assign(end=earlier["end"].fillna(pd.Timestamp("2024-04-20")))
    scorer = SubscriptionScorer(model, Reference())
    found = monitor_subscribers(scored(), ended, date(2024, 5, 8), scorer)
    assert found.metrics["churn_rate"] == 1.0
    assert found.drift.empty
    assert "drift (nobody is subscribed any more, or the data" in found.unjudged[-1]
    assert len(monitor_subscribers(scored(), earlier, date(2024, 5, 8), scorer).drift)


def test_the_total_is_held_against_what_may_be_lost() -> None:
    """Four at 10 a month bring 39.4 in 30 days if all stay: about 0.4 is lost at 39, and 46 came; 10.4 at 29."""
    low, high = [9.0, 0.0, 9.0, 9.0], [9.86, 6.0, 9.86, 9.86]
    scores = scored(expected_spend_low=low, expected_spend_high=high)
    found = monitor_subscribers(scores, subscriptions(), date(2024, 5, 8), None, grace_days=7)
    # 9.86, 3.29, 13.14 and 19.71 came.
    assert found.metrics["interval_coverage"] == 0.5
    assert found.recommendation == "recalibrate"
    assert "subscribers brought 46 where 39 was expected" in found.reasons[0]
    assert "drift and the age of the model (the model cannot be read)" in found.unjudged
    table = subscriptions().query("customer_id in ['stays', 'leaves']")
    two = scores[scores["customer_id"].isin(["stays", "leaves"])].assign(p_churn=0.5, expected_spend=6.5)
    as_expected = monitor_subscribers(two, table, date(2024, 5, 8), None, grace_days=7)
    assert not any("was expected" in reason for reason in as_expected.reasons)
