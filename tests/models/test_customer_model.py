"""The whole model on simulated shops: what holds for every prediction, storage, leakage, hard data."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvml.config import ValueConfig, parse_config
from clvml.customers import FEATURES
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.models import customer_model
from clvml.models import trees as trees_module
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.models.intervals import BUYER_SPREAD, LEVEL_SPREAD, SHORT_LOG_BUYER_SPREAD
from clvml.models.model_file import FORMAT_VERSION
from clvml.models.outlook import HORIZONS
from clvml.models.prior import BTYD_COLUMNS
from clvml.models.season import Season
from clvml.models.trees import NO_CORRECTION, ChurnChoice, Level, Trees, fit_trees, with_prior

FIRST = date(2022, 1, 1)
END = date(2024, 1, 1)
MONEY = ["expected_spend_low", "expected_spend", "expected_spend_high"]
BY_HORIZON = [f"expected_spend_{days}d" for days in HORIZONS]


def simulate_log(customers, days, seed, season=None, joined=lambda uniform: None):
    """Draw an order log of MBG/NBD buyers from `FIRST` on, with a few refunds.

    ``season`` thins the purchases by day of the year; ``joined`` turns uniform numbers into days of arrival,
    which without it are spread evenly.
    """
    rng = np.random.default_rng(seed)
    uniform = rng.random(customers)
    now = joined(uniform)
    now = days * uniform if now is None else now.copy()
    rate, mean = rng.gamma(0.8, 1 / 40, customers), rng.gamma(3, 10, customers)
    dropout = rng.beta(0.6, 2.5, customers)
    active = np.ones(customers, dtype=bool)
    bought = []
    while active.any():
        bought += zip(np.flatnonzero(active), now[active], strict=True)
        active &= rng.random(customers) >= dropout
        now = now + rng.exponential(1 / rate)
        active &= now < days
    who, when = (np.array(part) for part in zip(*bought, strict=True))
    if season is not None:
        kept = rng.random(len(who)) < (season / season.max())[when.astype(int) % 365]
        who, when = who[kept], when[kept]
    amount = rng.gamma(4, mean[who] / 4) + 0.01
    refunded = rng.random(len(who)) < 0.03
    who, amount = np.r_[who, who[refunded]], np.r_[amount, -amount[refunded]]
    when = np.r_[when, np.minimum(when[refunded] + 5, days - 1)].astype(int)
    return log_of(np.char.add("c", np.char.zfill(who.astype(str), 6)), when, amount.round(2))


def log_of(customers, days, amounts):
    """An order log from customer ids, days since `FIRST` and amounts; one row per order."""
    dates = pd.Timestamp(FIRST) + pd.to_timedelta(np.asarray(days), unit="D")
    return pd.DataFrame({"customer_id": customers, "order_day": dates, "amount": np.asarray(amounts, float)})


def customer_days(log, columns=()):
    connection = duckdb.connect(config={"threads": 1})
    connection.register("frame", log)
    connection.execute("create table log as select * replace (order_day::date as order_day) from frame")
    return CustomerDays(connection, "log", columns)


def config(horizon_days=90, max_cutoffs=4, **model):
    small = {"n_estimators": 15, "learning_rate": 0.2, "n_jobs": 1}
    return parse_config(
        {
            "data": {
                "source": "log.csv",
                "columns": {"customer_id": "customer", "order_date": "date", "amount": "amount"},
            },
            "windows": {"horizon_days": horizon_days, "max_cutoffs": max_cutoffs},
            "model": small | model,
            "evaluation": {"bootstrap_samples": 100},
            "seed": 7,
        }
    )


@pytest.fixture(scope="module")
def log():
    refunds_only = log_of(["z1", "z2"], [300, 400], [-9.0, -20.0])
    return pd.concat([simulate_log(1500, 730, seed=1), refunds_only], ignore_index=True)


@pytest.fixture(scope="module")
def days(log):
    return customer_days(log)


@pytest.fixture(scope="module")
def model(days):
    return fit_customer_model(days, END, config())


@pytest.fixture(scope="module")
def features(days):
    return days.features(END, 90)


@pytest.fixture(scope="module")
def predicted(model, features):
    return model.predict(features, END)


def check_sane(predicted):
    """What the scored file promises of every row."""
    numbers = predicted.drop(columns="next_order_days")
    assert np.isfinite(numbers.to_numpy()).all()
    assert predicted["p_churn"].between(0, 1).all()
    assert (predicted["expected_orders"] >= 0).all()
    assert (predicted["expected_spend_low"] >= 0).all()
    assert (np.diff(predicted[MONEY], axis=1) >= 0).all()
    assert (np.diff(predicted[BY_HORIZON], axis=1, prepend=0.0) >= 0).all()
    assert (predicted["next_order_days"].isna() | predicted["next_order_days"].between(1, 365)).all()


# --- what is predicted ---


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


# --- seed, storage ---


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


def test_what_chooses_the_churn_trees_has_not_seen_the_window_they_are_chosen_on(monkeypatch):
    days = customer_days(simulate_log(300, 300, seed=5))
    end, horizon = FIRST + timedelta(days=300), timedelta(days=50)
    fitted, spreads = [], []

    def noted(days, snapshots, as_of, settings, trained, *choice):
        fitted.append((as_of, list(snapshots), choice))
        return fit_trees(days, snapshots, as_of, settings, trained, *choice)

    fit_trees = customer_model.fit_trees

    def noted_spread(*forecasts, buyer_spread, **rest):
        spreads.append(buyer_spread)
        return fit_intervals(*forecasts, buyer_spread=buyer_spread, **rest)

    fit_intervals = customer_model.fit_intervals
    monkeypatch.setattr(customer_model, "fit_trees", noted)
    monkeypatch.setattr(customer_model, "fit_intervals", noted_spread)
    model = fit_customer_model(days, end, config(50, max_cutoffs=6))
    (held_out, seen, none), (final, cutoffs, choice) = fitted
    assert final == end
    assert held_out == max(cutoffs) == end - horizon
    assert seen == [cutoff for cutoff in cutoffs if cutoff + horizon <= held_out]
    assert len(seen) == 4
    assert none == ()
    assert choice == (
        ChurnChoice(model.trees.churn_share, model.trees.churn_boosted),
        1.0,
        model.trees.spend_weights,
    )
    assert model.notes == (
        "less than a year of history, or no season that can be told from chance or growth: forecasts carry none",
    )
    short = fit_customer_model(days, end, config(50, max_cutoffs=2))
    assert fitted[-1][-1] == (ChurnChoice(), 2 / 3, (0.4, 0.4, 0.2))
    assert (short.trees.churn_share, short.trees.churn_boosted) == ChurnChoice()
    assert short.notes[0].startswith("the log is too short to hold out a training window: its intervals")
    assert spreads == [BUYER_SPREAD, SHORT_LOG_BUYER_SPREAD]
    assert (model.trees.spend_share, short.trees.spend_share) == (1.0, 2 / 3)


@pytest.mark.parametrize("base", ["blend", "none"])
def test_spend_is_a_mean_of_trees_and_their_prior(days, base):
    cutoff = END - timedelta(days=60)
    fitted = fit_customer_model(days, END, config(base=base, n_estimators=8)).trees
    frame = with_prior(days.snapshots([cutoff], 30), fitted.prior, cutoff, 30)
    p_churn = fitted.p_churn(frame)
    free = replace(fitted, level=NO_CORRECTION)
    alone = free.spends(frame, p_churn)
    for share in (0.0, 0.25, 1.0):
        mixed = replace(free, spend_share=share).spends(frame, p_churn)
        for form, spend in alone.items():
            rest = spend if base == "none" else fitted.spend_prior(frame)
            np.testing.assert_allclose(mixed[form], share * spend + (1 - share) * rest)


def test_the_forms_of_spend_count_what_unseen_customers_say(days, monkeypatch):
    cutoff = END - timedelta(days=60)
    trees = fit_customer_model(days, END, config(n_estimators=8)).trees
    frame = with_prior(days.snapshots([cutoff], 30), trees.prior, cutoff, 30)
    forms = trees.spends(frame, trees.p_churn(frame))
    for place, form in enumerate(("tweedie", "hurdle", "alone")):
        # Whoever is right about everybody counts nearly everything.
        weights = trees.best_spend(frame, 3.0 * forms[form])
        assert sum(weights) == pytest.approx(1.0)
        assert min(weights) >= 0.0
        assert np.argmax(weights) == place
        assert weights[place] > 0.7
    assert trees.best_spend(frame, np.zeros(len(frame))) == (0.4, 0.4, 0.2)
    stacked = replace(trees, spend_weights=(0.0, 0.25, 0.75)).spends(frame, trees.p_churn(frame))["stack"]
    np.testing.assert_allclose(stacked, 0.25 * forms["hurdle"] + 0.75 * forms["alone"])


def test_the_level_is_relied_on_as_far_as_past_windows_allow(model):
    frame = pd.DataFrame({"btyd_spend": [1.0, 1.0], "trailing_365d": [1.0, 1.0], "btyd_p_churn": [0.5, 0.5]})
    alone = Trees(model.trees.prior, 30, blend=np.array([1.0, 0, 0, 0, 0]))
    for name in ("own_value_spend", "trailing_180d", "trailing_90d"):
        frame[name] = 0.0

    def spread(actual, step=30):
        cutoffs = [FIRST + timedelta(days=step * k) for k in range(len(actual))]
        totals = pd.DataFrame(
            {"actual_spend": actual, "btyd_spend": 1.0, "trailing_365d": 1.0}, index=cutoffs
        )
        return trees_module._level(alone, frame, totals).spread

    one, steady, wild = spread([1.0]), spread([1.0] * 12), spread([0.5, 2.0] * 6)
    assert steady == pytest.approx(np.sqrt(4 * LEVEL_SPREAD**2 / 16))
    assert one == pytest.approx(np.sqrt(4 * LEVEL_SPREAD**2 / 5))
    assert steady < one < LEVEL_SPREAD < wild < np.log(2)
    # Windows that overlap say less.
    assert steady < spread([1.0] * 12, step=10) < one
    # Of a miss that all windows share, a third is added to the level, and two thirds are left.
    left = np.log(2) * 2 / 3
    assert spread([2.0] * 12) == pytest.approx(np.sqrt((4 * LEVEL_SPREAD**2 + 12 * left**2) / 16))
    assert model.intervals.level_spread == model.trees.level.spread != LEVEL_SPREAD


def test_the_churn_trees_are_those_that_predict_unseen_customers_best(days):
    cutoff = END - timedelta(days=60)
    snapshot = days.snapshots([cutoff], 30)
    trees = fit_trees(days, {cutoff: snapshot}, END, config(30), 30)
    frame = with_prior(snapshot, trees.prior, cutoff, 30)

    def p_churn(churn, **choice):
        return replace(trees, churn=churn, level=NO_CORRECTION, **choice).p_churn(frame)

    rng = np.random.default_rng(1)
    for truth, boosted, shares in (
        (p_churn(trees.churn, churn_share=1.0), {True}, {0.75, 1.0}),
        (p_churn(trees.churn_rival, churn_share=1.0, churn_boosted=False), {False}, {0.75, 1.0}),
        (p_churn(trees.churn, churn_share=0.0), {True, False}, {0.0, 0.25}),
    ):
        drawn = np.concatenate([rng.random(len(frame)) < truth for _ in range(200)]).astype(int)
        chosen = trees.best_churn(pd.concat([frame] * 200, ignore_index=True), drawn)
        assert chosen.churn_boosted in boosted
        assert chosen.churn_share in shares
    # One class says nothing of the shape.
    assert trees.best_churn(frame, np.ones(len(frame))) == ChurnChoice()


def test_churn_trees_that_start_from_nothing_are_saved_as_such(days, tmp_path):
    cutoff = END - timedelta(days=60)
    trees = fit_trees(
        days, {cutoff: days.snapshots([cutoff], 30)}, END, config(30), 30, ChurnChoice(0.5, False)
    )
    assert trees.churn_rival is None
    fitted = replace(fit_customer_model(days, END, config(30)), trees=trees)
    fitted.save(tmp_path)
    loaded = CustomerModel.load(tmp_path)
    assert not loaded.trees.churn_boosted
    features = days.features(END, 30)
    pd.testing.assert_frame_equal(loaded.predict(features, END), fitted.predict(features, END))


def test_a_window_without_sales_or_with_a_great_refund_moves_the_level_little(days):
    lines = simulate_log(300, 400, seed=8)
    end = FIRST + timedelta(days=400)

    def total(log):
        shop = customer_days(log)
        fitted = fit_customer_model(shop, end, config(30, max_cutoffs=6))
        return float(fitted.predict(shop.features(end, 30), end)["expected_spend"].sum())

    usual = total(lines)
    refund = lines.iloc[[0]].assign(order_day=end - timedelta(days=5), amount=-1e6)
    assert total(pd.concat([lines, refund], ignore_index=True)) > usual / 2
    day = pd.to_datetime(lines["order_day"]).dt.date
    closed = (day >= end - timedelta(days=90)) & (day < end - timedelta(days=45))
    assert total(lines[~closed]) > usual / 3


def test_a_prior_that_is_too_sure_is_spread_less(days):
    frame = pd.DataFrame({"btyd_p_churn": np.tile([0.01, 0.99], 500)})
    churned = np.tile([0, 1], 500)
    churned[:400] = np.tile([1, 0], 200)
    weights = np.ones(1000)
    slope = trees_module._churn_slope(frame, churned, weights)
    expected = np.log(0.6 / 0.4) / np.log(0.99 / 0.01)
    assert slope == pytest.approx(expected, rel=1e-3)
    # Never spread further, and never turned round.
    assert trees_module._churn_slope(frame, np.tile([0, 1], 500), weights) == 1.0
    assert trees_module._churn_slope(frame, np.tile([1, 0], 500), weights) == 0.0
    assert trees_module._churn_slope(frame, np.ones(1000), weights) == 1.0


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
    with pytest.raises(InputError, match=f"has format 99, this clvml reads {FORMAT_VERSION}; train it again"):
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
            with pytest.raises(InputError, match=r"changed since|holds no clvml model|lacks '") as caught:
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


# --- too little to learn from ---


def fit_and_predict(log, as_of_day, horizon, **settings):
    """Fit as of a day since `FIRST`, check every promise of a prediction, and return both."""
    days, as_of = customer_days(log), FIRST + timedelta(days=as_of_day)
    model = fit_customer_model(days, as_of, config(horizon, max_cutoffs=3, **settings))
    predicted = model.predict(days.features(as_of, horizon), as_of)
    check_sane(predicted)
    return model, predicted


def test_a_short_log_is_carried_on_from_a_shorter_horizon(tmp_path):
    log = simulate_log(1500, 400, seed=8)
    short, carried = fit_and_predict(
        log[log["order_day"] < pd.Timestamp(FIRST + timedelta(days=200))], 200, 180
    )
    assert short.trees.horizon_days == 100
    assert short.notes[0] == (
        "200 days of history are too short to train on 180-day windows: trained on 100 days, and carried on from"
        " there as the purchase model (BTYD) expects"
    )
    shorter = short.trees.p_churn(
        short.frame(customer_days(log).features(short.as_of, 180), short.as_of, 100)
    )
    assert (carried["p_churn"] < shorter).all()
    # What then happened in those 180 days.
    test = customer_days(log).snapshots([short.as_of], 180)
    assert carried["p_churn"].mean() == pytest.approx(test["churned"].mean(), abs=0.05)
    assert carried["expected_spend"].sum() == pytest.approx(test["actual_spend"].sum(), rel=0.25)
    short.save(tmp_path)
    again = CustomerModel.load(tmp_path)
    features = customer_days(log).features(short.as_of, 180)
    pd.testing.assert_frame_equal(
        again.predict(features, short.as_of), short.predict(features, short.as_of), check_exact=True
    )


def test_btyd_predicts_alone_where_nothing_can_be_trained(tmp_path):
    log = simulate_log(400, 27, seed=3, joined=lambda uniform: 27 * uniform)
    model, predicted = fit_and_predict(log, 27, 90)
    assert model.notes == (
        "27 days of history are too short to train on: the purchase model (BTYD) predicts alone, and the intervals"
        " are a rule of thumb",
    )
    assert model.newest_cutoff == model.as_of
    model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    again = CustomerModel.load(tmp_path)
    features = customer_days(log).features(model.as_of, 90)
    pd.testing.assert_frame_equal(again.predict(features, model.as_of), predicted, check_exact=True)


@pytest.mark.parametrize("seed", range(4))
def test_the_few_who_buy_again_are_never_thinned_out(seed):
    once = log_of([f"c{i:04}" for i in range(3000)], np.arange(3000) % 150, np.ones(3000))
    again = log_of(["c0001", "c0002"], [190, 185], [5.0, 7.0])
    log = pd.concat([once, again], ignore_index=True)
    days, as_of = customer_days(log), FIRST + timedelta(days=200)
    settings = config(30, max_cutoffs=3, max_rows=1000).model_copy(update={"seed": seed})
    model = fit_customer_model(days, as_of, settings)
    check_sane(model.predict(days.features(as_of, 30), as_of))


def test_windows_without_buyers_leave_it_to_btyd():
    log = pd.concat([log_of(["a"], [0], [-1.0]), log_of(list("bcd"), [180, 185, 190], np.ones(3))])
    model, _ = fit_and_predict(log, 200, 30)
    assert model.notes[0].startswith("the training windows hold 0 customer(s): the purchase model")
    once = log_of([f"c{i}" for i in range(30)], range(30), np.ones(30))
    model, predicted = fit_and_predict(once, 200, 30)
    assert "30 customer(s), none of whom bought again: the purchase model (BTYD) predicts" in model.notes[0]
    assert (predicted["p_churn"] > 0.9).all()


def test_where_everybody_buys_churn_is_left_to_btyd(tmp_path):
    daily = log_of(np.repeat(["a", "b", "c"], 200), np.tile(range(200), 3), np.ones(600))
    model, predicted = fit_and_predict(daily, 200, 30)
    assert (
        "the training windows show no churn to learn from: the purchase model (BTYD) predicts it"
        in model.notes
    )
    assert (predicted["p_churn"] < 0.1).all()
    assert predicted["expected_spend"].sum() == pytest.approx(90, rel=0.1)
    model.save(tmp_path)
    assert not (tmp_path / "churn.json").exists()
    assert CustomerModel.load(tmp_path).trees.churn is None


def test_one_customer_is_forecast_and_nobody_is_refused():
    model, predicted = fit_and_predict(log_of(["a"] * 5, [0, 20, 45, 110, 190], np.ones(5)), 200, 30)
    assert predicted["p_churn"].between(0, 1).all()
    assert any("purchase model (BTYD)" in note for note in model.notes)
    with pytest.raises(InputError, match="before 2022-07-20"):
        fit_and_predict(log_of(["a"], [0], -np.ones(1)), 200, 30)


# --- hard data ---


def shop(seed, customers=40, days=200):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(customers), rng.poisson(4, customers) + 1)
    return log_of(
        np.char.add("c", who.astype(str)), rng.integers(0, days, len(who)), rng.gamma(2, 20, len(who)) + 1
    )


def refund(log, factor):
    return log.assign(amount=-factor * log["amount"], order_day=log["order_day"] + pd.Timedelta(days=1))


def outlier(log):
    log = log.copy()
    log.loc[len(log) // 2, "amount"] = 1e9
    return log


HARD = {
    "equal amounts": lambda log: log.assign(amount=10.0),
    "one-time buyers": lambda log: log.drop_duplicates("customer_id"),
    "zero amounts": lambda log: log.assign(amount=0.0),
    "mostly free": lambda log: log.assign(amount=log["amount"].where(log.index % 5 == 0, 0.0)),
    "outlier": outlier,
    "huge refund": lambda log: pd.concat([log, refund(outlier(log), 1.0)], ignore_index=True),
    "refunds exceed purchases": lambda log: pd.concat([log, refund(log, 2.0)], ignore_index=True),
    "all refunded": lambda log: pd.concat([log, refund(log, 1.0)], ignore_index=True),
    "refunds alone": lambda log: refund(log, 1.0),
    "half refunds alone": lambda log: log.assign(
        amount=log["amount"].where(log["customer_id"] < "c25", -log["amount"])
    ),
    "constant features": lambda log: log_of(
        np.repeat(log["customer_id"].unique(), 2), [0, 100] * log["customer_id"].nunique(), 10.0
    ),
    "daily": lambda log: log_of(np.repeat(["a", "b", "c"], 200), np.tile(range(200), 3), 9.0),
    "all at the end": lambda log: log.assign(order_day=log["order_day"].max()),
    "all at the start": lambda log: log.assign(order_day=log["order_day"].min()),
    "two customers": lambda log: log[log["customer_id"].isin(["c1", "c2"])],
    "cents": lambda log: log.assign(amount=0.01),
    "trillions": lambda log: log.assign(amount=log["amount"] * 1e12),
}


@pytest.mark.parametrize("kind", HARD)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1000), horizon=st.sampled_from([20, 60]))
def test_hard_data_end_in_a_sane_model_or_a_message(kind, seed, horizon):
    days = customer_days(HARD[kind](shop(seed)))
    end = FIRST + timedelta(days=200)
    try:
        model = fit_customer_model(days, end, config(horizon, max_cutoffs=2, n_estimators=8))
    except InputError as error:
        assert re.search(r"; (use|give|set|choose) ", str(error))
    else:
        check_sane(model.predict(days.features(end, horizon), end))


# --- what an experiment varies ---


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


@pytest.mark.parametrize("form", ["tweedie", "hurdle"])
def test_a_chosen_form_is_used(days, features, predicted, form):
    spend = fit_customer_model(days, END, config(spend=form)).predict(features, END)["expected_spend"]
    assert (spend != predicted["expected_spend"]).any()
    assert spend.sum() == pytest.approx(predicted["expected_spend"].sum())


def test_level_and_season_can_be_switched_off(days, model):
    fitted = fit_customer_model(days, END, config(calibrate=False, season=False))
    level = fitted.trees.level
    # How far the level can be off is another matter.
    assert level == Level(spread=level.spread) != model.trees.level
    assert level.spread != LEVEL_SPREAD
    assert fitted.trees.prior.season == Season.flat() != model.trees.prior.season
    assert not any("season" in note for note in fitted.notes)
