"""What the features declare of themselves, without any data."""

from __future__ import annotations

from string import Formatter
from typing import get_args

import pytest

from clvml.customers import FEATURES, GROUPS, Group, available_features


def test_every_group_of_the_configuration_is_told():
    assert set(GROUPS) == set(get_args(Group))


def test_declarations():
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    by_words: dict[str, str] = {}
    for feature in FEATURES:
        assert feature.group in get_args(Group), feature.name
        assert feature.needs in ("", "order_id", "product_id", "quantity"), feature.name
        assert feature.description, feature.name
        fields = [field for _, field, _, _ in Formatter().parse(feature.words) if field]
        assert fields, feature.name
        assert set(fields) <= set(names), feature.name
        assert by_words.setdefault(feature.words, feature.group) == feature.group, feature.name


@pytest.mark.parametrize("kept_out", ["T", "recency", "frequency", "refund_sum"])
def test_raw_ages_and_their_like_are_no_predictors(kept_out):
    assert not next(feature for feature in FEATURES if feature.name == kept_out).predictor


def test_available_features_follow_the_columns():
    without = {feature.name for feature in available_features([])}
    assert without == {feature.name for feature in FEATURES if not feature.needs}
    assert {feature.name for feature in available_features(["quantity"])} - without == {"units_per_day"}
    assert len(available_features(["order_id", "product_id", "quantity"])) == len(FEATURES)
