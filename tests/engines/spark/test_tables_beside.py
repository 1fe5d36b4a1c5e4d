"""Attributes of customers on Spark: features, models and scores are those of DuckDB."""

from dataclasses import replace

import duckdb
import pandas as pd
import pytest
from tests.workflows.test_with_attributes import NOW, config_of, simulate

from clvml import workflows
from clvml.errors import InputError


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return the folder of a shop with its log and two tables of customers, one of today and one dated."""
    folder = tmp_path_factory.mktemp("shop")
    # Reading the table takes the apostrophe off, which the log keeps.
    log, known = (each.replace("c00500", "'=500") for each in simulate(customers=600))
    log.to_csv(folder / "orders.csv", index=False)
    joined = pd.Timestamp("2022-06-01") + pd.to_timedelta(known.index % 900, unit="D")
    known = known.assign(joined=joined, age=known["age"].where(known.index % 9 > 0)).iloc[5:]
    known.to_csv(folder / "customers.csv", index=False)
    later = known.assign(Channel="kiosk", since="2024-01-05").iloc[:300]
    dated = pd.concat([known.assign(since="2022-01-01"), later])
    dated.to_csv(folder / "dated.csv", index=False)
    return folder


@pytest.fixture(scope="module", params=["customers.csv", "dated.csv"])
def both(request, shop, spark):
    """Return the configuration and the log, prepared here and on Spark."""
    dated = {"valid_from": "since"} if request.param == "dated.csv" else {}
    # Dates after a cutoff are refused where the table is one of today.
    config = config_of(
        shop, request.param, columns=["Channel", "age", *(["joined"] if dated else [])], **dated
    )
    here, there = workflows.prepare(config.data, NOW), workflows.prepare_on_spark(spark, config.data, NOW)
    return config, here, there


def test_a_model_is_trained_as_on_duckdb(both):
    config, here, whole = both
    with duckdb.connect() as connection:
        there = workflows.sample_on_spark(whole, config, connection)
        assert there.log.fingerprint == here.log.fingerprint
        assert [found.code for found in there.log.quality.warnings] == [
            found.code for found in here.log.quality.warnings
        ]
        assert "customers-without-attributes" in [found.code for found in there.log.quality.warnings]
        assert there.log.quality.read_as["attribute Channel"] == "category"
        ours, theirs = (workflows.days_of(prepared.log) for prepared in (there, here))
        for cutoff in (here.as_of, here.log.first_day + (here.as_of - here.log.first_day) / 2):
            found, expected = (days.features(cutoff, 60) for days in (ours, theirs))
            expected = expected.astype({"attribute_channel": object})
            pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6, check_dtype=False)
            assert ours.dates_not_before(cutoff) == theirs.dates_not_before(cutoff)
        models = [workflows.fit(days, here.as_of, config).scorer.model for days in (ours, theirs)]
        assert models[0].trees.attributes == models[1].trees.attributes
        predicted = [model.predict(theirs.features(here.as_of, 60), here.as_of) for model in models]
        pd.testing.assert_frame_equal(*predicted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("explain", ["all", 7])
def test_customers_are_scored_as_on_duckdb(both, explain):
    config, here, there = both
    scorer = workflows.fit(workflows.days_of(here.log), here.as_of, config).scorer
    ids = [f"c{who:05d}" for who in range(300)]
    came = pd.Series(["ads", None, "=fair"] * 100, index=ids, name="acquisition_source")
    expected = workflows.score(here, scorer, explain, acquired=came).frame()
    with duckdb.connect() as connection:
        found = workflows.score_on_spark(there, scorer, connection, explain, came).frame()
        assert (found["acquisition_source"] == "=fair").sum() == 100
        with pytest.raises(
            InputError, match="no customer of the log is among the 1 with a known acquisition source"
        ):
            workflows.score_on_spark(there, scorer, connection, "none", pd.Series(["ads"], index=["nobody"]))
    assert [*found.columns][-2:] == ["channel", "age"] or [*found.columns][-3:] == [
        "channel",
        "age",
        "joined",
    ]
    assert found["channel"].notna().any()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6)
    (warning,) = there.log.quality.warnings
    assert replace(warning, money=0.0) in [replace(found, money=0.0) for found in here.log.quality.warnings]


def test_a_table_of_other_customers_is_refused(shop, spark):
    known = pd.read_csv(shop / "customers.csv")
    known.assign(id="x" + known["id"]).to_csv(shop / "others.csv", index=False)
    with pytest.raises(
        InputError, match=r"has no customer of the purchase log .ids such as 'x'=500' there, ''=500' here"
    ):
        workflows.prepare_on_spark(spark, config_of(shop, "others.csv").data, NOW)


def test_a_model_with_attributes_refuses_a_log_without(shop, spark):
    config = config_of(shop, columns=["Channel"])
    here = workflows.prepare(config.data, NOW)
    scorer = workflows.fit(workflows.days_of(here.log), here.as_of, config).scorer
    there = workflows.prepare_on_spark(spark, config.data.purchases_alone(), NOW)
    with (
        duckdb.connect() as connection,
        pytest.raises(InputError, match="give the table of customers as in training"),
    ):
        workflows.score_on_spark(there, scorer, connection)
