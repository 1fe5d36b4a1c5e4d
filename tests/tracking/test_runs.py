"""One training is one run with everything in it, and one version in the registry."""

import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.tracking.conftest import CONFIG, out_of_time, view_state

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.tracking import runs
from clvml.tracking.description import run_name
from clvml.tracking.registry import ensure_registered, resolve_model
from clvml.tracking.runs import log_training
from clvml.tracking.session import check_tracking, entities, mlflow, open_store
from clvml.tracking.view import VIEW_METRICS, VIEW_TAG

PICKLE_MAGIC = re.compile(rb"\A\x80[\x02-\x05]")
PICKLE_NAMES = {".pkl", ".pickle", ".joblib", ".cloudpickle", ".pt", ".npy", ".npz", ".py", ".pyc"}


@pytest.fixture
def logged(record, uri, scored):
    return log_training(record, uri)


def read_run(uri, run_id):
    with open_store(uri) as store:
        return store.client.get_run(run_id), store.client


def artifact_files(tmp_path):
    return sorted(path for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file())


def test_run_holds_names_tags_and_params(logged, record, uri):
    run, _ = read_run(uri, logged.run_id)
    tags = run.data.tags
    assert run.info.run_name == "2011-12-10 h180"
    assert run.info.status == "FINISHED"
    assert tags["as_of"] == "2011-12-10"
    assert tags["horizon_days"] == "180"
    assert tags["data_fingerprint"] == record.fingerprint
    assert tags["registered_model"] == "clvml"
    assert tags["fold_cutoffs"] == "1: 2011-03-01, 2: 2011-06-01"
    assert re.match(r"python \d+\.\d+\.\d+, duckdb \d.*, xgboost \d", tags["versions"])
    assert tags["mlflow.note.content"].startswith(
        "Spend error (WAPE) **0.650**, Total money (bias) **-2.0%**"
    )
    for text in (*record.verdicts, *record.notes):
        assert f"- {text}\n" in tags["mlflow.note.content"]
    assert run.data.params["windows.horizon_days"] == "180"
    assert run.data.params["model.max_depth"] == "3"
    assert not [key for key in run.data.params if key.startswith(("data.columns", "tracking"))]


def test_names_that_mlflow_takes_nowhere_are_told_all_the_same(make_record, uri, scored):
    """Categories and columns are called as the shop likes; an experiment may have a name longer than files have."""
    raw = {
        **CONFIG,
        "value": {"margins": {"column": "kind", "shares": {"Home & Garden": 0.4, "Büro (neu)": 0.2}}},
        "tracking": {"experiment": "Ж" * 200},
    }
    raw["data"] = {**raw["data"], "formats": {"sum": "1.50"}}
    logged = log_training(make_record(config=parse_config(raw)), uri)
    told = read_run(uri, logged.run_id)[0].data.params
    assert yaml.safe_load(told["value.margins.shares"]) == raw["value"]["margins"]["shares"]
    assert (told["value.margins.column"], told["data.formats.sum"]) == ("kind", "1.50")


def test_runs_are_named_by_what_is_set_otherwise(make_record):
    raw = {
        **CONFIG,
        "model": {"max_depth": 5, "n_jobs": 1},
        "windows": {"horizon_days": 180, "max_cutoffs": 3},
    }
    assert run_name(make_record(config=parse_config(raw))) == "max_depth=5 max_cutoffs=3, 2011-12-10 h180"
    raw["model"] = {"max_depth": 5, "subsample": 0.5, "reg_lambda": 1}
    named = run_name(make_record(config=parse_config(raw)))
    assert named == "max_depth=5 subsample=0.5 reg_lambda=1.0 +1, 2011-12-10 h180"


