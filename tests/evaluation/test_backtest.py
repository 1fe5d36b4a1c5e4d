"""The rolling-origin backtest: nothing of the test window is trained on, and every model is there."""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.evaluation.backtest import BTYD_NAME, MODEL_NAME, run_backtest
from clvml.evaluation.baselines import BASELINES
from clvml.models.customer_model import fit_customer_model
from clvml.models.season import DAYS_OF_YEAR, Season

from ..models.test_customer_model import FIRST, config, customer_days, simulate_log

HORIZON = timedelta(days=60)
AS_OF = FIRST + timedelta(days=330)
SETTINGS = config(60, max_cutoffs=2)


@pytest.fixture(scope="module")
def days():
    return customer_days(simulate_log(700, 330, seed=6))


@pytest.fixture(scope="module")
def spied(days):
    """The backtest of two folds, with what was read in the course of it: (what, cutoff, horizon, told)."""
    read, told = [], []

    def spy(method):
        original = getattr(CustomerDays, method)

        def noted(self, cutoff, *rest, **named):
            for one in cutoff if isinstance(cutoff, list) else [cutoff]:
                read.append((method, one, rest[0] if rest else 0, len(told)))
            return original(self, cutoff, *rest, **named)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for method in ("snapshots", "features", "labels", "daily_totals"):
            patch.setattr(CustomerDays, method, spy(method))
        backtest = run_backtest(days, AS_OF, SETTINGS, folds=2, progress=told.append)
    return backtest, read, told


def test_no_label_of_training_lies_in_the_test_window(spied):
    backtest, read, told = spied
    cutoffs = sorted(cutoff.date() for cutoff in pd.to_datetime(backtest.predictions["cutoff"]).unique())
    assert cutoffs == [AS_OF - 2 * HORIZON, AS_OF - HORIZON]
    assert told == [*(f"testing as of {cutoff}" for cutoff in cutoffs), "comparing with the baselines"]
    for fold, cutoff in enumerate(cutoffs, start=1):
        of_fold = [(method, at, horizon) for method, at, horizon, number in read if number == fold]
        assert all(at <= cutoff for _, at, _ in of_fold)
        labelled = [
            (at, at + timedelta(days=horizon))
            for method, at, horizon in of_fold
            if method in ("snapshots", "labels")
        ]
        tested = [window for window in labelled if window[1] > cutoff]
        assert tested == [(cutoff, cutoff + HORIZON)]
        assert len(labelled) > 3


def test_every_model_has_its_columns(spied, days):
    backtest, _, _ = spied
    predictions = backtest.predictions
    names = [model.name for model in backtest.models]
    assert names == [MODEL_NAME, BTYD_NAME, *BASELINES]
    for column in ("cutoff", "customer_id", "actual_spend", "purchases", "churned", "low", "high"):
        assert not predictions[column].isna().any()
    for model in backtest.models:
        assert model.spend or model.churn
        if model.spend:
            assert (predictions[model.spend] >= 0).all()
        if model.churn:
            assert predictions[model.churn].between(0, 1).all()
    ours = backtest.models[0]
    assert (predictions["low"] <= predictions[ours.spend]).all()
    assert (predictions[ours.spend] <= predictions["high"]).all()
    assert backtest.leaderboard.champion == MODEL_NAME
    assert backtest.leaderboard.models == tuple(names)


def test_one_row_per_customer_and_cutoff_with_the_true_labels(spied, days):
    predictions = spied[0].predictions
    assert not predictions.duplicated(["cutoff", "customer_id"]).any()
    for cutoff in (AS_OF - 2 * HORIZON, AS_OF - HORIZON):
        truth = days.snapshots([cutoff], 60)
        fold = predictions[pd.to_datetime(predictions["cutoff"]) == pd.Timestamp(cutoff)]
        labels = ["customer_id", "actual_spend", "purchases", "churned"]
        pd.testing.assert_frame_equal(fold[labels].reset_index(drop=True), truth[labels])


