"""The notebooks in examples/ run from their first cell to their last."""

import json
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("notebook", sorted(ROOT.glob("examples/*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, monkeypatch):
    # Where Jupyter runs it.
    monkeypatch.chdir(notebook.parent)
    matplotlib.use("agg")
    names = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)
    assert len(names["scores"]) == names["log"].quality.customers
    if notebook.stem == "whole_round":
        assert names["plan"].summary["control"] > 100
        learnt = names["found"].playbook.actions
        assert {action.save_rate.campaign for action in learnt.values()} == {"april"}
        assert names["again"].summary["planned"] > 0
    else:
        assert "clvml" in names["tested"].leaderboard.models
