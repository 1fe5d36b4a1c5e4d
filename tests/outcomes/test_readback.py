"""Readback of simulated campaigns: what is learnt, what it cost, what is refused and what is said."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

import clvml
from clvml.errors import InputError
from clvml.outcomes.campaign import (
    Activity,
    check_window,
    contact_findings,
    outcomes,
    overlap_findings,
    ratio_findings,
)
from clvml.outcomes.readback import read_back
from clvml.outcomes.sentences import learnt_sentence

from .campaigns import AS_OF, heavy_tailed, log_of, plan_of, playbook_of, treat, write

UNTIL = date(2024, 6, 30)


def campaign(n=4_000, save_rate=0.3, share=0.5, seed=1, playbook=None, **columns):
    """Return outcome rows and the record of a campaign with one action, mail."""
    generator = np.random.default_rng(seed)
    customers = heavy_tailed(generator, n)
    stayed, spent = treat(customers, save_rate, generator)
    treated = generator.random(n) >= share
    frame = customers[["p_churn", "expected_spend"]].assign(
        customer_id=[f"c{k}" for k in range(n)],
        action="mail",
        group=np.where(treated, "treated", "control"),
        **{"segment": "regular", **columns},
    )
    table, record = plan_of(frame, playbook or playbook_of(share))
    kept = np.where(treated, stayed, customers["stays"]).astype(float)
    return table.assign(stayed=kept, spent=np.where(treated, spent, customers["spends"])), record


def test_what_a_campaign_did_is_seen():
    outcome, record = campaign()
    found = read_back(outcome, record, UNTIL, margin=0.3)
    at_risk = outcome["p_churn"].mean()
    kept = found.effect("mail", "retention")
    assert kept["low"] < 0.3 * at_risk < kept["high"]
    assert kept["low"] > 0
    (learnt,) = found.learnt
    assert learnt.believed == (0.1, 0.08)
    assert learnt.seen == pytest.approx((kept["difference"] / at_risk, kept["standard_error"] / at_risk))
    # Between what was believed and what was seen, and surer than either.
    assert 0.1 < learnt.now[0] < learnt.seen[0]
    assert learnt.now[1] < min(0.08, learnt.seen[1])
    now = found.playbook.actions["mail"].save_rate
    assert (now.mean, now.sd, now.source, now.campaign) == (
        round(learnt.now[0], 6), round(learnt.now[1], 6), "learnt", "spring",
    )  # fmt: skip
    assert record.playbook.actions["mail"].save_rate.source == "assumed"
    assert "it keeps customers" in found.sentences[0]


def test_profit_by_hand():
    # The voucher of docs/readback.md: contact 1, face 10, 60 % of all who buy redeem.
    playbook = playbook_of(0.5, mail={"contact_cost": 1.0, "incentive_cost": 10.0, "redeem_rate": 0.6})
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in range(200)],
            "action": "mail",
            "group": ["treated"] * 100 + ["control"] * 100,
            "p_churn": 0.2,
            "expected_spend": 160.0,
            "expected_gain": 2.5,
        }
    )
    table, record = plan_of(frame, playbook)
    # A fifth of the 20 who leave are saved: 84 of the treated buy, 80 of the control group, for 200 each.
    stayed = np.r_[np.ones(84), np.zeros(16), np.ones(80), np.zeros(20)]
    outcome = table.assign(stayed=stayed, spent=200.0 * stayed)
    (profit,) = read_back(outcome, record, UNTIL, margin=1.0).profits
    assert (profit.margin, profit.contact_cost, profit.incentive_cost) == pytest.approx((800.0, 100.0, 504.0))
    assert profit.profit == pytest.approx(196.0)
    assert profit.low < 196.0 < profit.high
    assert profit.expected == pytest.approx(250.0)
    takers = frozenset(f"c{k}" for k in range(0, 200, 2))
    assert read_back(outcome, record, UNTIL, 1.0, takers).profits[0].incentive_cost == 500.0
    assert read_back(outcome, record, UNTIL, 1.0, discounted=True).profits[0].incentive_cost == 0.0
    assert read_back(outcome, record, UNTIL, 0.5).profits[0].margin == pytest.approx(400.0)


def test_profit_counts_each_customers_own_margin():
    outcome, record = campaign()
    (usual,) = read_back(outcome, record, UNTIL, 0.3).profits
    own = pd.Series(0.3, index=outcome["customer_id"])
    (same,) = read_back(outcome, record, UNTIL, 0.9, own_margins=own).profits
    assert same == usual
    # Of whom none is known, that of all counts; whom nothing is earned of brings costs alone.
    half = own.iloc[::2]
    (partly,) = read_back(outcome, record, UNTIL, 0.3, own_margins=half * 0.0).profits
    (others,) = read_back(outcome.iloc[1::2], record, UNTIL, 0.3).profits
    assert partly.margin < usual.margin
    assert partly.margin == pytest.approx(others.margin, rel=0.35)
    assert partly.contact_cost == usual.contact_cost


def test_segments_are_held_together_against_chance():
    generator = np.random.default_rng(2)
    outcome, record = campaign(save_rate=0.0, segment=generator.choice(list("abcdefgh"), 4_000))
    effects = read_back(outcome, record, UNTIL, 0.3).effects
    parts = effects[effects["segment"] != "all"]
    assert len(parts) == 8 * 3
    assert (parts["p_holm"] >= parts["p_value"]).all()
    lowest = parts.groupby("measure")["p_value"].min()
    assert parts.groupby("measure")["p_holm"].min().tolist() == pytest.approx(
        (lowest * 8).clip(upper=1).tolist()
    )
    whole = effects[effects["segment"] == "all"]
    assert whole["p_holm"].tolist() == whole["p_value"].tolist()


def test_a_small_segment_is_said_and_not_compared():
    segment = np.where(np.arange(4_000) < 25, "tiny", "regular")
    outcome, record = campaign(segment=segment)
    row = read_back(outcome, record, UNTIL, 0.3).effect("mail", "money", "tiny")
    assert row["treated"] + row["control"] == 25
    assert np.isnan(row["difference"])


def test_too_few_in_all_is_refused():
    outcome, record = campaign(n=400, share=0.05)
    with pytest.raises(InputError, match="too few to tell an effect from chance"):
        read_back(outcome, record, UNTIL, 0.3)


def test_an_action_with_too_few_keeps_its_save_rate():
    outcome, record = campaign(playbook=playbook_of(0.5, mail={}, call={}))
    outcome.loc[outcome.index[:20], "action"] = "call"
    found = read_back(outcome, record, UNTIL, 0.3)
    assert [finding.code for finding in found.findings] == ["too-few-customers"]
    assert found.playbook.actions["call"] == record.playbook.actions["call"]
    assert [profit.action for profit in found.profits] == ["mail"]


def test_several_actions_together():
    outcome, record = campaign(playbook=playbook_of(0.5, mail={}, call={"contact_cost": 8.0}))
    outcome.loc[outcome.index % 2 == 0, "action"] = "call"
    found = read_back(outcome, record, UNTIL, 0.3)
    mail, call, both = found.profits
    assert both.profit == pytest.approx(mail.profit + call.profit)
    half = [(each.high - each.low) / 2 for each in (mail, call, both)]
    assert half[2] == pytest.approx(np.hypot(half[0], half[1]))
    assert found.sentences[2].startswith("All actions together brought")


def test_save_rates_of_groups_are_learnt_by_group():
    groups = [{"where": "clv > 100", "mean": 0.3, "sd": 0.1}]
    playbook = playbook_of(0.5, mail={"save_rate": {"mean": 0.05, "sd": 0.05, "by": groups}})
    valuable = np.arange(4_000) % 2 == 0
    outcome, record = campaign(playbook=playbook)
    outcome = outcome.assign(
        save_rate=np.where(valuable, 0.3, 0.05), save_rate_sd=np.where(valuable, 0.1, 0.05)
    )
    found = read_back(outcome, record, UNTIL, 0.3)
    assert [each.where for each in found.learnt] == ["clv > 100", ""]
    now = found.playbook.actions["mail"].save_rate
    assert (now.by[0].mean, now.mean) == pytest.approx(tuple(each.now[0] for each in found.learnt), abs=1e-6)
    assert learnt_sentence(found.learnt[0]).startswith("mail where clv > 100: 30.0% ± 10.0% was believed")


def test_everybody_stays():
    outcome, record = campaign()
    found = read_back(outcome.assign(stayed=1.0), record, UNTIL, 0.3)
    assert found.learnt == []
    assert found.playbook == record.playbook


def test_households_are_counted_as_one():
    outcome, record = campaign()
    twice = pd.concat([outcome, outcome.assign(customer_id=outcome["customer_id"] + "b")])
    one = read_back(outcome, record, UNTIL, 0.3).effect("mail", "retention")
    two = read_back(twice, record, UNTIL, 0.3).effect("mail", "retention")
    assert two["standard_error"] == pytest.approx(one["standard_error"])
    assert two["treated"] == 2 * one["treated"]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (date(2024, 3, 1), "holds nothing of the campaign's window; give the log continued to 2024-06-29"),
        (date(2024, 4, 1), "holds nothing of the campaign's window"),
        (date(2024, 5, 1), "is over on 2024-06-30, and the data ends before 2024-05-01 (30 days)"),
        (date(2024, 6, 29), "where the shop sold nothing on the last days, say --as-of 2024-06-30"),
    ],
)
def test_a_window_that_is_not_over_is_refused(end, said):
    _, record = campaign(n=100)
    with pytest.raises(InputError, match=re.escape(said)):
        check_window(record, end)


def test_a_window_that_is_just_over_is_read():
    check_window(campaign(n=100)[1], UNTIL)


def activity(known, bought, first_day=date(2023, 1, 1)):
    labels = pd.DataFrame({"customer_id": bought, "purchases": 1, "actual_spend": 10.0})
    return Activity(first_day, frozenset(known), labels)


def planned(n=10):
    frame = pd.DataFrame({"customer_id": [f"c{k}" for k in range(n)], "action": "mail", "group": "treated"})
    return plan_of(frame)[0]


def test_who_is_absent_has_left_and_who_was_never_there_is_left_out():
    known = [f"c{k}" for k in range(9)]
    found, (finding,) = outcomes(planned(), activity(known, ["c1", "c2"]))
    assert found["customer_id"].tolist() == known
    assert found["stayed"].sum() == 2
    assert found["spent"].sum() == 20.0
    assert finding.code == "unknown-customers"


def test_who_comes_back_in_the_window_alone_does_not_become_known_by_it():
    # Else those who bought would be counted and those who left would not.
    found, _ = outcomes(planned(), activity([f"c{k}" for k in range(9)], ["c9"]))
    assert "c9" not in found["customer_id"].tolist()


def test_data_of_the_window_alone_counts_who_is_absent_as_left():
    found, (finding,) = outcomes(planned(), activity([], ["c1"], first_day=AS_OF))
    assert (len(found), found["stayed"].sum(), finding.code) == (10, 1.0, "no-history")


@pytest.mark.parametrize(
    ("known", "bought", "said"),
    [
        ([], [], "none of the 10 planned customers is in the data"),
        (
            ["c1", "c2"],
            ["c1"],
            "8 of the 10 planned customers have no order before 2024-04-01 in the data (c0, c3, c4,",
        ),
    ],
)
def test_data_of_other_customers_is_refused(known, bought, said):
    with pytest.raises(InputError, match=re.escape(said)):
        outcomes(planned(), activity(known, bought))


def groups(treated, control):
    n = treated + control
    return planned(n).assign(group=["treated"] * treated + ["control"] * control)


def test_sizes_that_chance_would_not_make_are_said():
    (finding,) = ratio_findings(groups(960, 40), groups(970, 108))
    assert finding.code == "sample-ratio"
    assert finding.text.startswith("the campaign: 40 of 1,000 are held out, where 108 of 1,078 were planned")
    assert ratio_findings(groups(905, 95), groups(960, 108)) == []
    # A draw that is rare and lost nobody is a draw all the same.
    assert ratio_findings(groups(350, 66), groups(350, 66)) == []
    assert ratio_findings(groups(905, 0), groups(905, 0)) == []


def contacts(customers, **columns):
    return pd.DataFrame({"customer_id": customers, **columns})


def test_contacted_controls_stay_controls_and_are_said():
    found = groups(8, 10)
    (spoilt,) = contact_findings(found, contacts([f"c{k}" for k in [*range(8), 9]]), "spring")
    assert spoilt.code == "control-contacted"
    assert "1 of the 10 customers that were held out" in spoilt.text
    (missed,) = contact_findings(found, contacts(["c0", "c1"]), "spring")
    assert (missed.code, "6 of the 8" in missed.text) == ("treated-missed", True)
    with pytest.raises(InputError, match="there is no control group"):
        contact_findings(found, contacts([f"c{k}" for k in range(13)]), "spring")
    assert contact_findings(found, contacts([]), "spring") == []


def test_other_campaigns_of_the_time():
    found = groups(800, 200)
    everybody = list(found["customer_id"])
    own = contacts(everybody[:800], campaign="spring")
    alike = contacts(everybody[::2], campaign="sale")
    (finding,) = contact_findings(found, pd.concat([own, alike]), "spring")
    assert (finding.code, "reached 50% of the treated and 50% of the control group" in finding.text) == (
        "overlap",
        True,
    )
    (unfair,) = overlap_findings(found, everybody[:300], "sale")
    assert unfair.code == "overlap-unfair"
    assert overlap_findings(found, ["somebody else"], "sale") == []


def test_from_a_notebook(tmp_path):
    outcome, record = campaign(n=600)
    path = write(tmp_path, outcome, record.playbook)
    log = log_of(outcome, outcome["stayed"] > 0, outcome["spent"])
    late = outcome[["customer_id"]].assign(contact_date="2024-08-01")
    found = clvml.readback(path, log, margin=0.5, redeemed=outcome[["customer_id"]], contacted=late)
    assert {"control-redeemed", "no-contact-in-window"} <= {finding.code for finding in found.findings}
    assert repr(found).startswith("Campaign 'spring', 2024-04-01 to 2024-06-30\nmail: ")
    assert "<table" in found._repr_html_()
    expected = read_back(outcome, record, UNTIL, 0.5)
    pd.testing.assert_frame_equal(
        found.effects.round(6), expected.effects.round(6), check_dtype=False, check_column_type=False
    )
    with pytest.raises(InputError, match="margin"):
        clvml.readback(path, log, margin=30)
    with pytest.raises(InputError, match="the frame lacks contact_date"):
        clvml.readback(path, log, contacted=outcome[["customer_id"]])


def test_a_playbook_that_has_moved_on_is_updated_as_it_is():
    outcome, record = campaign()
    current = playbook_of(0.2, mail={"save_rate": {"mean": 0.2, "sd": 0.05}}, call={})
    found = read_back(outcome, record, UNTIL, 0.3, playbook=current)
    (learnt,) = found.learnt
    assert (learnt.planned, learnt.believed) == ((0.1, 0.08), (0.2, 0.05))
    assert found.playbook.actions["call"] == current.actions["call"]
    assert found.playbook.control.share == 0.2
    assert found.playbook.actions["mail"].save_rate.mean == pytest.approx(learnt.now[0], abs=1e-6)
    with pytest.raises(InputError, match="from campaign 'spring' already"):
        read_back(outcome, record, UNTIL, 0.3, playbook=found.playbook)


def test_what_the_plan_would_expect_now():
    # By hand: 2,000 and some treated, a save rate of .1 that turns out otherwise.
    outcome, record = campaign(value_if_kept=100.0)
    gain = 0.1 * outcome["p_churn"] * 100.0 - 1.0
    found = read_back(outcome.assign(expected_gain=gain), record, UNTIL, 0.3)
    treated = outcome["group"] == "treated"
    (profit,), (learnt,) = found.profits, found.learnt
    assert profit.expected == pytest.approx(gain[treated].sum())
    assert profit.expected_now == pytest.approx(
        (learnt.now[0] * outcome["p_churn"] * 100.0 - 1.0)[treated].sum()
    )


def test_of_several_actions_one_seems_to_work_by_chance():
    names = {f"a{k}": {} for k in range(12)}
    outcome, record = campaign(n=12_000, save_rate=0.0, playbook=playbook_of(0.5, **names))
    outcome["action"] = np.resize(list(names), len(outcome))
    found = read_back(outcome, record, UNTIL, 0.3)
    whole = found.effects[(found.effects["segment"] == "all") & (found.effects["measure"] == "retention")]
    assert (whole["p_holm"] > whole["p_value"]).any()
    assert not any(": it keeps" in text or ": it drives" in text for text in found.sentences)
