"""Whom a cut-off reaches: by hand, and where there is nobody."""

import numpy as np

from clvml.evaluation.reach import CUTOFFS, churn_reach


def test_every_customer_is_a_leaver_or_a_stayer_and_a_higher_cutoff_reaches_fewer():
    rng = np.random.default_rng(1)
    p_churn = rng.random(5000)
    reach = churn_reach(rng.random(5000) < p_churn, p_churn)
    assert tuple(reach["p_churn"]) == CUTOFFS
    assert (reach["leavers"] + reach["stayers"] == reach["customers"]).all()
    assert reach["customers"].is_monotonic_decreasing
    assert reach["recall"].is_monotonic_decreasing
    # Calibrated: of those from .9 on, about 95 % leave.
    assert abs(reach["precision"].iloc[-1] - 0.95) < 0.03


def test_a_score_on_the_cutoff_is_reached():
    assert churn_reach([1], [0.3], (0.3,))["customers"].tolist() == [1]


def test_nobody_reached_and_nobody_left():
    assert np.isnan(churn_reach([1, 0], [0.2, 0.1], (0.5,))["precision"]).all()
    nobody_left = churn_reach([0, 0], [0.9, 0.1], (0.5,))
    assert nobody_left["stayers"].tolist() == [1]
    assert np.isnan(nobody_left["recall"]).all()
