"""clvml monitor, also where the model or the store cannot be had: the comparison is worth having all the same."""

import json
import shutil
from datetime import date

import pandas as pd
import pytest
import yaml
from tests.cli.conftest import one_object

from clvml.errors import InputError
from clvml.tracking.registry import resolve_model
from clvml.workflows import train_again

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def scored(run, shop, tmp_path):
    """Return (scored file, copy of its model), in a folder whose store is a copy of the shop's."""
    shutil.copy(shop.folder / "mlflow.db", tmp_path)
    shutil.copytree(resolve_model("champion", "clvml", shop.tracking).directory, tmp_path / "folder")
    code, _, err = run("score", shop.log, "-o", "scores.csv", "--as-of", "2024-05-01", "--explain", "none")
    assert code == 0, err
    return "scores.csv", "./folder"


def test_a_server_that_is_down(run, shop, scored, monkeypatch):
    scores, model = scored
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    code, out, err = run("monitor", scores, "--data", shop.log)
    assert (code, out) == (2, "")
    assert f"Error: MLflow server '{NOBODY}' cannot be reached" in err
    assert "Without the model, --config says how the data is to be read" in err

    code, out, err = run("monitor", scores, "--data", shop.log, "--config", shop.config)
    assert code == 0, err
    assert "Spend error (WAPE)" in out
    assert "(the model cannot be read)" in " ".join(out.split())

    code, out, err = run("monitor", scores, "--data", shop.log, "--model", model, "--json")
    assert code in (0, 3), err
    found = json.loads(out)
    assert len(found["drift"]) > 5
    assert (found["run_id"], found["model_version"]) == (None, "unregistered")
    assert found["notes"][0] == "not logged: a folder does not say which run trained its model"


def test_scores_of_a_model_in_a_folder(run, shop, scored):
    _, model = scored
    args = ("score", shop.log, "-o", "f.csv", "--as-of", "2024-05-01", "--explain", "none", "--model", model)
    assert run(*args)[0] == 0
    code, _, err = run("monitor", "f.csv", "--data", shop.log)
    assert code == 2
    assert "scored file 'f.csv' does not say which model made it; name it with --model" in err
    assert run("monitor", "f.csv", "--data", shop.log, "--model", model)[0] in (0, 3)


def test_a_store_that_can_only_be_read(run, shop, scored, monkeypatch, tmp_path):
    scores, _ = scored
    commands = {
        "train": ("train", "--config", shop.config, "--data", shop.log),
        "experiment": ("experiment", "001-base.yaml", "--data", shop.log),
        "promote": ("promote", "--rollback"),
        "monitor": ("monitor", scores, "--data", shop.log, "--json"),
    }
    shutil.copy(shop.config, tmp_path / "shop.yaml")
    keys = {"question": "?", "config": "shop.yaml", "variants": {"a": None, "b": {"model.base": "none"}}}
    (tmp_path / "001-base.yaml").write_text(yaml.safe_dump(keys))
    # A new name: MLflow keeps connections that are open.
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "locked.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/locked.db")
    lock(monkeypatch)
    for name, command in commands.items():
        code, out, err = run(*command)
        said = json.loads(out)["notes"][0] if name == "monitor" else err.partition("Error: ")[2]
        assert (code == 2) == (name != "monitor"), said
        assert "locked.db' can only be read: its file or folder is not yours to write; give" in said
        assert said.count("\n") <= 1


def lock(monkeypatch):
    """Make SQLite files as they are for somebody who may only read them, root included."""
    import os
    import sqlite3

    may, connect = os.access, sqlite3.dbapi2.connect

    def read_only(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA query_only = on")
        return connection

    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and may(path, mode))
    monkeypatch.setattr(sqlite3.dbapi2, "connect", read_only)


def test_monitor_compares_scores_with_what_happened(shopping, run, tmp_path):
    scores = tmp_path / "scores.csv"
    assert (
        run("score", shopping.log, "--output", scores, "--as-of", "2024-05-01", "--explain", "none")[0] == 0
    )
    code, out, err = run("monitor", scores, "--data", shopping.log)
    assert (code, err) == (0, "")
    assert (
        "Scores as of 2024-05-01 against what happened up to 2024-06-30: the whole horizon of 60 days" in out
    )
    assert "Recommendation: keep" in out
    code, out, err = run("monitor", scores, "--data", shopping.log, "--as-of", "2024-06-05", "--json")
    told = one_object(out)
    assert (code, err, told["compared_days"], told["recommendation"]) == (0, "", 30, "keep")
    assert {row["value_tier"] for row in told["tiers"]} <= {"platinum", "gold", "silver", "bronze"}


