"""Files written whole, safe in a spreadsheet."""

import csv
import errno
import os
import re
import stat
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvml.errors import InputError
from clvml.storage.files import escaped, replacing, write_table


def refused(message: str):
    """Expect an InputError with exactly this message."""
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replacing_keeps_the_old_file_when_the_work_dies(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as draft:
        draft.write_text("ne")
        raise KeyboardInterrupt
    assert files(tmp_path) == ["scores.csv"]
    assert path.read_text() == "old"
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert files(tmp_path) == ["scores.csv"]
    assert path.read_text() == "new"


def test_a_full_disk_is_said_in_one_line(tmp_path):
    message = (
        f"output '{tmp_path}/a.csv' cannot be written: No space left on device; make room or choose another"
        " folder"
    )
    with refused(message), replacing(tmp_path / "a.csv") as draft:
        draft.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert files(tmp_path) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_what_is_replaced_keeps_its_mode_and_its_owner(tmp_path, mode):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, 1234, 5678)
    before = path.stat()
    with replacing(path) as draft:
        # From the start, nobody may read what could not be read before.
        assert stat.S_IMODE(draft.stat().st_mode) == mode
        draft.write_text("new")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert path.read_text() == "new"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_what_is_new_follows_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "scores.csv") as draft:
            draft.write_text("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "scores.csv").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path, there):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "real.csv", tmp_path / "scores.csv"
    if there:
        target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as draft:
        draft.write_text("new")
        assert draft.parent == target.parent
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert files(tmp_path) == ["far", "scores.csv"]
    assert files(tmp_path / "far") == ["real.csv"]


def test_two_writers_of_one_output_never_mix_even_with_one_process_id(tmp_path, monkeypatch):
    # As in two containers that share a folder.
    monkeypatch.setattr("os.getpid", lambda: 1)
    path = tmp_path / "scores.csv"
    with replacing(path) as first:
        first.write_text("first")
        with replacing(path) as second:
            assert first != second
            second.write_text("second")
            assert first.read_text() == "first"
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert files(tmp_path) == ["scores.csv"]


def test_drafts_of_the_dead_are_removed_and_files_of_others_are_not(tmp_path):
    path = tmp_path / "scores.csv"
    dead = tmp_path / ".scores.csv.clvml-0123456789abcdef.tmp"
    others = [".scores.csv.2024.tmp", ".scores.csv.clvml-notes.tmp", "scores.csv.tmp", ".scores.csv.backup"]
    for name in (dead.name, *others):
        (tmp_path / name).write_text("x")
    with replacing(path) as draft:
        draft.write_text("new")
    assert files(tmp_path) == sorted([*others, "scores.csv"])


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".csv")
    with replacing(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "new"
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "text", ["=1+1", "+1-1", "-1+1", "@x", "\tx", "\rx", "\nx", "=", "＝1", "'=1", "-", "+a"]
)
def test_what_a_spreadsheet_would_run_is_escaped(text):
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "C1", "-5", "+3.5", "-1,234.50", "-.5", "1e5", "-1E-5", "O'Brien", "'", "a=1"]
)
def test_plain_text_and_numbers_are_not(text):
    assert escaped(text) == text


@given(st.text())
def test_one_apostrophe_off_gives_the_text_back(text):
    written = escaped(text)
    assert written in (text, f"'{text}")
    if written.startswith("'"):
        assert text in (written, written[1:])
        # What was escaped is told from what began with an apostrophe by itself.
        assert (escaped(written[1:]) == written) == (text == written[1:])


def test_both_formats_hold_the_same_table(tmp_path):
    table = pd.DataFrame(
        {
            "id": pd.Series(["=1", "-5", "007", 'Zoë, "x"\nline'], dtype="string"),
            "text": pd.Series(["a", pd.NA, "", pd.NA], dtype="string"),
            "number": [0.1, -2.5, 1e-6, 3.0],
            "whole": [1, 2, 3, 4],
        }
    )
    before = table.copy()
    write_table(table, tmp_path / "t.csv")
    write_table(table, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(table, before)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == (
        'id,text,number,whole\n\'=1,a,0.1,1\n-5,,-2.5,2\n007,,1e-06,3\n"Zoë, ""x""\nline",,3.0,4\n'
    )
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["whole"] for row in csv.DictReader(stream)] == ["1", "2", "3", "4"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)
    assert files(tmp_path) == ["t.csv", "t.parquet"]
