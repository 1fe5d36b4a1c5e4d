"""What a run recorded is enough to train it again, and to notice that something has changed."""

import dataclasses

import pytest
from tests.tracking.conftest import out_of_time

from clvml.errors import InputError
from clvml.tracking.record import KIND_TAG, VARIANT
from clvml.tracking.reproduction import recorded_training
from clvml.tracking.runs import log_training
from clvml.tracking.session import open_store

QUALITY = {
    "rows_out": 100,
    "customers": 7,
    "first_day": "2010-01-01",
    "last_day": "2011-12-09",
    "money_out": 1234.5,
}


@pytest.fixture
def recorded(make_record, uri, scored):
    logged = log_training(make_record(**out_of_time(0.5), quality=QUALITY), uri)
    return recorded_training(logged.run_id, "clvml", uri), logged


def test_a_run_remembers_its_training(recorded, record, uri):
    found, logged = recorded
    assert found.run_id == logged.run_id
    assert (found.as_of, found.fingerprint, found.quality) == (record.as_of, record.fingerprint, QUALITY)
    assert found.config.windows == record.config.windows
    assert found.config.data.columns == record.config.data.columns
    assert found.config.data.source == "postgresql://ann:***@db/shop?table=orders"
    assert recorded_training("champion", "clvml", uri) == found


def test_other_data_is_told_by_what_it_holds(recorded):
    found, _ = recorded
    assert found.data_changes(found.fingerprint, {}) == ""
    assert found.data_changes("other", QUALITY) == "as many rows and as much money, but other lines"
    now = {**QUALITY, "rows_out": 1101, "money_out": 9.0, "last_day": "2012-01-01"}
    assert found.data_changes("other", now) == (
        "rows 1,101 instead of 100, last day 2012-01-01 instead of 2011-12-09, total 9.00 instead of 1,234.50"
    )


def test_other_packages_and_metrics_are_told(recorded):
    found, _ = recorded
    assert found.environment_changes() == ""
    older = dataclasses.replace(found, versions=found.versions.replace("xgboost ", "xgboost 0."))
    assert older.environment_changes().startswith("xgboost ")
    pooled = {key: value for key, value in found.metrics.items() if not key.startswith("window.")}
    assert found.metric_changes({**pooled, "coverage": float("nan")}) == {}
    nearly = {**pooled, "wape": pooled["wape"] * (1 + 1e-15)}
    assert list(found.metric_changes(nearly)) == ["wape"], "to the last digit"
    assert found.metric_changes({**pooled, "new": 1.0}) == {"new": (1.0, None)}


def test_a_run_of_something_else(uri):
    with open_store(uri) as store:
        run = store.client.create_run("0").info.run_id
    with pytest.raises(InputError, match=f"run {run} has no record of a training by clvml"):
        recorded_training(run, "clvml", uri)


def test_a_variant_says_what_to_train(uri):
    with open_store(uri) as store:
        run = store.client.create_run("0", tags={KIND_TAG: VARIANT}, run_name="deep").info.run_id
        store.client.log_param(run, "model.max_depth", 6)
    with pytest.raises(InputError, match=r"\(deep\) is a variant .* FILE --set 'model.max_depth=6''"):
        recorded_training(run, "clvml", uri)
