"""A new SQLite store is there whole or not at all, whoever begins it and however that ends."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from clvml.errors import InputError
from clvml.tracking.session import experiment_id, open_store

BEGIN = (
    "import sys; from clvml.tracking.session import open_store, experiment_id\n"
    "with open_store(sys.argv[1]) as store: print(experiment_id(store, 'shop'))"
)
# All of them take ten minutes: CLVML_TIMES=10 pytest tests/tracking/test_store_file.py
TIMES = int(os.environ.get("CLVML_TIMES", "1"))


def begin(uri: str, folder) -> subprocess.Popen:
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN, uri],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def works(uri: str) -> bool:
    with open_store(uri) as store:
        return bool(experiment_id(store, "another"))


@pytest.mark.parametrize("time_", range(TIMES))
def test_two_first_ones_at_once_both_work(tmp_path, time_):
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    both = [begin(uri, tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    # One store: both found the same experiment.
    assert said[0][0] == said[1][0]
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["mlflow.db"]
    assert works(uri)


@pytest.mark.parametrize("time_", range(TIMES))
def test_a_first_one_killed_amid_its_work_leaves_no_half_store(tmp_path, time_):
    store = tmp_path / "store"
    uri = f"sqlite:///{store}/mlflow.db"
    process = begin(uri, tmp_path)
    # The tables are being made.
    while process.poll() is None and not list(store.glob(".mlflow.db.clvml-*.tmp*")):
        time.sleep(0.005)
    time.sleep(0.15 * time_)
    process.kill()
    process.communicate()
    assert works(uri)
    assert sorted(path.name for path in store.iterdir()) == ["mlflow.db"]


def half_made(path, empty_store, how) -> str:
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(empty_store)) as whole:
        whole.backup(connection)
        if how == "tables":
            # The migration that makes this table has run, and its end was not written down.
            connection.execute("DROP TABLE trace_info")
            connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        elif how == "version":
            connection.execute("UPDATE alembic_version SET version_num = 'no such version'")
            connection.execute("DROP TABLE trace_info")
        connection.commit()
    return f"sqlite:///{path}"


@pytest.mark.parametrize("how", ["tables", "version"])
def test_a_half_made_one_is_said_with_the_mend(tmp_path, empty_store, how):
    path = tmp_path / "mlflow.db"
    uri = half_made(path, empty_store, how)
    with pytest.raises(InputError) as refused:
        works(uri)
    assert str(refused.value).startswith(
        f"tracking store '{path}' is half made: the command that began it was killed"
    )
    assert str(refused.value).endswith("nothing was logged to it yet, so remove the file and run this again")
    path.unlink()
    # MLflow keeps the connection to a file as long as a process lives.
    process = begin(uri, tmp_path)
    assert process.communicate(timeout=300)[0].strip() == "1"


def test_an_old_one_with_runs_is_not_to_be_removed(tmp_path, empty_store):
    path = tmp_path / "mlflow.db"
    first = half_made(tmp_path / "first.db", empty_store, "nothing")
    with open_store(first) as store:
        store.client.create_run(experiment_id(store, "shop"))
    uri = half_made(path, tmp_path / "first.db", "nothing")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        connection.commit()
    with pytest.raises(
        InputError, match=r"another version of MLflow; make a copy of it, then run 'mlflow db upgrade"
    ):
        works(uri)


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "mlflow.db").touch()
    assert works(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_store_that_somebody_else_makes_meanwhile_is_kept(tmp_path, empty_store, monkeypatch):
    path = tmp_path / "mlflow.db"
    link = os.link

    def overtaken(source, target):
        with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(empty_store)) as theirs:
            theirs.backup(connection)
            connection.execute("CREATE TABLE theirs (a)")
        link(source, target)

    monkeypatch.setattr("os.link", overtaken)
    assert works(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def test_a_folder_without_room_is_said(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clvml.tracking.store_file.alone", full)
    message = (
        f"tracking store '{tmp_path}/mlflow.db' cannot be made: No space left on device; make room, or set"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        works(f"sqlite:///{tmp_path}/mlflow.db")
