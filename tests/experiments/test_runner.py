"""What is run, what is not run again, and what is left behind, with a stand-in for the training."""

import re
import shutil
import threading
from datetime import UTC, datetime

import pytest

from clvml.errors import InputError
from clvml.experiments import runner
from clvml.experiments.definition import read_experiment
from clvml.experiments.results_page import write_report
from clvml.experiments.runner import run_experiment
from clvml.tracking.session import open_store

from .conftest import TWO

NOW = datetime(2025, 1, 1, tzinfo=UTC)
URI = "sqlite:///mlflow.db"
DEPTHS = {"as it is": None, "deep": {"model.max_depth": 6}, "deeper": {"model.max_depth": 9}}
SEARCH = {"trials": 3, "parameters": {"model.max_depth": {"low": 2, "high": 12, "int": True}}}


@pytest.fixture
def run(folder, trained):
    """Return a function that runs an experiment file and gives its outcome."""

    def _run(path, uri=URI, storage="optuna.db", **options):
        definition = read_experiment(path)
        return run_experiment(definition, uri, NOW, folder / storage, write_report, **options)

    return _run


def logged_runs():
    """Return (parent, {name: child}) of the one MLflow experiment."""
    with open_store(URI) as store:
        found = [e for e in store.client.search_experiments() if e.name != "Default"]
        assert len(found) == 1
        runs = store.client.search_runs([found[0].experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    assert found[0].name == f"shop/{parents[0].info.run_name}"
    children = {run.info.run_name: run for run in runs if run is not parents[0]}
    assert len(children) == len(runs) - 1
    assert {child.data.tags["mlflow.parentRunId"] for child in children.values()} <= {parents[0].info.run_id}
    return parents[0], children


def test_runs_are_nested_with_metrics_and_what_differs(write, run):
    outcome = run(write(variants=TWO))
    parent, children = logged_runs()
    assert parent.info.status == "FINISHED"
    assert parent.info.run_id == outcome.run_id
    assert parent.data.tags["mlflow.note.content"].startswith(
        "Deeper trees?\n\n'deep' is better than 'as it is'"
    )
    assert list(children) == ["deep", "as it is"]
    deep = children["deep"]
    assert deep.info.status == "FINISHED"
    assert deep.data.params == {"model.max_depth": "6"}
    assert deep.data.metrics["wape"] < children["as it is"].data.metrics["wape"]
    assert parent.data.metrics == deep.data.metrics
    assert deep.data.metrics.keys() >= {"wape", "roc_auc", "last_fold.wape", "last_fold.roc_auc"}
    assert deep.inputs.dataset_inputs[0].dataset.name == "orders"
    # The last date does not choose.
    dates = [day.isoformat() for day in outcome.comparison.dates]
    folds = {
        board: sorted(str(day)[:10] for day in getattr(outcome.comparison, board).folds["cutoff"].unique())
        for board in ("earlier", "last")
    }
    assert folds == {"earlier": dates[:-1], "last": dates[-1:]}


def test_what_is_finished_is_not_repeated(folder, write, run, trained):
    first = run(write(variants=TWO))
    page, image = (folder / name for name in ("001-depth.md", "images/001-depth.png"))
    before = page.read_bytes(), image.read_bytes()
    again = run(write(variants=TWO))
    assert (page.read_bytes(), image.read_bytes()) == before
    assert sorted(trained) == ["as it is", "deep"]
    assert (first.run_now, again.run_now) == (2, 0)
    assert again.run_id == first.run_id
    # A variant more is one run more, and a change of the base changes all.
    assert run(write(variants=DEPTHS)).run_now == 1
    config = folder / "shop.yaml"
    config.write_text(config.read_text().replace("n_estimators: 10", "n_estimators: 11"))
    assert run(write(variants=DEPTHS)).run_now == 3
    # So does changed data.
    with (folder / "orders.csv").open("a") as log:
        log.write("c01,2024-01-01,5.0\n")
    assert run(write(variants=TWO)).run_now == 2


def test_fresh_runs_all_again_and_the_number_of_workers_changes_nothing(folder, write, run, trained):
    first = run(write(variants=TWO), workers=1)
    page = (folder / "001-depth.md").read_bytes()
    again = run(write(variants=TWO), fresh=True, workers=3)
    assert again.run_now == 2
    assert again.run_id != first.run_id
    assert len(trained) == 4
    assert (folder / "001-depth.md").read_bytes() == page
    # What is found afterwards is the newest.
    assert run(write(variants=TWO)).run_id == again.run_id


def test_a_failed_variant_is_recorded_and_the_rest_goes_on(folder, write, run, trained):
    variants = {"broken": {"model.max_depth": 13}, "as it is": None, "deep": {"model.max_depth": 6}}
    outcome = run(write(variants=variants))
    assert [bool(result.error) for result in outcome.results] == [True, False, False]
    # Where it is the base that failed, the first of the others takes its place.
    assert outcome.comparison.base == "as it is"
    _, children = logged_runs()
    assert children["broken"].info.status == "FAILED"
    assert children["broken"].data.tags["error"] == "RuntimeError: no luck"
    assert "## Failed\n\n- broken: RuntimeError: no luck" in (folder / "001-depth.md").read_text()
    # It is tried again, in the same run.
    assert run(write(variants=variants)).run_now == 1
    assert trained.count("broken") == 2
    assert len(logged_runs()[1]) == 3


def test_nothing_is_written_where_all_fail(folder, write, run):
    variants = {"a": {"model.max_depth": 13}, "b": {"model.max_depth": 13, "model.season": False}}
    with pytest.raises(
        InputError, match=re.escape("every variant of '001-depth.yaml' failed; the first: Run")
    ):
        run(write(variants=variants))
    assert not (folder / "001-depth.md").exists()
    assert logged_runs()[0].info.status == "FAILED"


def test_an_interrupted_experiment_is_resumed(folder, write, run, trained, monkeypatch):
    variants = {"as it is": None, "stopped": {"model.max_depth": 14}, "deep": {"model.max_depth": 6}}
    with pytest.raises(KeyboardInterrupt):
        run(write(variants=variants), workers=1)
    parent, children = logged_runs()
    assert parent.info.status == "KILLED"
    assert {name: child.info.status for name, child in children.items()} == {
        "as it is": "FINISHED",
        "stopped": "KILLED",
    }
    assert not (folder / "001-depth.md").exists()
    outcome = run(write(variants={name: variants[name] for name in ("as it is", "deep")}))
    assert outcome.run_now == 1
    assert trained == ["as it is", "stopped", "deep"]
    assert logged_runs()[0].info.status == "FINISHED"


def test_an_interrupt_waits_for_nothing_that_is_in_training(write, run, monkeypatch):
    at_work, let_go, ended = threading.Event(), threading.Event(), []

    def predict(self, variant, threads):
        if variant.name == "as it is":
            at_work.set()
            let_go.wait(60)
            ended.append(variant.name)
        at_work.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner._Bench, "predict", predict)
    with pytest.raises(KeyboardInterrupt):
        run(write(variants=TWO), workers=2)
    assert ended == []
    let_go.set()
    parent, children = logged_runs()
    assert {one.info.status for one in (parent, *children.values())} == {"KILLED"}


def test_a_search_that_was_interrupted_goes_on_as_if_it_had_not_been(folder, write, run, trained):
    shutil.copy(folder / "mlflow.db", folder / "whole.db")
    whole = run(write(search=SEARCH), "sqlite:///whole.db", "whole-optuna.db")
    names = [result.variant.name for result in whole.results]
    assert trained == names
    assert names[0] == "as configured"
    part = run(write(search=SEARCH | {"trials": 1}))
    rest = run(write(search=SEARCH))
    assert [result.variant.name for result in rest.results] == names
    assert part.run_now + rest.run_now == len(names)
    # Without the search's own file, the runs are still found by what they are.
    assert run(write(search=SEARCH), storage="lost-optuna.db").run_now == 0


def test_another_horizon_stands_apart(folder, write, run):
    outcome = run(write(variants={**TWO, "longer": {"windows.horizon_days": 70}}))
    assert outcome.comparison.apart == ("longer",)
    assert outcome.comparison.earlier.models == ("as it is", "deep")
    page = (folder / "001-depth.md").read_text()
    assert "## Not comparable" in page
    assert page.count("| longer |") == 2


def test_two_test_dates_are_needed(folder, write, run, trained):
    with pytest.raises(InputError, match="needs two test dates"):
        run(write(variants={"a": None, "b": {"model.max_depth": 4}}, config=short(folder)))
    assert trained == []


def short(folder):
    text = (folder / "shop.yaml").read_text().replace("horizon_days: 60", "horizon_days: 220")
    (folder / "short.yaml").write_text(text)
    return "short.yaml"
