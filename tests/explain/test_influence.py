"""Drivers of all customers: ranked, with the right direction, and told in true sentences."""

import re

import numpy as np
import pandas as pd
import pytest

from clvml.customers import FEATURES, GROUPS
from clvml.customers.subscription_snapshots import SUBSCRIPTION_FEATURES
from clvml.explain import Explanation

BY_NAME = {feature.name: feature for feature in FEATURES}


def explained(columns):
    """Return an explanation; `columns` maps features to (values, SHAP values)."""
    features = pd.DataFrame({name: values for name, (values, _) in columns.items()}, dtype=float)
    phi = np.column_stack([phi for _, phi in columns.values()] + [np.zeros(len(features))])
    return Explanation(features, [BY_NAME[name] for name in columns], phi)


def test_a_table_worked_out_by_hand():
    got = explained(
        {
            "spend_sum": ([1, 2, 3, 4], [0.2, 0.1, -0.1, -0.2]),
            "days_since_last_order": ([1, 2, 3, 4], [-0.4, -0.2, 0.2, 0.4]),
            "T": ([1, 2, 3, 4], [0.1, -0.1, -0.1, 0.1]),
            "gap_mean": ([1, np.nan, 3, np.nan], [0.0, 0.9, 0.1, 0.8]),
            "refund_sum": ([0, 0, 0, 0], [0, 0, 0, 0]),
        }
    ).drivers()
    assert got["feature"].tolist() == ["gap_mean", "days_since_last_order", "spend_sum", "T", "refund_sum"]
    np.testing.assert_allclose(got["mean_abs_shap"], [0.45, 0.3, 0.15, 0.1, 0])
    assert got["direction"].tolist() == [
        "high values raise churn risk",
        "high values raise churn risk",
        "high values lower churn risk",
        "mixed",
        "no influence",
    ]
    assert got["unit"].tolist() == ["days", "days", "currency", "days", "currency"]
    assert got["description"][1] == "days from the last purchase day to the cutoff"


def test_ties_keep_the_order_of_the_list():
    same = ([1, 2], [0.1, -0.1])
    assert explained({"T": same, "spend_sum": same}).drivers()["feature"].tolist() == ["T", "spend_sum"]


def test_where_all_pay_by_the_month_nothing_is_said_of_long_billing_periods():
    billing = [one for one in SUBSCRIPTION_FEATURES if one.name in ("period_days", "days_to_renewal")]
    frame = pd.DataFrame({"period_days": [30] * 4, "days_to_renewal": [1, 10, 20, 29]})
    phi = np.zeros((4, 3))
    phi[:, [one.name for one in billing].index("days_to_renewal")] = [-0.4, -0.1, 0.2, 0.5]
    assert Explanation(frame, billing, phi).sentences() == [
        "Billing matters most (100% of all influence), but in no single direction."
    ]


def test_drivers_of_real_customers(example):
    explanation = Explanation(example.features, example.feature_list, example.contributions)
    got = explanation.drivers()
    assert sorted(got["feature"]) == sorted(example.features.columns)
    assert got["mean_abs_shap"].is_monotonic_decreasing
    sentences = explanation.sentences()
    assert any(
        "customers who bought often" in sentence.lower() and "to stay" in sentence for sentence in sentences
    )
    shares = [int(re.search(r"\((\d+)% of all influence\)", sentence)[1]) for sentence in sentences]
    assert shares == sorted(shares, reverse=True)
    assert 90 < sum(shares) <= 102


def test_sentences_follow_the_sums_of_groups():
    # Recency sums to 0.3 a customer although its two features pull against each other; spend to 0.1.
    explanation = explained(
        {
            "spend_sum": ([4, 3, 2, 1], [-0.1, -0.1, 0.1, 0.1]),
            "days_since_last_order": ([1, 2, 3, 4], [-0.9, -0.9, 0.9, 0.9]),
            "T": ([1, 2, 3, 4], [0.6, 0.6, -0.6, -0.6]),
        }
    )
    assert explanation.sentences() == [
        "Customers who have not bought for long are the likeliest to leave:"
        " recency matters most (75% of all influence).",
        "Customers who spent much are likelier to stay: spend comes next (25% of all influence).",
    ]
    assert len(explanation.sentences(top=1)) == 1


def test_a_sentence_claims_no_direction_that_is_not_there():
    mixed = {"spend_sum": ([1, 2, 3, 4], [0.1, -0.1, -0.1, 0.1])}
    expected = ["Spend matters most (100% of all influence), but in no single direction."]
    assert explained(mixed).sentences() == expected
    second = mixed | {"spend_sum_90d": ([1, 2, 3, 4], [0.4, 0.2, -0.2, -0.4])}
    assert explained(second).sentences()[0].startswith("Customers who spent much are the likeliest to stay")
    without_axis = {"spend_max": ([1, 2, 3, 4], [0.1, 0.1, -0.1, -0.1])}
    assert explained(without_axis).sentences() == expected


def test_a_sentence_does_not_say_the_contrary_of_what_is_seen():
    # Alike in silence, who bought often is likelier to leave; but the often ones are silent for less long.
    silence = ([10, 20, 30, 40], [-0.8, -0.3, 0.3, 0.8])
    often = ([9, 7, 4, 2], [0.2, 0.1, -0.1, -0.2])
    first, second = explained({"days_since_last_order": silence, "purchase_days": often}).sentences()
    assert first.startswith("Customers who have not bought for long are the likeliest to leave")
    assert second == "Frequency comes next (21% of all influence), but in no single direction."


def test_no_influence_at_all():
    (sentence,) = explained({"spend_sum": ([1, 2], [0, 0])}).sentences()
    assert sentence.startswith("Nothing known of the customers tells who will leave")


def test_every_group_has_a_story_along_its_own_features():
    # Attributes and events come with tables of customers.
    assert GROUPS.keys() == {feature.group for feature in FEATURES} | {"attributes", "events"}
    for group, (axes, _) in GROUPS.items():
        assert {BY_NAME[axis].group for axis in axes} <= {group}


def test_errors_say_what_to_do():
    whole = explained({"spend_sum": ([1, 2], [0, 0])})
    with pytest.raises(ValueError, match=re.escape("drivers need at least one customer (currently 0)")):
        Explanation(whole.features.head(0), whole.known, whole.contributions[:0]).drivers()
    with pytest.raises(
        ValueError, match=re.escape("features lack 1 column(s) of the known ones: ['spend_sum']")
    ):
        Explanation(
            whole.features.rename(columns={"spend_sum": "x"}), whole.known, whole.contributions
        ).shares()
