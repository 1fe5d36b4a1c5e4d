"""Each half of the customers is predicted by trees of the other half: what intervals of short logs are learnt from."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.customers.windows import training_cutoffs
from clvml.models.customer_model import fit_customer_model
from clvml.models.intervals import fit_intervals
from clvml.models.trees import cross_fitted

from .shops import FIRST, config, customer_days, simulate_log

END, CUTOFF = FIRST + timedelta(days=150), FIRST + timedelta(days=100)


def first_half(snapshot):
    return pd.util.hash_pandas_object(snapshot["customer_id"], index=False).to_numpy() % 2 == 0


@pytest.fixture(scope="module")
def short():
    """Configuration, model and the windows that it was fitted on."""
    days, settings = customer_days(simulate_log(600, 150, seed=3)), config(50, max_cutoffs=2)
    snapshots = {
        cutoff: days.snapshots([cutoff], 50) for cutoff in training_cutoffs(FIRST, END, settings.windows)
    }
    assert max(snapshots) == CUTOFF
    return settings, fit_customer_model(days, END, settings), snapshots


def test_intervals_of_a_short_log_are_learnt_from_unseen_customers(short):
    settings, model, snapshots = short
    assert "forecasts of each half of the customers by trees of the other half" in model.notes[0]
    p_churn, spend = cross_fitted(model.trees, snapshots, settings)
    actual = snapshots[CUTOFF]["actual_spend"]
    assert model.intervals == fit_intervals(spend, p_churn, actual, level_spread=model.trees.level.spread)


def test_groups_of_a_log_that_is_carried_on_are_those_of_spend_over_the_whole_horizon():
    days, settings = customer_days(simulate_log(600, 150, seed=3)), config(150, max_cutoffs=1)
    model = fit_customer_model(days, END, settings)
    assert model.trees.horizon_days == 75
    cutoff = END - timedelta(days=75)
    snapshots = {cutoff: days.snapshots([cutoff], 150, label_days=75)}
    p_churn, spend = cross_fitted(model.trees, snapshots, settings)
    learnt = fit_intervals(spend, p_churn, snapshots[cutoff]["actual_spend"])
    np.testing.assert_allclose(model.intervals.expected, 2 * np.array(learnt.expected))
    np.testing.assert_allclose(model.intervals.ratios, learnt.ratios)


def test_nobodys_forecast_knows_what_they_did(short):
    settings, model, snapshots = short
    p_churn, spend = cross_fitted(model.trees, snapshots, settings)
    first = first_half(snapshots[CUTOFF])
    assert 0.4 < first.mean() < 0.6
    other = {}
    for cutoff, snapshot in snapshots.items():
        # What the first half does is turned round, in all windows.
        changed, mine = snapshot.copy(), first_half(snapshot)
        changed.loc[mine, "churned"] = 1 - changed.loc[mine, "churned"]
        changed.loc[mine, "actual_spend"] = np.where(changed.loc[mine, "churned"] == 1, 0.0, 500.0)
        other[cutoff] = changed
    again, spend_again = cross_fitted(model.trees, other, settings)
    np.testing.assert_array_equal(again[first], p_churn[first])
    np.testing.assert_array_equal(spend_again[first], spend[first])
    assert (again[~first] != p_churn[~first]).mean() > 0.9
    assert (spend_again[~first] != spend[~first]).mean() > 0.9


def test_forecasts_are_at_the_level_of_the_window(short):
    settings, model, snapshots = short
    p_churn, spend = cross_fitted(model.trees, snapshots, settings)
    actual = snapshots[CUTOFF]
    assert p_churn.mean() == pytest.approx(actual["churned"].mean(), abs=0.03)
    assert spend.sum() == pytest.approx(actual["actual_spend"].sum(), rel=0.1)
    # The anchor moves the trees to today's level, which is another one.
    shifted = model.trees.level._replace(churn_shift=2.0, tweedie=9.0, hurdle=9.0, alone=9.0)
    moved = cross_fitted(replace(model.trees, level=shifted), snapshots, settings)
    np.testing.assert_array_equal(moved, (p_churn, spend))


def test_a_half_without_anything_to_learn_leaves_the_other_to_the_prior(short):
    settings, model, snapshots = short
    silent = {}
    for cutoff, snapshot in snapshots.items():
        mine = first_half(snapshot)
        silent[cutoff] = snapshot.assign(
            churned=snapshot["churned"].where(~mine, 1),
            actual_spend=snapshot["actual_spend"].where(~mine, 0.0),
        )
    p_churn, spend = cross_fitted(model.trees, silent, settings)
    prior = model.trees.prior.forecast(snapshots[CUTOFF], CUTOFF, 50)
    other = ~first_half(snapshots[CUTOFF])
    np.testing.assert_allclose(p_churn[other], prior["btyd_p_churn"][other])
    np.testing.assert_allclose(spend[other], prior["btyd_spend"][other])


def test_one_customer_is_left_to_the_prior(short):
    settings, model, snapshots = short
    alone = {CUTOFF: snapshots[CUTOFF].iloc[:1]}
    p_churn, _ = cross_fitted(model.trees, alone, settings)
    np.testing.assert_allclose(p_churn, model.trees.prior.forecast(alone[CUTOFF], CUTOFF, 50)["btyd_p_churn"])
