"""Events of customers on Spark: features, models and scores are those of DuckDB."""

from datetime import timedelta

import duckdb
import pandas as pd
import pytest
from tests.workflows.test_with_events import NOW, config_of, simulate

from clvml import workflows
from clvml.errors import InputError


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return the folder of a shop with its log and its table of events, some of strangers and without a day."""
    folder = tmp_path_factory.mktemp("shop")
    # Reading the table takes the apostrophe off, which the log keeps.
    log, events = (each.replace("c00500", "'=500") for each in simulate(customers=600))
    log.to_csv(folder / "orders.csv", index=False)
    more = pd.DataFrame(
        {"who": ["nobody", "c00001", None], "kind": "visit", "opened_at": ["2022-12-01", None, "2023-03-01"]}
    )
    pd.concat([events.astype({"opened_at": str}), more]).to_csv(folder / "events.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def both(shop, spark):
    """Return the configuration and the log, prepared here and on Spark."""
    config = config_of(shop)
    return config, workflows.prepare(config.data, NOW), workflows.prepare_on_spark(spark, config.data, NOW)


@pytest.fixture(scope="module")
def scorer(both):
    config, here, _ = both
    return workflows.fit(workflows.days_of(here.log), here.as_of, config).scorer


def test_a_model_is_trained_as_on_duckdb(both, scorer):
    config, here, whole = both
    with duckdb.connect() as connection:
        there = workflows.sample_on_spark(whole, config, connection)
        assert there.log.quality.events == here.log.quality.events
        assert there.log.fingerprint == here.log.fingerprint
        ours, theirs = (workflows.days_of(prepared.log) for prepared in (there, here))
        model = workflows.fit(ours, here.as_of, config).scorer.model
        assert model.trees.events == scorer.model.trees.events
        for cutoff in (here.as_of, here.log.first_day + timedelta(days=200)):
            found, expected = (
                days.counting(model.trees.events).features(cutoff, 60) for days in (ours, theirs)
            )
            assert found["event_ticket_365d"].isna().all() == (cutoff < here.as_of)
            pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6, check_dtype=False)
        features = theirs.counting(model.trees.events).features(here.as_of, 60)
        predicted = [one.predict(features, here.as_of) for one in (model, scorer.model)]
        pd.testing.assert_frame_equal(*predicted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("explain", ["all", 7])
def test_customers_are_scored_as_on_duckdb(both, scorer, explain):
    _, here, there = both
    expected = workflows.score(here, scorer, explain).frame()
    with duckdb.connect() as connection:
        found = workflows.score_on_spark(there, scorer, connection, explain).frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6)
    assert found["reason_1"].notna().sum() == (len(found) if explain == "all" else explain)
    said = pd.concat([found[f"reason_{rank}"] for rank in (1, 2, 3)])
    assert said.str.contains("Ticket: ").any()


def test_events_on_or_after_the_cutoff_change_no_score(both, scorer, shop, spark, tmp_path):
    config, here, _ = both
    cutoff = here.as_of - timedelta(days=60)
    events = pd.read_csv(shop / "events.csv")
    kept = events[events["opened_at"].fillna("") < str(cutoff)]
    later = kept[["who"]].drop_duplicates().assign(kind="Ticket", opened_at=str(cutoff))
    scores = []
    for name, table in (("before.csv", kept), ("after.csv", pd.concat([kept, later]))):
        table.to_csv(tmp_path / name, index=False)
        data = config_of(tmp_path, name).data.model_copy(update={"source": config.data.source})
        there = workflows.prepare_on_spark(spark, data, NOW, as_of=cutoff)
        with duckdb.connect() as connection:
            scores.append(workflows.score_on_spark(there, scorer, connection, "none").frame())
    pd.testing.assert_frame_equal(*scores)


def test_other_customers_and_a_log_without_events_are_refused(both, scorer, shop, spark, tmp_path):
    events = pd.read_csv(shop / "events.csv")
    events.assign(who="x" + events["who"]).to_csv(tmp_path / "events.csv", index=False)
    data = config_of(tmp_path).data.model_copy(update={"source": both[0].data.source})
    with pytest.raises(InputError, match=r"ids such as 'x'=500' there, ''=500' here"):
        workflows.prepare_on_spark(spark, data, NOW)
    there = workflows.prepare_on_spark(spark, both[0].data.purchases_alone(), NOW)
    with (
        duckdb.connect() as connection,
        pytest.raises(InputError, match="give the table of events as in training"),
    ):
        workflows.score_on_spark(there, scorer, connection)
