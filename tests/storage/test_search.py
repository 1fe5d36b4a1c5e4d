"""Files by path, folder and pattern: each once, and nothing passed over in silence."""

import os
import re
import socket
from pathlib import Path

import pytest

from clvml.errors import InputError
from clvml.storage.search import check_readable, search


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return a folder of files, with links that lead up, around and to the same files."""
    monkeypatch.chdir(tmp_path)
    for name in ("data/a.csv", "data/2024/b.csv", "data/2024/deep/c.csv", "data/_tmp/d.csv", "outside.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path("data/.hidden.csv").write_text("")
    return tmp_path / "data"


def names(source: str) -> list[str]:
    return [path.as_posix() for path in search(source).paths]


ALL = ["data/2024/b.csv", "data/2024/deep/c.csv", "data/a.csv"]


@pytest.mark.parametrize("source", ["data", "data/"])
def test_a_folder_means_all_that_lies_below(tree, source):
    assert names(source) == ALL


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("data/*.csv", ["data/a.csv"]),
        ("data/*/*.csv", ["data/2024/b.csv", "data/_tmp/d.csv"]),
        ("data/**/*.csv", [*ALL[:2], "data/_tmp/d.csv", ALL[2]]),
        ("**/b.csv", ["data/2024/b.csv"]),
        ("data/20[0-9][0-9]/?.csv", ["data/2024/b.csv"]),
        ("d*/2024/deep/../b.csv", ["data/2024/deep/../b.csv"]),
        ("data/.h*.csv", ["data/.hidden.csv"]),
        ("[d]ata/**", [*ALL[:2], "data/_tmp/d.csv", ALL[2]]),
    ],
)
def test_a_pattern_means_what_it_means_to_a_shell(tree, pattern, found):
    assert names(pattern) == found


@pytest.mark.parametrize("source", ["data", "data/**/*.csv"])
def test_links_that_lead_up_or_around_are_read_once_and_said(tree, source):
    Path("data/_tmp/d.csv").unlink()
    (tree / "2024" / "again").symlink_to(tree)
    (tree / "2024" / "up").symlink_to(tree.parent)
    (tree / "aaa").symlink_to(tree / "2024")
    (tree / "self").symlink_to(tree / "self")
    found = search(source)
    assert [path.as_posix() for path in found.paths if path.suffix == ".csv"] == ALL
    passed = {path.as_posix() for path in found.passed}
    assert passed == {"data/2024/again", "data/2024/up", "data/aaa"}


def test_many_links_to_the_parent_do_not_multiply(tree):
    Path("data/_tmp/d.csv").unlink()
    for number in range(12):
        (tree / f"up{number}").symlink_to(tree)
    assert names("data/**/*.csv") == ALL


def test_a_folder_that_only_a_link_leads_to_is_read(tree):
    far = tree.parent / "far"
    far.mkdir()
    (far / "e.csv").write_text("")
    (tree / "linked").symlink_to(far)
    assert names("data") == [*ALL, "data/linked/e.csv"]
    assert "data/linked/e.csv" in names("data/**/*.csv")


@pytest.mark.parametrize("source", ["data", "data/**/*.csv"])
def test_one_file_under_two_names_is_read_once_and_said(tree, source):
    Path("data/_tmp/d.csv").unlink()
    (tree / "0-soft.csv").symlink_to(tree / "a.csv")
    os.link(tree / "2024" / "b.csv", tree / "z-hard.csv")
    found = search(source)
    assert [path.as_posix() for path in found.paths] == ALL
    assert {(left.as_posix(), kept.as_posix()) for left, kept in found.repeated} == {
        ("data/0-soft.csv", "data/a.csv"),
        ("data/z-hard.csv", "data/2024/b.csv"),
    }


def test_a_file_whose_name_is_a_pattern_is_that_file(tree):
    (tree / "a*.csv").write_text("")
    assert names("data/a*.csv") == ["data/a*.csv"]


@pytest.mark.parametrize("source", ["data", "data/**/*.csv", "data/*/*.csv"])
def test_a_folder_that_may_not_be_read_is_said_and_not_left_out(tree, monkeypatch, source):
    # Permission bits do not bind root.
    scandir = os.scandir

    def refusing(place):
        if Path(place).name == "2024":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr("os.scandir", refusing)
    message = (
        "folder 'data/2024' cannot be read: Permission denied; give yourself the permission, or name what is"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        search(source)


def test_what_is_no_file_is_said(tree):
    os.mkfifo(tree / "pipe.csv")
    (tree / "endless.csv").symlink_to("/dev/zero")
    (tree / "gone.csv").symlink_to("nowhere.csv")
    (tree / "loop.csv").symlink_to("loop.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tree / "s.csv"))
        for name, said in {
            "pipe.csv": "is a pipe, and no file; write what it holds to a file first",
            "endless.csv": "is a device, and no file; write what it holds to a file first",
            "s.csv": "is a socket, and no file; write what it holds to a file first",
            "gone.csv": "is a link to 'nowhere.csv', which is not there; bring it back, or remove the link",
            "loop.csv": "cannot be read: Too many levels of symbolic links; give yourself",
        }.items():
            # They are found, in a folder as well, so that they are not left out in silence.
            assert Path("data", name) in search("data").paths
            with pytest.raises(InputError, match="^" + re.escape(f"'data/{name}' {said}")):
                check_readable(Path("data", name))


def test_a_file_that_may_not_be_read_is_said(tree, monkeypatch):
    def refusing(self, *args, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refusing)
    with pytest.raises(InputError, match=r"^'data/a.csv' cannot be read: Permission denied; give yourself"):
        check_readable(Path("data/a.csv"))


@pytest.mark.parametrize("source", ["a\0b.csv", "x" * 5000, "~nobody-of-this-name/a.csv", "\udcff.csv"])
def test_what_cannot_be_a_name_is_said(tree, source):
    with pytest.raises(InputError):
        search(source)


def test_nothing_there_is_said(tree):
    with pytest.raises(InputError, match=r"^no file matches 'data/x\*.csv'; check the pattern"):
        search("data/x*.csv")
    with pytest.raises(InputError, match=r"^'nowhere' does not exist; check the path"):
        search("nowhere")
    with pytest.raises(InputError, match=r"^no file matches"):
        search("nowhere/*.csv")
