"""Whatever a log holds, training ends in a model and scoring in a file that keeps its promises."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvml import workflows
from clvml.config import parse_config
from clvml.errors import InputError, secondary
from clvml.scores.columns import COLUMNS
from clvml.scores.scorer import Scorer, read_scores
from clvml.tracking.pending import keep_training, read_kept
from clvml.tracking.record import TrainingRecord

CASES = Path(__file__).parent.parent / "cases"
FIRST = date(2004, 1, 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS_OF = {"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"}
# Text that is left where a number was not to be had.
NO_NUMBER = re.compile(r"\b(nan|NaN|inf|None|NaT)\b")


class Ended(NamedTuple):
    """What came of a log: the training as it is kept, what was said, and the scored file."""

    record: TrainingRecord
    said: str
    scores: pd.DataFrame


def end_to_end(log: pd.DataFrame | Path, folder: Path, columns=None, horizon=30, **data) -> Ended:
    """Train on a log, keep the training in a folder, and score the log with the model that was kept."""
    source = log
    if isinstance(log, pd.DataFrame):
        source = folder / "log.csv"
        log.to_csv(source, index=False)
    config = parse_config(
        {
            "data": {"source": str(source), "columns": columns or COLUMNS_OF, **data},
            "windows": {"horizon_days": horizon, "max_cutoffs": 3},
            "model": {"n_estimators": 2, "n_jobs": 1, "season": False},
            "evaluation": {"folds": 1, "bootstrap_samples": 100},
        }
    )
    (folder / "model").mkdir()
    trained = workflows.train(workflows.prepare(config.data, NOW), config, folder / "model")
    record = read_kept(keep_training(trained.record, folder / "kept"))
    scorer = Scorer.load(record.model_directory)
    prepared = workflows.prepare(config.data, NOW)
    workflows.write_scored(workflows.score(prepared, scorer), str(folder / "scores.csv"))
    said = [*record.notes, *record.verdicts, *trained.driver_sentences]
    if trained.backtest is not None:
        said.append(workflows.answer(trained.backtest))
    return Ended(record, "\n".join(said), read_scores(folder / "scores.csv"))


def keeps_the_contract(ended: Ended, customers: set[str]) -> None:
    scores = ended.scores
    assert tuple(scores.columns[: len(COLUMNS)]) == COLUMNS
    assert sorted(scores["customer_id"]) == sorted(customers)
    # One-time buyers have no usual gap.
    numbers = scores.select_dtypes("number").drop(columns="usual_gap_days", errors="ignore")
    assert np.isfinite(numbers.to_numpy(float)).all()
    assert scores["p_churn"].between(0, 1).all()
    assert (scores["expected_spend_low"] <= scores["expected_spend"]).all()
    assert (scores["expected_spend"] <= scores["expected_spend_high"]).all()
    by_horizon = scores[[f"expected_spend_{days}d" for days in (30, 90, 180, 365)]].to_numpy()
    assert (np.diff(by_horizon, axis=1) >= 0).all()
    assert scores["reason_1"].notna().all()
    assert not NO_NUMBER.search(ended.said), ended.said
    assert "left out: " not in ended.said, ended.said


def as_log(rows) -> pd.DataFrame:
    """Return a log of (customer, day, amount)."""
    lines = [(str(c), (FIRST + timedelta(days=day)).isoformat(), amount) for c, day, amount in rows]
    return pd.DataFrame(lines, columns=list(COLUMNS_OF))


WAYS = {
    "mixed": st.sampled_from([12.5, 20.0, 0.0, -5.0, 0.01, 130.0]),
    "constant": st.just(10.0),
    "tiny": st.just(0.01),
    "free": st.just(0.0),
    "refunds": st.just(-4.0),
    "free and refunds": st.sampled_from([0.0, -4.0]),
}
ABSURD = (1e9, 9.9e14, -9.9e14, 1e-9)


@st.composite
def degenerate_logs(draw):
    """Return (customer, day, amount) of shops that no textbook has: few, alike, in one day or in twenty years."""
    customers = draw(st.sampled_from([1, 2, 3, 40]))
    length = draw(st.sampled_from([1, 7, 45, 120, 400, 7300]))
    day = st.integers(0, length - 1)
    amount = WAYS[draw(st.sampled_from(sorted(WAYS)))]
    who = draw(st.sampled_from(["alike", "once", "often", "any"]))
    if who == "alike":
        history = draw(st.lists(st.tuples(day, amount), min_size=1, max_size=5))
        rows = [(c, *line) for c, line in product(range(customers), history)]
    elif who == "once":
        rows = [(c, draw(day), draw(amount)) for c in range(customers)]
    elif who == "often":
        step = draw(st.integers(1, 40))
        rows = [
            (c, at, draw(amount)) for c in range(min(customers, 3)) for at in range(0, min(length, 400), step)
        ]
    else:
        line = st.tuples(st.integers(0, customers - 1), day, amount)
        rows = draw(st.lists(line, min_size=1, max_size=40))
    if draw(st.booleans()):
        # The newest window holds nothing that was sold, at most refunds.
        quiet = draw(st.integers(1, length))
        rows = [line for line in rows if line[1] < length - quiet] or rows[:1]
        rows.append((0, length - 1, draw(st.sampled_from([-1.0, -500.0, 0.0]))))
    if draw(st.booleans()):
        rows.append((draw(st.integers(0, customers)), draw(day), draw(st.sampled_from(ABSURD))))
    return rows


@given(degenerate_logs())
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
def test_a_degenerate_log_ends_in_scores_or_has_no_purchase(rows):
    log = as_log(rows)
    with TemporaryDirectory() as folder:
        try:
            ended = end_to_end(log, Path(folder))
        except InputError as refusal:
            # Nothing can be predicted of a shop that never sold anything.
            assert not (log["amount"] > 0).any(), refusal
            assert str(refusal).startswith("no purchase of positive amount before")
            return
    keeps_the_contract(ended, set(log["customer_id"]))


# Kinds that were met before, each with what has to be said of it


def usual(length=400, customers=40):
    """Return a shop whose customers buy every few weeks, some until a day of their own."""
    draw = np.random.default_rng(5)
    rows = []
    for c in range(customers):
        day = draw.uniform(0, length / 2)
        while day < length and (day < 60 or draw.random() > 0.1):
            rows.append((c, int(day), round(draw.lognormal(3, 0.5), 2)))
            day += 1 + draw.exponential(25)
    return rows


KINDS = {
    "everybody returns": (
        [(c, day, 20.0 + c) for c in range(30) for day in range(c % 5, 200, 5)],
        "every customer came back from 2004-06-19 to 2004-07-18: this test window says nothing of who leaves",
    ),
    "more refunded than sold": (
        [*(line for line in usual() if line[1] < 360), *((c, 380, -999.0) for c in range(40)), (1, 399, 5.0)],
        "more was refunded than sold from 2005-01-05 to 2005-02-03 (net -",
    ),
    "one customer": (
        [(0, day, 10.0) for day in range(0, 200, 9)],
        "next to nothing can be learnt from this data: 1 customer bought anything, 1 of them on two days or more.",
    ),
    "one day": (
        [(c, 0, 10.0 + c) for c in range(50)],
        "next to nothing can be learnt from this data: 50 customers bought anything, 0 of them on two days or more.",
    ),
    "one absurd amount": ([*usual(), (3, 390, 9e14)], ""),
    "one customer holds it all": ([*usual(200), *((99, day, 1e6) for day in range(0, 200, 3))], ""),
    "all refunded": (
        [
            (c, day + late, sign * 10.0)
            for c in range(40)
            for day in range(c, 200, 50)
            for late, sign in ((0, 1), (2, -1))
        ],
        "",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_degenerate_logs(kind, tmp_path):
    rows, said = KINDS[kind]
    ended = end_to_end(as_log(rows), tmp_path)
    keeps_the_contract(ended, {str(line[0]) for line in rows})
    assert said in ended.said


def test_nobody_returns(tmp_path):
    columns = {"customer_id": "customer", "order_date": "date", "amount": "amount"}
    ended = end_to_end(CASES / "nobody_returns.csv", tmp_path, columns, horizon=90)
    keeps_the_contract(ended, {f"c{number}" for number in range(800)})
    assert "800 customers bought anything, 0 of them on two days or more." in ended.said
    assert "nobody who had bought before bought anything from " in ended.said
    assert (
        "pictures left out, for there is nothing to draw: 'gains' (no money in the newest test window)"
        in ended.said
    )
    assert set(ended.record.figures) == {"calibration", "deciles", "shap_bar", "shap_beeswarm"}
    # Nobody ever came back, and a model from the level says so.
    assert ended.scores["p_churn"].min() > 0.9


def test_a_shop_that_was_closed_in_the_newest_window(tmp_path):
    columns = {"customer_id": "member", "order_date": "date", "amount": "amount"}
    ended = end_to_end(CASES / "season_shop.csv", tmp_path, columns, horizon=90)
    keeps_the_contract(ended, set(pd.read_csv(CASES / "season_shop.csv")["member"]))
    assert "nobody who had bought before bought anything from " in ended.said


def test_five_rows(tmp_path):
    columns = {"customer_id": "id", "order_date": "date", "amount": "value"}
    log = pd.read_csv(CASES / "five_rows.csv", dtype=str)
    log["date"] = pd.to_datetime(log["date"], format="%d/%m/%Y").dt.date
    ended = end_to_end(log, tmp_path, columns, horizon=30)
    keeps_the_contract(ended, set(log["id"]))
    assert "next to nothing can be learnt from this data: 3 customers bought anything" in ended.said
    assert "tested on 2 customers only: too few to tell a good model from a bad one" in ended.said
    assert not re.search(r": (better|worse) \(95%", ended.said)


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave out the pictures, which take most of the time."""
    monkeypatch.setattr("clvml.workflows.training.draw_pictures", lambda *arguments: {})


