"""Batches: the rows of one piece, whatever their size, and files to the byte as pandas writes them."""

import random
from datetime import UTC, date, datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

from clvml import workflows
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.scores.batches import ScoredTable, score_in_batches
from clvml.scores.columns import COLUMNS
from clvml.scores.scorer import Scorer, customer_days
from clvml.storage.files import write_table
from clvml.tracking.registry import resolve_model

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def scorer(shop):
    found = resolve_model("champion", "clvml", shop.tracking)
    return Scorer.load(found.directory, found.version, found.run_id)


@pytest.fixture(scope="module")
def days(shop, scorer):
    prepared = workflows.prepare(scorer.model.config.data, NOW, str(shop.log))
    yield customer_days(prepared.log)
    prepared.log.connection.close()


AS_OF = date(2024, 7, 1)


@pytest.mark.parametrize("explain", ["all", "none", 0, 5, 100_000])
@pytest.mark.parametrize("batch_rows", [17, 100_000])
def test_batches_of_any_size_give_the_rows_of_one_piece(scorer, days, explain, batch_rows, monkeypatch):
    monkeypatch.setattr("clvml.scores.batches.APPENDED_ROWS", 60)
    whole = scorer.score(days, AS_OF, explain)
    scored = score_in_batches(scorer, days, AS_OF, explain, batch_rows=batch_rows)
    pd.testing.assert_frame_equal(scored.frame(), whole)
    assert scored.customers == len(whole)
    assert scored.total("clv") == pytest.approx(whole["clv"].sum(), abs=1e-6)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_file_is_what_pandas_writes(scorer, days, tmp_path, ending):
    scored = score_in_batches(scorer, days, AS_OF, batch_rows=50)
    scored.write(tmp_path / f"ours{ending}")
    write_table(scorer.score(days, AS_OF), tmp_path / f"theirs{ending}")
    if ending == ".csv":
        assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
    else:
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "ours.parquet"), pd.read_parquet(tmp_path / "theirs.parquet")
        )


def test_odd_texts_and_numbers_are_written_to_the_byte(tmp_path):
    draw = random.Random(0)
    numbers = [0.0, 1e-6, 5e-5, 0.1, 123456.78, 1e14, 1e15, 9999999999999998.0, 1e16, 1.5e22, np.nan]
    numbers += [round(draw.uniform(-1e6, 1e6), draw.randint(0, 6)) for _ in range(500)]
    texts = ["=1+1", "-5", "a,b", 'say "x"', "two\nlines", "'=2", " =x", "Zoë", "007", "@x,y", "+49 30", "#"]
    rows = pd.DataFrame({name: [str(draw.choice(texts)) for _ in numbers] for name in COLUMNS})
    rows["customer_id"] = [f"{text}{number}" for number, text in enumerate(rows["customer_id"])]
    decimals = [name for name in COLUMNS if name.startswith("expected_")]
    for name in ("p_churn", "clv", "historic_spend", "usual_gap_days", *decimals):
        rows[name] = draw.sample(numbers, len(numbers))
    rows["clv"] = rows["clv"].fillna(0.0)
    rows["horizon_days"] = 180
    rows["reason_3"] = None
    # Ours to word: nothing in them needs a quote. Segments are the user's.
    ours = ("as_of", "churn_risk", "last_order_date", "next_order_date", "value_tier")
    parts = [name for name in COLUMNS if name.endswith("_key")]
    for name in (*ours, "model_version", "run_id", *parts):
        rows[name] = "first buyer to win back"
    with duckdb.connect() as connection:
        table = ScoredTable(connection)
        table.create()
        table.append(rows)
        table.write(tmp_path / "ours.csv")
    ordered = rows.sort_values(["clv", "customer_id"], ascending=[False, True])
    write_table(ordered, tmp_path / "theirs.csv")
    assert (tmp_path / "ours.csv").read_text().split("\n") == (tmp_path / "theirs.csv").read_text().split(
        "\n"
    )


def test_nobodys_row_depends_on_who_else_is_scored(scorer, days):
    features = days.features(AS_OF, scorer.model.horizon_days)
    features.loc[0, "T"] = 5_000
    for first_day in (None, date(2022, 3, 4)):
        whole = scorer.rows(features, AS_OF, log_from=first_day)
        part = scorer.rows(features.iloc[50:60], AS_OF, log_from=first_day)
        pd.testing.assert_frame_equal(part, whole.iloc[50:60])


def test_two_logs_in_one_database_do_not_meet(scorer, days):
    lines = "(select 'x' as customer_id, date '2024-01-05' as order_day, 10e0 as amount)"
    before = days.features(AS_OF, 60)
    other = CustomerDays(days.connection, lines)
    assert other.features(AS_OF, 60)["customer_id"].tolist() == ["x"]
    pd.testing.assert_frame_equal(days.features(AS_OF, 60), before)


def test_progress_counts_customers_up_to_all(scorer, days):
    told = []
    scored = score_in_batches(scorer, days, AS_OF, "none", lambda *at: told.append(at), batch_rows=100)
    assert told[0] == (0, scored.customers)
    assert told[-1] == (scored.customers, scored.customers)
    assert told == sorted(told)


def test_nobody_before_the_date_is_an_error(scorer, days):
    with pytest.raises(InputError, match="no order line is dated before 2020-01-01"):
        score_in_batches(scorer, days, date(2020, 1, 1))


def test_two_scorings_on_one_connection_keep_their_rows(scorer, days):
    first, second = (score_in_batches(scorer, days, day) for day in (AS_OF, date(2024, 5, 1)))
    assert set(first.frame()["as_of"]) == {"2024-07-01"}
    assert set(second.frame()["as_of"]) == {"2024-05-01"}
