"""Reasons: the right features are named, in words that are true and readable, for every customer."""

import re

import numpy as np
import pandas as pd
import pytest

from clvml.customers import FEATURES, Feature
from clvml.explain import Typical, reasons
from clvml.explain import wording as module
from clvml.explain.wording import say_reason

BY_NAME = {feature.name: feature for feature in FEATURES}
RISES, FALLS = "(raises churn risk)", "(lowers churn risk)"


def say(values, influence, top=3, typical=None):
    """Return the reasons of one customer; `influence` maps features to SHAP values."""
    frame = pd.DataFrame([values], dtype=float)
    feature_list = [BY_NAME[name] for name in influence]
    return reasons(frame, [[*influence.values(), 0.3]], feature_list, top, typical).loc[0].tolist()[:top]


def one_by_one(features, contributions, feature_list, typical):
    """The rules of `reasons` as a plain loop."""

    def contradicts(name, row, value, usual=None):
        median, direction = typical.get(name, (0, 0))
        return (row[name] - (row[usual] if usual else median)) * direction * value < 0

    def sayable(feature, row, value):
        fields = re.findall(r"{(\w+):([^}]*)}", feature.words.split(";")[0])
        for field, spec in fields:
            least = 0.005 if spec.endswith("%") else 0.5
            least = least if re.search(r"_\d+d$", field) else -least
            if not least < row[field] < (9.995 if spec.endswith("%") else np.inf):
                return False
        judges = [other.name for other in feature_list if other.words == feature.words]
        if np.isnan(row[feature.name]):
            judges += [field for field, _ in fields]
        silence, *usual = re.findall(r"{(\w+):", feature.words)
        usual = usual if silence == "days_since_last_order" else []
        return not any(
            [
                *(contradicts(name, row, value) for name in judges),
                *(contradicts(silence, row, value, name) for name in usual),
            ]
        )

    for row, values in zip(features.to_dict("records"), contributions.astype(float), strict=True):
        sums = {}
        for feature, value in zip(feature_list, values[:-1], strict=True):
            sums[feature.group] = sums.get(feature.group, 0) + value
        said = []
        for group, total in sorted(sums.items(), key=lambda item: -abs(item[1])):
            candidates = [
                (value * np.sign(total), feature)
                for feature, value in zip(feature_list, values[:-1], strict=True)
                if feature.group == group and value * total > 0 and sayable(feature, row, value)
            ]
            if candidates and abs(total) >= 0.05:
                best = max(candidates, key=lambda pair: pair[0])[1]
                said.append((best.name, RISES if total > 0 else FALLS))
        yield said[:3]


def test_the_features_named_are_those_a_plain_loop_finds(example):
    typical = example.typical
    got = reasons(example.features, example.contributions, example.feature_list, typical=typical)
    expected = one_by_one(example.features, example.contributions, example.feature_list, typical)
    rows = example.features.to_dict("records")
    for texts, chosen, row in zip(got.iloc[:, :3].to_numpy(), expected, rows, strict=True):
        wanted = []
        for name, direction in chosen:
            clauses = BY_NAME[name].words.split(";")
            text = clauses[0].format(**row)
            for clause in clauses[1:]:
                extra = clause.format(**row)
                text += "" if "nan" in extra else f";{extra}"
            text = re.sub(r"(?<![\d.])1 (different )?(day|product|unit)s\b", r"1 \1\2", text)
            wanted.append(f"{module.WHEN_ZERO.get(text, text)} {direction}")
        assert list(texts) == wanted + [""] * (3 - len(wanted))


def test_every_customer_has_clean_reasons(example):
    got = reasons(example.features, example.contributions, example.feature_list)
    texts = ["reason_1", "reason_2", "reason_3"]
    assert list(got.columns) == texts + [f"{text}_{part}" for text in texts for part in ("key", "values")]
    for rank in texts:
        # What is said, and nothing else, can be said again from its key and its values.
        assert ((got[rank] == "") == (got[f"{rank}_key"] == "")).all()
        for said, key, values in zip(got[rank], got[f"{rank}_key"], got[f"{rank}_values"], strict=True):
            if key:
                words, numbers, direction = say_reason(key, values)
                assert said.endswith(RISES if direction > 0 else FALLS)
                assert set(re.findall(r"{(\w+)", words)) == set(numbers)
    assert got.index.equals(example.features.index)
    assert got["reason_1"].str.endswith((RISES, FALLS)).mean() > 0.99
    texts = pd.concat([got[column] for column in texts])
    assert not texts.str.contains(r"nan|-\d|\binf|{|}|\b1 days\b|\b0%", regex=True).any()
    # Reasons fill up from the first.
    assert not ((got["reason_1"] == "") & (got["reason_2"] != "")).any()
    assert not ((got["reason_2"] == "") & (got["reason_3"] != "")).any()


