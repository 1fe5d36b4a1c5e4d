"""Dates, choices, models and outputs that cannot be: one message each, and nothing is left behind."""

import pytest
from tests.cli.conftest import contents, write


@pytest.mark.parametrize(
    "text", ["yesterday", "2024-02-30", "20240101", "2024-W01-1", "", "2024-01-01T00:00"]
)
def test_dates(fails, shop, text):
    message = f"--as-of '{text}' is not a date; give it as YYYY-MM-DD"
    for command in (["check", shop.log], ["train", "-c", shop.config], ["backtest", "-c", shop.config]):
        assert fails(*command, "--as-of", text) == message
    assert fails("score", shop.log, "-o", "s.csv", "--as-of", text) == message


def test_a_date_before_the_first_order(fails, shopping):
    message = (
        f"no line of '{shopping.log}' can be used before 2020-01-01: 2,410 read, left out for at or after as_of"
        " (2,410); check data.columns, data.timezone and the as-of date against the file"
    )
    assert fails("score", shopping.log, "-o", "s.csv", "--as-of", "2020-01-01") == message
    assert fails("check", shopping.log, "--as-of", "2020-01-01") == message


@pytest.mark.parametrize("text", ["-3", "2.5", "some", "", "²", "9" * 500])
def test_whom_to_explain(fails, text):
    message = f"--explain '{text}' is not all, none or a number of customers"
    assert fails("score", "log.csv", "-o", "s.csv", f"--explain={text}") == message


def test_models(fails, shopping, tmp_path):
    def refusal(model):
        return fails("score", shopping.log, "-o", "s.csv", "--model", model)

    assert refusal("champoin") == (
        f"registered model 'clvml' in '{shopping.tracking}' has no alias 'champoin' (did you mean 'champion'?);"
        " aliases: champion (version 1); versions: 1"
    )
    assert refusal("99") == (
        f"registered model 'clvml' in '{shopping.tracking}' has no version '99'; aliases: champion (version 1);"
        " versions: 1"
    )
    assert refusal("models:/other/1").startswith(f"no registered model 'other' in '{shopping.tracking}'")
    assert refusal("no/where").startswith("model directory 'no/where' does not exist; ")
    (tmp_path / "model").mkdir()
    assert refusal(tmp_path / "model").startswith(
        f"model directory '{tmp_path / 'model'}' holds no model.json; "
    )
    write(tmp_path / "model" / "model.json", "{}")
    assert refusal(tmp_path / "model").startswith(f"'{tmp_path / 'model'}' holds no clvml model (")


def test_no_model_yet(fails, shop, tmp_path):
    assert fails("score", shop.log, "-o", "s.csv").startswith(
        f"no model yet: there is no tracking store at '{tmp_path}/mlflow.db'; "
    )


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:////proc/none/mlflow.db", "/proc/none/mlflow.db'"),
        ("http://127.0.0.1:9", "MLflow server 'http://127.0.0.1:9' cannot be reached: nothing answers there"),
        ("./mlruns", "tracking store './mlruns' is a folder or file path, which MLflow no longer writes to"),
        (
            "sqllite:///x.db",
            "tracking store 'sqllite:///x.db': unknown scheme 'sqllite' (did you mean 'sqlite'?)",
        ),
    ],
)
def test_tracking_that_leads_nowhere(fails, shop, monkeypatch, uri, message):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert message in fails("score", shop.log, "-o", "s.csv", "--json")
    # A server that is down may be up again by the end of a training.
    if not uri.startswith("http"):
        assert message in fails("train", "-c", shop.config, "--data", shop.log, "--json")


def test_outputs(fails, shopping, tmp_path):
    def refusal(output, *more):
        return fails("score", shopping.log, "--output", output, *more)

    assert refusal("s.xlsx") == "output 's.xlsx' must end in .csv or .parquet"
    assert refusal("none/s.csv") == "folder 'none' of the output does not exist; create it first"
    # Permission bits do not bind root: a folder that takes no files at all.
    assert refusal("/proc/s.csv") == (
        "output '/proc/s.csv' cannot be written: No such file or directory; choose another folder"
    )
    assert refusal("s.csv", "--rejects", "s.csv") == "--output and --rejects are both 's.csv'; give two names"
    assert refusal("s.csv", "--rejects", "r.txt") == "rejects file 'r.txt' must end in .csv or .parquet"
    assert refusal("s.csv", "--rejects", "/proc/r.csv").startswith(
        "rejects file '/proc/r.csv' cannot be written: "
    )
    write(tmp_path / "file", "")
    assert refusal("file/s.csv") == "folder 'file' of the output does not exist; create it first"
    (tmp_path / "dir.csv").mkdir()
    assert refusal("dir.csv") == "output 'dir.csv' is a directory; give a file name"


def test_an_empty_name_is_not_the_current_folder(fails, shopping, tmp_path):
    """As of a variable of a script that is not set."""
    shopping.lines.to_csv(tmp_path / "orders.csv", index=False)
    said = "the name of the data is empty; give a file, a folder or an address"
    for words in (
        ("check", ""),
        ("backtest", "--config", shopping.config, "--data", ""),
        ("score", " ", "--output", "scores.csv"),
        ("score", "", "--output", "scores.csv"),
    ):
        assert fails(*words) == said


def test_raw_data_is_never_written(fails, shopping, tmp_path):
    (tmp_path / "logs").mkdir()
    shopping.lines.to_csv(tmp_path / "logs" / "a.csv", index=False)
    for data in ("logs/a.csv", "logs", "logs/*.csv"):
        message = (
            f"output 'logs/a.csv' lies inside the data that is read ('{data}'), which is never changed; "
        )
        assert fails("score", data, "--output", "logs/a.csv").startswith(message)
        assert fails("check", data, "--rejects", "logs/a.csv").startswith(f"rejects file{message[6:]}")


def test_tables_beside_the_log_are_never_written(fails, shopping, tmp_path):
    for name in ("customers", "rates", "tickets", "acquired"):
        write(tmp_path / f"{name}.csv", "kept")
    beside = ("data.attributes.source=customers.csv", "data.rates=rates.csv", "data.currency=EUR")
    asked = [word for one in beside for word in ("--set", one)]
    asked += ["--set", "data.events={source: tickets.csv, date: day}", "--config", shopping.config]
    for name in ("customers", "rates", "tickets"):
        said = f"'{name}.csv' lies inside the data that is read ('{name}.csv'), which is never changed"
        assert said in fails("check", shopping.log, *asked, "--rejects", f"{name}.csv")
        assert said in fails("score", shopping.log, *asked, "--output", f"{name}.csv")
    write(tmp_path / "acquired.csv", "customer_id,acquisition_source\nC1,web\n")
    scored = ("score", shopping.log, "--acquired", "acquired.csv", "--output", "acquired.csv")
    assert "'acquired.csv' lies inside the data that is read" in fails(*scored)
    assert (tmp_path / "rates.csv").read_text() == "kept"


def test_a_failure_keeps_the_old_output(run, shopping, tmp_path, monkeypatch):
    write(tmp_path / "s.csv", "old")

    def full(self, expressions, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clvml.scores.batches.ScoredTable._ordered", full)
    code, out, err = run("score", shopping.log, "-o", "s.csv", "--explain", "none")
    assert (code, out) == (2, "")
    assert err == (
        "Error: output 's.csv' cannot be written: No space left on device; make room or choose another folder\n"
    )
    assert contents(tmp_path) == {str(tmp_path / "s.csv"): b"old"}
