"""The workspace: a limit that holds, and a folder that goes away."""

import re

import pytest

from clvml.errors import InputError
from clvml.storage.workspace import parse_memory, temporary_folder, workspace


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize(("text", "size"), [("1GB", 10**9), ("1.5 gb", 15 * 10**8), ("2GiB", 2**31)])
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-4GB", "4 apples", "4GB or so", "nanGB", "４GB"])
def test_what_is_no_size_is_refused(text):
    message = f"--memory '{text}' is not a size; give a number with MB or GB, such as 4GB"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        parse_memory(text)


def test_too_little_is_refused():
    with pytest.raises(InputError, match="'100MB' is too little; give at least 1GB"):
        parse_memory("100MB")


@pytest.mark.parametrize("memory", [None, 10**9])
def test_a_workspace_spills_into_its_folder_and_goes_away(tmp_path, memory):
    with workspace(memory) as connection:
        (folder,) = tmp_path.iterdir()
        place = connection.execute("select current_setting('temp_directory')").fetchone()[0]
        assert place == str(folder / "files" / "spill")
        connection.execute("create table t as select range as i from range(1000)")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_commands_left_is_removed_and_the_living_are_left_alone(tmp_path):
    with temporary_folder() as folder:
        dead = folder.parent
        marker = (dead / ".clvml-workspace").read_bytes()
    dead.mkdir()
    (dead / ".clvml-workspace").write_bytes(marker)
    (dead / "purchases.duckdb").touch()
    with workspace():
        assert not dead.exists()
        (living,) = tmp_path.iterdir()
        with workspace():
            assert living.exists()
        assert living.exists()


@pytest.mark.parametrize("files", [[], ["lock"], [".clvml-workspace"], ["lock", "results.csv"]])
@pytest.mark.parametrize("name", ["clvml-results", "clvml-1-abc", "clvml-work-results"])
def test_folders_of_others_are_left_alone_whatever_they_are_called(tmp_path, name, files):
    theirs = tmp_path / name
    theirs.mkdir()
    for file in files:
        (theirs / file).write_text("theirs")
    with temporary_folder(), workspace():
        pass
    assert sorted(path.name for path in theirs.iterdir()) == sorted(files)


def test_a_folder_of_another_user_is_left_alone(tmp_path, monkeypatch):
    with temporary_folder() as inside:
        folder = inside.parent
        content = (folder / ".clvml-workspace").read_bytes()
    folder.mkdir()
    (folder / ".clvml-workspace").write_bytes(content)
    with monkeypatch.context() as other:
        other.setattr("os.geteuid", lambda: 12345)
        with temporary_folder():
            assert folder.exists()
    with temporary_folder():
        assert not folder.exists()


def test_a_link_to_a_folder_is_never_followed_to_remove_it(tmp_path):
    (tmp_path / "theirs").mkdir()
    with temporary_folder() as inside:
        folder = inside.parent
        (tmp_path / "theirs" / ".clvml-workspace").write_bytes((folder / ".clvml-workspace").read_bytes())
    folder.symlink_to(tmp_path / "theirs")
    with temporary_folder():
        pass
    assert (tmp_path / "theirs" / ".clvml-workspace").exists()


def test_a_folder_within_one_does_not_end_with_it(tmp_path, monkeypatch):
    with temporary_folder() as outer:
        monkeypatch.setattr("tempfile.tempdir", str(outer))
        with temporary_folder() as inner:
            assert inner.parent.parent == tmp_path


def test_a_folder_that_takes_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        workspace().__enter__()
