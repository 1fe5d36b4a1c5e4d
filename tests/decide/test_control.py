"""The control group: chance that nobody else's coming or going changes."""

import numpy as np
import pandas as pd
import pytest
from tests.decide.conftest import playbook_of, scored

from clvml.decide.control import in_control, units_of

CUSTOMERS = pd.Series([f"C{number}" for number in range(20_000)])


def test_adding_and_removing_customers_moves_nobody():
    held = pd.Series(in_control(CUSTOMERS, "spring", 0.1), index=CUSTOMERS)
    fewer = CUSTOMERS.sample(5_000, random_state=1)
    assert in_control(fewer, "spring", 0.1).tolist() == held[fewer].tolist()
    more = pd.concat([pd.Series(["new", "others"]), CUSTOMERS])
    assert in_control(more, "spring", 0.1)[2:].tolist() == held.tolist()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_share_is_held_out(share):
    assert in_control(CUSTOMERS, "spring", share).mean() == pytest.approx(share, abs=0.008)


def test_a_larger_share_holds_out_the_same_and_more():
    tenth, half = (in_control(CUSTOMERS, "spring", share) for share in (0.1, 0.5))
    assert half[tenth].all()


def test_another_campaign_draws_anew():
    spring, autumn = (in_control(CUSTOMERS, name, 0.5) for name in ("spring", "autumn"))
    assert np.corrcoef(spring, autumn)[0, 1] == pytest.approx(0.0, abs=0.03)


def test_the_draw_is_the_same_in_every_version():
    """A campaign must be told apart the same way after an upgrade: these were held out by the first version."""
    held = in_control(pd.Series(["1", "2", "3", "4", "Zoë", "007"]), "spring", 0.5)
    assert held.tolist() == [False, True, True, True, False, True]


def test_households_stay_together_and_who_has_none_stands_alone():
    scores = scored(
        customer_id=list("abcde"), household=pd.array(["x", "x", None, None, "c"], dtype="string")
    )
    units = units_of(scores, playbook_of(unit="household", mail={}))
    assert units[0] == units[1]
    assert units.nunique() == 4
    held = in_control(units, "spring", 0.5)
    assert held[0] == held[1]
