"""clvml plan, end to end."""

import json

import pandas as pd
import pytest
from tests.decide.conftest import scored

from clvml.decide.plan_file import read_plan, record_path
from clvml.scores.overview import Origin
from clvml.storage.files import write_table

PLAYBOOK = """
campaign: spring
currency: EUR
actions:
  mail:
    contact_cost: 0.5
    save_rate: {mean: 0.05, sd: 0.02}
    where: p_churn < 0.6
  call:
    contact_cost: 4
    save_rate: {mean: 0.1, sd: 0.05}
    cap: 10
    rest_days: 30
    channel: phone
"""


@pytest.fixture
def folder(tmp_path):
    write_table(scored(300), tmp_path / "scores.csv")
    (tmp_path / "playbook.yaml").write_text(PLAYBOOK)
    return tmp_path


@pytest.fixture
def plan(run, folder):
    """Return a function that plans and returns what was printed."""

    def _plan(*words, output="plan.csv"):
        code, out, err = run("plan", "scores.csv", "--playbook", "playbook.yaml", "--output", output, *words)
        assert code == 0, err
        return out

    return _plan


@pytest.mark.parametrize("output", ["plan.csv", "plan.parquet"])
def test_a_plan_is_written_and_printed_as_json(plan, folder, output):
    found = json.loads(plan("--budget", "40", "--json", output=output))
    table, record = read_plan(folder / output)
    assert found["plan_id"] == record.plan_id
    assert len(table) == 300
    assert found["planned"] == table["action"].notna().sum()
    assert found["cost"] <= 40


def test_costs_and_scores_in_two_currencies_are_refused(run, folder, monkeypatch):
    monkeypatch.setattr("clvml.workflows.planning.origin_of", lambda path: Origin(currency="GBP"))
    asked = ("plan", "scores.csv", "--playbook", "playbook.yaml", "--output", "plan.csv")
    assert "the costs of the playbook are in EUR, and the scores in GBP" in run(*asked)[2]
    (folder / "playbook.yaml").write_text(PLAYBOOK.replace("currency: EUR\n", ""))
    code, out, _ = run(*asked)
    assert (code, "Action (GBP)" in out) == (0, True)
    assert out.endswith("  clvml readback plan.csv --data orders.csv\n")


def test_a_plan_for_subscribers_is_read_back_with_their_configuration(run, folder):
    subscribers = pd.read_csv(folder / "scores.csv", dtype={"customer_id": str})
    subscribers = subscribers.assign(plan="basic", monthly_price=10.0, tenure_days=100)
    write_table(subscribers, folder / "scores.csv")
    code, out, _ = run("plan", "scores.csv", "--playbook", "playbook.yaml", "--output", "plan.csv")
    assert code == 0 and "after the grace period, with the subscriptions up to then" in " ".join(out.split())
    assert out.endswith("  clvml readback plan.csv --config my.yaml\n")


def test_the_same_input_gives_the_same_bytes(plan, folder):
    plan("--budget", "40")
    first = (folder / "plan.csv").read_bytes(), record_path(folder / "plan.csv").read_bytes()
    plan("--budget", "40")
    assert ((folder / "plan.csv").read_bytes(), record_path(folder / "plan.csv").read_bytes()) == first


def test_what_is_printed_says_what_to_do_next(plan, folder):
    text = plan("--budget", "40")
    assert "visible: the smallest save rate" in text
    for said in ("Left alone because", "The next EUR of budget would bring", "hold out half", "0.5 times"):
        assert said in text


def test_opt_outs_and_past_contacts_are_respected(plan, folder):
    before = json.loads(plan("--json"))
    table, _ = read_plan(folder / "plan.csv")
    called = table.loc[table["action"] == "call", "customer_id"]
    mailed = table.loc[table["action"] == "mail", "customer_id"]
    (folder / "out.csv").write_text("customer_id,channel\n" + "".join(f"{who},email\n" for who in mailed))
    (folder / "past.csv").write_text(
        "customer_id,contact_date\n" + "".join(f"{who},2024-06-20\n" for who in called)
    )
    plan("--set", "opt_outs=out.csv", "--set", "past_contacts=past.csv")
    table, _ = read_plan(folder / "plan.csv")
    assert before["planned"] == len(called) + len(mailed)
    assert not table.loc[table["action"] == "mail", "customer_id"].isin(mailed).any()
    assert not table.loc[table["action"] == "call", "customer_id"].isin(called).any()


