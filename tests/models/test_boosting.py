"""The estimators: scikit-learn's contract, the prior, and storage."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from clvml.models.boosting import LEAST_PRIOR_SHARE, PROBABILITY_MARGIN, ChurnClassifier, SpendRegressor

# No sampling: a row of weight two is then two rows.
SMALL = {
    "n_estimators": 40,
    "learning_rate": 0.3,
    "min_child_weight": 0.01,
    "reg_lambda": 1.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "n_jobs": 1,
}
LOSSES = ("tweedie", "gamma")


@parametrize_with_checks(
    [ChurnClassifier(**SMALL), SpendRegressor("tweedie", **SMALL), SpendRegressor("gamma", **SMALL)]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"days": rng.integers(1, 300, rows).astype(float), "spend": rng.gamma(2, 20, rows)})
    X.loc[::7, "spend"] = np.nan
    return X


def churn_of(X, seed=1):
    p = 1 / (1 + np.exp(-(X["days"] - 150) / 40))
    return (np.random.default_rng(seed).random(len(X)) < p).astype(int), p.to_numpy()


def spend_of(X, seed=1):
    mean = 2 * X["spend"].fillna(40.0).to_numpy()
    return mean * np.random.default_rng(seed).gamma(2, 0.5, len(X)), mean


# --- prior ---


def test_without_evidence_churn_is_the_prior():
    X = table()
    y, prior = churn_of(X)
    model = ChurnClassifier(**SMALL | {"reg_lambda": 1e15}).fit(X, y, prior=prior)
    np.testing.assert_allclose(model.predict_proba(X, prior)[:, 1], prior, rtol=1e-5)
    others = np.full(len(X), 0.3)
    np.testing.assert_allclose(model.predict_proba(X, others)[:, 1], 0.3, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_evidence_spend_is_the_prior(loss):
    X = table()
    y, prior = spend_of(X)
    model = SpendRegressor(loss, **SMALL | {"reg_lambda": 1e15}).fit(X, y, prior=prior)
    np.testing.assert_allclose(model.predict(X, prior), prior, rtol=1e-5)


def test_features_that_say_nothing_leave_a_true_prior():
    X = table(4000)
    y, prior = churn_of(X)
    noise = np.random.default_rng(2).normal(size=(4000, 3))
    p = ChurnClassifier(n_jobs=1).fit(noise, y, prior=prior).predict_proba(noise, prior)[:, 1]
    assert np.abs(p - prior).max() < 0.2
    assert np.abs(p - prior).mean() < 0.03


@pytest.mark.parametrize("loss", LOSSES)
def test_a_prior_of_twice_the_truth_is_halved(loss):
    X = table(4000)
    y, mean = spend_of(X)
    noise = np.random.default_rng(2).normal(size=(4000, 3))
    predicted = SpendRegressor(loss, n_jobs=1).fit(noise, y, prior=2 * mean).predict(noise, 2 * mean)
    assert predicted.sum() == pytest.approx(mean.sum(), rel=0.05)


def test_prior_helps_where_features_are_few():
    X = table(300)
    y, prior = churn_of(X)
    other = table(3000, seed=5)
    truth = churn_of(other)[1]
    plain = ChurnClassifier(n_jobs=1).fit(X, y).predict_proba(other)[:, 1]
    guided = ChurnClassifier(n_jobs=1).fit(X, y, prior=prior).predict_proba(other, truth)[:, 1]
    assert np.abs(guided - truth).mean() < np.abs(plain - truth).mean() / 2


def test_certain_and_empty_priors_are_held_off_the_edge():
    X = table()
    y, _ = churn_of(X)
    churn = ChurnClassifier(**SMALL | {"reg_lambda": 1e15}).fit(X, y, prior=y)
    np.testing.assert_allclose(churn.predict_proba(X, y)[:, 1].min(), PROBABILITY_MARGIN, rtol=1e-4)
    spend, _ = spend_of(X)
    none = np.zeros(len(X))
    model = SpendRegressor(**SMALL | {"reg_lambda": 1e15}).fit(X, spend, prior=none)
    np.testing.assert_allclose(model.predict(X, none), spend.mean() * LEAST_PRIOR_SHARE, rtol=1e-4)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([0.5] * 3, "prior must have one row per customer: got 3 rows for 400 customers"),
        ([0.5] * 399 + [np.nan], "prior must be >= 0 and finite: 1 of 400 rows is not (row 399: nan)"),
        ([0.5] * 399 + [-1.0], "prior must be >= 0 and finite: 1 of 400 rows is not (row 399: -1.0)"),
    ],
)
def test_impossible_priors_are_refused(prior, message):
    X = table()
    y, _ = churn_of(X)
    for model in (ChurnClassifier(**SMALL), SpendRegressor(**SMALL)):
        with pytest.raises(ValueError, match=re.escape(message)):
            model.fit(X, y, prior=prior)
        with pytest.raises(ValueError, match=re.escape(message)):
            model.fit(X, y).predict(X, prior)


# --- spend ---


@pytest.mark.parametrize("loss", LOSSES)
def test_unit_of_money_is_free(loss):
    X = table()
    y, prior = spend_of(X)
    pounds = SpendRegressor(loss, **SMALL).fit(X, y, prior=prior)
    yen = SpendRegressor(loss, **SMALL).fit(X, 1024 * y, prior=1024 * prior)
    np.testing.assert_allclose(yen.predict(X, 1024 * prior), 1024 * pounds.predict(X, prior), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_spend_is_never_negative_and_refunds_count_as_none(loss):
    X = table()
    y, _ = spend_of(X)
    refunded = np.where(np.arange(len(y)) % 3, y, -5.0)
    model = SpendRegressor(loss, **SMALL).fit(X, refunded)
    assert (model.predict(X) > 0).all()
    clipped = SpendRegressor(loss, **SMALL).fit(X, np.maximum(refunded, 0.0))
    np.testing.assert_array_equal(model.predict(X), clipped.predict(X))
    nothing = SpendRegressor(loss, **SMALL).fit(X, np.zeros(len(X))).predict(X)
    assert np.isfinite(nothing).all()
    assert (nothing < 0.01).all()


def test_heavier_rows_pull_the_scale():
    model = SpendRegressor(**SMALL).fit([[0.0], [1.0]], [10.0, 40.0], sample_weight=[2.0, 1.0])
    assert model.scale_ == pytest.approx(20.0)


# --- storage and shape ---


def fitted():
    X = table()
    y, prior = churn_of(X)
    spend, forecast = spend_of(X)
    yield ChurnClassifier(**SMALL).fit(X, y, prior=prior), X, prior
    for loss in LOSSES:
        yield SpendRegressor(loss, **SMALL).fit(X, spend, prior=forecast), X, forecast


def scores(model, X, prior):
    return model.predict_proba(X, prior) if isinstance(model, ChurnClassifier) else model.predict(X, prior)


def test_saved_and_loaded_predicts_the_same(tmp_path):
    for model, X, prior in fitted():
        model.save(tmp_path / "trees.json")
        if isinstance(model, ChurnClassifier):
            again = ChurnClassifier().load(tmp_path / "trees.json")
            np.testing.assert_array_equal(again.predict(X, prior), model.predict(X, prior))
        else:
            again = SpendRegressor(model.loss).load(tmp_path / "trees.json", model.scale_)
        np.testing.assert_array_equal(scores(again, X, prior), scores(model, X, prior))
        assert again.feature_names_in_.tolist() == ["days", "spend"]
        assert again.n_features_in_ == 2


def test_one_row_alone_is_the_row_in_the_batch():
    for model, X, prior in fitted():
        batch = scores(model, X, prior)
        for i in (0, 7, 399):
            alone = scores(model, X.iloc[[i]], prior[[i]])
            np.testing.assert_array_equal(alone[0], batch[i])


def test_same_seed_same_trees():
    X = table()
    y, _ = churn_of(X)
    sampled = {**SMALL, "subsample": 0.5, "colsample_bytree": 0.5}
    first, again, other = (
        ChurnClassifier(**sampled, random_state=seed).fit(X, y).predict_proba(X)[:, 1] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_other_features_are_refused(tmp_path):
    message = "The feature names should match those that were passed during fit"
    for model, X, prior in fitted():
        with pytest.raises(ValueError, match=message):
            model.predict(X.rename(columns={"days": "age"}), prior)
        with pytest.raises(ValueError, match=message):
            model.predict(X[["spend", "days"]], prior)
        model.save(tmp_path / "trees.json")
        loaded = model.load(tmp_path / "trees.json", *([1.0] if isinstance(model, SpendRegressor) else []))
        with pytest.raises(ValueError, match=message):
            loaded.predict(X.rename(columns={"days": "age"}), prior)


def test_wrong_arguments_are_refused():
    X = table()
    y, _ = churn_of(X)
    with pytest.raises(
        ValueError, match=re.escape("y holds 1 class(es), and two are needed; use a history in which some")
    ):
        ChurnClassifier(**SMALL).fit(X, np.ones(len(X)))
    with pytest.raises(ValueError, match="loss must be 'tweedie' or 'gamma', currently set to 'poisson'"):
        SpendRegressor("poisson", **SMALL).fit(X, y)
    for model in (ChurnClassifier(**SMALL), SpendRegressor(**SMALL)):
        with pytest.raises(ValueError, match="sample_weight is zero for all 400 rows"):
            model.fit(X, y, sample_weight=np.zeros(len(X)))
        with pytest.raises(ValueError, match=re.escape("sample_weight must be >= 0 and finite")):
            model.fit(X, y, sample_weight=-np.ones(len(X)))
        with pytest.raises(NotFittedError):
            type(model)().predict(X)
        with pytest.raises(NotFittedError):
            type(model)().save("nowhere.json")
