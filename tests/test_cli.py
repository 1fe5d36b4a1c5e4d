"""The command line, end to end: what is printed where, exit codes, and every bad input that people give."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from clvml import cli
from clvml.scores.columns import COLUMNS

USAGE = "Usage: clvml "


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Return a function that runs `clvml` in an empty folder: (exit code, stdout, stderr without progress)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.setenv("COLUMNS", "100")

    def _run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["clvml", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return (
            end.value.code,
            out,
            "".join(line for line in err.splitlines(True) if not line.startswith("... ")),
        )

    return _run


@pytest.fixture
def fails(run, tmp_path):
    """Return a function that runs `clvml` on bad input, checks that it leaves nothing, and gives its message."""

    def _fails(*arguments: object) -> str:
        before = contents(tmp_path)
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert err.endswith("\n")
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        return err.removeprefix("Error: ").removesuffix("\n")

    return _fails


@pytest.fixture
def shopping(shop, monkeypatch, run):
    """Return the shop, with its tracking store in the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
    return shop


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_object(out: str) -> dict:
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


HEADER = "customer_id,order_date,amount,order_id,product_id\n"


# What is asked for and works


def test_help_lists_the_commands(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in ("check", "train", "backtest", "score", "compare", "promote", "sync"):
        assert re.search(rf"^  {command} ", out, re.MULTILINE)
    assert run() == (0, out, "")


def test_version(run):
    assert run("--version") == (0, "0.4.0\n", "")


def test_training_gives_one_json_object(shop):
    trained = shop.trained
    assert {"run_id", "model_version", "model_uri", "metrics"} <= set(trained)
    assert trained["model_version"] == "1"
    assert trained["model_uri"] == "models:/clvml/1"
    assert trained["alias"] == "champion"
    assert trained["as_of"] == "2024-06-30"
    assert trained["answer"].startswith("Across 2 test dates, clvml ")
    assert 0 < trained["metrics"]["wape"] < 2
    assert 0.5 < trained["metrics"]["roc_auc"] <= 1
    assert "as of 2024-06-30, the day after the last order; --as-of sets another date" in trained["notes"]


def test_the_run_names_the_log_that_was_read(shop):
    from mlflow import MlflowClient

    run = MlflowClient(tracking_uri=shop.tracking).get_run(shop.trained["run_id"])
    assert run.data.params["data.source"] == str(shop.log)


def test_the_registered_model_says_what_it_gives(shop):
    import mlflow

    mlflow.set_tracking_uri(shop.tracking)
    try:
        outputs = mlflow.models.get_model_info(shop.trained["model_uri"]).signature.outputs
    finally:
        mlflow.set_tracking_uri(None)
    kinds = dict(zip(outputs.input_names(), [kind.name for kind in outputs.input_types()], strict=True))
    assert tuple(kinds) == COLUMNS
    assert {name for name, kind in kinds.items() if kind == "string"} == {
        "customer_id", "as_of", "churn_risk", "last_order_date", "next_order_date", "value_tier", "segment",
        "reason_1", "reason_2", "reason_3", "model_version", "run_id",
    }  # fmt: skip


def test_training_for_people(run, shopping):
    shop = shopping
    code, out, err = run(
        "train", "-c", shop.config, "--data", shop.log, "--set", "model.n_estimators=2",
        "--set", "windows.max_cutoffs=2", "--set", "evaluation.folds=1", "--set", "tracking.registered_model=a shop",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert re.search(r"^read +2,410 lines ", out)
    assert "\nAcross 1 test date, clvml " in out
    assert "\nWhat drives retention\n  - Customers who " in out
    assert "\nThe model is models:/a shop/1, now the champion of 'a shop'. Score customers with\n" in out
    # The command that is proposed can be pasted as it stands.
    proposed = next(line for line in out.splitlines() if "clvml score " in line)
    assert proposed.endswith("--output scores.csv --model 'models:/a shop@champion'")
    code, out, err = run(
        "score", shop.log, "--output", "scores.csv", "--model", "models:/a shop@champion", "--json"
    )
    assert (code, one_object(out)["customers"]) == (0, 247)


def test_backtest_for_people_and_machines(run, shop, monkeypatch):
    command = [
        "backtest", "-c", shop.config, "--data", shop.log, "--folds", 1, "--set", "model.n_estimators=2",
        "--set", "windows.max_cutoffs=2",
    ]  # fmt: skip
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert out.startswith("\nAcross 1 test date, clvml finds the money ")
    # Readable at 80 columns: one line per model, none cut.
    assert max(map(len, out.splitlines())) <= 80
    head = next(line for line in out.splitlines() if line.startswith("Spend "))
    assert head.split() == ["Spend", "WAPE", "RMSE", "Spearman", "Gini", "bias", "top", "10", "%"]
    assert re.search(r"^BTYD( +\d+\.\d+){4} +[+-]\d+\.\d % +\d+\.\d %$", out, re.M)
    assert re.search(r"^trailing 365 days +\d", out, re.MULTILINE)
    assert re.search(r"^Churn +AUC +AP +log loss +Brier +ECE$", out, re.MULTILINE)
    for verdict in ("better", "no clear difference", "worse"):
        assert f"\n  - {verdict}: " in out
    code, out, err = run(*command, "--json")
    told = one_object(out)
    assert (code, err) == (0, "")
    assert told["champion"] == "clvml"
    assert told["as_of"] == "2024-06-30"
    assert told["headline"]["wape"] == pytest.approx(
        next(r["value"] for r in told["pooled"] if (r["model"], r["metric"]) == ("clvml", "wape"))
    )


def test_check_without_a_configuration(run, shop):
    code, out, err = run("check", shop.log)
    assert (code, err) == (0, "")
    assert out.startswith(
        "No configuration was given; what follows is assumed from the names of the columns."
    )
    assert "      customer_id: customer_id\n      order_date: order_date\n      amount: amount\n" in out
    assert re.search(r"^customers +247, ", out, re.MULTILINE)
    assert "a horizon of 180 days needs 240" in out
    code, out, err = run("check", shop.log, "--json")
    told = one_object(out)
    assert (code, err) == (0, "")
    assert told["columns_assumed"] is True
    assert told["columns_read"]["amount"] == "amount"
    assert (told["horizon_days"], told["enough_history"], told["longest_horizon_days"]) == (180, True, 485)
    assert (told["rows_in"], told["customers"]) == (2410, 247)


def test_what_check_proposes_is_a_configuration(run, shop, tmp_path):
    _, out, _ = run("check", shop.log)
    proposed = [line[2:] for line in out.split("\n\n")[1].splitlines()]
    write(tmp_path / "proposed.yaml", "\n".join(proposed))
    code, out, err = run("check", shop.log, "--config", "proposed.yaml", "--json")
    assert (code, err) == (0, "")
    assert one_object(out)["columns_assumed"] is False


def test_what_check_proposes_keeps_what_was_set(run, tmp_path):
    write(tmp_path / "log.csv", HEADER.replace("amount", "total") + "a,2024-01-05,10,1,p\n")
    overrides = [
        "--set",
        "data.timezone=Europe/Paris",
        "--set",
        "data.columns.product_id=",
        "--set",
        "seed=3",
    ]
    _, out, _ = run("check", "log.csv", *overrides)
    assert out.split("\n\n")[1] == (
        "  data:\n    source: log.csv\n    columns:\n      customer_id: customer_id\n      order_date: order_date\n"
        "      amount: total\n      order_id: order_id\n    timezone: Europe/Paris\n  windows:\n"
        "    horizon_days: 180\n  seed: 3"
    )


def test_check_writes_the_rejects(run, tmp_path):
    write(tmp_path / "log.csv", HEADER + "a,2024-01-05,10,1,p\n,2024-01-06,5,2,p\n=b,2099-01-01,5,2,p\n")
    code, out, _ = run("check", "log.csv", "--rejects", "rejects.csv")
    assert code == 0
    assert out.endswith("2 rejected rows are in rejects.csv\n")
    rejects = pd.read_csv(tmp_path / "rejects.csv")
    assert rejects["reason"].tolist() == ["missing customer id", "date in the future"]
    assert rejects["customer_id"].tolist()[1] == "'=b"
    _, out, _ = run("check", "log.csv")
    assert out.endswith("2 rows were rejected; --rejects FILE writes them to a file\n")


def test_score_for_people_and_machines(run, shopping, tmp_path):
    code, out, err = run("score", shopping.log, "--output", "scores.csv")
    assert (code, err) == (0, "")
    assert out.startswith(
        "247 customers scored as of 2024-06-30 into scores.csv (model version 1)\nExpected spend is "
    )
    assert re.search(r" EUR in 60 days \(80 %: [\d,]+ to [\d,]+\); lifetime\s+value is ", out)
    assert "a margin of 30% over" in out
    assert re.search(
        r"^Segment +customers +mean P\(churn\) +spend EUR +80 % interval +CLV EUR$", out, re.MULTILINE
    )
    assert re.search(r"^not enough history +1 ", out, re.MULTILINE)
    code, out, err = run("score", shopping.log, "-o", "scores.parquet", "--json")
    told = one_object(out)
    assert (code, err) == (0, "")
    assert (told["customers"], told["model_version"], told["horizon_days"]) == (247, "1", 60)
    assert told["run_id"] == shopping.trained["run_id"]
    table = pd.read_parquet(tmp_path / "scores.parquet")
    *segments, everyone = told["segments"]
    assert sum(row["customers"] for row in segments) == everyone["customers"] == 247
    assert everyone["expected_spend"] == pytest.approx(told["expected_spend"])
    assert everyone["expected_spend_low"] < told["expected_spend"] < everyone["expected_spend_high"]
    # The total is surer than its customers.
    assert everyone["expected_spend_high"] < table["expected_spend_high"].sum()
    assert told["clv"] == pytest.approx(table["clv"].sum())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "scores.parquet"]
    # The old file is replaced as a whole, with the same bytes.
    before = (tmp_path / "scores.csv").read_bytes()
    run("score", shopping.log, "--output", "scores.csv", "--config", shopping.config)
    assert (tmp_path / "scores.csv").read_bytes() == before


def test_score_a_past_date_without_reasons(run, shopping, tmp_path):
    code, out, _ = run(
        "score", shopping.log, "-o", "s.csv", "--as-of", "2024-03-01", "--explain", "none", "--json"
    )
    assert code == 0
    assert one_object(out)["notes"] == [
        "the model was trained on data up to 2024-06-30, after 2024-03-01: it has seen what it predicts here"
    ]
    table = pd.read_csv(tmp_path / "s.csv")
    assert table["as_of"].unique().tolist() == ["2024-03-01"]
    assert table["last_order_date"].max() < "2024-03-01"
    assert table[["reason_1", "reason_2", "reason_3"]].isna().all(axis=None)


def test_score_settings_that_the_model_overrules_are_noted(run, shopping):
    _, out, _ = run(
        "score", shopping.log, "-o", "s.csv", "--set", "value.margin=0.9", "--json", "--explain", "none"
    )
    assert one_object(out)["notes"][2:] == [
        "the model was trained with other settings, which count: value.margin (0.9 asked, 0.3 used)"
    ]


@pytest.mark.parametrize("customer", ["C0004", "only-refunds", "=1+1"])
def test_a_file_of_one_customer(run, shopping, tmp_path, customer):
    lines = shopping.lines
    lines[lines["customer_id"] == customer].to_csv(tmp_path / "one.csv", index=False)
    code, out, _ = run("score", "one.csv", "-o", "s.parquet", "--json")
    assert (code, one_object(out)["customers"]) == (0, 1)
    assert pd.read_parquet(tmp_path / "s.parquet")["customer_id"].tolist() == [customer]


# Bad data


def test_data_that_is_not_there(fails, shopping, tmp_path):
    message = f"'none.csv' does not exist; check the path and the current folder ('{tmp_path}')"
    assert fails("check", "none.csv") == message
    assert fails("check", "none.csv", "--json") == message
    assert fails("score", "none.csv", "-o", "s.csv", "--json") == message
    assert fails("train", "-c", shopping.config, "--data", "none.csv", "--json") == message
    assert fails("backtest", "-c", shopping.config, "--data", "none.csv", "--json") == message
    # data.source of the configuration.
    assert fails("train", "-c", shopping.config).startswith("'last-year.csv' does not exist; ")
    assert (
        fails("check", "none*.csv") == "no file matches 'none*.csv'; check the pattern and the current folder"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "'log.csv' is empty; it needs a header line with column names and at least one data line"),
        (HEADER, "'log.csv' has a header and no data line; export it again"),
        (
            HEADER + "a,2024-01-05,x1.50,1,p\nb,2024-01-06,free,2,p\n",
            "column 'amount' (amount) of 'log.csv' holds no number that can be read, for example 'free', 'x1.50'; name"
            " another column in data.columns.amount",
        ),
        (
            HEADER + "a,2999-01-05,10,1,p\nb,2999-01-06,10,2,p\n",
            "no line of 'log.csv' can be used: 2 read, left out for date in the future (2); check data.columns,"
            " data.timezone and the as-of date against the file",
        ),
    ],
    ids=["empty", "header only", "text amounts", "future dates"],
)
def test_data_without_content(fails, shopping, tmp_path, content, message):
    write(tmp_path / "log.csv", content)
    assert fails("check", "log.csv") == message
    assert fails("check", "log.csv", "--config", shopping.config, "--json") == message
    assert fails("score", "log.csv", "--output", "s.csv") == message
    assert fails("train", "--config", shopping.config, "--data", "log.csv") == message


