"""`clvml readback` of a campaign among subscribers."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import one_object
from tests.outcomes.campaigns import plan_of, playbook_of

import clvml
from clvml.decide.plan_file import write_plan
from clvml.errors import InputError
from clvml.log.subscriptions import read_subscriptions

AS_OF, DAYS = date(2025, 4, 1), 90
CONFIG = """
mode: subscription
data:
  source: subscriptions.csv
  columns: {customer_id: customer, start: begun, end: ended, plan: plan, price: price, period: billing}
  grace_days: 7
windows: {horizon_days: 90}
value: {margin: 0.5}
"""
COMMAND = ("readback", "plan.csv", "--config", "subs.yaml")


@pytest.fixture
def campaign(run, tmp_path):
    """Return `clvml` in a folder with a campaign: half of 1000 are held out, and leave twice as often."""
    number = np.arange(1000)
    held = number % 2 == 0
    leaves = np.where(held, number % 5 < 2, number % 10 == 5)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{one:04}" for one in number],
            "action": "mail",
            "group": np.where(held, "control", "treated"),
            "segment": "basic",
            "p_churn": 0.4 + 0.1 * np.sin(number),
            "expected_spend": 48.0 + np.cos(number),
        }
    )
    write_plan(*plan_of(frame, playbook_of(0.5), AS_OF, DAYS), tmp_path / "plan.csv")
    table = pd.DataFrame(
        {
            "customer": frame["customer_id"],
            "begun": "2025-01-01",
            # After 30 of the 90 days.
            "ended": np.where(leaves, "2025-05-01", ""),
            "plan": "basic",
            "price": "30",
            "billing": "30",
        }
    )
    # Who is back two days after the end of the window, 30 June, has stayed.
    back = table[leaves & held].head(20).assign(begun="2025-07-02", ended="")
    new = table.tail(1).assign(customer="new", begun="2025-07-10", ended="")
    pd.concat([table, back, new]).to_csv(tmp_path / "subscriptions.csv", index=False)
    (tmp_path / "subs.yaml").write_text(CONFIG)
    return run


def test_who_is_still_subscribed_and_what_came_in_is_held_against_the_control_group(campaign):
    code, out, _ = campaign(*COMMAND, "--json")
    assert code == 0
    told = one_object(out)
    effects = {row["measure"]: row for row in told["effects"] if row["segment"] == "all"}
    # Of 500 each, 200 of the control group leave and 20 of them are back; 100 of the treated leave.
    kept = effects["retention"]
    assert (kept["mean_treated"], kept["mean_control"]) == (pytest.approx(0.8), pytest.approx(0.64))
    # One a day, for 90 days or 30.
    money = effects["money"]
    assert money["mean_treated"] == pytest.approx(90 - 60 * 0.2)
    assert money["mean_control"] == pytest.approx(90 - 60 * 0.4)
    assert told["profits"][0]["margin"] == pytest.approx(0.5 * 500 * money["difference"])
    assert "of the treated were subscribed at the end and 64.0% of the control group" in told["sentences"][0]


@pytest.mark.parametrize("as_of", ["2025-03-01", "2025-06-15", "2025-07-03", "2025-07-06"])
def test_the_window_and_the_grace_period_must_be_over(campaign, as_of):
    code, _, err = campaign(*COMMAND, "--as-of", as_of)
    said = re.sub(r"\s+", " ", err)
    assert code == 2
    assert "the window of the plan ends on 2025-06-30, and who subscribes anew within 7 days after" in said
    assert f"data up to 2025-07-06 is needed (--as-of 2025-07-07), and it ends before {as_of}; read" in said
    assert campaign(*COMMAND, "--as-of", "2025-07-07")[0] == 0


def test_without_a_grace_period_the_window_alone_must_be_over(campaign):
    without = ("--set", "data.grace_days=0")
    code, _, err = campaign(*COMMAND, *without, "--as-of", "2025-06-29")
    said = re.sub(r"\s+", " ", err)
    assert code == 2
    assert "ends on 2025-06-30: data up to 2025-06-29 is needed (--as-of 2025-06-30), and it ends" in said


def test_the_text_speaks_of_subscribers(campaign):
    code, out, _ = campaign(*COMMAND)
    said = " ".join(out.split())
    assert code == 0
    assert "still subscribed: subscribed at the end of the window" in said
    assert "money is revenue" in said
    assert "bought" not in said and "refunds" not in said


def test_from_python_a_table_of_subscriptions_is_read_back(campaign):
    told = one_object(campaign(*COMMAND, "--json")[1])
    columns = {"customer_id": "customer", "start": "begun", "end": "ended", "plan": "plan", "price": "price"}
    log = read_subscriptions("subscriptions.csv", {**columns, "period": "billing"})
    found = clvml.readback("plan.csv", log, margin=0.5, grace_days=7)
    assert found.sentences == told["sentences"]
    assert found.profits[0].profit == told["profits"][0]["profit"]
    with pytest.raises(InputError, match=r"the window of the plan ends on 2025-06-30"):
        clvml.readback("plan.csv", log, as_of="2025-06-15")
    for days in (-1, 1.5, True, "7"):
        with pytest.raises(InputError, match=r"grace_days=.* is not a number of days"):
            clvml.readback("plan.csv", log, grace_days=days)
    with pytest.raises(InputError, match="cost and margins are for purchase logs"):
        clvml.readback("plan.csv", log, value={"cost": "unit_cost"})
    with pytest.raises(InputError, match="as_of and grace_days are of subscriptions"):
        clvml.readback("plan.csv", "orders.csv", grace_days=7)
