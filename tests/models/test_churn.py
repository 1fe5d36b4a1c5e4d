"""Churn trees: what they count beside BTYD."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from clvml.models.anchor import NO_CORRECTION
from clvml.models.churn import best_share
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.models.trees import fit_trees, with_prior

from .shops import END, config


@pytest.mark.parametrize("truth", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shift", [0.0, 2.0], ids=["level is right", "level is off"])
def test_the_stacking_weight_is_that_of_what_comes_true_whatever_the_level(truth, shift):
    rng = np.random.default_rng(1)
    trees, prior = rng.normal(0, 1.5, (2, 40_000))
    churned = rng.random(40_000) < expit(truth * trees + (1 - truth) * prior + shift)
    assert best_share(trees, prior, churned.astype(float)) == pytest.approx(truth, abs=0.03)


def test_the_stacking_weight_stays_within_0_and_1():
    rng = np.random.default_rng(2)
    trees, prior = rng.normal(0, 1, (2, 5_000))
    for beyond, held in ((-0.5, 0.0), (1.5, 1.0)):
        churned = rng.random(5_000) < expit(beyond * trees + (1 - beyond) * prior)
        assert best_share(trees, prior, churned.astype(float)) == held
    # Equal forecasts say nothing of the weight.
    assert 0.0 <= best_share(prior, prior, (rng.random(5_000) < 0.5).astype(float)) <= 1.0


def test_churn_trees_count_what_unseen_customers_say(days):
    cutoff = END - timedelta(days=60)
    snapshot = days.snapshots([cutoff], 30)
    trees = fit_trees(days, {cutoff: snapshot}, END, config(30), 30)
    # Without a window to choose on, BTYD counts as much as one window.
    assert trees.churn.share == 1 / 2
    frame = with_prior(snapshot, trees.prior, cutoff, 30)
    rng = np.random.default_rng(1)
    for share in (0.0, 1.0):
        part = replace(trees.churn, share=share)
        truth = replace(trees, churn=part, level=NO_CORRECTION).p_churn(frame)
        drawn = np.concatenate([rng.random(len(frame)) < truth for _ in range(200)]).astype(int)
        chosen = trees.chosen_on(pd.concat([frame] * 200, ignore_index=True).assign(churned=drawn)).churn
        assert chosen.share == pytest.approx(share, abs=0.1)
        assert chosen.trees is trees.churn.trees
    # One class says nothing of the shape.
    assert trees.chosen_on(frame.assign(churned=1)).churn == trees.churn


@pytest.mark.parametrize(
    ("base", "beside"), [("blend", True), ("btyd", True), ("trailing", False), ("none", False)]
)
def test_btyd_stands_beside_the_churn_trees_where_the_base_holds_it(days, base, beside):
    cutoff = END - timedelta(days=60)
    trees = fit_trees(days, {cutoff: days.snapshots([cutoff], 30)}, END, config(30, base=base), 30, 0.5)
    frame = with_prior(days.features(END, 30).query("purchase_days > 0"), trees.prior, END, 30)
    rows = trees.rows(frame)
    alone = replace(trees.churn, share=1.0).logits(frame, rows)
    assert np.allclose(trees.churn.logits(frame, rows), alone) != beside


def test_the_stacking_weight_is_saved(days, tmp_path):
    cutoff = END - timedelta(days=60)
    trees = fit_trees(days, {cutoff: days.snapshots([cutoff], 30)}, END, config(30), 30, 0.4)
    fitted = replace(fit_customer_model(days, END, config(30)), trees=trees)
    fitted.save(tmp_path)
    loaded = CustomerModel.load(tmp_path)
    assert loaded.trees.churn.share == 0.4
    features = days.features(END, 30)
    pd.testing.assert_frame_equal(loaded.predict(features, END), fitted.predict(features, END))
