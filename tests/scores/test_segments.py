"""Segments: rules as data, by hand; every customer has one, and one only."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.config import SEGMENTS, parse_config
from clvml.errors import InputError
from clvml.log.attribute_table import AttributeColumn, AttributeTable
from clvml.scores.rules import first_match
from clvml.scores.segments import check_segments, segment
from clvml.scores.tiers import TIERS, spend_thresholds

NAMES = [
    *("purchase_days", "T", "spend_sum_365d", "gap_mean", "gap_variation", "gap_current_ratio"),
    *("p_churn", "value_tier", "segment"),
]
HORIZON_DAYS = 90
BY_HAND = [
    (0, np.nan, 0.0, np.nan, np.nan, np.nan, 0.9, "bronze", "not enough history"),
    (1, 30, 10.0, np.nan, np.nan, np.nan, 0.5, "platinum", "first buyer to win back"),
    (1, 30, 10.0, np.nan, np.nan, np.nan, 0.49, "platinum", "first buyer to turn into a regular"),
    (5, 400, 10.0, 90, 0.5, 1.0, 0.5, "gold", "valuable and drifting away"),
    (5, 400, 100.0, 90, 0.5, 1.0, 0.5, "bronze", "valuable and drifting away"),
    (5, 400, 99.0, 90, 0.5, 1.0, 0.5, "bronze", "lapsing"),
    (5, 400, 10.0, 90, 0.5, 2.0, 0.34, "gold", "valuable and drifting away"),
    (5, 400, 10.0, 90, 0.5, 1.9, 0.34, "gold", "regular"),
    (5, 180, 10.0, 90, 0.5, 1.0, 0.2, "gold", "future VIP"),
    (5, 181, 10.0, 90, 0.5, 1.0, 0.2, "gold", "regular"),
    (5, 400, 10.0, 90, 0.5, np.nan, 0.2, "platinum", "VIP"),
    (5, 400, 10.0, 90, 0.5, 1.0, 0.84, "silver", "lapsing"),
    (5, 400, 10.0, 90, 0.5, 1.0, 0.85, "silver", "lost"),
    # Between two orders of a rhythm longer than the horizon of 90 days.
    (3, 800, 10.0, 365, 0.02, 0.5, 0.99, "silver", "regular"),
    (3, 800, 10.0, 365, 0.02, 1.02, 0.99, "silver", "regular"),
    (3, 800, 10.0, 365, 0.02, 1.03, 0.99, "silver", "lost"),
    (3, 800, 10.0, 365, 0.9, 1.25, 0.99, "silver", "regular"),
    (3, 800, 10.0, 365, 0.9, 1.26, 0.99, "silver", "lost"),
    (3, 800, 100.0, 365, 0.02, 0.5, 0.99, "gold", "regular"),
    (2, 800, 10.0, 365, np.nan, 0.5, 0.99, "silver", "lost"),
]


def segments_of(table, thresholds, rules=SEGMENTS):
    scores = {name: table[name].to_numpy() for name in ("p_churn", "value_tier")}
    scores["horizon_days"] = np.full(len(table), HORIZON_DAYS)
    return segment(table, scores, thresholds, rules).tolist()


def test_segments_by_hand():
    table = pd.DataFrame(BY_HAND, columns=NAMES)
    assert segments_of(table, {"big_spend_365d": 100.0}) == table["segment"].tolist()
    # Each row by itself gives the same.
    for position in range(len(table)):
        row = table.iloc[[position]]
        assert segments_of(row, {"big_spend_365d": 100.0}) == row["segment"].tolist()


def test_a_model_without_spenders_calls_nobody_one():
    assert spend_thresholds(np.zeros(3)) == {}
    assert segments_of(pd.DataFrame([BY_HAND[4]], columns=NAMES), {}) == ["lapsing"]


def by_hand(row, big):
    """Return the segment as Python would say it."""
    top_fifth = row["value_tier"] in TIERS[:2]
    silence, variation = row["gap_current_ratio"], row["gap_variation"]
    between = (
        row["purchase_days"] > 2 and row["gap_mean"] > HORIZON_DAYS and silence <= 1 + min(variation, 0.25)
    )
    overdue, leaving = silence >= 2.0, row["p_churn"] >= 0.5 and not between
    if row["purchase_days"] == 0:
        return "not enough history"
    if row["purchase_days"] == 1:
        return "first buyer to win back" if row["p_churn"] >= 0.5 else "first buyer to turn into a regular"
    if (top_fifth or row["spend_sum_365d"] >= big) and (leaving or (overdue and row["p_churn"] >= 1 / 3)):
        return "valuable and drifting away"
    if top_fifth and row["T"] <= 180:
        return "future VIP"
    if row["value_tier"] == TIERS[0]:
        return "VIP"
    return "regular" if not leaving else "lapsing" if row["p_churn"] < 0.85 else "lost"


customers = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0.0, 179.0, 180.0, 181.0, np.nan]),
        st.sampled_from([-5.0, 0.0, 99.99, 100.0, 101.0]),
        st.sampled_from([30.0, 90.0, 91.0, 365.0]),
        st.sampled_from([0.0, 0.02, 0.25, 3.0]),
        st.sampled_from([np.nan, 0.0, 1.02, 1.0200001, 1.25, 1.3, 1.999, 2.0, 9.0]),
        st.sampled_from(
            [0.0, 1 / 3, np.nextafter(1 / 3, 0), 0.499999, 0.5, 0.85, np.nextafter(0.85, 0), 1.0]
        ),
        st.sampled_from(TIERS),
    )
    # Whoever bought on several days has a gap, and a silence to hold against it.
    .filter(lambda row: row[0] < 2 or row[5] == row[5]),
    min_size=1,
    max_size=30,
)


@given(customers, st.sampled_from([100.0, None]))
@settings(max_examples=50)
def test_rules_say_what_python_says(drawn, big):
    table = pd.DataFrame(drawn, columns=NAMES[:-1])
    thresholds = {} if big is None else {"big_spend_365d": big}
    expected = [by_hand(row, big or np.inf) for row in table.to_dict("records")]
    assert segments_of(table, thresholds) == expected


@given(customers)
@settings(max_examples=20)
def test_every_customer_has_one_segment(drawn):
    """Exhaustive: a rule holds for everybody. Disjoint: each rule, less those before it, holds for its own only."""
    table = pd.DataFrame(drawn, columns=NAMES[:-1]).assign(big_spend_365d=100.0, horizon_days=HORIZON_DAYS)
    found = first_match(table, SEGMENTS, "segments")
    assert (found >= 0).all()
    rules = list(SEGMENTS.items())
    for place, (name, rule) in enumerate(rules):
        before = " or ".join(f"({earlier})" for _, earlier in rules[:place]) or "false"
        own = first_match(table, {name: rule}, "x") == 0
        taken = first_match(table, {name: before}, "x") == 0
        assert ((own & ~taken) == (found == place)).all()


def test_rules_of_ones_own():
    table = pd.DataFrame(BY_HAND, columns=NAMES)
    rules = {"big": "spend_sum_365d >= 100", "the rest": "true"}
    assert segments_of(table, {}, rules).count("big") == 2
    assert segments_of(table, {}, {"everybody": "true"}) == ["everybody"] * len(table)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"VIP": "p_chrun < 0.5", "rest": "true"}, "segments.VIP: the scores have no column 'p_chrun'"),
        ({"VIP": "p_churn", "rest": "true"}, "segments.VIP 'p_churn' is a column and no condition"),
        ({"VIP": "segment = 'x'", "rest": "true"}, "segments.VIP: the scores have no column 'segment'"),
        (
            {"VIP": "p_churn < 0.5", "all": "true"},
            "segments.all: 'all' is what all customers together are called",
        ),
    ],
)
def test_rules_that_cannot_be_worked_out_are_refused_before_training(rules, said):
    with pytest.raises(InputError, match=re.escape(said)):
        check_segments(rules)


@pytest.mark.parametrize("rules", [{}, {"VIP": "p_churn < 0.5"}])
def test_a_configuration_that_leaves_somebody_without_a_segment_is_refused(rules):
    raw = {"data": {"source": "x", "columns": {"customer_id": "a", "order_date": "b", "amount": "c"}}}
    with pytest.raises(InputError, match="the last segment is for everybody else"):
        parse_config({**raw, "windows": {"horizon_days": 90}, "segments": rules})


def test_rules_may_name_attributes_of_customers():
    known = (
        AttributeColumn("attribute_sales_channel", "Sales channel", "category"),
        AttributeColumn("attribute_segment", "Segment", "category"),
        AttributeColumn("attribute_mail", "mail", "category", "is almost unique"),
    )
    rules = {"young web": "sales_channel = 'web' and attribute_segment is null", "rest": "true"}
    check_segments(rules, AttributeTable(known, dated=False))
    with pytest.raises(InputError, match=re.escape("segments.x: the scores have no column 'mail'")):
        check_segments({"x": "mail = 'a'", "rest": "true"}, AttributeTable(known, dated=False))


def test_the_shipped_rules_can_be_worked_out():
    check_segments(SEGMENTS)