def test_a_fold_is_what_training_as_of_its_date_predicts(spied, days):
    # The same numbers as in life, when nothing later was known.
    cutoff = AS_OF - 2 * HORIZON
    log = days.connection.sql(f"select * from log where order_day < date '{cutoff}'").df()
    then = customer_days(log)
    predicted = fit_customer_model(then, cutoff, SETTINGS).predict(then.features(cutoff, 60), cutoff)
    known = then.features(cutoff, 60)["purchase_days"] > 0
    backtest = spied[0]
    fold = backtest.predictions[: known.sum()]
    np.testing.assert_array_equal(fold[backtest.models[0].churn], predicted.loc[known, "p_churn"])
    np.testing.assert_array_equal(fold[backtest.models[0].spend], predicted.loc[known, "expected_spend"])


def test_the_published_model_knows_no_season(spied, days, monkeypatch):
    twice = Season((2.0,) * DAYS_OF_YEAR, 1)

    def seasonal(*arguments):
        model = fit_customer_model(*arguments)
        return replace(model, trees=replace(model.trees, prior=replace(model.trees.prior, season=twice)))

    monkeypatch.setattr("clvml.evaluation.backtest.fit_customer_model", seasonal)
    plain, busy = spied[0], run_backtest(days, AS_OF, SETTINGS, folds=1).predictions
    plain_fold = plain.predictions[plain.predictions["cutoff"] == busy["cutoff"].iloc[0]]
    ours, published = plain.models[:2]
    np.testing.assert_array_equal(busy[published.spend], plain_fold[published.spend])
    assert (busy[ours.spend].to_numpy() != plain_fold[ours.spend].to_numpy()).any()


def test_folds_come_from_the_configuration(days, monkeypatch):
    tested = []

    def noted(days, cutoff, settings):
        tested.append(cutoff)
        raise InputError("enough")

    monkeypatch.setattr("clvml.evaluation.backtest.fit_customer_model", noted)
    with pytest.raises(InputError, match="enough"):
        run_backtest(days, AS_OF, SETTINGS)
    assert tested == [AS_OF - 3 * HORIZON, AS_OF - 2 * HORIZON, AS_OF - HORIZON]


def test_a_fold_that_cannot_be_trained_leaves_the_others(days, monkeypatch):
    def fails_once(days, cutoff, settings):
        if cutoff == AS_OF - 3 * HORIZON:
            raise InputError("too early")
        return fit_customer_model(days, cutoff, settings)

    told = []
    monkeypatch.setattr("clvml.evaluation.backtest.fit_customer_model", fails_once)
    tested = run_backtest(days, AS_OF, SETTINGS, progress=told.append)
    cutoffs = sorted(pd.to_datetime(tested.predictions["cutoff"]).dt.date.unique())
    assert cutoffs == [AS_OF - 2 * HORIZON, AS_OF - HORIZON]
    assert "skipped: too early" in told


def test_a_log_too_short_for_a_fold_says_what_is_needed(days):
    as_of = FIRST + timedelta(days=87)
    message = (
        "87 days of history before 2022-03-29 are too short to test a horizon of 60 days out of time: 88 are"
        " needed; set a shorter windows.horizon_days or give more data"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        run_backtest(days, as_of, SETTINGS)
    tested = run_backtest(days, as_of + timedelta(days=1), SETTINGS)
    assert tested.predictions["cutoff"].unique().tolist() == [pd.Timestamp(FIRST) + pd.Timedelta(days=28)]


def test_rules_of_a_short_log_are_carried_on_in_proportion(days):
    # 100 days of log before the cutoff: learnt on 50, tested on 60.
    tested = run_backtest(days, FIRST + timedelta(days=160), SETTINGS, folds=1)
    mean = next(model for model in tested.models if model.name == "mean")
    learnt = days.snapshots([FIRST + timedelta(days=50)], 50)
    assert tested.predictions[mean.spend].iloc[0] == pytest.approx(learnt["actual_spend"].mean() * 60 / 50)
    assert tested.predictions[mean.churn].iloc[0] == pytest.approx(learnt["churned"].mean() ** (60 / 50))
