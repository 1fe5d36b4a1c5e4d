"""Names and values that would end a statement, a string or a template: every command takes them as text."""

import contextlib
import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from tests.conftest import shop_lines
from tests.dashboard.conftest import served

from clvml.cli import main
from clvml.config import DataConfig
from clvml.dashboard.store import Snapshots
from clvml.log import read_purchase_log
from clvml.storage.sql import identifier
from clvml.workflows.training import _example

NAMES = [
    'say "hi"',
    '"; drop table purchase_log; --',
    "d'or",
    "'; drop table purchase_log; --",
    "a;b",
    "x -- y",
    "/* z */",
    "new\nline",
    "tab\there",
    "ünï 😀 \u202e",
    "back\\slash\\",
    "{braces} {0} {{x}}",
    "100% %s %(x)s",
    "`tick`",
    "$1 ?",
    "[a]",
    "select",
    "customer_id'",
    "../../x",
    "<script>alert(1)</script>",
    "=1+1",
    "\x1b[31mred",
]
OURS = ("customer_id", "order_date", "amount", "order_id", "product_id", "quantity", "currency")


def hostile_log(folder, names):
    """Write a small shop's log under the names, with ids that are as hostile; return file and columns."""
    lines = shop_lines()
    known = sorted(lines["customer_id"].unique())[:70]
    lines = lines[lines["customer_id"].isin(known)].assign(quantity=1, currency="EUR")
    ids = dict(zip(known, [*NAMES, *known[len(NAMES) :]], strict=True))
    lines = lines.assign(
        customer_id=lines["customer_id"].map(ids),
        product_id=lines["product_id"].map(lambda p: NAMES[int(p[1:]) % 20]),
    )
    columns = dict(zip(OURS, names, strict=True))
    path = folder / 'it\'s "odd"; {0} %s ünï.parquet'
    lines.rename(columns=columns).to_parquet(path)
    return path, columns


def run(*words):
    """Run a command; return its exit code and what it printed."""
    printed, said = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as end,
    ):
        patch.setattr("sys.argv", ["clvml", *map(str, words)])
        main()
    assert "defect" not in said.getvalue(), said.getvalue()
    print(said.getvalue())
    return end.value.code or 0, printed.getvalue()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_reading_rejecting_and_the_example_for_mlflow_take_any_name(tmp_path, name, ending):
    if ending == "csv" and name.split() != name.split(" "):
        pytest.skip("blanks of a header's name are read as one")
    columns = {ours: f"{name}{number}" for number, ours in enumerate(OURS)}
    good = [name, "2024-01-05", 10.0, name, name, 1.0, "EUR"]
    frame = pd.DataFrame(
        [good, [None, "2024-01-06", 5.0, name, name, 1.0, "EUR"]], columns=list(columns.values())
    )
    path = tmp_path / f"orders.{ending}"
    frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL) if ending == "csv" else frame.to_parquet(path)
    data = DataConfig(source=str(path), columns=columns)
    rejects = tmp_path / "rejects.csv"
    now = pd.Timestamp("2024-02-01").to_pydatetime()
    log = read_purchase_log(data, now=now, rejects=rejects)
    kept = name.strip() if ending == "csv" else name
    assert log.frame("select customer_id, product_id, amount from purchase_log").to_numpy().tolist() == [
        [kept, kept, 10.0]
    ]
    assert rejects.read_text().count("missing customer id") == 1
    example = _example(log, data, counts_events=False)
    assert list(example.columns) == [column for ours, column in columns.items() if ours != "currency"] + [
        columns["currency"]
    ]
    assert example.iloc[0].tolist() == [kept, pd.Timestamp("2024-01-05"), 10.0, kept, kept, 1.0, ""]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, empty_store):
    """Return the folder, configuration, log and training of a shop where every name is hostile."""
    import shutil

    folder = tmp_path_factory.mktemp("hostile")
    shutil.copy(empty_store, folder / "mlflow.db")
    path, columns = hostile_log(folder, [*NAMES[:4], "new\nline", "{0} %s \\", "ünï 😀 `"])
    config = folder / "it's {0} %s.yaml"
    settings = {
        "data": {"source": str(path), "columns": columns},
        "windows": {"horizon_days": 60},
        "model": {"n_estimators": 5},
        "evaluation": {"folds": 1, "bootstrap_samples": 100},
        "tracking": {
            "experiment": 'it\'s "odd"; -- {0} %s ünï',
            "registered_model": 'it\'s "odd"; -- {0} ünï',
        },
    }
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        code, printed = run("train", "--config", config, "--json")
        assert code == 0
        yield folder, config, path, json.loads(printed)