def test_monitor_asks_for_training_by_its_exit_code(shopping, run, tmp_path):
    scores = tmp_path / "scores.csv"
    assert (
        run("score", shopping.log, "--output", scores, "--as-of", "2024-05-01", "--explain", "none")[0] == 0
    )
    turn(scores)
    code, out, _ = run("monitor", scores, "--data", shopping.log)
    assert code == 3
    assert "Recommendation: retrain\n  - the order of customers is worse than in training" in out


def turn(scores):
    """Make those likeliest to leave those likeliest to stay: the model is to be trained again."""
    turned = pd.read_csv(scores, dtype=str)
    turned["p_churn"] = 1 - turned["p_churn"].astype(float)
    turned.to_csv(scores, index=False)


def test_without_data_the_configuration_says_where_the_log_is(shopping, run, tmp_path):
    score = ("score", shopping.log, "--output", "scores.csv", "--as-of", "2024-05-01", "--explain", "none")
    assert run(*score)[0] == 0
    turn("scores.csv")
    expected = json.loads(run("monitor", "scores.csv", "--data", shopping.log, "--json")[1])
    lines = pd.read_csv(shopping.log, dtype=str)
    till = lines["order_date"] >= "2024-02"
    sources = {"shop": lines[~till], "till": lines[till]}
    for name, part in sources.items():
        part.to_csv(f"{name}.csv", index=False)
    keys = yaml.safe_load(shopping.config.read_text())
    del keys["data"]["source"]
    keys["data"]["sources"] = {name: {"source": f"{name}.csv"} for name in sources}
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(keys))
    several = ("--config", "both.yaml", "--set", "model.n_estimators=30")
    train = "clvml train --config both.yaml --set model.n_estimators=30"
    for asked, command in ((several, train), ((), f"clvml train --from-run {shopping.trained['run_id']}")):
        code, out, err = run("monitor", "scores.csv", *asked, "--json")
        assert (code, err) == (3, "")
        found = json.loads(out)
        assert found["metrics"] == expected["metrics"]
        assert found["next"][0] == command + ("" if asked else " --as-of 2024-06-30")


def test_a_run_is_trained_again_on_its_sources_up_to_another_date(shopping):
    run_id = shopping.trained["run_id"]
    again = train_again(run_id, "clvml", shopping.tracking, as_of=date(2024, 6, 1))
    assert (again.as_of, again.other_data) == (date(2024, 6, 1), True)
    again = train_again(run_id, "clvml", shopping.tracking)
    assert (str(again.as_of), again.other_data) == (shopping.trained["as_of"], False)
    for hidden, said in (
        (["data.source=postgresql://ann:***@db/shop?table=t"], "with --data, and --as-of 2024-06-01"),
        (
            ["data.attributes={source: 'postgresql://ann:***@db/shop?table=t'}"],
            "give the whole address with --set data.attributes.source=ADDRESS",
        ),
        (
            ["data.events={source: 'postgresql://ann:***@db/shop?table=t', date: day}"],
            "give the whole address with --set data.events.source=ADDRESS",
        ),
        (
            ["data.source=null", "data.sources={till: {source: 'postgresql://ann:***@db/shop?table=t'}}"],
            "give the whole address with --set data.sources.till.source=ADDRESS",
        ),
    ):
        with pytest.raises(InputError) as error:
            train_again(run_id, "clvml", shopping.tracking, hidden, as_of=date(2024, 6, 1))
        assert said in str(error.value)
    given = [*hidden, "data.sources.till.source=postgresql://ann:swordfish@db/shop?table=t"]
    whole = train_again(run_id, "clvml", shopping.tracking, given).config
    assert whole.data.sources["till"].source.endswith("ann:swordfish@db/shop?table=t")


def test_monitor_refuses_what_it_cannot_compare(shopping, fails, run, tmp_path):
    assert "scored file 'no.csv' does not exist" in fails("monitor", "no.csv", "--data", shopping.log)
    scores = tmp_path / "scores.csv"
    assert run("score", shopping.log, "--output", scores, "--explain", "none")[0] == 0
    assert "0 days are too few to compare, 30 are needed" in fails("monitor", scores, "--data", shopping.log)
    unnamed = pd.read_csv(scores, dtype=str).assign(run_id="", model_version="")
    unnamed.to_csv(scores, index=False)
    assert "does not say which model made it; name it with --model" in fails(
        "monitor", scores, "--data", shopping.log
    )
