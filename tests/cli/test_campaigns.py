"""Plans and readbacks in MLflow, end to end: logged where they can be, and never lost where they cannot."""

import json

import pytest

from clvml.decide.plan_file import read_plan
from clvml.decide.playbook import read_playbook

PLAYBOOK = """
campaign: midyear
currency: EUR
actions:
  mail: {contact_cost: 0.05, save_rate: {mean: 0.1, sd: 0.05}}
control: {share: 0.5}
"""


@pytest.fixture
def planned(shopping, run, tmp_path):
    """Return a function that scores as of a past day and plans; what the plan printed as JSON comes back."""
    code, _, err = run(
        "score", shopping.log, "-o", "scores.csv", "--as-of", "2024-05-01", "--explain", "none"
    )
    assert code == 0, err
    (tmp_path / "playbook.yaml").write_text(PLAYBOOK)

    def _planned():
        code, out, err = run("plan", "scores.csv", "-p", "playbook.yaml", "-o", "plan.csv", "--json")
        assert code == 0, err
        return json.loads(out)

    return _planned


def test_a_campaign_from_plan_to_compare(planned, shopping, run, tmp_path):
    made = planned()
    assert made["run_id"]
    # The shop's model has seen the days that it scores here.
    assert any("it has seen what it predicts here" in note for note in made["notes"])
    code, out, err = run("readback", "plan.csv", "--data", shopping.log, "--output", "next.yaml", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["run_id"] not in (None, made["run_id"])
    assert [found["code"] for found in told["warnings"]] == ["old-scores"] * len(told["warnings"])
    assert read_playbook(tmp_path / "next.yaml").actions["mail"].save_rate.campaign == "midyear"
    code, out, err = run("compare", "--json", "--output", "runs.html")
    assert code == 0, err
    campaign = next(one for one in json.loads(out)["campaigns"] if one["plan_id"] == made["plan_id"])
    assert campaign["earned"] == pytest.approx(told["profits"][-1]["profit"])
    assert campaign["until"] == "2024-06-30"
    assert "What campaigns earned" in (tmp_path / "runs.html").read_text()
    code, out, err = run("compare")
    assert (code, "midyear" in out, "not read back" in out) == (0, True, False)


def test_a_plan_and_a_readback_are_not_lost_with_their_server(planned, shopping, run, monkeypatch, tmp_path):
    # Nothing listens on the port for discarded data.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    made = planned()
    assert made["run_id"] is None
    assert any(note.startswith("not logged: MLflow server") for note in made["notes"])
    assert read_plan(tmp_path / "plan.csv")[1].plan_id == made["plan_id"]
    code, out, err = run(
        "readback", "plan.csv", "--data", shopping.log, "--config", shopping.config, "--json",
        "--output", "next.yaml",
    )  # fmt: skip
    assert code == 0, err
    told = json.loads(out)
    assert any(note.startswith("not logged: MLflow server") for note in told["notes"])
    assert (tmp_path / "next.yaml").exists()


def test_without_a_store_nobody_is_asked_and_nothing_is_said(planned, run, monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    made = planned()
    assert made["run_id"] is None
    assert not any("logged" in note for note in made["notes"])
    assert not (tmp_path / "mlflow.db").exists()