def test_the_experiment_says_what_its_runs_are(logged, uri):
    with open_store(uri) as store:
        tags = store.client.get_experiment_by_name("online-retail").tags
    assert "`clvml compare`" in tags["mlflow.note.content"]
    path = logged.mlflow_page.partition("#")[2]
    assert f"**[Show metrics](#{path})**" in tags["mlflow.note.content"]
    assert len(tags[VIEW_TAG]) < 5000, "the most that MLflow keeps"
    state = view_state(tags[VIEW_TAG])
    assert state["selectedColumns"][:2] == ["metrics.`wape`", "metrics.`total_bias`"]
    assert [chart["metricKey"] for chart in state["compareRunCharts"]] == list(VIEW_METRICS)


def test_two_trainings_make_the_same_name_at_once(make_record, uri, scored, monkeypatch):
    real = runs.registered_aliases

    def registered_meanwhile(store, name):
        found = real(store, name)
        ensure_registered(store, name)
        return found

    monkeypatch.setattr(runs, "registered_aliases", registered_meanwhile)
    assert log_training(make_record(), uri).alias == "champion"


def test_metrics_are_pooled_and_a_series_over_folds(logged, uri):
    run, client = read_run(uri, logged.run_id)
    assert run.data.metrics["wape"] == 0.65
    assert "coverage" not in run.data.metrics, "NaN is not logged"
    series = client.get_metric_history(logged.run_id, "window.wape")
    assert [(point.step, point.value) for point in series] == [(1, 0.70), (2, 0.60)]
    assert set(run.data.metrics) == {"wape", "total_bias", "roc_auc", "window.wape", "window.roc_auc"}
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {metric.key: metric.value for metric in model.metrics}["roc_auc"] == 0.81


def test_data_is_recorded_without_being_copied(logged, record, uri):
    run, _ = read_run(uri, logged.run_id)
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("orders", record.fingerprint[:12])
    assert json.loads(used.dataset.profile) == {"num_rows": 100, "num_customers": 7}


