"""Churn trees: which are taken, what they count, and how far BTYD is believed."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.models.anchor import NO_CORRECTION
from clvml.models.churn import ChurnChoice, _calibration_slope
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.models.trees import fit_trees, with_prior

from .shops import END, config


def test_the_churn_trees_are_those_that_predict_unseen_customers_best(days):
    cutoff = END - timedelta(days=60)
    snapshot = days.snapshots([cutoff], 30)
    trees = fit_trees(days, {cutoff: snapshot}, END, config(30), 30)
    frame = with_prior(snapshot, trees.prior, cutoff, 30)

    def p_churn(churn, share, boosted=True):
        part = replace(trees.churn, trees=churn, choice=ChurnChoice(share, boosted))
        return replace(trees, churn=part, level=NO_CORRECTION).p_churn(frame)

    rng = np.random.default_rng(1)
    for truth, boosted, shares in (
        (p_churn(trees.churn.trees, 1.0), {True}, {0.75, 1.0}),
        (p_churn(trees.churn.rival, 1.0, boosted=False), {False}, {0.75, 1.0}),
        (p_churn(trees.churn.trees, 0.0), {True, False}, {0.0, 0.25}),
    ):
        drawn = np.concatenate([rng.random(len(frame)) < truth for _ in range(200)]).astype(int)
        chosen = trees.chosen_on(pd.concat([frame] * 200, ignore_index=True).assign(churned=drawn)).churn
        assert chosen.choice.boosted in boosted
        assert chosen.choice.share in shares
        assert chosen.trees is (trees.churn.trees if chosen.choice.boosted else trees.churn.rival)
    # One class says nothing of the shape.
    assert trees.chosen_on(frame.assign(churned=1)).churn.choice == ChurnChoice()


def test_churn_trees_that_start_from_nothing_are_saved_as_such(days, tmp_path):
    cutoff = END - timedelta(days=60)
    trees = fit_trees(
        days, {cutoff: days.snapshots([cutoff], 30)}, END, config(30), 30, ChurnChoice(0.5, False)
    )
    assert trees.churn.rival is None
    fitted = replace(fit_customer_model(days, END, config(30)), trees=trees)
    fitted.save(tmp_path)
    loaded = CustomerModel.load(tmp_path)
    assert not loaded.trees.churn.choice.boosted
    features = days.features(END, 30)
    pd.testing.assert_frame_equal(loaded.predict(features, END), fitted.predict(features, END))


def test_a_prior_that_is_too_sure_is_spread_less(days):
    frame = pd.DataFrame({"btyd_p_churn": np.tile([0.01, 0.99], 500)})
    churned = np.tile([0, 1], 500)
    churned[:400] = np.tile([1, 0], 200)
    weights = np.ones(1000)
    slope = _calibration_slope(frame, churned, weights)
    expected = np.log(0.6 / 0.4) / np.log(0.99 / 0.01)
    assert slope == pytest.approx(expected, rel=1e-3)
    # Never spread further, and never turned round.
    assert _calibration_slope(frame, np.tile([0, 1], 500), weights) == 1.0
    assert _calibration_slope(frame, np.tile([1, 0], 500), weights) == 0.0
    assert _calibration_slope(frame, np.ones(1000), weights) == 1.0
