"""Reasons that say an attribute: the user's own words, in any language."""

import numpy as np
import pandas as pd
import pytest

from clvml.customers.attributes import Attribute
from clvml.customers.subscription_snapshots import explained_features
from clvml.explain import reasons
from clvml.explain.wording import say_reason
from clvml.report.language import Language

CHANNEL = Attribute("attribute_channel", "Chan;nel", "category", ("web", "<b>{x}"), has_rare=True)
AGE = Attribute("attribute_age", "age", "number")
SINCE = Attribute("attribute_since", "since", "date")


def said(attribute, values):
    frame = pd.DataFrame({attribute.name: np.asarray(values, dtype=float)})
    phi = np.column_stack([np.full(len(frame), 0.5), np.zeros(len(frame))])
    return reasons(frame, phi, [attribute.feature], top=1, given=[attribute])


def test_every_value_has_its_words():
    raises = " (raises churn risk)"
    assert list(said(CHANNEL, [0, 1, 2, np.nan])["reason_1"]) == [
        f"Chan,nel: {text}{raises}" for text in ("web", "<b>{x}", "a rare value", "not known")
    ]
    assert list(said(AGE, [31.0, 1234.5, np.nan])["reason_1"]) == [
        f"age: {text}{raises}" for text in ("31", "1,234.5", "not known")
    ]
    assert list(said(SINCE, [0, 1, 300, -5])["reason_1"]) == [
        f"since: {text}{raises}" for text in ("0 days ago", "1 day ago", "300 days ago", "in 5 days")
    ]


def test_a_page_says_them_in_its_language_and_runs_nothing():
    rows = said(CHANNEL, [0, 1, 2, np.nan])
    german = Language("de")
    texts = [german.reason(*row) for row in rows[["reason_1_key", "reason_1_values"]].to_numpy()]
    assert [str(text) for _, text in texts] == [
        "Chan,nel: web",
        "Chan,nel: &lt;b&gt;{x}",
        "Chan,nel: ein seltener Wert",
        "Chan,nel: nicht bekannt",
    ]
    assert {direction for direction, _ in texts} == {1}
    row = said(SINCE, [300])
    assert str(Language("fr").reason(row["reason_1_key"][0], row["reason_1_values"][0])[1]) == (
        "since\N{NO-BREAK SPACE}: il y a 300 jours"
    )


@pytest.mark.parametrize("values", ["", "v;x", "x;a;b", "p;a;soon", "u;a;b"])
def test_values_that_are_none_are_refused(values):
    with pytest.raises(ValueError, match=r"attribute|convert"):
        say_reason("attribute_x+", values)


def test_one_early_sign_reads_as_two_do():
    (feature,) = (
        one for one in explained_features({"early_tickets": "tickets"}) if one.name == "early_tickets"
    )
    frame = pd.DataFrame({"early_tickets": [0.0, 1.0, 2.0]})
    phi = np.column_stack([np.full(len(frame), 0.5), np.zeros(len(frame))])
    rows = reasons(frame, phi, [feature], top=1)
    assert list(rows["reason_1"]) == [
        f"tickets in the first days: {number} (raises churn risk)" for number in (0, 1, 2)
    ]
    english = Language("en")
    told = [english.reason(*row) for row in rows[["reason_1_key", "reason_1_values"]].to_numpy()]
    assert [str(text) for _, text in told] == [f"tickets in the first days: {number}" for number in (0, 1, 2)]