def test_lists_are_written_for_a_tool(plan, folder):
    contacts = scored(300)[["customer_id"]].assign(email=lambda c: c["customer_id"] + "@shop.example")
    contacts["phone"] = [f"+44 20 {7_000_000 + number}" for number in range(300)]
    contacts.to_csv(folder / "contacts.csv", index=False)
    found = json.loads(
        plan("--lists", "lists", "--contacts", "contacts.csv", "--preset", "klaviyo", "--json")
    )
    assert sorted(found["lists"]) == ["call", "mail"]
    lines = (folder / "lists" / "spring-mail.csv").read_text().splitlines()
    assert lines[0] == "Email,customer_id,campaign,action"
    mail = next(row for row in found["actions"] if row["action"] == "mail")
    assert len(lines) == 1 + mail["treated"]
    assert not any("earlier plan" in note for note in found["notes"])
    found = json.loads(plan("--lists", "lists", "--budget", "0", "--json"))
    assert (found["lists"], found["gap"]) == ({}, 0.0)
    (said,) = (note for note in found["notes"] if "earlier plan" in note)
    assert all(f"spring-{action}.csv" in said for action in ("call", "mail"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "-1"], "the budget must be 0 or more"),
        (["--set", "control.shares=0.5"], "unknown key 'control.shares' (did you mean 'share'?)"),
        (["--set", "actions.mail.contact_cost=-1"], "'actions.mail.contact_cost'"),
        (["--set", "actions.mail.segments=[VIPs]"], "unknown segment 'VIPs'"),
        (["--set", "opt_outs=nowhere.csv"], "opt-outs file 'nowhere.csv' does not exist"),
        (["--contacts", "x.csv"], "add --lists FOLDER"),
        (["--lists", "l", "--preset", "x"], "unknown preset 'x'"),
        (["--lists", "l", "--contacts", "crm.csv"], "none of their 1 customers is among the scored ones"),
        (["--lists", "a/b"], "folder 'a/b' of the lists cannot be made"),
    ],
)
def test_input_at_fault_ends_in_one_message_and_no_file(run, folder, words, said):
    (folder / "crm.csv").write_text("customer_id,email\n10101,a@b.de\n")
    code, out, err = run("plan", "scores.csv", "-p", "playbook.yaml", "-o", "plan.csv", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert not list(folder.glob("plan.csv*"))


@pytest.mark.parametrize(
    ("scores", "playbook", "output", "said"),
    [
        ("x.csv", "playbook.yaml", "plan.csv", "scored file 'x.csv' does not exist"),
        ("playbook.yaml", "playbook.yaml", "plan.csv", "must end in .csv or .parquet"),
        ("scores.csv", "x.yaml", "plan.csv", "playbook 'x.yaml' does not exist"),
        ("scores.csv", "playbook.yaml", "plan.txt", "must end in .csv or .parquet"),
        ("scores.csv", "playbook.yaml", "scores.csv", "lies inside the data that is read"),
        ("scores.csv", "playbook.yaml", "no/plan.csv", "does not exist; create it first"),
    ],
)
def test_files_at_fault_end_in_one_message(run, folder, scores, playbook, output, said):
    code, _, err = run("plan", scores, "-p", playbook, "-o", output)
    assert code == 2
    assert said in err


def test_a_plan_is_never_written_over_what_it_is_made_of(run, folder):
    for name, *words in (
        ("opt.csv", "--set", "opt_outs=opt.csv"),
        ("past.csv", "--set", "past_contacts=past.csv"),
        ("mail.csv", "--contacts", "mail.csv", "--lists", "lists"),
    ):
        (folder / name).write_text("customer_id\n1\n")
        code, _, err = run("plan", "scores.csv", "-p", "playbook.yaml", "-o", name, *words)
        assert (code, f"'{name}' lies inside the data that is read" in err) == (2, True)


def test_the_report_shows_the_plan_of_its_scores_and_no_other(run, plan, folder):
    plan("--budget", "40")
    asked = ("report", "--scores", "scores.csv", "--plan", "plan.csv", "--output", "report.html")
    code, _, err = run(*asked)
    assert code == 0, err
    assert "Plan “spring”" in (folder / "report.html").read_text(encoding="utf-8")
    write_table(scored(299), folder / "scores.csv")
    code, _, err = run(*asked)
    assert code == 2
    assert "plan 'plan.csv' is of 300 customers" in err
