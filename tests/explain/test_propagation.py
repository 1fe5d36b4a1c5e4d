"""Shapley values by every order of the players, and what adds up after each step of a series."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from clvml.explain.propagation import mixed, pushed, shapley, through


def worth(table, absent=()):
    a, b, c = (table[name].to_numpy() for name in "abc")
    return {"product": a * b * c, "sum": a + 2 * b - c, "mixed": np.exp(a / 5) * b + np.maximum(b, c)}


def test_each_player_gets_the_mean_over_all_orders():
    draw = np.random.default_rng(0)
    own = pd.DataFrame(draw.normal(size=(5, 3)), columns=list("abc"))
    reference = {"a": 0.5, "b": -1.0, "c": 2.0}
    players = [("a",), ("b",), ("c",)]
    got = shapley(own, reference, players, worth)
    for name, phi in got.items():
        expected = np.zeros_like(phi)
        for order in permutations(range(3)):
            table = own.assign(**reference)
            for place in order:
                before = worth(table)[name]
                table["abc"[place]] = own["abc"[place]]
                expected[place] += (worth(table)[name] - before) / 6
        np.testing.assert_allclose(phi, expected, atol=1e-12)


def test_inputs_of_one_player_come_together():
    own = pd.DataFrame({"a": [2.0], "b": [3.0], "c": [4.0]})
    got = shapley(own, {"a": 0.0, "b": 0.0, "c": 1.0}, [("a", "b"), ("c",)], worth)["product"]
    # With a and b alone 6, with c alone 0, together 24.
    np.testing.assert_allclose(got, [[15.0], [9.0]])


@pytest.mark.parametrize("near", [0.0, 1e-9, 1.0])
def test_contributions_go_through_a_link_whole(near):
    phi = np.array([[2.0, -1.0], [-2.0 + near, 3.0]])
    value = np.array([0.3, 1.2])
    got = through(np.exp, phi, value)
    base = value - phi.sum(axis=0)
    np.testing.assert_allclose(got.sum(axis=0), np.exp(value) - np.exp(base), atol=1e-9)
    assert (np.sign(got) == np.sign(phi)).all()


@pytest.mark.parametrize("share", [0.2, 0.75, 1.0])
def test_contributions_to_a_mean_of_two_add_up(share):
    draw = np.random.default_rng(1)
    phi, other_phi = draw.normal(size=(2, 4, 30))
    one, other = draw.normal(size=(2, 30))
    got = mixed(share, one, phi, other, other_phi)

    def whole(a, b):
        return np.log(share * np.exp(a) + (1 - share) * np.exp(b))

    base = whole(one - phi.sum(axis=0), other - other_phi.sum(axis=0))
    np.testing.assert_allclose(got.sum(axis=0), whole(one, other) - base, atol=1e-9)


def test_shares_are_of_what_pushed_the_same_way():
    got = pushed(np.array([[1.0, -4.0, 0.0], [3.0, 1.0, 0.0], [-2.0, -4.0, 0.0]]))
    np.testing.assert_allclose(got.T, [[0.25, 0.75, 0.0], [0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]])
