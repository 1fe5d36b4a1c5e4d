from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.report.conftest import overview_of, scored_frame

from clvml.decide.gains import LEAST_STAYING as LEAST_STAY
from clvml.errors import InputError
from clvml.report.facts import CALLED, SAVE_RATE, Facts, read_facts
from clvml.report.vocabulary import TO_DO
from clvml.scores.segments import LEFT_ALONE

Write = Callable[[pd.DataFrame], Path]


def test_sums_are_those_of_the_file(facts: Facts) -> None:
    frame = scored_frame()
    assert facts.customers == len(frame)
    assert facts.expected == pytest.approx(frame["expected_spend"].sum())
    cells = [cell for row in facts.cells for cell in row]
    assert sum(cell["customers"] for cell in cells) == len(frame)
    assert sum(cell["historic_spend"] for cell in cells) == pytest.approx(frame["historic_spend"].sum())
    high = frame[frame["churn_risk"] == "high"]
    assert sum(row[2]["expected_spend"] for row in facts.cells) == pytest.approx(high["expected_spend"].sum())


def test_rows_of_the_risk_table_end_at_their_shares(facts: Facts) -> None:
    assert [sum(cell["customers"] for cell in row) for row in facts.cells] == [20, 60, 120, 200]


def test_called_are_those_with_most_value_at_risk(facts: Facts) -> None:
    frame = scored_frame()
    stay = np.maximum(1 - frame["p_churn"], LEAST_STAY)
    at_risk = (frame["p_churn"] * frame["expected_spend"] / stay)[frame["segment"] != "lost"].nlargest(CALLED)
    assert [row["customer_id"] for row in facts.calls] == frame.loc[at_risk.index, "customer_id"].tolist()
    assert facts.calls[0]["at_risk"] == pytest.approx(at_risk.iloc[0])


@pytest.mark.parametrize("segment", LEFT_ALONE)
def test_whose_segment_says_so_is_not_called(write: Write, segment: str) -> None:
    assert {name for name, (_, call) in TO_DO.items() if call is None} == set(LEFT_ALONE)
    facts = read_facts(write(scored_frame().assign(segment=segment)), None)
    assert (facts.calls, facts.call.customers, facts.call.profit) == ([], 0, 0.0)


def test_calls_that_pay_as_counted_one_by_one(facts: Facts) -> None:
    gains = []
    for row in scored_frame().query("segment != 'lost'").itertuples():
        kept = row.clv / max(1 - row.p_churn, LEAST_STAY)
        gains.append(kept * row.p_churn * SAVE_RATE - facts.call.cost)
    paying = [gain for gain in gains if gain > 0]
    assert facts.call.customers == len(paying)
    assert facts.call.profit == pytest.approx(sum(paying))
    assert facts.call.everybody == pytest.approx(sum(gains))
    assert facts.call.most_customers <= facts.call.customers
    assert max(profit for _, profit in facts.call.curve) == pytest.approx(facts.call.profit)


def test_concentration_rises_from_nothing_to_all(facts: Facts) -> None:
    shares, money = zip(*facts.concentration, strict=True)
    assert (shares[0], money[0]) == (0.0, 0.0) and (shares[-1], money[-1]) == (1.0, pytest.approx(1.0))
    assert list(money) == sorted(money)
    frame = scored_frame().nlargest(20, "historic_spend")
    at = dict(facts.concentration)[0.05]
    assert at == pytest.approx(frame["historic_spend"].sum() / scored_frame()["historic_spend"].sum())


def test_row_order_changes_nothing(write: Write) -> None:
    frame = scored_frame()
    one = read_facts(write(frame), None)
    other = read_facts(write(frame.sample(frac=1, random_state=1)), None)
    assert (one.calls, one.call, one.cells) == (other.calls, other.call, other.cells)


def test_nobody_pays_where_nobody_is_worth_anything(write: Write) -> None:
    facts = read_facts(write(scored_frame().assign(clv=0.0, expected_spend=0.0, historic_spend=0.0)), None)
    assert facts.call.customers == 0 and facts.calls == [] and facts.concentration == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="clv"), "is not a scored file: it lacks clv"),
        (lambda frame: frame.head(0), "holds no customer"),
        (lambda frame: frame.assign(p_churn="much"), "was changed since it was written"),
        (
            lambda frame: frame.assign(as_of=["2024-03-01", *["2024-04-01"] * (len(frame) - 1)]),
            "mixes several as_of",
        ),
    ],
)
def test_a_wrong_file_is_one_message(write: Write, change, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_facts(write(change(scored_frame())), None)


def test_an_absent_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_facts(tmp_path / "none.csv", None)


def test_the_overview_of_another_scoring_is_refused(write: Write) -> None:
    frame = scored_frame()
    with pytest.raises(InputError, match="of another scoring"):
        read_facts(write(frame), overview_of(frame) | {"customers": 7})
