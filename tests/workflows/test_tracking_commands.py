"""Promote, sync and compare from Python: what they refuse before anything is asked of a store."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from clvml import workflows
from clvml.errors import InputError
from clvml.tracking.pending import Upload

# No file of this name exists: whoever asked the store would say so.
STORE = "sqlite:///not-there.db"


@pytest.mark.parametrize(("reference", "rollback"), [(None, False), ("3", True)])
def test_a_promotion_wants_a_reference_or_a_rollback(reference: str | None, rollback: bool) -> None:
    with pytest.raises(InputError, match="one of the two"):
        workflows.promote(reference, "clvml", STORE, rollback=rollback)


def test_a_reason_that_is_blank_is_none() -> None:
    with pytest.raises(InputError, match="--force needs a reason"):
        workflows.promote("3", "clvml", STORE, force="  ")


def test_a_comparison_names_the_metric_that_was_meant_and_writes_html_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("'rmes' is not a metric")):
        workflows.compare(None, "clvml", STORE, by="rmes")
    with pytest.raises(InputError, match="html"):
        workflows.compare(None, "clvml", STORE, output=tmp_path / "runs.pdf")
    assert not any(tmp_path.iterdir())


def test_nothing_waits_in_the_folder_by_default_but_another_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert workflows.sync(Path("mlflow-pending"), "sqlite:///store.db") == []
    with pytest.raises(InputError, match="no folder 'elsewhere'"):
        workflows.sync(Path("elsewhere"), "sqlite:///store.db")


def test_what_still_waits_is_listed_with_its_reason() -> None:
    with pytest.raises(
        InputError,
        match=re.escape("1 of 1 could not be uploaded and still wait in 'kept':\n  - first: damaged"),
    ):
        workflows.check_uploads([Upload("first", None, "damaged")], Path("kept"))


def test_workflows_load_no_mlflow_before_they_ask_a_store() -> None:
    code = "import sys, clvml.workflows; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
