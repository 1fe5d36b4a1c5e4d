import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvml.decide.shrinkage import shrink, update


def test_groups_that_differ_keep_three_quarters_of_it():
    found = shrink([0.10, 0.02, 0.06], [0.0004] * 3)
    assert found.between == pytest.approx(0.0012)
    assert found.common == pytest.approx(0.06)
    assert found.mean == pytest.approx([0.09, 0.03, 0.06])


def test_groups_that_differ_by_chance_are_one():
    found = shrink([0.07, 0.05, 0.06], [0.0004] * 3)
    assert found.between == 0.0
    assert found.mean == pytest.approx([0.06] * 3)
    assert found.spread == pytest.approx([0.02 / math.sqrt(3)] * 3)


def test_one_group_is_what_it_is():
    found = shrink([0.05], [0.0001])
    assert (found.mean[0], found.spread[0], found.between) == pytest.approx((0.05, 0.01, 0.0))


def test_the_surer_group_moves_less():
    found = shrink([0.3, 0.1, 0.2, -0.1], [0.0001, 0.01, 0.01, 0.01])
    moved = np.abs(found.mean - np.array([0.3, 0.1, 0.2, -0.1])) / np.abs(
        np.array([0.3, 0.1, 0.2, -0.1]) - found.common
    )
    assert moved[0] < moved[1] == pytest.approx(moved[3])


def test_update_by_hand():
    assert update(0.10, 0.08, 0.02, 0.04) == pytest.approx((0.036, 0.0358), abs=3e-5)


def test_what_nothing_moves():
    assert update(0.1, 0.0, 0.5, 0.01) == (0.1, 0.0)
    assert update(0.1, 0.08, 0.5, math.inf) == (0.1, 0.08)


@given(
    st.floats(-1, 1),
    st.floats(0.001, 1),
    st.floats(-1, 1),
    st.floats(0.001, 1),
    st.floats(-1, 1),
    st.floats(0.001, 1),
)
def test_two_campaigns_in_either_order_say_the_same(mean, spread, first, first_error, second, second_error):
    one = update(*update(mean, spread, first, first_error), second, second_error)
    other = update(*update(mean, spread, second, second_error), first, first_error)
    assert one == pytest.approx(other, rel=1e-6, abs=1e-9)
    assert one[1] <= min(spread, first_error, second_error)