def test_columns_by_other_names(fails, run, shopping, tmp_path):
    renamed = shopping.lines.set_axis(["Customer No", "Date", "Invoice", "Total", "SKU"], axis="columns")
    renamed.to_csv(tmp_path / "log.csv", index=False)
    message = (
        "'log.csv' has no column for customer_id: customer_id, order_date: order_date, amount: amount, order_id:"
        " order_id, product_id: product_id (data.columns). Its columns: Customer No, Date, Invoice, Total, SKU. Did"
        " you mean columns: {customer_id: Customer No, order_date: Date, amount: Total, order_id: Invoice, product_id:"
        " SKU}?"
    )
    assert fails("score", "log.csv", "-o", "s.csv") == message
    assert fails("train", "-c", shopping.config, "--data", "log.csv") == message
    assert run("check", "log.csv")[0] == 0


def test_a_log_without_a_trained_column(fails, shopping, tmp_path):
    shopping.lines.drop(columns="product_id").to_csv(tmp_path / "log.csv", index=False)
    assert fails("score", "log.csv", "-o", "s.csv").startswith(
        "'log.csv' has no column for product_id: product_id (data.columns). Its columns: "
    )
    assert fails("score", "log.csv", "-o", "s.csv", "--set", "data.columns.product_id=").startswith(
        "the model was trained on features that this data does not have: "
    )