def test_artifacts_hold_everything(logged, record, tmp_path):
    (folder,) = tmp_path.glob(f"mlartifacts/online-retail/{logged.run_id}/artifacts")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "config.yaml",
        "drivers.csv",
        "fold_metrics.csv",
        "leaderboard.csv",
        "leaderboard.json",
        "notes.txt",
        "plots/calibration.png",
        "plots/gains.png",
        "quality.json",
        "quality.txt",
        "verdicts.txt",
    ]
    assert (folder / "plots/gains.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "quality.json").read_text()) == record.quality
    assert (folder / "verdicts.txt").read_text() == f"{record.verdicts[0]}\n"
    table = json.loads((folder / "leaderboard.json").read_text())
    assert table["columns"] == ["model", "Spend error (WAPE)", "Finding churners (AUC)"]
    assert table["data"][1] == ["pro rata", "0.700", "-"]
    assert pd.read_csv(folder / "fold_metrics.csv").shape == record.fold_metrics.shape
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert parse_config(config).windows == record.config.windows


def test_predictions_are_kept_as_they_were(make_record, uri, scored, tmp_path):
    table = out_of_time(0.5)["predictions"]
    log_training(make_record(predictions=table.sample(frac=1, random_state=1)), uri)
    (path,) = tmp_path.rglob("predictions.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)


def test_no_password_is_written_anywhere(logged, tmp_path):
    files = [*artifact_files(tmp_path), tmp_path / "mlflow.db"]
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    assert [path for path in files if b"postgresql://ann:***@db/shop" in path.read_bytes()]


def test_no_artifact_is_a_pickle_or_code(logged, tmp_path):
    files = artifact_files(tmp_path)
    assert any(path.name == "MLmodel" for path in files)
    assert not [path for path in files if path.suffix in PICKLE_NAMES]
    assert not [path for path in files if PICKLE_MAGIC.match(path.read_bytes())]


@pytest.mark.parametrize("name", ["model.pkl", "weights.npy", "predict.py"])
def test_model_of_other_than_plain_data_is_refused(record, uri, scored, name):
    (record.model_directory / name).write_bytes(b"\x80\x04N.")
    with pytest.raises(ValueError, match=re.escape(f"also holds 1 other(s): {name}")):
        log_training(record, uri)
    with open_store(uri) as store:
        experiment = store.client.get_experiment_by_name("online-retail")
        (run,) = store.client.search_runs([experiment.experiment_id])
        assert run.info.status == "FAILED"
        assert store.client.search_registered_models() == []


def test_first_is_champion_then_challengers(make_record, uri, scored):
    runs = [log_training(make_record(), uri) for _ in range(3)]
    assert [(run.model_version, run.alias) for run in runs] == [
        ("1", "champion"),
        ("2", "challenger"),
        ("3", "challenger"),
    ]
    assert runs[2].model_uri == "models:/clvml/3"
    with open_store(uri) as store:
        aliases = store.client.get_registered_model("clvml").aliases
        version = store.client.get_model_version("clvml", "3")
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "3"}
    assert version.run_id == runs[2].run_id
    assert version.tags["as_of"] == "2011-12-10"
    assert "Spend error" in version.description


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore::FutureWarning:mlflow")
def test_model_is_served_from_frames_csv_and_json(logged, uri, scored):
    assert logged.notes == (), "MLflow could score the input example as a server would"
    scored.clear()
    with open_store(uri):
        model = mlflow.pyfunc.load_model(logged.model_uri)
    log = pd.DataFrame(
        {"who": ["007", "8"], "day": ["2011-01-01", "2011-01-02"], "sum": [3.0, 4], "invoice": ["A1", "A2"]}
    )
    spend = model.predict(log, params={"as_of": "2011-02-01"})
    assert spend["expected_spend"].tolist() == [6, 8]
    assert scored[0][0]["run_id"] == logged.run_id
    assert scored[0][2].isoformat() == "2011-02-01"
    model.predict(log)
    assert scored[1][2] is None
    with pytest.raises(
        InputError, match=re.escape("params as_of 'soon' is not a date; give it as YYYY-MM-DD")
    ):
        model.predict(log, params={"as_of": "soon"})

    from io import StringIO

    from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input

    schema = model.metadata.get_input_schema()
    # A log or features: whichever columns are given.
    assert schema.required_input_names() == []
    assert schema.input_names()[:5] == ["who", "day", "sum", "invoice", "customer_id"]
    by_csv = parse_csv_input(StringIO(log.to_csv(index=False)), schema)
    by_json = infer_and_parse_data({"dataframe_records": json.loads(log.to_json(orient="records"))}, schema)
    for frame in (by_csv, by_json):
        assert model.predict(frame)["customer_id"].tolist() == ["007", "8"]


def test_input_example_is_text_and_numbers_without_gaps(logged, tmp_path):
    (path,) = tmp_path.rglob("serving_input_example.json")
    example = json.loads(path.read_text(), parse_constant=pytest.fail)["dataframe_split"]
    assert example["columns"] == ["who", "day", "sum", "invoice"]
    assert example["data"][0] == ["12345", "2011-01-05T10:00:00", 10.0, "A1"]
    assert len(example["data"]) == 2


def test_input_example_without_a_complete_row(make_record, uri, scored, tmp_path):
    rows = make_record().signature_example.assign(invoice=None)
    log_training(make_record(signature_example=rows), uri)
    (path,) = tmp_path.rglob("serving_input_example.json")
    example = json.loads(path.read_text(), parse_constant=pytest.fail)["dataframe_split"]
    assert example["data"][2] == ["777", "2011-02-07T12:00:00", 5.0, ""]


def test_example_that_cannot_be_scored_registers_nothing(record, uri, scored, monkeypatch):
    def refuse(model, frame, as_of):
        raise RuntimeError("cannot score")

    monkeypatch.setattr(sys.modules["clvml.scores.serving"], "pyfunc_predict", refuse)
    with pytest.raises(RuntimeError, match="cannot score"):
        log_training(record, uri)
    with pytest.raises(InputError, match="no model yet"):
        resolve_model("champion", "clvml", uri)


def test_training_without_a_backtest(make_record, uri, scored, tmp_path):
    folds = pd.DataFrame(columns=["model", "cutoff", "metric", "value"])
    nothing = {
        "metrics": {},
        "fold_metrics": folds,
        "leaderboard": pd.DataFrame(),
        "verdicts": [],
        "figures": {},
    }
    run, _ = read_run(uri, log_training(make_record(**nothing), uri).run_id)
    assert run.data.metrics == {}
    assert "fold_cutoffs" not in run.data.tags
    assert run.data.tags["mlflow.note.content"].startswith("Customers of `postgresql://ann:***@db/shop")
    (folder,) = tmp_path.glob(f"mlartifacts/online-retail/{run.info.run_id}/artifacts")
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.yaml", "quality.json", "quality.txt", "drivers.csv", "notes.txt"}


def test_thousands_of_metrics_fit(make_record, uri, scored):
    folds = pd.DataFrame(
        [("m", f"2011-{1 + i % 12:02}-01", f"metric_{i // 12}", i) for i in range(1200)],
        columns=["model", "cutoff", "metric", "value"],
    )
    run, client = read_run(uri, log_training(make_record(fold_metrics=folds), uri).run_id)
    assert len(run.data.metrics) == 3 + 100
    assert len(client.get_metric_history(run.info.run_id, "window.metric_99")) == 12


def global_state():
    logger = logging.getLogger("mlflow")
    return (
        dict(os.environ),
        logger.handlers,
        logger.propagate,
        list(warnings.filters),
        mlflow.get_tracking_uri(),
    )


def test_a_notebooks_own_run_and_settings_stay_as_they_were(record, uri, scored, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with mlflow.start_run() as own:
        before = global_state()
        assert log_training(record, uri).run_id != own.info.run_id
        assert global_state() == before
        assert mlflow.active_run().info.run_id == own.info.run_id
    assert capfd.readouterr() == ("", "")


def test_a_new_store_is_made_in_a_folder_of_any_name(record, tmp_path, scored, monkeypatch):
    folder = tmp_path / "my shop #1 (50 %)"
    folder.mkdir()
    monkeypatch.chdir(folder)
    logged = log_training(record, "sqlite:///mlflow.db")
    assert sorted(path.name for path in folder.iterdir()) == ["mlartifacts", "mlflow.db"]
    monkeypatch.chdir(tmp_path)
    assert resolve_model("1", "clvml", f"sqlite:///{folder}/mlflow.db").run_id == logged.run_id


def test_importing_the_record_does_not_import_mlflow():
    code = (
        "import sys; import clvml.tracking.record, clvml.tracking.pyfunc; sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_telemetry_is_off():
    from mlflow.telemetry.client import get_telemetry_client

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert get_telemetry_client() is None


def test_check_tracking_finds_faults_before_the_training(record, uri):
    check_tracking(record.config.tracking, uri)
    with open_store(uri) as store:
        assert store.client.get_experiment_by_name("online-retail") is None, "a check leaves nothing behind"
        store.client.delete_experiment(store.client.create_experiment("online-retail"))
    with pytest.raises(
        InputError, match=r"experiment 'online-retail' was deleted .* 'mlflow experiments restore"
    ):
        check_tracking(record.config.tracking, uri)
    bad = parse_config({**CONFIG, "tracking": {"registered_model": "a/b"}}).tracking
    with pytest.raises(InputError, match=re.escape("tracking.registered_model 'a/b': ")):
        check_tracking(bad, uri)


def test_metric_entities_take_what_is_given_by_position():
    metric = entities.Metric("wape", 0.5, 7, 0, "m-1", "orders", "f1", "r-1")
    given = (metric.key, metric.value, metric.timestamp, metric.step, metric.model_id)
    assert given == ("wape", 0.5, 7, 0, "m-1")
    assert (metric.dataset_name, metric.dataset_digest, metric.run_id) == ("orders", "f1", "r-1")


def test_paths_of_the_store_do_not_follow_the_folder(tmp_path, monkeypatch, empty_store):
    monkeypatch.chdir(tmp_path)
    Path("mlflow.db").write_bytes(empty_store.read_bytes())
    with open_store("sqlite:///mlflow.db") as store:
        assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
        assert store.shown == "sqlite:///mlflow.db"
