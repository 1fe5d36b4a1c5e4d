"""The façade: from a frame, a file or an address to scores, without files, servers or pictures."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tests.conftest import shop_lines

import clvml
from clvml.log.readers.frame import FRAME
from clvml.scores.columns import COLUMNS

QUICK = {
    "horizon_days": 60,
    "model": {"n_estimators": 20},
    "evaluation": {"folds": 2, "bootstrap_samples": 100},
}


@pytest.fixture(scope="module")
def orders():
    return shop_lines()


@pytest.fixture(scope="module")
def log(orders):
    return clvml.read_log(orders, currency="EUR")


@pytest.fixture(scope="module")
def model(log):
    return clvml.CustomerModel(**QUICK).fit(log)


@pytest.fixture(scope="module")
def scores(model, log):
    return model.score(log)


def refused(message):
    return pytest.raises(clvml.InputError, match=message)


def test_a_frame_gives_the_log_that_its_file_gives(orders, log, tmp_path):
    orders.to_csv(tmp_path / "orders.csv", index=False)
    orders.to_parquet(tmp_path / "orders.parquet")
    for name in ("orders.csv", "orders.parquet"):
        read = clvml.read_log(tmp_path / name, currency="EUR")
        assert read.fingerprint == log.fingerprint
        assert (read.quality.rows_in, read.quality.reasons) == (log.quality.rows_in, log.quality.reasons)
    pd.testing.assert_frame_equal(orders, shop_lines())


def test_a_log_says_what_came_in(log):
    assert log.as_of == date(2024, 6, 30)
    assert log.data.columns.product_id == "product_id"
    text = repr(log)
    assert text.startswith("Purchase log as of 2024-06-30\ncolumns     customer_id: customer_id, order_date")
    assert log.quality.to_text() in text
    assert "<th>customers</th><td>247" in log._repr_html_()
    assert len(log.frame()) == log.quality.rows_out


def test_scores_are_those_of_the_command_line(shop, scores):
    by_command = clvml.load(shop.tracking and shop.trained["model_uri"], shop.tracking)
    theirs = by_command.score(shop.log)
    assert theirs["model_version"].unique().tolist() == ["1"]
    assert theirs["run_id"].unique().tolist() == [shop.trained["run_id"]]
    same = [name for name in COLUMNS if name not in ("model_version", "run_id")]
    pd.testing.assert_frame_equal(scores[same], theirs[same], check_exact=True)


def test_scored_frames_keep_the_contract(scores, orders):
    assert tuple(scores.columns) == COLUMNS
    assert sorted(scores["customer_id"]) == sorted(orders["customer_id"].unique())
    assert scores["clv"].is_monotonic_decreasing
    assert scores.attrs["notes"][0].startswith("as of 2024-06-30, the day after the last order")


def test_a_log_is_scored_in_any_thread(model, log):
    dates = ["2024-03-01", "2024-05-01", None] * 4
    alone = {day: model.score(log, as_of=day) for day in set(dates)}
    fresh = replace(log)
    with ThreadPoolExecutor(4) as threads:
        for day, scored in zip(
            dates, threads.map(lambda day: model.score(fresh, as_of=day), dates), strict=True
        ):
            pd.testing.assert_frame_equal(scored, alone[day], check_exact=True)


def test_reasons_are_given_to_whom_they_are_asked_for(model, log, scores):
    without = model.score(log, explain="none")
    assert without["reason_1"].isna().all()
    assert model.score(log, explain=5)["reason_1"].notna().sum() == 5
    others = without.columns[~without.columns.str.startswith("reason_")]
    pd.testing.assert_frame_equal(without[others], scores[others])


@pytest.mark.parametrize("wrong", ["some", -1, True, 2.5, None])
def test_other_wishes_for_reasons_are_refused(model, log, wrong):
    with refused("is not 'all', 'none' or a number of customers"):
        model.score(log, explain=wrong)


def test_a_saved_model_is_the_model(model, log, scores, tmp_path):
    folder = model.save(tmp_path / "new" / "shop")
    for again in (clvml.CustomerModel.load(folder), clvml.load(str(folder)), clvml.load(folder)):
        pd.testing.assert_frame_equal(again.score(log), scores, check_exact=True)
        assert again.get_params() == model.get_params()
        assert (again.as_of_, again.notes_) == (model.as_of_, [*model.scorer_.model.notes])
    # Saving over a model replaces it; anything else is not touched.
    model.save(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").touch()
    with refused("holds other files and no model; give a new folder"):
        model.save(tmp_path / "other")
    (tmp_path / "file").touch()
    with refused(r"folder '.*file' cannot be written: File exists"):
        model.save(tmp_path / "file")


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with refused("is not a folder; give the folder of a model"):
        clvml.load(tmp_path / "nothing")
    with refused("holds no clvml model"):
        clvml.load(str(tmp_path))


def test_the_leaderboard_is_shown_and_leaves_the_model_alone(log, scores):
    model = clvml.CustomerModel(**QUICK)
    tested = model.backtest(log)
    board = tested.leaderboard
    assert set(board.models) > {"clvml"}
    assert len(board.folds["cutoff"].unique()) == 2
    assert len(model.backtest(log, folds=1).leaderboard.folds["cutoff"].unique()) == 1
    assert not hasattr(model, "scorer_")
    assert board.table().to_string() in repr(board)
    assert board.verdicts()[0] in repr(board)
    assert "<table" in board._repr_html_()
    head = f"{len(tested.predictions):,} predictions out of time, as of 2024-0"
    assert repr(tested).startswith(head)
    assert repr(board) in repr(tested)
    assert board._repr_html_() in tested._repr_html_()
    with refused("folds=0 is not a number of test dates"):
        model.backtest(log, folds=0)


def test_drivers_are_ranked(model, log):
    found = model.drivers(log)
    assert found["mean_abs_shap"].is_monotonic_decreasing
    assert list(found.columns) == ["feature", "description", "unit", "mean_abs_shap", "direction"]


def test_the_estimator_keeps_scikit_learns_contract(model):
    asked = {"margin": 0.4}
    fresh = clvml.CustomerModel(horizon_days=90, value=asked)
    assert fresh.value is asked
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "scorer_")
    assert fresh.set_params(horizon_days=30, seed=3).get_params()["seed"] == 3
    assert repr(fresh) == "CustomerModel(horizon_days=30, seed=3, value={'margin': 0.4})"


@pytest.mark.parametrize(
    "ask", [lambda m, log: m.score(log), lambda m, log: m.drivers(log), lambda m, log: m.save("x")]
)
def test_a_model_is_not_asked_before_it_is_fitted(log, ask):
    for kind in (clvml.InputError, NotFittedError):
        with pytest.raises(kind, match="this CustomerModel is not fitted yet; call fit"):
            ask(clvml.CustomerModel(), log)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"horizon_days": 0}, "'windows.horizon_days"),
        ({"horizon_days": "soon"}, "'windows.horizon_days"),
        ({"value": {"margin": 2}}, "'value.margin"),
        ({"model": {"max_dept": 3}}, r"unknown key 'model.max_dept.*did you mean 'max_depth'"),
        ({"seed": -1}, "'seed'"),
    ],
)
def test_parameters_of_no_use_are_named(log, parameters, problem):
    with refused(rf"CustomerModel has 1 problem:\n  - {problem}"):
        clvml.CustomerModel(**parameters).fit(log)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(), f"the {FRAME} has no rows; give one row per order line"),
        (shop_lines().iloc[:0], f"the {FRAME} has no rows"),
        (
            shop_lines().rename(columns={"amount": "x1"}),
            r"Nothing looks like amount.*columns=\{'amount': COLUMN\}",
        ),
        (shop_lines().assign(amount="much"), r"column 'amount' \(amount\) of 'DataFrame' holds no number"),
        (shop_lines().assign(order_date="soon"), "holds no date that can be read"),
        (pd.concat([shop_lines(), shop_lines()[["amount"]]], axis=1), "several columns called 'amount'"),
        (shop_lines().assign(customer_id=None), "no line of 'DataFrame' can be used"),
    ],
)
def test_frames_that_do_not_fit_are_refused_in_words(frame, message):
    with refused(message):
        clvml.read_log(frame)


def test_a_plan_from_a_frame_of_scores():
    from tests.decide.conftest import scored

    book = {
        "campaign": "spring",
        "actions": {"mail": {"contact_cost": 1, "save_rate": {"mean": 0.1, "sd": 0.05}}},
    }
    made = clvml.plan(scored(60), book, budget=10)
    assert made.summary["cost"] <= 10
    assert made.table["action"].notna().sum() == made.summary["planned"]
    assert "'spring'" in repr(made)


def test_a_playbook_in_another_currency_than_the_scores_is_refused(scores):
    mail = {"contact_cost": 1, "save_rate": {"mean": 0.1, "sd": 0.05}}
    book = {"campaign": "spring", "actions": {"mail": mail}}
    assert clvml.plan(scores, book).record.currency == "EUR"
    with refused("the costs of the playbook are in GBP, and the scores in EUR; give costs in EUR"):
        clvml.plan(scores, {**book, "currency": "GBP"})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"windows": {"horizon_days": 30}}, "says twice what horizon_days is"),
        ({"value": 0.4}, "value=0.4 is not a mapping of keys of section value"),
        ({"model": "deep"}, "model='deep' is not a mapping"),
    ],
)
def test_parameters_that_are_no_keys_are_refused(log, parameters, message):
    with refused(message):
        clvml.CustomerModel(**parameters).fit(log)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("customer_id", "columns='customer_id' is not a mapping"),
        ({"customer": "customer_id"}, "unknown key 'columns.customer'"),
        ({"amount": 5}, "'columns.amount'"),
        ({"amount": "turnover"}, r"has no column for amount: turnover"),
    ],
)
def test_columns_that_do_not_fit_are_refused(orders, columns, message):
    with refused(message):
        clvml.read_log(orders, columns=columns)


def test_other_columns_than_in_training_are_refused(model, orders):
    with refused(r"has no column for customer_id: customer_id .*Did you mean columns: \{customer_id: Client"):
        model.score(orders.rename(columns={"customer_id": "Client"}))
    with refused("the model was trained on features that this data does not have"):
        model.score(clvml.read_log(orders.drop(columns="product_id")))