def test_a_directory_of_unlike_files(fails, shopping, tmp_path):
    (tmp_path / "logs").mkdir()
    write(tmp_path / "logs" / "a.csv", HEADER)
    write(tmp_path / "logs" / "b.csv", "customer_id,order_date,total\n")
    message = fails("check", "logs")
    assert message.startswith("files have different columns: compared with 'logs/a.csv', 'logs/b.csv' lacks ")
    assert fails("score", "logs", "-o", "s.csv") == message


def test_half_a_parquet_file(fails, shopping, tmp_path):
    shopping.lines.to_parquet(tmp_path / "log.parquet")
    whole = (tmp_path / "log.parquet").read_bytes()
    (tmp_path / "log.parquet").write_bytes(whole[: len(whole) // 2])
    message = fails("check", "log.parquet")
    assert message.startswith(
        "'log.parquet' cannot be read; it may be cut off or of another kind: export it again ("
    )
    assert fails("score", "log.parquet", "-o", "s.csv") == message


def test_too_few_days_or_purchases(fails, shopping, tmp_path):
    shop, lines = shopping, shopping.lines
    lines[lines["order_date"] >= "2024-04-11"].to_csv(tmp_path / "short.csv", index=False)
    lines[lines["customer_id"] == "only-refunds"].to_csv(tmp_path / "none.csv", index=False)
    assert fails("backtest", "-c", shop.config, "--data", "short.csv").startswith(
        "80 days of history before 2024-06-30 are too short to test a horizon of 60 days out of time: 88 are needed; "
    )
    none = "no purchase of positive amount before 2024-06-30; choose a later date or more data"
    assert fails("train", "-c", shop.config, "--data", "none.csv", "--json") == none
    assert "no purchase of positive amount" in fails("backtest", "-c", shop.config, "--data", "none.csv")


# Bad configurations


def test_configurations(fails, shop, tmp_path):
    asked = "no configuration given; add --config FILE (`clvml check DATA` proposes one for a file of yours)"
    assert fails("train") == fails("backtest") == asked
    assert fails("train", "-c", "none.yaml") == (
        "configuration 'none.yaml' does not exist; give --config an existing YAML file"
    )
    assert fails("train", "-c", tmp_path) == (
        f"configuration '{tmp_path}' is a directory; give --config a YAML file"
    )
    write(tmp_path / "list.yaml", "- 1\n")
    assert fails("backtest", "-c", "list.yaml") == (
        "configuration 'list.yaml' holds no keys; see docs/configuration.md for an example"
    )
    write(tmp_path / "broken.yaml", "data: [1\n")
    assert fails("check", shop.log, "-c", "broken.yaml").startswith(
        "configuration 'broken.yaml' is not valid YAML: "
    )
    write(tmp_path / "unknown.yaml", shop.config.read_text().replace("horizon_days", "horizn_days"))
    assert fails("score", shop.log, "-o", "s.csv", "-c", "unknown.yaml") == (
        "configuration 'unknown.yaml' has 2 problems:\n"
        "  - 'windows.horizon_days' is required\n"
        "  - unknown key 'windows.horizn_days' (did you mean 'horizon_days'?); known: horizon_days, step_days,"
        " max_cutoffs, min_history_days"
    )


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "windows.horizon_days=-5",
            "'windows.horizon_days': Input should be greater than 0; currently set to -5",
        ),
        ("windows.horizon_days", "--set 'windows.horizon_days' is not of the form a.b=c"),
        ("windows.horizon=9", "unknown key 'windows.horizon' (did you mean 'horizon_days'?)"),
    ],
)
def test_assignments(fails, shopping, assignment, message):
    assert message in fails("train", "-c", shopping.config, "--set", assignment)
    assert message in fails("check", shopping.log, "--set", assignment)
    assert message in fails("score", shopping.log, "-o", "s.csv", "--set", assignment)


