"""The runs of an experiment in MLflow: names, tags, states, and what must not be in them."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.tracking.record import VariantRecord
from clvml.tracking.session import open_store
from clvml.tracking.variant_runs import ExperimentRuns, search_storage
from clvml.tracking.view import VIEW_TAG

from .conftest import CONFIG, view_state

AS_OF = date(2011, 12, 10)
SHOP = parse_config(CONFIG | {"tracking": {"experiment": "shop"}})


def variant(name="deep", key="k1"):
    return VariantRecord(
        name, key, {"model.max_depth": 6}, parse_config(CONFIG), "f1e2" * 16, {"rows_out": 5}, AS_OF
    )


def runs_of(uri, key="data and code", fresh=False):
    whole = VariantRecord("001-depth", key, {}, SHOP, "f1e2" * 16, {"rows_out": 5}, AS_OF)
    return ExperimentRuns(uri, whole, "Deeper?", "gini", fresh)


def test_a_variant_is_found_only_when_it_is_finished(uri):
    runs = runs_of(uri)
    predictions = pd.DataFrame({"customer_id": ["a"], "spend/clvml": [0.1 + 0.2]})
    run_id = runs.start(variant())
    assert runs.finished("k1") is None
    runs.finish(run_id, {"wape": 0.5, "gini": float("nan")}, predictions)
    found, read = runs.finished("k1")
    assert found == run_id
    pd.testing.assert_frame_equal(read, predictions, check_exact=True)
    assert runs.finished("k2") is None
    with open_store(uri) as store:
        run = store.client.get_run(run_id)
        assert run.data.metrics == {"wape": 0.5}
        assert run.data.tags["mlflow.parentRunId"] == runs.run_id
        assert run.info.run_name == "deep"
        text = Path(store.client.download_artifacts(run_id, "config.yaml")).read_text()
        assert "hunter2" not in text + str(run.to_dictionary())


def test_a_failed_variant_is_taken_up_again(uri):
    runs = runs_of(uri)
    run_id = runs.start(variant())
    runs.fail(run_id, "no luck")
    with open_store(uri) as store:
        run = store.client.get_run(run_id)
        assert (run.info.status, run.data.tags["error"]) == ("FAILED", "no luck")
    assert runs_of(uri).start(variant()) == run_id
    with open_store(uri) as store:
        run = store.client.get_run(run_id)
        assert (run.info.status, run.data.tags.get("error")) == ("RUNNING", None)


def test_equal_data_and_code_continue_the_parent(uri):
    first = runs_of(uri, "one")
    assert first.experiment == "shop/001-depth"
    assert runs_of(uri, "one").run_id == first.run_id
    for key, fresh in (("two", False), ("one", True)):
        assert runs_of(uri, key, fresh).run_id != first.run_id


def test_the_parent_has_its_data_and_opens_on_the_page(uri):
    runs = runs_of(uri)
    with open_store(uri) as store:
        (used,) = store.client.get_run(runs.run_id).inputs.dataset_inputs
        tags = store.client.get_experiment(runs.experiment_id).tags
    assert used.dataset.digest == "f1e2" * 3
    state = view_state(tags[VIEW_TAG])
    assert state["selectedColumns"][:3] == ["metrics.`gini`", "metrics.`last_fold.gini`", "metrics.`wape`"]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`gini`", False)
    assert "**Deeper?**" in tags["mlflow.note.content"]


def test_what_is_unfinished_is_closed_with_the_reason(uri):
    runs = runs_of(uri, "one")
    running = {"deep": runs.start(variant())}
    for error, status in ((KeyboardInterrupt, "KILLED"), (InputError, "FAILED")):
        with pytest.raises(error), runs.closing(running):
            raise error
        with open_store(uri) as store:
            assert {store.client.get_run(i).info.status for i in (*running.values(), runs.run_id)} == {status}


def test_searches_are_kept_beside_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert search_storage("sqlite:///runs/mlflow.db") == tmp_path / "runs" / "optuna.db"
    assert search_storage("databricks") == tmp_path / "optuna.db"
