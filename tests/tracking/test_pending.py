"""A training whose store does not answer is kept whole, and uploaded once."""

import dataclasses
import json
import re
import sqlite3

import pandas as pd
import pytest
from tests.tracking.conftest import CONFIG, out_of_time

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.tracking import runs
from clvml.tracking.pending import keep_training, kept_trainings, read_kept, sync
from clvml.tracking.record import StoreUnreachable
from clvml.tracking.registry import resolve_model
from clvml.tracking.runs import log_training
from clvml.tracking.session import check_tracking, open_store

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mlflow-pending"


@pytest.fixture
def kept(make_record, folder, scored):
    return keep_training(make_record(**out_of_time(0.5)), folder)


def all_runs(uri):
    with open_store(uri) as store:
        found = store.client.get_experiment_by_name("online-retail")
        return store.client.search_runs([found.experiment_id]) if found else []


def test_everything_comes_back(make_record, kept):
    record, back = make_record(**out_of_time(0.5)), read_kept(kept)
    for field in dataclasses.fields(record):
        mine, theirs = getattr(record, field.name), getattr(back, field.name)
        if isinstance(mine, pd.DataFrame):
            pd.testing.assert_frame_equal(mine, theirs, check_dtype=False)
        elif field.name not in ("config", "figures", "model_directory", "tags", "metrics"):
            assert mine == theirs, field.name
    assert {k: v for k, v in back.metrics.items() if k != "coverage"} == record.metrics
    assert back.config.windows == record.config.windows
    assert list(back.figures) == ["calibration", "gains"]
    assert back.figures["gains"].startswith(b"\x89PNG")
    assert re.match("[0-9a-f]{32}", back.tags["upload_id"])


def test_what_is_kept_is_plain_and_without_passwords(kept):
    files = [path for path in kept.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".parquet", ".png"}
    assert not [path for path in files if b"hunter2" in path.read_bytes()]


def test_a_name_longer_than_files_have_loses_no_training(make_record, folder, scored):
    config = parse_config({**CONFIG, "tracking": {"experiment": "Ж" * 200}})
    assert read_kept(keep_training(make_record(config=config), folder)).config.tracking == config.tracking


def test_sync_uploads_once_and_cleans_up(make_record, folder, uri, scored, kept):
    second = keep_training(make_record(**out_of_time(0.4)), folder)
    assert kept_trainings(folder) == [kept, second]
    uploads = sync(uri, folder)
    assert [(up.name, up.logged.model_version, up.logged.alias) for up in uploads] == [
        (kept.name, "1", "champion"),
        (second.name, "2", "challenger"),
    ]
    assert not folder.exists()
    assert sync(uri, folder) == []
    run = next(run for run in all_runs(uri) if run.info.run_id == uploads[0].logged.run_id)
    made = pd.Timestamp(run.data.tags["trained_at"]).timestamp() * 1000
    assert run.info.start_time == made, "the run stands where the training was, not the upload"
    assert {"wape", "window.wape"} <= set(run.data.metrics)
    with open_store(uri) as store:
        names = {item.path for item in store.client.list_artifacts(run.info.run_id)}
    assert {"predictions.parquet", "plots", "config.yaml", "leaderboard.json"} <= names
    assert resolve_model("champion", "clvml", uri).run_id == run.info.run_id


def test_a_store_that_does_not_answer_keeps_everything(folder, kept, record):
    for use in (
        lambda: sync(NOBODY, folder),
        lambda: log_training(record, NOBODY),
        lambda: check_tracking(record.config.tracking, NOBODY),
        lambda: check_tracking(record.config.tracking, "postgresql+psycopg2://ann:secret@127.0.0.1:9/runs"),
    ):
        with pytest.raises(StoreUnreachable, match="cannot be reached") as error:
            use()
        assert "secret" not in str(error.value)
    assert kept_trainings(folder) == [kept]


@pytest.mark.parametrize("step", ["_log_everything", "copy_model"])
def test_an_upload_that_breaks_off_is_started_afresh(folder, kept, uri, monkeypatch, step):
    with monkeypatch.context() as patch:

        def interrupt(*arguments):
            raise KeyboardInterrupt

        patch.setattr(runs, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            sync(uri, folder)
    assert kept_trainings(folder) == [kept]
    (upload,) = sync(uri, folder)
    assert upload.logged.model_version == "1"
    assert [run.info.status for run in all_runs(uri)] == ["FINISHED"]


def test_an_upload_that_breaks_off_after_the_registration(folder, kept, uri, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patch:

        def interrupt(*arguments):
            raise KeyboardInterrupt

        patch.setattr(MlflowClient, "set_registered_model_alias", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sync(uri, folder)
    (upload,) = sync(uri, folder)
    assert upload.logged.alias == "champion"
    with open_store(uri) as store:
        (version,) = store.client.search_model_versions("name='clvml'")
    assert (version.run_id, len(all_runs(uri))) == (upload.logged.run_id, 1)


def test_one_that_was_uploaded_but_not_removed(folder, kept, uri):
    logged = log_training(read_kept(kept), uri)
    (upload,) = sync(uri, folder)
    assert (upload.logged.run_id, upload.logged.alias) == (logged.run_id, "champion")
    assert len(all_runs(uri)) == 1
    assert not folder.exists()


def test_a_damaged_one_does_not_hold_up_the_others(folder, kept, uri, make_record):
    second = keep_training(make_record(), folder)
    (kept / "drivers.parquet").write_bytes(b"PAR1")
    (folder / ".half").mkdir()
    (folder / ".half" / "record.json").write_text("{}")
    first, other = sync(uri, folder)
    assert first.error.startswith(f"the kept training '{kept}' is damaged (ArrowInvalid: ")
    assert (first.logged, other.name) == (None, second.name)
    assert kept_trainings(folder) == [kept]
    whole = json.loads((kept / "record.json").read_text())
    for key, value in (
        ("config", []),
        ("as_of", "soon"),
        ("horizon_days", "many"),
        ("metrics", {"wape": "low"}),
        ("notes", "none"),
        ("quality", 5),
        ("tags", {**whole["tags"], "upload_id": "' or tags.x = '"}),
        ("verdicts", None),
    ):
        (kept / "record.json").write_text(json.dumps(whole | {key: value}))
        error = sync(uri, folder)[0].error
        assert error.startswith(f"the kept training '{kept}' is damaged (ValidationError: 1 validation error")
        assert key in error


def test_two_syncs_at_once(folder, kept, uri):
    other = sqlite3.connect(folder / ".lock", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(InputError, match="is being uploaded by another 'clvml sync'"):
            sync(uri, folder)
    finally:
        other.close()
    assert len(sync(uri, folder)) == 1


def test_a_folder_that_cannot_be_written(record, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"the training cannot be kept in '.*file': Not a directory"):
        keep_training(record, tmp_path / "file")
