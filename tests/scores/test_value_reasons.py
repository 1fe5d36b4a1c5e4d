"""Reasons for the expected spend: what drives it in a log whose law is known, and columns only where asked for."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

import clvml
from clvml.explain.of_customers import contributions
from clvml.scores.columns import COLUMNS, VALUE_REASONS
from clvml.scores.scorer import read_scores
from clvml.storage.files import write_table

NAMES = [column.name for column in VALUE_REASONS]


@pytest.fixture(scope="module")
def lines():
    """Return purchases of 400 customers who all buy alike often, half of them for 10 and half for 100 each time."""
    draw = np.random.default_rng(3)
    rows = [
        (
            f"{'small' if number % 2 else 'large'}-{number}",
            date(2023, 1, 1) + timedelta(days=int(day)),
            amount,
        )
        for number in range(400)
        for day in np.unique(draw.uniform(0, 540, draw.poisson(18) + 1).astype(int))
        for amount in [round((10 if number % 2 else 100) * draw.uniform(0.7, 1.3), 2)]
    ]
    return pd.DataFrame(rows, columns=["customer_id", "order_date", "amount"])


@pytest.fixture(scope="module")
def model(lines):
    return clvml.CustomerModel(horizon_days=60, model={"n_estimators": 30}).fit(lines)


@pytest.fixture(scope="module")
def scores(model, lines):
    return model.score(lines, value_reasons=True)


def test_what_drives_spend_is_its_first_reason(model, lines, scores):
    large = scores["customer_id"].str.startswith("large")
    groups = {feature.name: feature.group for feature in clvml.customers.FEATURES}
    first = scores["value_reason_1_key"].str[:-1].map(groups)
    assert (first == "spend").mean() > 0.95
    rises = scores["value_reason_1_key"].str[-1] == "+"
    assert (rises == large)[first == "spend"].mean() > 0.95
    words = scores["value_reason_1"].str.rpartition(" (")[2]
    assert set(words) == {"raises expected spend)", "lowers expected spend)"}
    assert ((words == "raises expected spend)") == rises).all()
    # Ten times the price is ten times the spend: the reasons add up to its logarithm.
    scorer, features = model.scorer_, clvml.read_log(lines).days.features(model.as_of_, 60)
    _, value = contributions(scorer.model, scorer.reference, features, model.as_of_)
    influence = pd.DataFrame(value[:, :-1], columns=[feature.name for feature in scorer.model.features])
    of_spend = influence[[name for name in influence if groups[name] == "spend"]].sum(axis=1)
    factor = of_spend.groupby(features["customer_id"].str.startswith("large")).mean().diff().iloc[1]
    assert factor == pytest.approx(np.log(10), rel=0.1)


def test_the_columns_are_there_only_where_asked_for(model, lines, scores):
    assert tuple(scores) == (*COLUMNS, *NAMES)
    plain = model.score(lines)
    pd.testing.assert_frame_equal(scores[list(COLUMNS)], plain, check_exact=True)
    few = model.score(lines, explain=5, value_reasons=True)
    explained = few["reason_1"].notna()
    assert explained.sum() == 5
    pd.testing.assert_frame_equal(few[explained], scores[explained], check_exact=True)
    assert few.loc[~explained, NAMES].isna().all(axis=None)
    assert model.score(lines, explain="none", value_reasons=True)[NAMES].isna().all(axis=None)


def test_who_never_bought_is_told_that(model, lines):
    refund = pd.DataFrame([("refunded", date(2024, 3, 1), -5.0)], columns=list(lines))
    scores = model.score(pd.concat([lines, refund]), value_reasons=True).set_index("customer_id")
    assert scores.loc["refunded", "value_reason_1"] == "nothing but refunds so far"
    assert scores.loc["refunded", NAMES[1:]].isna().all()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_written_file_is_read_as_it_was(scores, tmp_path, ending):
    write_table(scores, tmp_path / f"scores{ending}")
    read = read_scores(tmp_path / f"scores{ending}")
    assert list(read) == list(scores)
    pd.testing.assert_frame_equal(read[NAMES].astype("string"), scores[NAMES].astype("string"))
