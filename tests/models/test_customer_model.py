"""The whole model on a simulated shop: what holds for every prediction, storage, leakage, what is varied."""

import json
import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.config import ValueConfig
from clvml.customers import FEATURES
from clvml.errors import InputError
from clvml.models import customer_model
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.models.model_file import FORMAT_VERSION
from clvml.models.prior import BTYD_COLUMNS
from clvml.models.spend import EQUAL_WEIGHTS

from .shops import END, FIRST, check_sane, config, customer_days, log_of, simulate_log


def test_every_prediction_keeps_the_contract(features, predicted):
    check_sane(predicted)
    pd.testing.assert_index_equal(predicted.index, features.index)
    # A horizon that is the trained one is the trained forecast.
    np.testing.assert_array_equal(predicted["expected_spend_90d"], predicted["expected_spend"])
    assert (predicted["clv"] < 0.3 * predicted["expected_spend_365d"] + 1e-9).all()
    assert predicted["next_order_days"].notna().sum() > 100


def test_predictions_come_true(log):
    # The same shop observed for 90 days more, which the model has not seen.
    longer = simulate_log(1500, 820, seed=4)
    days = customer_days(longer)
    model = fit_customer_model(days, END, config())
    test = days.snapshots([END], 90)
    predicted = model.predict(test, END)
    buys = 1 - predicted["p_churn"]
    assert buys.mean() == pytest.approx(1 - test["churned"].mean(), abs=0.04)
    assert predicted["expected_spend"].sum() == pytest.approx(test["actual_spend"].sum(), rel=0.2)
    likely = buys >= buys.quantile(0.8)
    assert (1 - test["churned"])[likely].mean() > 4 * (1 - test["churned"])[~likely].mean()
    actual = test["actual_spend"].clip(lower=0.0)
    held = (actual >= predicted["expected_spend_low"]) & (actual <= predicted["expected_spend_high"])
    assert 0.74 < held.mean() < 0.92


def test_customers_with_refunds_alone_get_the_fallback(model, features, predicted):
    alone = predicted[features["purchase_days"] == 0]
    assert len(alone) == 2
    assert (alone["p_churn"] == model.fallback["p_churn"]).all()
    assert (alone["expected_spend"] == model.fallback["spend"]).all()
    assert alone["next_order_days"].isna().all()
    pd.testing.assert_frame_equal(model.predict(features.loc[alone.index], END), alone)


def test_one_customer_alone_is_the_customer_in_the_batch(model, features, predicted):
    for i in [0, 1, *range(10, len(features), 97), len(features) - 1]:
        alone = model.predict(features.iloc[[i]], END)
        pd.testing.assert_frame_equal(alone, predicted.iloc[[i]], check_exact=True)


def test_order_and_labels_of_rows_do_not_matter(model, features, predicted):
    shuffled = features.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(model.predict(shuffled, END), predicted.loc[shuffled.index])
    same_label = features.set_index(np.zeros(len(features), dtype=int))
    np.testing.assert_array_equal(model.predict(same_label, END), predicted)


def test_nobody_to_predict(model, features, predicted):
    none = model.predict(features.iloc[:0], END)
    assert len(none) == 0
    assert list(none.columns) == list(predicted.columns)


def test_features_are_left_alone(model, features):
    copy = features.copy()
    model.predict(features, END)
    pd.testing.assert_frame_equal(features, copy)


def test_value_can_be_asked_otherwise(model, features, predicted):
    double = model.predict(features, END, ValueConfig(margin=0.6))
    np.testing.assert_allclose(double["clv"], 2 * predicted["clv"])
    cost = model.predict(features, END, ValueConfig(retention_cost=4.0))
    np.testing.assert_allclose(cost["clv"], predicted["clv"] - 4)
    decade = model.predict(features, END, ValueConfig(horizon_days=3650, discount_rate=0.0))
    assert (decade["clv"] > predicted["clv"]).all()
    pd.testing.assert_frame_equal(decade.drop(columns="clv"), predicted.drop(columns="clv"))


@pytest.mark.parametrize("horizon", [30, 180])
def test_other_horizons(days, horizon):
    model = fit_customer_model(days, END, config(horizon, max_cutoffs=2))
    predicted = model.predict(days.features(END, horizon), END)
    check_sane(predicted)
    np.testing.assert_array_equal(predicted[f"expected_spend_{horizon}d"], predicted["expected_spend"])


