"""Six campaigns in a row whose effects were assumed too high: what a control group and its readback are worth."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.decide.control import in_control
from clvml.decide.gains import Gains
from clvml.decide.playbook import parse_playbook
from clvml.outcomes.readback import read_back

from .campaigns import heavy_tailed, plan_of

ROUNDS = 6
WORLDS = 8
CUSTOMERS = 5_000
# What is assumed of each action, and its cost; and the share of that effect that comes true.
ACTIONS = {"mail": (0.04, 0.5), "offer": (0.10, 4.0), "call": (0.20, 12.0)}
COMES_TRUE = 0.5


def playbook_of():
    actions = {
        name: {"contact_cost": cost, "save_rate": {"mean": mean, "sd": mean / 2}}
        for name, (mean, cost) in ACTIONS.items()
    }
    return parse_playbook({"campaign": "round-0", "actions": actions, "control": {"share": 0.1}})


def scores_of(customers):
    value = 0.3 * customers["expected_spend"]
    return pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in range(len(customers))],
            "p_churn": customers["p_churn"],
            "clv": value,
            "expected_spend": customers["expected_spend"],
            "segment": "all customers",
        }
    )


def planned(scores, playbook):
    """Return the place of the action that gains most, -1 where none gains anything."""
    gain = Gains.of(scores, playbook).gain()
    return np.where(gain.max(axis=0) > 0, gain.argmax(axis=0), -1)


def with_rates(playbook, rates):
    """Return the playbook with other save rates."""
    actions = {
        name: action.model_copy(
            update={"save_rate": action.save_rate.model_copy(update={"mean": rates[name]})}
        )
        for name, action in playbook.actions.items()
    }
    return playbook.model_copy(update={"actions": actions})


def profit(scores, true, choice, treated):
    """Return what a choice brings where the save rates are those of the playbook ``true``."""
    own = np.flatnonzero((choice >= 0) & treated)
    return float(Gains.of(scores, true).gain()[choice[own], own].sum())


def world(seed):
    """Return the profit of six rounds: with true save rates known, with assumed ones, with control and readback."""
    generator = np.random.default_rng(seed)
    true = {name: mean * COMES_TRUE for name, (mean, _) in ACTIONS.items()}
    customers = heavy_tailed(generator, CUSTOMERS, tail=0.9)
    scores, everybody = scores_of(customers), np.ones(CUSTOMERS, dtype=bool)
    assumed = learnt = playbook_of()
    known = with_rates(assumed, true)
    oracle = ROUNDS * profit(scores, known, planned(scores, known), everybody)
    without = ROUNDS * profit(scores, known, planned(scores, assumed), everybody)
    with_control = 0.0
    for each in range(ROUNDS):
        choice = planned(scores, learnt)
        held = in_control(scores["customer_id"], f"round-{each}", learnt.control.share)
        with_control += profit(scores, known, choice, ~held)
        learnt = _read_back(scores, learnt, choice, held, true, generator)
    return oracle, without, with_control


def _read_back(scores, playbook, choice, held, true, generator):
    rows = choice >= 0
    if not rows.any():
        return playbook
    names = np.array(list(playbook.actions))[choice[rows]]
    frame = scores[rows].assign(action=names, group=np.where(held[rows], "control", "treated"))
    table, record = plan_of(frame.reset_index(drop=True), playbook)
    leaves = generator.random(rows.sum()) < frame["p_churn"].to_numpy()
    saved = generator.random(rows.sum()) < np.array([true[name] for name in names]) * ~held[rows]
    stayed = (~leaves | saved).astype(float)
    spent = stayed * frame["expected_spend"].to_numpy() / (1 - frame["p_churn"].to_numpy()).clip(0.15)
    try:
        found = read_back(table.assign(stayed=stayed, spent=spent), record, date(2024, 6, 30), 0.3)
    except ValueError:
        return playbook
    return found.playbook


@pytest.fixture(scope="module")
def worlds():
    return np.array([world(seed) for seed in range(WORLDS)])


def test_readback_earns_nearly_twice_as_much(worlds):
    oracle, without, with_control = worlds.sum(axis=0)
    assert oracle > 0
    assert with_control >= 1.8 * without
    assert with_control < oracle


def test_readback_is_better_in_nearly_every_world(worlds):
    _, without, with_control = worlds.T
    assert (with_control > without).sum() >= WORLDS - 1
