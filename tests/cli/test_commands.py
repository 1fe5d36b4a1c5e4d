"""What is asked of the command line and works: what is printed where, for people and for programs."""

import re

import duckdb
import pandas as pd
import pytest
from tests.cli.conftest import HEADER, one_object, write

from clvml.scores.columns import COLUMNS, REASON_COLUMNS
from clvml.scores.scorer import read_scores
from clvml.storage.files import escaped


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
        "model_version", "run_id", *REASON_COLUMNS,
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
    assert head.split() == ["Spend", "WAPE", "RMSE", "Spearman", "Gini", "bias", "top", "10%"]
    assert re.search(r"^BTYD( +\d+\.\d+){4} +[+-]\d+\.\d% +\d+\.\d%$", out, re.M)
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
    secret = ("--set", "data.source=postgresql://me:secret@shop/db?table=orders")
    _, out, _ = run("check", shop.log, "--config", "proposed.yaml", *secret, "--set", "seed=3")
    assert out.splitlines()[-1].startswith("  clvml train --config proposed.yaml --data ")
    assert out.endswith(" --set seed=3\n") and "secret" not in out


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
        "    horizon_days: 180\n  seed: 3\n  tracking:\n    experiment: my-shop\n    registered_model: my-shop\n"
        "  value:\n    margin: 0.3  # what you earn of turnover: an assumption"
    )
    write(tmp_path / "nothing.csv", HEADER + "a,2024-01-05,0,1,p\n")
    assert run("check", "nothing.csv")[1].endswith(
        "\nno line has a positive amount: a training would be refused\n"
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


def test_check_writes_the_lines_that_are_used(run, fails, tmp_path):
    write(tmp_path / "log.csv", HEADER + "a,2024-01-05,1,1,p\n,2024-01-06,1,2,p\n=b,2024-01-05,1,1,q\n")
    code, out, _ = run("check", "log.csv", "--log", "used.parquet")
    assert (code, out.splitlines()[-1]) == (0, "The lines that are used are in used.parquet")
    found = pd.read_parquet("used.parquet")
    assert found["customer_id"].tolist() == ["a", "=b"]
    assert {"order_date", "amount", "order_id", "product_id", "quantity"} < set(found.columns)
    assert "log 'used.csv' must end in .parquet" in fails("check", "log.csv", "--log", "used.csv")


def test_score_for_people_and_machines(run, shopping, tmp_path):
    code, out, err = run("score", shopping.log, "--output", "scores.csv")
    assert (code, err) == (0, "")
    assert out.startswith(
        "247 customers scored as of 2024-06-30 into scores.csv (model version 1)\nExpected spend is "
    )
    assert re.search(r" EUR in 60 days \(80%: [\d,]+ to [\d,]+\); lifetime\s+value is ", out)
    assert "a margin of 30% over" in out
    assert re.search(
        r"^Segment +customers +mean P\(churn\) +spend EUR +80% interval +CLV EUR$", out, re.MULTILINE
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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scores.csv",
        "scores.overview.json",
        "scores.parquet",
    ]
    # The old file is replaced as a whole, with the same bytes.
    before = (tmp_path / "scores.csv").read_bytes()
    run("score", shopping.log, "--output", "scores.csv", "--config", shopping.config)
    assert (tmp_path / "scores.csv").read_bytes() == before


def test_score_a_past_date_without_reasons(run, shopping, tmp_path):
    code, out, _ = run(
        "score", shopping.log, "-o", "s.csv", "--as-of", "2024-03-01", "--explain", "none", "--json"
    )
    assert code == 0
    assert one_object(out)["notes"][-1:] == [
        "the model was trained on data up to 2024-06-30, after 2024-03-01: it has seen what it predicts here"
    ]
    table = pd.read_csv(tmp_path / "s.csv")
    assert table["as_of"].unique().tolist() == ["2024-03-01"]
    assert table["last_order_date"].max() < "2024-03-01"
    assert table[["reason_1", "reason_2", "reason_3"]].isna().all(axis=None)


def test_where_customers_came_from_stands_in_the_scored_file(run, fails, shopping, tmp_path):
    came = ["=ads", "007", None, "fair, spring"]
    customers = sorted(set(shopping.lines["customer_id"]))
    sources = {name: came[place % 4] for place, name in enumerate(customers)}
    rows = [f'{escaped(name)},"{source or ""}"' for name, source in sources.items()]
    write(tmp_path / "acquired.csv", "\n".join(["customer_id,acquisition_source", *rows, "else,ads"]))
    asked = ("score", shopping.log, "--explain", "none", "--acquired", "acquired.csv")
    table = "duckdb:///s.duckdb?table=scores"
    for output in ("s.csv", "s.parquet", table, table):
        code, _, err = run(*asked, "--output", output, "--json")
        assert code == 0, err
    plain = run("score", shopping.log, "--explain", "none", "--output", "plain.csv")
    assert plain[0] == 0
    for name in ("s.csv", "s.parquet"):
        found = read_scores(tmp_path / name)
        assert found.set_index("customer_id")["acquisition_source"].fillna("").to_dict() == {
            customer: source or "" for customer, source in sources.items()
        }
    usual = read_scores(tmp_path / "plain.csv")
    pd.testing.assert_frame_equal(read_scores(tmp_path / "s.csv")[usual.columns], usual)
    with duckdb.connect(tmp_path / "s.duckdb") as connection:
        query = "select count(*) from scores where acquisition_source = '007'"
        assert connection.execute(query).fetchall() == [(len(customers[1::4]),)]
    code, out, err = run("worth", "s.csv", "--by", "acquisition_source", "--json")
    groups = {
        row["acquisition_source"]: row["customers"] for row in one_object(out)["groups"]["acquisition_source"]
    }
    assert groups["(none)"] == len(customers[2::4])
    assert groups["=ads"] == len(customers[::4])
    assert "it lacks 'acquisition_source'" in fails(
        *asked[:4], "--acquired", "acquired.csv", "-o", older(tmp_path)
    )
    write(tmp_path / "others.csv", "customer_id,acquisition_source\nnobody,ads\n")
    said = fails(*asked[:4], "--acquired", "others.csv", "-o", "t.csv")
    assert "no customer of the log is among the 1 with a known acquisition source" in said


def older(folder):
    """Return a table that was written without the column."""
    with duckdb.connect(folder / "s.duckdb") as connection:
        connection.execute("create table older as select * exclude (acquisition_source) from scores")
    return "duckdb:///s.duckdb?table=older"


def test_score_with_reasons_for_the_spend(run, shopping, tmp_path):
    code, _, _ = run("score", shopping.log, "-o", "s.csv", "--value-reasons", "--explain", "9")
    table = pd.read_csv(tmp_path / "s.csv")
    assert (code, tuple(table)[: len(COLUMNS)]) == (0, COLUMNS)
    assert table["value_reason_1"].str.contains("expected spend").sum() == 9
    address = f"sqlite:///{tmp_path}/s.db?table=scores"
    assert run("score", shopping.log, "-o", address, "--value-reasons")[0] == 0
    code, _, err = run("score", shopping.log, "-o", address)
    assert code == 2 and "which are not written; name another table" in err


def test_score_settings_that_the_model_overrules_are_noted(run, shopping):
    _, out, _ = run(
        "score", shopping.log, "-o", "s.csv", "--set", "value.margin=0.9", "--json", "--explain", "none"
    )
    assert one_object(out)["notes"][-1:] == [
        "the model was trained with other settings, which count: value.margin (0.9 asked, 0.3 used)"
    ]


@pytest.mark.parametrize("customer", ["C0004", "only-refunds", "=1+1"])
def test_a_file_of_one_customer(run, shopping, tmp_path, customer):
    lines = shopping.lines
    lines[lines["customer_id"] == customer].to_csv(tmp_path / "one.csv", index=False)
    code, out, _ = run("score", "one.csv", "-o", "s.parquet", "--json")
    assert (code, one_object(out)["customers"]) == (0, 1)
    assert pd.read_parquet(tmp_path / "s.parquet")["customer_id"].tolist() == [customer]


def test_sql_says_of_times_that_are_utc_where_training_counted_their_days(run):
    words = [
        "--columns",
        "customer_id=who,order_date=created_utc,amount=sum",
        "--as-of",
        "2024-01-01",
        "--horizon",
        90,
    ]
    words += ["--set", "data.timezone=Europe/Berlin"]
    code, out, err = run("sql", "--dialect", "duckdb", *words)
    assert code == 0 and out.strip().endswith(";")
    assert err.startswith("note: column 'created_utc' is UTC by its name")
    told = one_object(run("sql", "--dialect", "duckdb", *words, "--json")[1])
    assert len(told["notes"]) == 1
