"""The playbook: what is refused and in which words, what is kept."""

import re

import pytest

from clvml.decide.playbook import parse_playbook, read_playbook, write_playbook
from clvml.errors import InputError

MAIL = {"contact_cost": 1.0, "save_rate": {"mean": 0.02, "sd": 0.01}}


def playbook(**action):
    return {"campaign": "spring", "actions": {"mail": {**MAIL, **action}}}


def test_the_shipped_playbook_is_valid_and_assumes_its_effects():
    shipped = read_playbook("configs/playbook.yaml")
    assert set(shipped.actions) == {
        *("check_in", "personal_message", "targeted_offer", "gift", "service_call", "loyalty_programme")
    }
    assert {action.save_rate.source for action in shipped.actions.values()} == {"assumed"}


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"contact_costs": 3}, "unknown key 'actions.mail.contact_costs' (did you mean 'contact_cost'?)"),
        ({"contact_cost": -3}, "'actions.mail.contact_cost' must be at least 0"),
        ({"contact_cost": 0}, "the action costs nothing"),
        ({"contact_cost": float("nan")}, "'actions.mail.contact_cost' must be"),
        ({"save_rate": {"mean": 1.2, "sd": 0.1}}, "at most 1; currently set to 1.2"),
        ({"save_rate": {"mean": -1.2, "sd": 0.1}}, "at least -1; currently set to -1.2"),
        ({"save_rate": {"mean": 0.1, "sd": -0.1}}, "'actions.mail.save_rate.sd'"),
        ({"save_rate": {"mean": 0.1, "sd": 0.1, "source": "learnt"}}, "needs 'campaign'"),
        ({"save_rate": {"mean": 0.1, "sd": 0.1, "campaign": "x"}}, "an assumed save rate has no 'campaign'"),
        ({"redeem_rate": 1.5}, "'actions.mail.redeem_rate'"),
        ({"cap": -1}, "'actions.mail.cap'"),
        ({"rest_days": -1}, "'actions.mail.rest_days'"),
        ({"where": "p_churn"}, "the rule 'p_churn' is a column and no condition"),
        ({"where": "p_churn >"}, "the rule cannot be understood"),
        ({"where": "read_csv('x') = 1"}, "functions are not allowed"),
        ({"where": "p_churn < (select 1)"}, "the rule"),
        ({"where": "p_churn < 1; select 1"}, "which is not allowed"),
        ({"where": "other.p_churn < 1"}, "which is not allowed"),
    ],
)
def test_an_action_that_cannot_be_is_refused(action, said):
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        parse_playbook(playbook(**action))
    assert str(refused.value).count("currently set to") <= 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"actions": {}}, "'actions'"),
        ({"actions": {"a/b": MAIL}}, "'actions.a/b.[key]'"),
        ({"actions": {"mail": None}}, "'actions.mail' must hold keys (contact_cost"),
        ({"campagne": "x"}, "unknown key 'campagne' (did you mean 'campaign'?)"),
        ({"control": {"share": 1.0}}, "'control.share'"),
    ],
)
def test_a_playbook_that_cannot_be_is_refused(change, said):
    with pytest.raises(InputError, match=re.escape(said)):
        parse_playbook({**playbook(), **change})


def test_a_playbook_is_read_as_it_was_written(tmp_path):
    rate = {"mean": 0.02, "sd": 0.01, "source": "learnt", "campaign": "été"}
    rate["by"] = [{"where": "clv > 100", "mean": 0.05, "sd": 0.01}]
    first = parse_playbook(playbook(save_rate=rate, cap=5, segments=["VIP"]))
    write_playbook(first, tmp_path / "playbook.yaml")
    again = read_playbook(tmp_path / "playbook.yaml")
    assert again == first
    assert again.digest == first.digest


def test_the_digest_tells_playbooks_apart(tmp_path):
    write_playbook(parse_playbook(playbook()), tmp_path / "playbook.yaml")
    other = read_playbook(tmp_path / "playbook.yaml", ["actions.mail.contact_cost=2", "control.share=0.5"])
    assert other.actions["mail"].contact_cost == 2.0
    assert other.control.share == 0.5
    assert other.digest != parse_playbook(playbook()).digest
