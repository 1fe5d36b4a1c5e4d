"""Gains of actions, by hand."""

import numpy as np
import pytest
from tests.decide.conftest import playbook_of, scored

from clvml.decide.gains import Gains, value_if_kept


def test_the_example_worked_by_hand(example):
    gains = Gains.of(*example)
    assert gains.value.tolist() == pytest.approx([1000, 400, 100, 1000])
    assert gains.gain() == pytest.approx(np.array([[9, 3, 0.8, -0.6], [40, 10, -1, -8]]))
    assert gains.cost() == pytest.approx(np.array([[1] * 4, [10] * 4]))
    # Break-even: A's call .02, C's call .111.
    assert gains.break_even()[1, [0, 2]] == pytest.approx([0.02, 0.1111], abs=1e-4)


def test_who_stays_anyway_redeems_the_voucher_too():
    """A fifth of 100 leave, a fifth of those are saved: gain 800, cost 84 x .6 x 10 = 504, profit 296."""
    voucher = {"contact_cost": 0, "incentive_cost": 10, "redeem_rate": 0.6, "save": (0.2, 0.1)}
    gains = Gains.of(scored(p_churn=[0.2] * 100, clv=[160.0] * 100), playbook_of(voucher=voucher))
    assert gains.value[0] == pytest.approx(200)
    assert gains.cost().sum() == pytest.approx(504)
    assert gains.gain().sum() == pytest.approx(296)


def test_chances_of_staying_below_a_floor_do_not_inflate_the_value():
    assert value_if_kept([15.0, 15.0], [0.85, 0.9999]).tolist() == pytest.approx([100.0, 100.0])


def test_a_customer_worth_less_than_nothing_is_never_worth_an_action():
    gains = Gains.of(scored(p_churn=[0.5], clv=[-50.0]), playbook_of(mail={}))
    assert gains.gain().item() == pytest.approx(-1.0)
    assert np.isinf(gains.break_even().item())


def test_nobody_keeps_more_than_all_who_would_leave():
    sure = {"contact_cost": 1.0, "save_rate": {"mean": 0.8, "sd": 0.0}}
    gains = Gains.of(scored(p_churn=[0.5], clv=[100.0]), playbook_of(mail=sure))
    assert gains.gain(1.5).tolist() == [[0.5 * 200.0 - 1.0]]


def test_effects_of_groups_count_where_their_rule_holds():
    by = [{"where": "clv >= 100", "mean": 0.3, "sd": 0.1}, {"where": "clv >= 50", "mean": 0.2, "sd": 0.1}]
    rate = {"mean": 0.1, "sd": 0.05, "source": "learnt", "campaign": "last", "by": by}
    gains = Gains.of(
        scored(clv=[100.0, 60.0, 10.0], p_churn=[0.5] * 3), playbook_of(mail={"save_rate": rate})
    )
    assert gains.save_rate.tolist() == [[0.3, 0.2, 0.1]]
    assert gains.save_rate_sd.tolist() == [[0.1, 0.1, 0.05]]
    assert gains.group.tolist() == [[1, 2, 0]]


def test_cost_of_chosen_actions_is_that_of_all_actions():
    voucher = {"incentive_cost": 10, "redeem_rate": 0.6}
    gains = Gains.of(scored(50), playbook_of(mail={}, voucher=voucher))
    own = np.arange(50)
    choice = (own % 2).astype(np.int8)
    assert gains.cost_of((choice, own)) == pytest.approx(gains.cost()[choice, own])
