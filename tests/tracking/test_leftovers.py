"""Whatever ends a training while it logs: no run says RUNNING for ever, and nothing stays in TMPDIR."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.tracking.conftest import out_of_time

from clvml.errors import InputError
from clvml.tracking import runs
from clvml.tracking.liveness import PROCESS_TAG, mark
from clvml.tracking.pending import keep_training, sync
from clvml.tracking.runs import log_training
from clvml.tracking.session import experiment_id, open_store


def statuses(uri):
    with open_store(uri) as store:
        found = store.client.search_runs([experiment_id(store, "online-retail")])
        return [(run.info.run_name, run.info.status) for run in found]


def begun(uri, told, name="killed"):
    with open_store(uri) as store:
        experiment = experiment_id(store, "online-retail")
        run = store.client.create_run(experiment, tags={PROCESS_TAG: told} if told else {}, run_name=name)
        model = store.client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
        return model.model_id


def test_the_next_training_ends_the_runs_of_the_killed_and_no_other(record, uri, scored):
    told = json.loads(mark())
    model = begun(uri, json.dumps(told | {"started": "0"}), "killed")
    begun(uri, json.dumps(told | {"machine": "elsewhere", "at": "2020-01-01T00:00:00+00:00"}), "silent")
    begun(uri, json.dumps(told | {"machine": "elsewhere"}), "elsewhere")
    alive = begun(uri, mark(), "alive")
    begun(uri, "", "not ours")
    log_training(record, uri)
    found = dict(statuses(uri))
    assert {name: found[name] for name in ("killed", "silent", "elsewhere", "alive", "not ours")} == {
        "killed": "KILLED",
        "silent": "KILLED",
        "elsewhere": "RUNNING",
        "alive": "RUNNING",
        "not ours": "RUNNING",
    }
    with open_store(uri) as store:
        assert str(store.client.get_logged_model(model).status) == "FAILED"
        assert str(store.client.get_logged_model(alive).status) == "PENDING"


def test_killed_while_it_logs_leaves_no_run_and_no_folder(make_record, record, uri, tmp_path, scored):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    kept = keep_training(make_record(**out_of_time(0.5)), tmp_path / "kept")
    code = (
        "import os, sys, tempfile\n"
        "from pathlib import Path\n"
        "from clvml.tracking import runs\n"
        "from clvml.tracking.pending import read_kept\n"
        "def die(*args):\n"
        "    tempfile.mkdtemp()\n"
        "    os.kill(os.getpid(), 9)\n"
        "runs.log_model = die\n"
        "runs.log_training(read_kept(Path(sys.argv[1])), sys.argv[2])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(kept), uri],
        env={**os.environ, "TMPDIR": str(temporary)},
        check=False,
    )
    assert ended.returncode == -9
    assert [status for _, status in statuses(uri)] == ["RUNNING"]
    assert list(temporary.iterdir()), "it was killed before it wrote anything"
    before = tempfile.tempdir
    tempfile.tempdir = str(temporary)
    try:
        log_training(record, uri)
    finally:
        tempfile.tempdir = before
    assert sorted(status for _, status in statuses(uri)) == ["FINISHED", "KILLED"]
    assert list(temporary.iterdir()) == []


def full(*args, **options):
    raise OSError(28, "No space left on device", "/full/disk")


@pytest.mark.parametrize("step", ["write_run_files", "copy_model"])
def test_sync_on_a_full_disk_says_so_and_ends_the_run(record, uri, tmp_path, scored, monkeypatch, step):
    folder = tmp_path / "kept"
    kept = keep_training(record, folder)
    with monkeypatch.context() as patch:
        patch.setattr(runs, step, full)
        (upload,) = sync(uri, folder)
    assert upload.logged is None
    assert upload.error == (
        f"there is no room to log to tracking store '{uri}': No space left on device ('/full/disk'); make room, then"
        " run this again"
    )
    assert [status for _, status in statuses(uri)] == ["FAILED"]
    assert kept.is_dir()
    (upload,) = sync(uri, folder)
    assert upload.logged.model_version == "1"
    assert [status for _, status in statuses(uri)] == ["FINISHED"]


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can make a small disk"
)
def test_a_disk_that_really_is_full(record, empty_store, tmp_path, scored):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        shutil.copy(empty_store, disk / "mlflow.db")
        uri = f"sqlite:///{disk}/mlflow.db"
        kept = keep_training(record, tmp_path / "kept")
        with (disk / "ballast").open("wb") as ballast:
            ballast.write(b"x" * (shutil.disk_usage(disk).free - 20_000))
        (upload,) = sync(uri, tmp_path / "kept")
        assert upload.error.startswith(f"there is no room to log to tracking store '{uri}': ")
        (disk / "ballast").unlink()
        (upload,) = sync(uri, tmp_path / "kept")
        assert upload.logged.model_version == "1"
        assert [status for _, status in statuses(uri)] == ["FINISHED"]
        assert not kept.exists()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_where_the_folder_is_full_a_training_is_kept_elsewhere(record, tmp_path, monkeypatch):
    from clvml.workflows.logged_training import _kept

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow-pending").write_text("in the way")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    said: list[str] = []
    kept = _kept(record, said.append)
    assert kept.parent == tmp_path / "tmp" / "mlflow-pending"
    assert f"it is kept in '{kept.parent}'" in said[0]
    assert Path(kept, "record.json").exists()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "mlflow-pending"))
    with pytest.raises(InputError, match="cannot be kept"):
        _kept(record, said.append)