# Bad dates, choices, models, outputs


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
        f"no model yet: there is no tracking store at '{tmp_path}/none.db'; "
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


def test_raw_data_is_never_written(fails, shopping, tmp_path):
    (tmp_path / "logs").mkdir()
    shopping.lines.to_csv(tmp_path / "logs" / "a.csv", index=False)
    for data in ("logs/a.csv", "logs", "logs/*.csv"):
        message = (
            f"output 'logs/a.csv' lies inside the data that is read ('{data}'), which is never changed; "
        )
        assert fails("score", data, "--output", "logs/a.csv").startswith(message)
        assert fails("check", data, "--rejects", "logs/a.csv").startswith(f"rejects file{message[6:]}")


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


# Usage errors, defects and interrupts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scroe"], "No such command 'scroe'"),
        (["score", "log.csv"], "Missing option '--output' / '-o'"),
        (["score", "-o", "s.csv"], "Missing argument 'DATA'."),
        (["check", "log.csv", "--sett", "a=b"], "No such option: --sett"),
        (["backtest", "--folds", "0"], "Invalid value for '--folds'"),
        (["backtest", "--folds", "three"], "Invalid value for '--folds'"),
    ],
)
def test_usage_errors(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(USAGE)
    assert f"\nError: {message}" in err
    assert "Traceback" not in err


def test_a_defect_is_owned_up_to(run, shop, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("clvml.workflows.check_length", broken)
    code, out, err = run("check", shop.log)
    assert (code, out) == (1, "")
    first, second, *_ = err.splitlines()
    assert first == (
        "Error: ZeroDivisionError; this is a defect of clvml and not of your input: please report it with your command"
        " and the lines below"
    )
    assert second == "Traceback (most recent call last):"
    assert err.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt(run, shop, monkeypatch, error):
    def interrupted(*arguments):
        raise error("Query interrupted")

    monkeypatch.setattr("clvml.workflows.check_length", interrupted)
    assert run("check", shop.log) == (130, "", "Interrupted.\n")


def test_a_full_disk_is_no_defect(run, shop, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", "/tmp/x")

    monkeypatch.setattr("clvml.workflows.check_length", full)
    assert run("check", shop.log) == (
        2,
        "",
        "Error: the disk is full ([Errno 28] No space left on device: '/tmp/x'); make room, or point TMPDIR at a"
        " larger disk\n",
    )


def test_too_little_memory_is_no_defect(run, shop, monkeypatch):
    import duckdb

    def full(*arguments):
        raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block\nmore")

    monkeypatch.setattr("clvml.workflows.check_length", full)
    code, out, err = run("check", shop.log)
    assert (code, out) == (2, "")
    assert err == (
        "Error: there is too little memory (Out of Memory Error: could not allocate block); give more with --memory\n"
    )


def test_a_reader_that_leaves(shop):
    # As in `clvml check log.csv | head -0`, by the status that other tools end with.
    command = [sys.executable, "-m", "clvml", "check", str(shop.log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_names_that_the_terminal_cannot_show(tmp_path):
    command = [sys.executable, "-X", "utf8=0", "-m", "clvml", "check", "顧客.csv"]
    environment = {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"Error: '\\u9867\\u5ba2.csv' does not exist; ")


def test_help_needs_nothing_heavy():
    heavy = {
        "duckdb",
        "matplotlib",
        "mlflow",
        "numpy",
        "pandas",
        "rich",
        "scipy",
        "shap",
        "sklearn",
        "xgboost",
    }
    code = "import sys; from clvml import cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert heavy & {name.partition(".")[0] for name in loaded.split()} == set()


# --- monitor ---


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
    turned = pd.read_csv(scores, dtype=str)
    turned["p_churn"] = 1 - turned["p_churn"].astype(float)
    turned.to_csv(scores, index=False)
    code, out, _ = run("monitor", scores, "--data", shopping.log)
    assert code == 3
    assert "Recommendation: retrain\n  - the order of customers is worse than in training" in out


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