def test_same_seed_same_numbers_whatever_happens_later(log, features, predicted):
    # Anything at or after as_of: purchases of known and of new customers, refunds, another last day.
    later = pd.concat(
        [
            log_of(["c000001", "c000002", "new", "new"], [730, 731, 730, 900], [1e6, -1e6, 5.0, 7.0]),
            log.sample(frac=1, random_state=0),
        ],
        ignore_index=True,
    )
    days = customer_days(later)
    again = fit_customer_model(days, END, config())
    pd.testing.assert_frame_equal(days.features(END, 90), features)
    pd.testing.assert_frame_equal(again.predict(features, END), predicted, check_exact=True)


def test_what_chooses_the_stacking_weights_has_not_seen_the_window_they_are_chosen_on(monkeypatch):
    days = customer_days(simulate_log(300, 300, seed=5))
    end, horizon = FIRST + timedelta(days=300), timedelta(days=50)
    fitted = []

    def noted(days, snapshots, as_of, settings, trained, *choice, attributes):
        fitted.append((as_of, list(snapshots), choice))
        return fit_trees(days, snapshots, as_of, settings, trained, *choice, attributes=attributes)

    fit_trees = customer_model.fit_trees

    monkeypatch.setattr(customer_model, "fit_trees", noted)
    model = fit_customer_model(days, end, config(50, max_cutoffs=6))
    (held_out, seen, none), (final, cutoffs, choice) = fitted
    assert final == end
    assert held_out == max(cutoffs) == end - horizon
    assert seen == [cutoff for cutoff in cutoffs if cutoff + horizon <= held_out]
    assert len(seen) == 4
    assert none == ()
    assert choice == (model.trees.churn.share, 1.0, model.trees.spend.weights)
    assert model.notes == ("forecasts carry no season: less than a year of history",)
    short = fit_customer_model(days, end, config(50, max_cutoffs=2))
    assert fitted[-1][-1] == (None, 2 / 3, EQUAL_WEIGHTS)
    assert short.trees.churn.share == 2 / 3
    assert short.notes[0].startswith("the log is too short to hold out a training window: its intervals")
    assert (model.trees.spend.share, short.trees.spend.share) == (1.0, 2 / 3)


def test_a_log_of_more_than_a_year_without_a_season_is_not_called_young():
    end = FIRST + timedelta(days=500)
    model = fit_customer_model(customer_days(simulate_log(60, 500, seed=3)), end, config(30))
    assert not model.trees.prior.season.years
    assert model.notes == ("forecasts carry no season: none can be told from chance or growth",)


def test_seed_draws_the_trees_and_the_rows(log):
    small = customer_days(simulate_log(900, 300, seed=2))
    end = FIRST + timedelta(days=300)
    features = small.features(end, 30)
    settings = config(30, max_cutoffs=3, max_rows=1000)
    thinned = fit_customer_model(small, end, settings).predict(features, end)
    check_sane(thinned)
    other = fit_customer_model(small, end, settings.model_copy(update={"seed": 8})).predict(features, end)
    assert (other["expected_spend"] != thinned["expected_spend"]).any()
    full = fit_customer_model(small, end, config(30, max_cutoffs=3)).predict(features, end)
    assert thinned["expected_spend"].sum() == pytest.approx(full["expected_spend"].sum(), rel=0.1)


def test_a_sample_of_many_customers_gives_the_forecast_of_all(monkeypatch):
    many = customer_days(simulate_log(6000, 300, seed=3))
    end = FIRST + timedelta(days=300)
    features = many.features(end, 30)
    settings = config(30, max_cutoffs=3, max_rows=1000)
    sampled = fit_customer_model(many, end, settings)
    assert "trained on 4,000 of the customers who had a line before 2022-09-28" in sampled.notes[0]
    monkeypatch.setattr(customer_model, "_CUSTOMERS_OF_A_ROW", 6)
    whole = fit_customer_model(many, end, settings)
    assert not any("trained on" in note for note in whole.notes)
    one, other = (model.predict(features, end) for model in (sampled, whole))
    check_sane(one)
    assert (one["expected_spend"] != other["expected_spend"]).any()
    for name in ("p_churn", "expected_spend", "clv"):
        assert one[name].sum() == pytest.approx(other[name].sum(), rel=0.05)