def test_training_is_logged_and_registered(hostile):
    _, _, _, trained = hostile
    assert trained["pending"] is None
    assert trained["alias"] == "champion"
    assert not [note for note in trained["notes"] if "validate serving input" in note]


def test_check_takes_hostile_names(hostile):
    _, config, path, _ = hostile
    code, printed = run("check", path, "--config", config, "--json")
    assert code == 0
    assert json.loads(printed)["customers"] == 70


@pytest.mark.parametrize("kind", ["csv", "duckdb", "sqlite"])
def test_scores_take_hostile_names_of_columns_ids_files_and_tables(hostile, kind):
    folder, config, path, _ = hostile
    table = 'it\'s "odd"; drop table x; -- {0} %s'
    file = folder / f"it's {{0}} ünï.{kind}"
    output = str(file) if kind == "csv" else f"{kind}:///{file}?table={quote(table)}"
    code, _ = run("score", path, "--config", config, "--output", output)
    assert code == 0
    if kind == "csv":
        found = pd.read_csv(file, dtype=str)["customer_id"].map(lambda text: text.removeprefix("'"))
        found = [text if text in NAMES else f"'{text}" if f"'{text}" in NAMES else text for text in found]
    else:
        connect = duckdb.connect if kind == "duckdb" else sqlite3.connect
        with closing(connect(file)) as connection:
            rows = connection.execute(f"select customer_id from {identifier(table)}").fetchall()
        found = [row[0] for row in rows]
    assert set(NAMES) <= set(found)
    assert len(found) == 70


def test_monitor_compare_backtest_and_promote_take_hostile_names(hostile):
    folder, config, path, trained = hostile
    scores = folder / "then.csv"
    assert run("score", path, "--config", config, "--output", scores, "--as-of", "2024-03-01")[0] == 0
    code, printed = run("monitor", scores, "--data", path, "--config", config, "--json")
    assert code in (0, 3)
    assert json.loads(printed)["customers"] > 0
    assert run("compare", "--config", config, "--output", folder / "it's.html")[0] == 0
    assert "<script>alert" not in (folder / "it's.html").read_text(encoding="utf-8")
    assert run("promote", trained["model_version"], "--config", config)[0] == 0
    assert run("backtest", "--config", config, "--json")[0] == 0


def test_worth_plan_report_experiment_and_sync_take_hostile_names(hostile):
    folder, config, path, _ = hostile
    scores = folder / 'it\'s "now"; {0} %s ünï.csv'
    assert run("score", path, "--config", config, "--output", scores)[0] == 0
    code, printed = run("worth", scores, "--json")
    assert (code, json.loads(printed)["groups"]["segment"][-1]["customers"]) == (0, 70)
    page = folder / "it's {0} %s.html"
    assert run("report", "--scores", scores, "--output", page, "--name", "<b>it's {0} %s")[0] == 0
    assert "<script>alert" not in page.read_text(encoding="utf-8")
    plan = folder / "it's {0} %s plan.csv"
    book = Path(__file__).parents[1] / "configs" / "playbook.yaml"
    assert run("plan", scores, "--playbook", book, "--budget", 100, "--output", plan)[0] == 0
    planned = pd.read_csv(plan, dtype=str)["customer_id"].map(lambda text: text.removeprefix("'"))
    assert len(planned) == 70
    file = folder / "001-it's {0} %s.yaml"
    keys = {"question": "it's {0} %s?", "config": str(config), "folds": 1, "variants": {NAMES[0]: None}}
    file.write_text(yaml.safe_dump(keys), encoding="utf-8")
    # It is run, or refused in words; `run` fails on a traceback.
    assert run("experiment", file)[0] in (0, 2)
    assert run("sync", folder / "it's {0} nothing")[0] in (0, 2)


