import math

import numpy as np
import pytest

from clvml.decide.power import (
    MULTIPLE,
    POWER,
    customers_needed,
    retention_variance,
    smallest_effect,
    smallest_save_rate,
)


def test_hand_worked_examples():
    assert pytest.approx(2.801585, abs=1e-6) == MULTIPLE
    assert smallest_effect(100, 900, 100) == pytest.approx(29.5313, abs=1e-4)
    assert smallest_effect(0.5, 500, 500) == pytest.approx(0.088594, abs=1e-6)
    assert smallest_effect(0.5, 500, 500, variance_removed=0.3) == pytest.approx(0.074123, abs=1e-6)


def test_an_empty_group_shows_nothing():
    assert smallest_effect(100, 900, 0) == math.inf
    assert smallest_save_rate([0.5] * 10, control=0) == math.inf
    assert smallest_save_rate([], control=0) == math.inf
    assert customers_needed(0.0, 1.0, 0.1) == math.inf
    assert customers_needed(1.0, 1.0, 0.0) == math.inf


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("removed", [0.0, 0.7])
def test_customers_needed_are_as_many_as_show_the_effect(share: float, removed: float):
    customers = customers_needed(0.03, 0.4, share, removed)

    def seen(n: float) -> float:
        return smallest_effect(0.4, n * (1 - share), n * share, removed)

    assert seen(customers) <= 0.03 < seen(customers - 1)


def test_power_is_that_of_simulated_campaigns():
    generator = np.random.default_rng(7)
    effect = smallest_effect(40.0, 450, 50)
    treated = generator.normal(effect, 40.0, (4_000, 450)).mean(axis=1)
    control = generator.normal(0.0, 40.0, (4_000, 50)).mean(axis=1)
    seen = np.mean((treated - control) / (40.0 * math.sqrt(1 / 450 + 1 / 50)) > 1.96)
    assert seen == pytest.approx(POWER, abs=0.025)


def test_risk_that_is_known_leaves_nothing_to_chance():
    assert retention_variance([0.0, 1.0]) == (0.5, 1.0)
    assert retention_variance([0.0, 0.0]) == (0.0, 0.0)
    assert retention_variance([]) == (0.0, 0.0)
    # Rounded, a mean above one half of equal risks may give a variance of 1e-34.
    assert retention_variance([0.7] * 3)[1] == pytest.approx(0.0, abs=1e-12)


def test_save_rate_is_the_effect_on_retention_by_the_risk():
    p_churn = np.linspace(0.1, 0.9, 1_000)
    spread, removed = retention_variance(p_churn)
    effect = smallest_effect(spread, 900, 100, removed)
    assert smallest_save_rate(p_churn, control=100) == pytest.approx(effect / 0.5)