def test_row_order_batches_and_types_do_not_matter(example, monkeypatch):
    got = reasons(example.features, example.contributions, example.feature_list)
    order = np.random.default_rng(0).permutation(len(got))
    shuffled = reasons(example.features.iloc[order], example.contributions[order], example.feature_list)
    pd.testing.assert_frame_equal(shuffled, got.iloc[order])
    monkeypatch.setattr(module, "BATCH_ROWS", 13)
    nullable = example.features.convert_dtypes()
    pd.testing.assert_frame_equal(reasons(nullable, example.contributions, example.feature_list), got)


def test_a_group_gives_one_reason_by_its_sum():
    values = {"days_since_last_order": 94, "recency_ratio": 0.4, "gap_mean": 31, "lines_per_day": 3, "T": 150}
    influence = {"days_since_last_order": 0.5, "recency_ratio": 0.6, "T": -0.2, "lines_per_day": -0.8}
    # Recency 0.9 against basket 0.8; of recency, the ratio is strongest.
    assert say(values, influence) == [
        f"last purchase after 40% of the time as a customer {RISES}",
        f"3.0 lines in a basket {FALLS}",
        "",
    ]


def test_the_feature_named_goes_the_way_of_its_group():
    values = {"days_since_last_order": 94, "recency_ratio": 0.4, "T": 150}
    # T is strongest by itself, but the group raises the risk.
    influence = {"T": -0.5, "days_since_last_order": 0.4, "recency_ratio": 0.3}
    assert say(values, influence)[0] == f"no purchase for 94 days {RISES}"


def test_a_clause_with_a_missing_value_is_dropped():
    influence = {"days_since_last_order": 0.5}
    full = f"no purchase for 94 days; usually every 31 {RISES}"
    assert say({"days_since_last_order": 94, "gap_mean": 31.4}, influence)[0] == full
    short = f"no purchase for 94 days {RISES}"
    assert say({"days_since_last_order": 94, "gap_mean": np.nan}, influence)[0] == short
    assert say({"days_since_last_order": 94}, influence)[0] == short


def test_a_clause_is_dropped_only_where_it_is_missing():
    frame = pd.DataFrame({"days_since_last_order": [10.0, 20.0, 30.0], "gap_mean": [5.0, np.nan, 7.0]})
    got = reasons(frame, [[0.5, 0]] * 3, [BY_NAME["days_since_last_order"]])
    assert got["reason_1"].tolist() == [
        f"no purchase for 10 days; usually every 5 {RISES}",
        f"no purchase for 20 days {RISES}",
        f"no purchase for 30 days; usually every 7 {RISES}",
    ]


def test_a_missing_value_gives_way_to_the_next_feature_then_to_the_next_group():
    influence = {"gap_std": 0.9, "gap_mean": 0.5, "lines_per_day": 0.2}
    values = {"gap_std": np.nan, "gap_mean": 31, "lines_per_day": 2.5}
    assert say(values, influence)[:2] == [f"buys every 31 days {RISES}", f"2.5 lines in a basket {RISES}"]
    assert say(values | {"gap_mean": np.nan}, influence) == [f"2.5 lines in a basket {RISES}", "", ""]


def test_of_who_bought_once_the_days_since_speak_for_the_ratio():
    influence, typical = {"gap_current_ratio": 0.6}, {"days_since_last_order": Typical(120, 1)}
    values = {"gap_current_ratio": np.nan, "gap_mean": np.nan}
    long_ago, lately = values | {"days_since_last_order": 365}, values | {"days_since_last_order": 9}
    assert say(long_ago, influence, typical=typical)[0] == f"no purchase for 365 days {RISES}"
    assert say(lately, influence, typical=typical)[0] == ""


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("monetary_value", -0.0, "has not come back since the first purchase"),
        ("spend_rate", -0.2, "spends 0 a month"),
        ("spend_sum", 12345.6, "spent 12,346 in all"),
        ("spend_sum", -50, ""),
        ("refund_share", 0.004, "0% of what was bought was refunded"),
        ("spend_last_ratio", 2.5, "last purchase was 250% of the usual size"),
        ("spend_last_ratio", 123, ""),
        ("spend_trend_365d", -0.5, ""),
        ("spend_sum_90d", 0, ""),
        ("purchase_days_90d", 0, ""),
        ("purchase_days_90d", 1, "bought on 1 of the last 90 days"),
        ("season_spend_sum", 0, "spent nothing in the same season last year"),
        ("recency_ratio", 0, "has not come back since the first purchase"),
        ("days_since_last_order", 1, "no purchase for 1 day"),
        ("gap_mean", 1, "buys every 1 day"),
        ("products_count", 1, "1 different product bought"),
        ("lines_per_day", 1, "1.0 lines in a basket"),
        ("units_per_day", 21, "21 units on a purchase day"),
    ],
)
def test_numbers_are_said_sensibly(feature, value, words):
    expected = f"{words} {RISES}" if words else ""
    assert say({feature: value}, {feature: 0.5})[0] == expected


