"""clvml readback end to end: a simulated campaign, its log, and the playbook that comes out."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.outcomes.campaigns import heavy_tailed, log_of, playbook_of, treat, write

from clvml.decide.playbook import read_playbook, write_playbook


@pytest.fixture
def shop(tmp_path):
    """Write plan.csv and orders.csv; return who is in the control group."""
    generator = np.random.default_rng(1)
    customers = heavy_tailed(generator, 1_500).assign(
        customer_id=[f"c{k:04d}" for k in range(1_500)],
        action="mail",
        segment=np.where(np.arange(1_500) % 3 == 0, "VIP", "lapsing"),
    )
    stayed, spent = treat(customers, 0.4, generator)
    treated = generator.random(len(customers)) >= 0.3
    customers["group"] = np.where(treated, "treated", "control")
    write(tmp_path, customers, playbook_of(0.3))
    kept = np.where(treated, stayed, customers["stays"])
    log = log_of(customers, kept, np.where(treated, spent, customers["spends"]))
    log.to_csv(tmp_path / "orders.csv", index=False)
    return set(customers.loc[~treated, "customer_id"])


def test_a_campaign_is_read_back_and_the_playbook_updated(run, shop, tmp_path):
    code, out, err = run("readback", "plan.csv", "--data", "orders.csv", "--output", "next.yaml")
    assert code == 0, err
    said = " ".join(out.split())
    assert "Campaign 'spring' from 2024-04-01 to 2024-06-30, treated against control group" in said
    assert "mail: " in said and "it keeps customers" in said
    assert "columns are guessed (" in said
    assert "a margin of 30% is assumed" in said
    learnt = read_playbook(tmp_path / "next.yaml").actions["mail"].save_rate
    assert (learnt.source, learnt.campaign) == ("learnt", "spring")
    assert 0.1 < learnt.mean < 0.5

    code, out, err = run(
        "readback", "plan.csv", "--data", "orders.csv", "--json", "--set", "value.margin=0.5"
    )
    assert code == 0, err
    found = json.loads(out)
    assert found["margin"] == 0.5
    assert found["playbook"]["actions"]["mail"]["save_rate"]["mean"] == learnt.mean
    assert [row["segment"] for row in found["effects"]] == ["all"] * 3 + ["VIP"] * 3 + ["lapsing"] * 3
    assert found["warnings"] == []
    lines = pd.read_csv(tmp_path / "orders.csv", dtype=str)
    lines[lines["order_date"] < "2024-05-15"].to_csv(tmp_path / "orders.csv", index=False)
    cut = json.loads(
        run("readback", "plan.csv", "--data", "orders.csv", "--json", "--as-of", "2024-06-30")[1]
    )
    assert [found["code"] for found in cut["warnings"]] == ["silence"]


def test_own_margins_as_known_before_the_campaign_are_earned(run, shop, tmp_path):
    """The cost of what was bought before is a fifth of its price; what is bought in the window counts at that."""
    lines = pd.read_csv(tmp_path / "orders.csv")
    lines.assign(cost=lines["amount"] * np.where(lines["order_date"] < "2024-04-01", 0.2, 0.9)).to_csv(
        tmp_path / "costs.csv", index=False
    )
    asked = ["readback", "plan.csv", "--data", "costs.csv", "--set"]
    code, out, err = run(*asked, "value.cost=cost")
    assert code == 0, err
    assert "each customer's own margin is earned" in " ".join(out.split())
    own, one = (
        json.loads(run(*asked, value, "--json")[1])["profits"]
        for value in ("value.cost=cost", "value.margin=0.8")
    )
    assert [each["margin"] for each in own] == pytest.approx([each["margin"] for each in one])


def test_without_data_a_configuration_says_where_the_log_is(run, fails, shop, tmp_path):
    said = fails("readback", "plan.csv")
    assert "nothing says where the log is; give --data, or --config FILE that says it" in said
    lines = (tmp_path / "orders.csv").read_text().splitlines(keepends=True)
    sources = {"shop": lines[1:900], "till": lines[900:]}
    for name, part in sources.items():
        (tmp_path / f"{name}.csv").write_text("".join([lines[0], *part]))
    columns = {ours: ours for ours in ("customer_id", "order_date", "amount")}
    data = {"columns": columns, "sources": {name: {"source": f"{name}.csv"} for name in sources}}
    (tmp_path / "both.yaml").write_text(json.dumps({"data": data, "windows": {"horizon_days": 90}}))
    alone, both = (
        json.loads(run("readback", "plan.csv", *asked, "--json")[1])
        for asked in (("--data", "orders.csv"), ("--config", "both.yaml"))
    )
    assert both["effects"] == alone["effects"]


def record_id(folder):
    return json.loads((folder / "plan.csv.json").read_text())["plan_id"]


def test_contacts_takers_and_another_plan(run, shop, tmp_path):
    (tmp_path / "contacts.csv").write_text(
        "customer_id,contact_date,campaign\n"
        + "".join(f"c{k:04d},2024-04-02,spring\n" for k in range(1_500) if f"c{k:04d}" not in shop)
        + "".join(f"{name},2024-04-03,spring\n" for name in sorted(shop)[:5])
        + "c0001,2024-09-01,autumn\n"
    )
    (tmp_path / "takers.csv").write_text("customer_id\nc0001\n")
    (tmp_path / "other").mkdir()
    for name in ("plan.csv", "plan.csv.json"):
        text = (tmp_path / name).read_text().replace(record_id(tmp_path), "another")
        (tmp_path / "other" / name).write_text(text)
    code, out, err = run(
        "readback", "plan.csv", "--data", "orders.csv", "--json", "--contacted", "contacts.csv",
        "--redeemed", "takers.csv", "--beside", "other/plan.csv",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    assert [finding["code"] for finding in found["warnings"]] == ["overlap-unfair", "control-contacted"]


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        (lambda folder: None, ["--as-of", "2024-05-15"], "the window of 90 days since 2024-04-01 is over on"),
        (lambda folder: None, ["--as-of", "2024-03-15"], "holds nothing of the campaign's window"),
        (lambda folder: None, ["--output", "next.csv"], "must end in .yaml or .yml"),
        (lambda folder: None, ["--contacted", "none.csv"], "does not exist"),
        (
            lambda folder: None,
            ["--beside", "plan.csv"],
            "stands among the plans of other campaigns; leave it out",
        ),
        (
            lambda folder: _write(folder, "contacts.csv", "customer_id\nc1\n"),
            ["--contacted", "contacts.csv"],
            "contact_date",
        ),
        (
            lambda folder: _write(folder, "contacts.csv", "customer_id,contact_date\nc0001,soon\n"),
            ["--contacted", "contacts.csv"],
            "contacts: contact_date of customer 'c0001' is 'soon'; give dates as YYYY-MM-DD",
        ),
        (
            lambda folder: _write(folder, "contacts.csv", "customer_id,contact_date\nc1,2024-04-02\n"),
            ["--contacted", "contacts.csv"],
            "contacts: none of the customers (1) is in the plan, which writes ids as 'c",
        ),
        (
            lambda folder: _write(folder, "takers.csv", "customer_id\n1\n1\n"),
            ["--redeemed", "takers.csv"],
            "and not as '1'; write them alike",
        ),
        (
            lambda folder: _replace(folder, "plan.csv", "treated", "control"),
            [],
            "was changed since it was written",
        ),
        (
            lambda folder: _replace(folder, "orders.csv", "\nc", "\nx"),
            [],
            "none of the 1,500 planned customers",
        ),
        (
            lambda folder: _replace(folder, "orders.csv", "\nc0", "\nx0"),
            [],
            "have no order before 2024-04-01",
        ),
    ],
)
def test_what_cannot_be_read_back(run, shop, tmp_path, prepare, arguments, said):
    prepare(tmp_path)
    code, out, err = run("readback", "plan.csv", "--data", "orders.csv", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("share", "said"), [(0.0, "holds nobody out"), (0.01, "too few to tell")])
def test_a_plan_without_a_control_group(run, shop, tmp_path, share, said):
    generator = np.random.default_rng(2)
    customers = heavy_tailed(generator, 1_500).assign(
        customer_id=[f"c{k:04d}" for k in range(1_500)], action="mail"
    )
    customers["group"] = np.where(generator.random(1_500) < share, "control", "treated")
    write(tmp_path, customers, playbook_of(share))
    code, _, err = run("readback", "plan.csv", "--data", "orders.csv")
    assert code == 2
    assert said in err


def test_a_plan_that_treats_nobody(run, shop, tmp_path):
    customers = heavy_tailed(np.random.default_rng(2), 50).assign(
        customer_id=[f"c{k:04d}" for k in range(50)]
    )
    write(tmp_path, customers, playbook_of())
    code, _, err = run("readback", "plan.csv", "--data", "orders.csv")
    assert (code, "treats nobody" in err) == (2, True)


def test_the_playbook_goes_round(run, shop, tmp_path):
    """What a readback writes, a plan can be made with and read back again."""
    assert run("readback", "plan.csv", "--data", "orders.csv", "-o", "next.yaml")[0] == 0
    first = read_playbook(tmp_path / "next.yaml")
    write_playbook(first, tmp_path / "again.yaml")
    assert read_playbook(tmp_path / "again.yaml") == first
    code, _, err = run("readback", "plan.csv", "--data", "orders.csv", "--playbook", "next.yaml")
    assert (code, "from campaign 'spring' already" in err) == (2, True)


def _write(folder, name, text):
    (folder / name).write_text(text)


def _replace(folder, name, old, new):
    path = folder / name
    path.write_text(path.read_text().replace(old, new))