def test_saved_and_loaded_predicts_the_same(model, features, predicted, tmp_path):
    model = model.with_tiers((50.0, 20.0, 5.0), {"big_spend_365d": 90.0})
    model.save(tmp_path)
    # No NaN, which is not JSON.
    json.loads((tmp_path / "model.json").read_text(), parse_constant=pytest.fail)
    again = CustomerModel.load(tmp_path)
    pd.testing.assert_frame_equal(again.predict(features, END), predicted, check_exact=True)
    for name in (
        "config",
        "as_of",
        "columns",
        "intervals",
        "fallback",
        "tiers",
        "thresholds",
        "notes",
    ):
        assert getattr(again, name) == getattr(model, name)
    (tmp_path / "twice").mkdir()
    again.save(tmp_path / "twice")
    for path in tmp_path.glob("*.*"):
        assert (tmp_path / "twice" / path.name).read_bytes() == path.read_bytes()
    assert sorted(path.suffix for path in tmp_path.glob("*.*")) == [".json"] * 5


def test_a_model_of_another_format_is_refused(model, tmp_path):
    model.save(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    with pytest.raises(InputError, match=f"has format 99, this clvml reads {FORMAT_VERSION}; update clvml"):
        CustomerModel.load(tmp_path)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", "[" * 100_000, '{"format_version": NaN}', "\x00"])
def test_what_is_no_model_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError) as caught:
        CustomerModel.load(tmp_path)
    assert str(caught.value).startswith(f"'{tmp_path}' holds no clvml model (")
    assert str(caught.value).endswith("); give the model of a clvml training run")
    assert "\n" not in str(caught.value)


def test_a_model_that_was_changed_is_refused(model, tmp_path):
    model.save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for change in (whole.replace(b"1", b"2", 1), whole[:-20], None):
            if change is None:
                path.unlink()
            else:
                path.write_bytes(change)
            with pytest.raises(
                InputError, match=r"changed since|has format 2|holds no clvml model|lacks '"
            ) as caught:
                CustomerModel.load(tmp_path)
            assert "\n" not in str(caught.value)
        path.write_bytes(whole)
    # Written otherwise, and the same.
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    CustomerModel.load(tmp_path)
    (tmp_path / "churn.json").write_bytes((tmp_path / "gamma.json").read_bytes())
    with pytest.raises(InputError, match=r"churn\.json' was changed since"):
        CustomerModel.load(tmp_path)


def test_missing_features_are_named(model, features):
    message = (
        "the model was trained on features that this data does not have: gap_max, lines_per_day; train a model"
        " on data like this"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        model.predict(features.drop(columns=["lines_per_day", "gap_max"]), END)


def test_missing_columns_are_named():
    log = simulate_log(300, 200, seed=3)
    end = FIRST + timedelta(days=200)
    with_orders = customer_days(log.assign(order_id=range(len(log)), quantity=2.0), ["order_id", "quantity"])
    model = fit_customer_model(with_orders, end, config(30, max_cutoffs=2))
    check_sane(model.predict(with_orders.features(end, 30), end))
    message = (
        "does not have: orders_per_day, units_per_day; give the column(s) order_id, quantity as in training"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        model.predict(customer_days(log).features(end, 30), end)


def test_what_is_left_out_is_not_among_the_predictors(days, model):
    fitted = fit_customer_model(days, END, config(leave_out=["spend", "trend", "prior"]))
    gone = set(model.trees.predictors) - set(fitted.trees.predictors)
    assert set(fitted.trees.predictors) < set(model.trees.predictors)
    left_out = {f.name for f in FEATURES if f.group in ("spend", "trend") and f.predictor}
    assert gone == left_out | {*BTYD_COLUMNS, "btyd_spend", "trailing_365d"}


@pytest.mark.parametrize("base", ["btyd", "trailing", "none"])
def test_trees_start_from_the_base(days, features, model, predicted, base, tmp_path):
    # Trees that hardly learn leave the base as it is.
    start = {"base": base, "calibrate": False, "spend": "tweedie", "n_estimators": 1, "learning_rate": 1e-6}
    fitted = fit_customer_model(days, END, config(**start))
    frame = fitted.frame(features[features["purchase_days"] > 0], END)
    got = fitted.predict(features, END)
    check_sane(got)
    known = features["purchase_days"] > 0
    spend, churn = got.loc[known, "expected_spend"], got.loc[known, "p_churn"]
    if base == "none":
        assert spend.std() < 1e-3 * spend.mean()
    else:
        column = frame["btyd_spend" if base == "btyd" else "trailing_365d"]
        clear = column > column.mean() / 100
        np.testing.assert_allclose(spend[clear], column[clear], rtol=1e-4)
    if base == "btyd":
        np.testing.assert_allclose(churn, frame["btyd_p_churn"].clip(1e-4, 1 - 1e-4), rtol=1e-3)
    else:
        assert churn.std() < 1e-3
    fitted.save(tmp_path)
    pd.testing.assert_frame_equal(CustomerModel.load(tmp_path).predict(features, END), got)
