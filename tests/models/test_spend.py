"""Spend trees: a mean with their prior, and what each form counts in the stack."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from clvml.models.anchor import NO_CORRECTION
from clvml.models.customer_model import fit_customer_model
from clvml.models.spend import EQUAL_WEIGHTS, STACKED, Spend
from clvml.models.trees import with_prior

from .shops import END, config


@pytest.mark.parametrize("base", ["blend", "none"])
def test_spend_is_a_mean_of_trees_and_their_prior(days, base):
    cutoff = END - timedelta(days=60)
    fitted = fit_customer_model(days, END, config(base=base, n_estimators=8)).trees
    frame = with_prior(days.snapshots([cutoff], 30), fitted.prior, cutoff, 30)
    p_churn = fitted.p_churn(frame)
    free = replace(fitted, level=NO_CORRECTION)
    alone = free.spends(frame, p_churn)
    for share in (0.0, 0.25, 1.0):
        mixed = replace(free, spend=replace(free.spend, share=share)).spends(frame, p_churn)
        for form in ("tweedie", "hurdle", "alone", "mean"):
            spend = alone[form]
            rest = spend if base == "none" else fitted.spend.prior(frame)
            np.testing.assert_allclose(mixed[form], share * spend + (1 - share) * rest)


def test_the_forms_of_spend_count_what_unseen_customers_say(days):
    cutoff = END - timedelta(days=60)
    trees = fit_customer_model(days, END, config(n_estimators=8)).trees
    frame = with_prior(days.snapshots([cutoff], 30), trees.prior, cutoff, 30)
    forms = trees.spends(frame, trees.p_churn(frame))
    for place, form in enumerate(("tweedie", "hurdle", "alone")):
        # Whoever is right about everybody counts nearly everything.
        weights = trees.spend.best_weights(forms, 3.0 * forms[form])
        assert sum(weights) == pytest.approx(1.0)
        assert min(weights) >= 0.0
        assert np.argmax(weights) == place
        assert weights[place] > 0.7
    assert trees.spend.best_weights(forms, np.zeros(len(frame))) == EQUAL_WEIGHTS


def test_the_stack_is_a_geometric_mean_of_the_same_total(days):
    cutoff = END - timedelta(days=60)
    trees = fit_customer_model(days, END, config(n_estimators=8)).trees
    frame = with_prior(days.snapshots([cutoff], 30), trees.prior, cutoff, 30)
    forms = trees.spends(frame, trees.p_churn(frame))
    spend = replace(trees.spend, weights=(0.0, 0.25, 0.75))
    level = trees.level._replace(stack=spend.level_of_stack(forms))
    stacked = replace(trees, spend=spend, level=level).spends(frame, trees.p_churn(frame))["stack"]
    ratio = stacked / (forms["hurdle"] ** 0.25 * forms["alone"] ** 0.75)
    np.testing.assert_allclose(ratio, ratio[0])
    assert stacked.sum() == pytest.approx(0.25 * forms["hurdle"].sum() + 0.75 * forms["alone"].sum())


@pytest.mark.parametrize("calibrate", [True, False])
def test_the_customers_of_today_have_the_same_total_by_the_stack_as_by_its_forms(days, calibrate):
    trees = fit_customer_model(days, END, config(n_estimators=8, calibrate=calibrate)).trees
    now = days.features(END, 90)
    frame = with_prior(now[now["purchase_days"] > 0], trees.prior, END, 90)
    forms = trees.spends(frame, trees.p_churn(frame))
    total = sum(w * forms[form].sum() for w, form in zip(trees.spend.weights, STACKED, strict=True))
    assert forms["stack"].sum() == pytest.approx(total)


def test_nobody_who_never_buys_spends_by_the_stack():
    spend = Spend(weights=(0.5, 0.5, 0.0))
    forms = {"tweedie": np.array([4.0, 4.0]), "hurdle": np.array([1.0, 0.0]), "alone": np.array([0.0, 0.0])}
    assert spend.level_of_stack(forms) == pytest.approx(4.5 / 2.0)
    assert spend.level_of_stack(dict.fromkeys(STACKED, np.zeros(2))) == 1.0


@pytest.mark.parametrize("form", ["tweedie", "hurdle"])
def test_a_chosen_form_is_used(days, features, predicted, form):
    spend = fit_customer_model(days, END, config(spend=form)).predict(features, END)["expected_spend"]
    assert (spend != predicted["expected_spend"]).any()
    assert spend.sum() == pytest.approx(predicted["expected_spend"].sum())