def test_what_is_said_of_zero_is_what_the_features_say():
    zeros = dict.fromkeys(BY_NAME, 0.0)
    said = {feature.words.split(";")[0].format(**zeros) for feature in FEATURES}
    assert module.WHEN_ZERO.keys() <= said


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_feature_can_be_said(feature: Feature):
    values = dict.fromkeys(BY_NAME, 2.0)
    clauses = feature.words.format(**values)
    assert say(values, {feature.name: -0.5})[0] == f"{clauses} {FALLS}"


def test_a_reason_does_not_contradict_itself():
    values = {"days_since_last_order": 218, "gap_current_ratio": 2.3, "gap_mean": 96, "recency_ratio": 0.7}
    influence = {"gap_current_ratio": -0.3, "recency_ratio": -0.1}
    contradictory = f"no purchase for 218 days; usually every 96 {FALLS}"
    sensible = f"last purchase after 70% of the time as a customer {FALLS}"
    assert say(values, influence)[0] == contradictory
    typical = {"gap_current_ratio": Typical(1.1, 1), "recency_ratio": Typical(0.5, -1)}
    assert say(values, influence, typical=typical)[0] == sensible
    # What is overdue may raise the risk, what is not may lower it, and without a direction anything goes.
    assert "218" in say(values, {"gap_current_ratio": 0.3}, typical=typical)[0]
    assert "218" in say(values | {"gap_current_ratio": 0.9}, influence, typical=typical)[0]
    assert say(values, influence, typical={"gap_current_ratio": Typical(1.1, 0)})[0] == contradictory
    assert say(values, influence, typical={"gap_current_ratio": Typical(np.nan, 1)})[0] == contradictory
    # A silence shorter than that of most, and longer than one's own, is no reason for either.
    typical = {"days_since_last_order": Typical(480, 1)}
    for value in (0.3, -0.3):
        assert say(values, {"days_since_last_order": value}, typical=typical)[0] == ""
    assert "218" in say(values | {"gap_mean": 300}, {"days_since_last_order": -0.3}, typical=typical)[0]
    assert "218" in say(values | {"gap_mean": np.nan}, {"days_since_last_order": -0.3}, typical=typical)[0]


def test_features_that_share_words_must_agree():
    values = {"purchase_days_90d": 5, "purchase_days_decay_90d": 0.1}
    influence = {"purchase_days_decay_90d": 0.4, "purchase_days_90d": 0.0}
    assert say(values, influence)[0] == f"bought on 5 of the last 90 days {RISES}"
    typical = {"purchase_days_90d": Typical(1, -1), "purchase_days_decay_90d": Typical(0.5, -1)}
    assert say(values, influence, typical=typical)[0] == ""


def test_ties_go_to_what_stands_first():
    values = {"lines_per_day": 2, "spend_sum": 10, "spend_max": 5}
    influence = {"lines_per_day": 0.2, "spend_sum": -0.1, "spend_max": -0.1}
    expected = [f"2.0 lines in a basket {RISES}", f"spent 10 in all {FALLS}"]
    assert say(values, influence)[:2] == expected
    turned = dict(reversed(influence.items()))
    assert say(values, turned)[:2] == [f"largest purchase of 5 {FALLS}", f"2.0 lines in a basket {RISES}"]


def test_small_influence_is_no_reason_and_top_is_kept():
    values = {"lines_per_day": 2, "spend_sum": 10}
    assert say(values, {"lines_per_day": 0.04, "spend_sum": -0.0}) == ["", "", ""]
    assert say(values, {"lines_per_day": 0.4, "spend_sum": -0.2}, top=1) == [f"2.0 lines in a basket {RISES}"]


def test_no_customers():
    got = reasons(pd.DataFrame({"spend_sum": []}), np.empty((0, 2)), [BY_NAME["spend_sum"]])
    assert got.shape == (0, 9)


def test_errors_say_what_to_do():
    frame, one = pd.DataFrame({"spend_sum": [1.0]}), [BY_NAME["spend_sum"]]
    with pytest.raises(
        ValueError, match=re.escape("must have the shape (1, 2)") + ".*" + re.escape("(1, 1)")
    ):
        reasons(frame, [[1.0]], one)
    with pytest.raises(ValueError, match=re.escape("contributions must be finite: 1 are not")):
        reasons(frame, [[np.nan, 0]], one)
    with pytest.raises(ValueError, match=re.escape("top must be at least 1 (currently 0)")):
        reasons(frame, [[1.0, 0]], one, top=0)
    with pytest.raises(ValueError, match="feature_list must name at least one"):
        reasons(frame, [[0.0]], [])