def test_customers_without_a_purchase_get_that_as_their_reason(tmp_path, no_pictures):
    rows = [*usual(200), ("refunds", 100, -3.0), ("refunds", 150, 0.0), ("free", 120, 0.0)]
    scores = end_to_end(as_log(rows), tmp_path).scores.set_index("customer_id")
    assert scores.loc["refunds", "reason_1"] == "nothing but refunds so far"
    assert scores.loc["free", "reason_1"] == "nothing but free items so far"
    assert scores.loc[["refunds", "free"], "segment"].tolist() == ["not enough history"] * 2
    assert scores.loc[["refunds", "free"], ["reason_2", "reason_3"]].isna().all(axis=None)


def fails(*arguments, **options):
    raise ZeroDivisionError("the font is on fire\nand more")


@pytest.mark.parametrize(
    ("broken", "step", "kept"),
    [
        ("clvml.evaluation.plots.plot_gains", "the picture 'gains'", 6),
        ("clvml.workflows.pictures._of_the_test", "all pictures", 0),
        ("matplotlib.figure.Figure.savefig", "the picture 'shap_bar'", 0),
    ],
)
def test_no_training_is_lost_to_a_picture(broken, step, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(broken, fails)
    rows = usual(150)
    ended = end_to_end(as_log(rows), tmp_path)
    assert f"left out: {step} (ZeroDivisionError: the font is on fire)" in ended.record.notes
    assert len(ended.record.figures) == kept
    keeps_the_contract(ended._replace(said=""), {str(line[0]) for line in rows})


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ("judge", "the comparison with the baselines"),
        ("headline_metrics", "the metrics"),
        ("Explanation.sentences", "what drives retention"),
        ("Explanation.drivers", "the table of drivers"),
        ("fit_reference", "the explanation; no customer has a reason"),
    ],
)
def test_no_training_is_lost_to_what_is_said_of_it(broken, step, tmp_path, monkeypatch, no_pictures):
    monkeypatch.setattr(f"clvml.workflows.training.{broken}", fails)
    rows = usual(150)
    ended = end_to_end(as_log(rows), tmp_path)
    assert f"left out: {step} (ZeroDivisionError: the font is on fire)" in ended.record.notes
    keeps_the_contract(ended._replace(said=""), {str(line[0]) for line in rows})
    if broken == "fit_reference":
        assert set(ended.scores["reason_1"]) == {"no single reason stands out"}


def test_an_interrupt_is_no_secondary_failure():
    notes = []
    with pytest.raises(KeyboardInterrupt), secondary("a picture", notes):
        raise KeyboardInterrupt
    assert notes == []
