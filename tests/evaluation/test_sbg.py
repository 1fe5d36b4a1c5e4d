"""The shifted-beta-geometric curve, against rates that are known and the published recursion."""

import numpy as np
import pytest

from clvml.evaluation.sbg import ShiftedBetaGeometric


def test_sbg_recovers_the_rates_of_contracts_of_which_most_still_run():
    chance = np.random.default_rng(1)
    ends = chance.geometric(chance.beta(1.5, 10.0, 40_000)) - 1
    seen = chance.integers(1, 13, len(ends))
    curve = ShiftedBetaGeometric.fit(np.minimum(ends, seen), ends < seen)
    assert curve.a / (curve.a + curve.b) == pytest.approx(1.5 / 11.5, rel=0.03)
    truth = ShiftedBetaGeometric(1.5, 10.0)
    for age in (0, 3, 8):
        assert curve.p_end(age, 1) == pytest.approx(truth.p_end(age, 1), rel=0.05)


def test_sbg_is_the_published_recursion():
    """Fader & Hardie (2007), equation 7: the retention rate of period t is (b + t - 1) / (a + b + t - 1)."""
    curve = ShiftedBetaGeometric(0.668, 3.806)
    for t in (1, 2, 7):
        assert 1 - curve.p_end(t - 1, 1) == pytest.approx((3.806 + t - 1) / (0.668 + 3.806 + t - 1))
