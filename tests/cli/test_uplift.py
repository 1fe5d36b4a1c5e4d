"""clvml uplift end to end: an experiment in a file, and the save rates that come out."""

import json

import pytest
import yaml
from tests.decide.test_uplift import simulated

from clvml.decide.playbook import read_playbook

ASKED = ("--treatment", "group", "--outcome", "bought", "--features", "recency,channel,noise")


@pytest.fixture
def experiment(tmp_path):
    """Write past.csv and playbook.yaml; return the name of the first."""
    simulated(n=6_000).assign(money=lambda t: 20.0 * t["bought"]).to_csv(tmp_path / "past.csv", index=False)
    action = {"contact_cost": 1.0, "save_rate": {"mean": 0.02, "sd": 0.02}}
    (tmp_path / "playbook.yaml").write_text(
        yaml.safe_dump({"campaign": "next", "actions": {"mail": action, "call": action}})
    )
    return "past.csv"


def test_who_is_moved_goes_into_the_playbook(run, experiment, tmp_path):
    code, out, err = run("uplift", experiment, "-o", "next.yaml", *ASKED, "--playbook", "playbook.yaml")
    assert code == 0, err
    said = " ".join(out.split())
    assert "mail, bought: " in said
    assert "Who is moved can be told" in said
    assert "the rules read channel" in said
    playbook = read_playbook(tmp_path / "next.yaml")
    rate = playbook.actions["mail"].save_rate
    assert (rate.source, rate.campaign) == ("learnt", "past")
    assert any("channel = 'Web'" in group.where for group in rate.by)
    assert playbook.actions["call"] == read_playbook(tmp_path / "playbook.yaml").actions["call"]


def test_money_has_no_save_rate_and_writes_nothing(run, experiment, tmp_path):
    asked = [*ASKED[:3], "money", *ASKED[4:]]
    code, out, err = run("uplift", experiment, "-o", "next.yaml", *asked)
    assert code == 0, err
    assert "no save rate of 'mail'" in " ".join(out.split())
    assert not (tmp_path / "next.yaml").exists()


def test_for_programs(run, experiment, tmp_path):
    code, out, err = run(
        "uplift",
        experiment,
        "-o",
        "rates.yaml",
        *ASKED,
        "--outcome",
        "money",
        "--action",
        "mail=call",
        "--json",
    )
    assert code == 0, err
    found = json.loads(out)
    assert [(each["arm"], each["outcome"]) for each in found["uplift"]] == [
        ("mail", "bought"),
        ("mail", "money"),
    ]
    assert found["uplift"][0]["gate"]["qini"] > 0
    assert (
        yaml.safe_load((tmp_path / "rates.yaml").read_text())["actions"]["call"]["save_rate"]["source"]
        == "learnt"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--playbook", "playbook.yaml", "--action", "mail=fax"],
            "say which with --action 'mail=NAME', one of call, mail",
        ),
        (
            ["--playbook", "playbook.yaml", "--action", "post=call"],
            "nothing was learnt of a treatment 'post'",
        ),
        (["--action", "mail"], "'mail' is not TREATMENT=ACTION"),
        (["--outcome", "sold"], "has no column 'sold'"),
        (["--control", "B"], "is never 'B'; it is 'control', 'mail'"),
        (["--playbook", "none.yaml"], "none.yaml"),
    ],
)
def test_what_is_refused(run, experiment, tmp_path, arguments, said):
    code, out, err = run("uplift", experiment, "-o", "next.yaml", *ASKED, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "next.yaml").exists()


def test_the_experiment_is_not_overwritten(run, experiment):
    code, _, err = run("uplift", experiment, "-o", "past.csv", *ASKED)
    assert (code, "must end in .yaml or .yml" in err) == (2, True)