def test_readback_takes_hostile_names(hostile):
    folder, config, path, _ = hostile
    scores, plan = folder / "it's {0} then.csv", folder / 'it\'s "then"; -- {0} %s plan.csv'
    assert run("score", path, "--config", config, "--output", scores, "--as-of", "2024-03-01")[0] == 0
    book = folder / "it's {0} %s playbook.yaml"
    offer = {"contact_cost": 0.01, "save_rate": {"mean": 0.9, "sd": 0.05}}
    book.write_text(
        yaml.safe_dump({"campaign": "spring", "control": {"share": 0.5}, "actions": {"mail": offer}}),
        encoding="utf-8",
    )
    assert run("plan", scores, "--playbook", book, "--budget", 100, "--output", plan)[0] == 0
    learnt = folder / "it's {0} %s next.yaml"
    code, printed = run("readback", plan, "--data", path, "--config", config, "--output", learnt, "--json")
    assert code == 0
    assert {row["action"] for row in json.loads(printed)["effects"]} == {"mail"}
    assert yaml.safe_load(learnt.read_text(encoding="utf-8"))["actions"]["mail"]


def test_uplift_takes_hostile_names(hostile):
    folder, *_ = hostile
    generator = np.random.default_rng(0)
    treatment, outcome, word, number = NAMES[:4]
    frame = pd.DataFrame(
        {
            treatment: generator.choice([NAMES[4], NAMES[5]], 2_000),
            outcome: generator.integers(0, 2, 2_000),
            word: generator.choice(NAMES, 2_000),
            number: generator.random(2_000),
        }
    )
    past, rates = folder / 'it\'s "past"; {0} %s ünï.parquet', folder / "it's {0} %s rates.yaml"
    frame.to_parquet(past)
    asked = ("--treatment", treatment, "--control", NAMES[5], "--outcome", outcome)
    code, printed = run("uplift", past, "-o", rates, *asked, "--features", f"{word},{number}", "--json")
    assert (code, json.loads(printed)["uplift"][0]["arm"]) == (0, NAMES[4])


def test_the_dashboard_shows_hostile_names_as_text(hostile):
    folder, config, path, _ = hostile
    scores = folder / 'it\'s "shown"; {0} %s ünï.csv'
    assert run("score", path, "--config", config, "--output", scores)[0] == 0
    with served(Snapshots(scores, folder)) as client:
        for name in NAMES:
            found = client.get("/customers?" + urlencode({"q": name.strip()}))
            shown = client.get("/customer?" + urlencode({"id": name}))
            for page in (found, shown):
                assert page.status_code == 200, (name, page.text)
                assert "<script>alert" not in page.text


@pytest.mark.parametrize("dialect", ["duckdb", "spark", "postgres", "sqlite", "bigquery", "snowflake"])
def test_sql_takes_hostile_names(hostile, dialect):
    import sqlglot

    _, config, _, _ = hostile
    table = identifier("it's; drop") if dialect not in ("spark", "bigquery") else "`it's; drop`"
    code, printed = run(
        "sql", "--config", config, "--dialect", dialect, "--as-of", "2024-01-01", "--table", table
    )
    assert code == 0
    statements = [tree for tree in sqlglot.parse(printed, read=dialect) if tree is not None]
    assert len(statements) == 1
    assert {"it's; drop", *NAMES[:4]} <= {
        node.name for node in statements[0].find_all(sqlglot.exp.Identifier)
    }
