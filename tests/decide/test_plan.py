"""The plan: who gets what, who is left alone and why, and what it comes to."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from tests.decide.conftest import playbook_of, scored

from clvml.decide.plan import make_plan
from clvml.decide.plan_file import NAMES, rows_digest
from clvml.decide.playbook import parse_playbook
from clvml.errors import InputError

SHOP = playbook_of(
    share=0.1,
    mail={"contact_cost": 0.5, "save": (0.02, 0.01)},
    voucher={"contact_cost": 0.5, "incentive_cost": 5, "redeem_rate": 0.4, "save": (0.08, 0.04)},
    call={"contact_cost": 6, "save": (0.1, 0.05), "cap": 20, "channel": "phone"},
)


@pytest.fixture(scope="module")
def plan():
    return make_plan(scored(3_000), SHOP, 300.0)


def test_the_example_worked_by_hand(example):
    made = make_plan(*example, 12.0)
    rows = made.table.set_index("customer_id")
    assert rows["action"].fillna("").to_dict() == {"A": "call", "B": "mail", "C": "mail", "D": ""}
    assert rows["expected_gain"].to_dict() == {"A": 40.0, "B": 3.0, "C": 0.8, "D": 0.0}
    assert rows["break_even_save_rate"]["A"] == 0.02
    assert rows["why"]["D"] == "would stay anyway"
    assert (made.summary["cost"], made.summary["profit"]) == (12.0, 43.8)
    # Each action's belief is common to its customers, and so is how much all spend.
    spread = np.hypot(np.hypot(0.05 * 500, 0.01 * (200 + 90)), 0.25 * (50 + 4 + 1.8))
    assert made.summary["profit_high"] == pytest.approx(43.8 + 1.2815516 * spread, abs=0.01)


def test_the_curve_of_one_action_is_that_of_its_best_customers():
    scores, book = scored(400), playbook_of(mail={"contact_cost": 2.0, "save": (0.05, 0.02)})
    capped = playbook_of(mail={"contact_cost": 2.0, "save": (0.05, 0.02), "cap": 400})
    curve, priced = (make_plan(scores, one, None).curve for one in (book, capped))
    gains = np.sort(np.maximum(make_plan(scores, book, None).table["expected_gain"], 0.0))[::-1]
    for budget, profit in curve.itertuples(index=False):
        whole, part = divmod(budget / 2.0, 1)
        assert profit == pytest.approx(gains[: int(whole)].sum() + part * gains[int(whole)], abs=0.05)
    assert np.allclose(curve, priced, rtol=1e-3)


def test_every_customer_has_one_row_planned_ones_first(plan):
    table = plan.table
    assert tuple(table.columns) == NAMES
    assert sorted(table["customer_id"]) == sorted(scored(3_000)["customer_id"])
    planned = table["action"].notna().to_numpy()
    assert planned[: planned.sum()].all()
    gains = table["expected_gain"].to_numpy()
    assert (np.diff(gains) <= 0).all()
    assert (gains[planned] > 0).all()
    assert (table["why"].notna() == ~planned).all()
    assert (table["group"].notna() == planned).all()
    bounds = table.loc[planned, ["expected_gain_low", "expected_gain", "expected_gain_high"]].to_numpy()
    assert (np.diff(bounds, axis=1) > 0).all()


def test_the_rows_come_to_what_the_summary_says(plan):
    table, summary = plan.table, plan.summary
    assert summary["cost"] == pytest.approx(table["expected_cost"].sum(), abs=0.2)
    assert summary["cost"] <= 300.0
    assert summary["profit"] == pytest.approx(table["expected_gain"].sum(), abs=0.2)
    treated = table[table["group"] == "treated"]
    assert summary["cost_treated"] == pytest.approx(treated["expected_cost"].sum(), abs=0.2)
    assert summary["holding_out_costs"] == pytest.approx(
        summary["profit"] - treated["expected_gain"].sum(), abs=0.2
    )
    assert summary["planned"] == summary["treated"] + summary["control"] == table["action"].notna().sum()
    assert sum(row["customers"] for row in summary["actions"]) == summary["planned"]
    assert sum(row["customers"] for row in summary["left_alone"]) == 3_000 - summary["planned"]
    assert plan.actions.loc["call", "customers"] <= 20
    assert summary["profit"] <= summary["bound"]


def test_the_gain_of_a_row_is_the_formula_of_the_page(plan):
    row = plan.table[plan.table["action"] == "voucher"].iloc[0]
    p, value, save = row["p_churn"], row["value_if_kept"], 0.08
    cost = 0.5 + 5 * 0.4 * (1 - p + p * save)
    assert row["expected_cost"] == pytest.approx(cost, abs=1e-3)
    assert row["expected_gain"] == pytest.approx(value * p * save - cost, abs=1e-2)


def test_the_curve_is_concave_never_falls_and_holds_the_budget(plan):
    curve = plan.curve
    assert curve["profit"].iloc[0] == 0.0
    assert 300.0 in curve["budget"].tolist()
    slopes = np.diff(curve["profit"]) / np.diff(curve["budget"])
    assert (slopes >= -1e-9).all()
    assert (np.diff(slopes) <= 1e-4).all()
    at_budget = curve.loc[curve["budget"] == 300.0, "profit"].item()
    assert plan.summary["profit"] <= at_budget + 0.01
    assert plan.summary["profit"] == pytest.approx(at_budget, rel=1e-3)
    assert plan.summary["next_unit_brings"] == pytest.approx(
        slopes[np.searchsorted(curve["budget"], 300.0)], rel=0.3
    )


def test_where_nothing_more_pays_more_money_changes_nothing():
    scores = scored(500)
    free = make_plan(scores, SHOP, None)
    more = make_plan(scores, SHOP, 2 * free.summary["nothing_more_pays_at"])
    assert free.summary["cost"] == free.summary["nothing_more_pays_at"]
    assert free.summary["next_unit_brings"] == 0.0
    assert more.table["action"].tolist() == free.table["action"].tolist()
    assert any("nothing more pays beyond" in note for note in more.notes)


def test_a_budget_of_nothing_is_an_empty_valid_plan():
    made = make_plan(scored(50), SHOP, 0.0)
    assert made.table["action"].isna().all()
    assert (made.summary["planned"], made.summary["cost"], made.summary["profit"]) == (0, 0.0, 0.0)
    assert "nothing is planned: the budget is 0" in made.notes
    assert made.record.digest == rows_digest(made.table)


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_other_effects_are_worked_out_as_a_plan_of_them_would_be(plan, factor):
    row = next(row for row in plan.summary["effects"] if row["factor"] == factor)
    planned = plan.table[plan.table["action"].notna()]
    value = (planned["value_if_kept"] * planned["p_churn"] * planned["save_rate"]).sum()
    assert row["profit_of_this_plan"] == pytest.approx(
        plan.summary["profit"] + (factor - 1) * value, rel=0.02
    )
    assert row["profit_of_this_plan"] <= row["profit_of_its_own_plan"] * (1 + 1e-4)


def test_the_interval_of_the_whole_does_not_shrink_with_more_customers():
    few, many = (make_plan(scored(100 * n, seed=1), SHOP, None).summary for n in (5, 50))
    widths = [(s["profit_high"] - s["profit_low"]) / s["profit"] for s in (few, many)]
    assert widths[1] > 0.8 * widths[0]


def test_reasons_why_nothing_is_planned():
    scores = scored(
        customer_id=["stays", "lost", "cheap", "capped", "called", "poor", "not meant"],
        p_churn=[0.01, 0.95, 0.5, 0.5, 0.5, 0.5, 0.5],
        clv=[500.0, 0.1, 1.0, 400.0, 500.0, 12.0, 500.0],
        segment=["VIP"] * 6 + ["lost"],
    )
    book = playbook_of(
        mail={"contact_cost": 1, "save": (0.1, 0.05), "segments": ["regular"]},
        call={"contact_cost": 1, "save": (0.1, 0.05), "cap": 1, "segments": ["VIP"]},
    )
    why = make_plan(scores, book, None).table.set_index("customer_id")["why"].fillna("").to_dict()
    assert why == {
        "stays": "would stay anyway",
        "lost": "lost",
        "cheap": "worth too little",
        "capped": "the cap is full",
        "called": "",
        "poor": "the cap is full",
        "not meant": "no action is meant for them",
    }
    scarce = make_plan(scores, playbook_of(mail={"contact_cost": 1, "save": (0.1, 0.05)}), 1.0)
    why = scarce.table.set_index("customer_id")["why"]
    assert why["capped"] == why["poor"] == "the budget pays more elsewhere"


def test_the_order_of_the_scores_changes_nothing(plan):
    turned = scored(3_000).sample(frac=1.0, random_state=0)
    again = make_plan(turned, SHOP, 300.0)
    assert again.record.plan_id == plan.record.plan_id


def test_the_scores_are_left_as_they_were():
    scores = scored(50)
    before = scores.copy()
    make_plan(scores, SHOP, 10.0)
    pd.testing.assert_frame_equal(scores, before)


def test_assumed_effects_ask_for_half_and_stale_scores_are_said():
    made = make_plan(scored(300), SHOP, None, today=date(2026, 1, 1))
    assert any("hold out half the first time" in note for note in made.notes)
    assert any("not what is ahead" in note for note in made.notes)
    assert made.record.summary["age"] == [note for note in made.notes if "the scores are as of" in note]
    old = make_plan(scored(300), SHOP, None, trained_as_of=date(2020, 1, 1))
    assert any("train it again" in note for note in old.notes)
    half = make_plan(scored(300), playbook_of(share=0.5, mail={}), None)
    assert not any("hold out half" in note for note in half.notes)
    nobody = make_plan(scored(300), playbook_of(share=0.0, mail={}), None)
    assert any("nobody is held out" in note for note in nobody.notes)


def test_a_second_campaign_of_the_same_name_is_said():
    rate = {"mean": 0.2, "sd": 0.1, "source": "learnt", "campaign": "spring"}
    rules = {"actions": {"mail": {"contact_cost": 1.0, "save_rate": rate}}}
    again = make_plan(scored(300), parse_playbook({"campaign": "spring", **rules}), None)
    assert any("the same customers are held out again" in note for note in again.notes)
    other = make_plan(scored(300), parse_playbook({"campaign": "summer", **rules}), None)
    assert not any("held out again" in note for note in other.notes)


def test_a_plan_shows_itself(plan):
    assert re.match(
        r"<Plan 'spring' as of 2024-07-01: [\d,]+ of 3,000 customers, cost 2\d\d\.\d\d of 300.00,", repr(plan)
    )
    assert "<table" in plan._repr_html_()


@pytest.mark.parametrize("budget", [-1.0, float("nan"), float("inf"), "10", True])
def test_a_budget_that_is_none_is_refused(budget):
    with pytest.raises(InputError, match="the budget must be 0 or more"):
        make_plan(scored(5), SHOP, budget)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.drop(columns="clv"), "the scores have no column 'clv'"),
        (lambda s: s.iloc[:0], "hold no customer"),
        (lambda s: s.assign(p_churn=1.5), "outside 0 to 1 for 5 customers"),
        (lambda s: s.assign(clv=np.nan), "no number in clv for 5 customers"),
        (lambda s: s.assign(as_of=["2024-07-01"] * 4 + ["2024-08-01"]), "mix several as_of"),
        (lambda s: s.assign(customer_id="a"), "hold customer 'a' twice"),
    ],
)
def test_scores_that_are_at_fault_are_refused(change, said):
    with pytest.raises(InputError, match=re.escape(said)):
        make_plan(change(scored(5)), SHOP, 1.0)
