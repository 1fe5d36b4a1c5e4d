"""`mode: subscription` from the table to the scored file, the run and what refuses it."""

from __future__ import annotations

import re
import runpy
import sqlite3
from pathlib import Path

import duckdb
import mlflow
import pandas as pd
import pytest
from tests.cli.conftest import one_object

from clvml import workflows
from clvml.config import parse_any_config
from clvml.scores.columns import SUBSCRIBERS
from clvml.tracking.reproduction import recorded_training

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "subscriptions.py"))
CONFIG = """
mode: subscription
data:
  source: subscriptions.csv
  columns: {customer_id: customer, start: begun, end: ended, plan: plan, price: price, period: billing}
  grace_days: 7
  early: [tickets]
  early_days: 10
  currency: EUR
windows: {horizon_days: 60, max_cutoffs: 4}
evaluation: {folds: 2, bootstrap_samples: 100}
model: {n_estimators: 40, n_jobs: 1}
tracking: {registered_model: subs}
"""
MODEL = "models:/subs@champion"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    table = EXAMPLE["subscriptions"](1500)
    return table.assign(tickets=range(len(table))).assign(tickets=lambda rows: rows["tickets"] % 3)


@pytest.fixture
def at_work(run, tmp_path, table):
    """Return the function that runs `clvml`, in a folder with the table and its configuration."""
    table.to_csv(tmp_path / "subscriptions.csv", index=False)
    (tmp_path / "subs.yaml").write_text(CONFIG)
    return run


def test_the_terminal_speaks_of_subscribers(at_work):
    code, out, _ = at_work("train", "--config", "subs.yaml", "--set", "evaluation.folds=1")
    assert code == 0
    code, scored, _ = at_work("score", "--output", "scores.csv", "--model", MODEL)
    assert code == 0
    # The measures, the cut-offs, what drives retention and what to do next; the data check counts customers of a table.
    for said in (out.partition("Across ")[2], scored):
        assert "ubscribers" in said
        assert "customer" not in said.lower()


def test_check_counts_what_is_left_out_with_its_money(at_work, tmp_path, table):
    bad = table.head(2).assign(customer=["x", "y"], ended=["2020-01-01", None], price=[5.0, "free"])
    pd.concat([table, bad]).to_csv(tmp_path / "subscriptions.csv", index=False)
    code, out, err = at_work("check", "--config", "subs.yaml")
    assert (code, err) == (0, "")
    assert f"read        {len(table) + 2:,} subscriptions, " in out
    assert "  left out  1 subscription, 5.00 EUR: an end before the start\n" in out
    assert "  left out  1 subscription, unread: a price that is not a number\n" in out
    assert "a horizon of 60 days needs 127: enough" in out.replace("\n", " ")
    told = one_object(at_work("check", "--config", "subs.yaml", "--json")[1])
    assert (told["rows_in"], told["rows_out"], told["enough_history"]) == (
        len(table) + 2,
        len(table),
        True,
    )
    assert [row["money"] for row in told["reasons"]] == [5.0, None]
    assert "Subscribed after  subscribers  1 month  2 months  3 months  6 months  12 months" in out
    assert [row["retention"] for row in told["retention"] if row["month"] == 0] == [1.0] * 36


def test_a_table_is_trained_on_scored_served_and_trained_on_again(at_work, tmp_path, table):
    code, out, err = at_work("train", "--config", "subs.yaml", "--json")
    assert (code, err) == (0, "")
    trained = one_object(out)
    assert trained["model_uri"] == "models:/subs/1"
    assert {"roc_auc", "log_loss", "wape"} <= trained["metrics"].keys()
    assert 0.7 <= trained["metrics"]["interval_coverage"] <= 1.0
    assert trained["answer"].startswith("Across 2 test dates, clvml ")
    assert any("Kaplan-Meier" in said or "sBG" in said for said in trained["verdicts"])
    store = f"sqlite:///{tmp_path}/mlflow.db"
    assert recorded_training("1", "subs", store).config.mode == "subscription"
    run_files = mlflow.artifacts.download_artifacts(run_id=trained["run_id"], tracking_uri=store)
    assert {"cohort", "revenue_retention"} <= set(pd.read_csv(Path(run_files, "retention.csv")))

    code, out, _ = at_work("score", "--output", "scores.csv", "--model", MODEL, "--json")
    told = one_object(out)
    scores = pd.read_csv("scores.csv", dtype={"customer_id": str})
    assert list(scores.columns) == [column.name for column in SUBSCRIBERS]
    # An end on the date of the scores or later is not known yet.
    running = table[(table["ended"].fillna("9") >= told["as_of"]) & (table["begun"] < told["as_of"])]
    assert sorted(scores["customer_id"]) == sorted(running["customer"].unique())
    former = table["customer"].nunique() - len(scores)
    assert (
        f"{former:,} former subscribers are left out: nothing of theirs runs on {told['as_of']}"
        in told["notes"]
    )
    assert scores["p_churn"].between(0, 1).all()
    assert scores["expected_spend"].between(scores["expected_spend_low"], scores["expected_spend_high"]).all()
    assert scores["clv"].is_monotonic_decreasing
    assert scores["reason_1"].notna().all()
    assert scores.loc[scores["reason_1_key"].notna(), "reason_1_key"].str.fullmatch(r"\w+[+-]").all()
    assert told["clv"] == pytest.approx(scores["clv"].sum())
    assert sum(plan["customers"] for plan in told["plans"]) == told["customers"] == len(scores)

    # The order of the rows changes no byte.
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "mixed.csv", index=False)
    code, out, _ = at_work("score", "mixed.csv", "--output", "again.csv", "--model", MODEL)
    assert code == 0
    assert f"{len(scores):,} subscribers scored as of {told['as_of']} into again.csv" in out
    (everyone,) = told["segments"]
    assert everyone["expected_spend_low"] < told["expected_spend"] < everyone["expected_spend_high"]
    interval = f"(80%: {everyone['expected_spend_low']:,.0f} to {everyone['expected_spend_high']:,.0f})"
    assert interval in " ".join(out.split())
    assert Path("again.csv").read_bytes() == Path("scores.csv").read_bytes()

    address = "duckdb:///out.duckdb?table=scores"
    for _ in range(2):
        assert at_work("score", "--output", address, "--model", MODEL, "--explain", "5")[0] == 0
    with duckdb.connect("out.duckdb") as database:
        counted = database.execute("select count(*), count(reason_1) from scores").fetchall()
    assert counted == [(len(scores), 5)]

    mlflow.set_tracking_uri(store)
    served = mlflow.pyfunc.load_model(MODEL).predict(
        table.assign(price=table["price"].astype(float), tickets=table["tickets"].astype(float))
        .astype({"customer": str, "begun": str, "ended": "string", "plan": str, "billing": str})
        .fillna({"ended": ""})
    )
    pd.testing.assert_series_equal(
        served["p_churn"], scores["p_churn"], check_exact=False, rtol=1e-9, check_names=False
    )

    code, out, _ = at_work("train", "--from-run", "1", "--config", "subs.yaml", "--json")
    assert (code, one_object(out)["reproduced"]["same_metrics"]) == (0, True)

    page = Path(run_files, "report.html").read_text(encoding="utf-8")
    assert "Subscribers: what is coming and whom to call" in page and "Kaplan-Meier by plan and age" in page
    check_what_is_read_off_the_scores(at_work, scores, table)


def check_what_is_read_off_the_scores(at_work, scores, table):
    as_of = pd.Timestamp(scores["as_of"].iloc[0])
    own = table.assign(begun=pd.to_datetime(table["begun"]), ended=pd.to_datetime(table["ended"]))
    own = own[own["begun"] < as_of]
    days = (own["ended"].where(own["ended"] < as_of, as_of) - own["begun"]).dt.days
    period = own["billing"].map({"month": 30.4375, "year": 365.25})
    earned = (days * own["price"] / period).groupby(own["customer"]).sum()
    assert scores["historic_spend"].tolist() == pytest.approx(
        earned.reindex(scores["customer_id"]).tolist(), abs=0.01
    )
    by_horizon = scores[[f"expected_spend_{days}d" for days in (30, 90, 180, 365)]]
    assert (by_horizon.diff(axis="columns").iloc[:, 1:] >= 0).all(axis=None)

    code, out, _ = at_work("report", "--scores", "scores.csv", "--lang", "de", "--output", "report.html")
    assert code == 0 and f"The report on {len(scores):,} subscribers" in out
    assert "Abonnenten: was kommt" in Path("report.html").read_text(encoding="utf-8")

    found = one_object(at_work("worth", "scores.csv", "--by", "segment,cohort", "--json")[1])
    assert found["value"]["margin"] == 0.3
    for groups in found["groups"].values():
        assert groups[-1]["clv"] == pytest.approx(scores["clv"].sum(), abs=0.5)
    assert {row["segment"] for row in found["groups"]["segment"]} == {"all", *scores["plan"]}
    since = as_of - pd.to_timedelta(scores["tenure_days"], unit="D")
    cohorts = since.dt.to_period("Q").astype(str).value_counts().to_dict()
    told = {row["cohort"]: row["customers"] for row in found["groups"]["cohort"] if row["cohort"] != "all"}
    assert told == cohorts
    code, _, err = at_work("worth", "scores.csv", "--data", "subscriptions.csv", "--config", "subs.yaml")
    assert code == 2 and "--data: of use with purchase logs only" in err

    Path("playbook.yaml").write_text(
        "campaign: stay\nactions:\n  offer:\n    contact_cost: 0.01\n    segments: [pro]\n"
        "    where: tenure_days > 10\n    save_rate: {mean: 0.2, sd: 0.1}\n"
    )
    code, out, _ = at_work(
        "plan", "scores.csv", "--playbook", "playbook.yaml", "--output", "plan.csv", "--json"
    )
    made = pd.read_csv("plan.csv", dtype={"customer_id": str})
    assert code == 0 and one_object(out)["planned"] == (made["action"] == "offer").sum() > 0
    assert set(made.loc[made["action"].notna(), "segment"]) == {"pro"}
    assert (
        made.set_index("customer_id")["segment"].to_dict()
        == scores.set_index("customer_id")["plan"].to_dict()
    )

    assert at_work("score", "--output", "old.csv", "--as-of", "2025-08-01", "--model", MODEL)[0] == 0
    code, out, err = at_work("monitor", "old.csv", "--data", "subscriptions.csv", "--model", MODEL, "--json")
    assert code in (0, 3), err
    found = one_object(out)
    old = pd.read_csv("old.csv", dtype={"customer_id": str})
    assert (found["compared_days"], found["customers"]) == (60, len(old))
    # The horizon ends on 30 September, and the grace period on 7 October.
    later = table[(table["begun"] < "2025-10-07") & ~(table["ended"].fillna("9") < "2025-09-30")]
    left = ~old["customer_id"].isin(later["customer"])
    assert found["metrics"]["churn_rate"] == pytest.approx(left.mean())
    assert {"p_churn", "billed"} & {row["name"] for row in found["drift"]}
    code, out, _ = at_work("monitor", "old.csv", "--data", "subscriptions.csv", "--model", MODEL)
    assert "in interval" in out and "P(churn)" in out
    wanted = ("dashboard", "--scores", "scores.csv", "--config", "subs.yaml", "--data", "subscriptions.csv")
    code, _, err = at_work(*wanted)
    assert code == 2 and "--data: of use with purchase logs only" in err


def test_an_experiment_compares_variants_at_past_dates(at_work, table):
    Path("001-trees.yaml").write_text(
        "question: Fewer trees?\nconfig: subs.yaml\nmetric: log_loss\nfolds: 2\n"
        "variants:\n  as it is: {}\n  few: {model.n_estimators: 2, data.grace_days: 7}\n"
    )
    code, out, err = at_work("experiment", "001-trees.yaml", "--json")
    assert (code, err) == (0, "")
    told = one_object(out)
    assert [variant["status"] for variant in told["variants"]] == ["finished", "finished"]
    assert told["variants"][0]["metrics"]["log_loss"] != told["variants"][1]["metrics"]["log_loss"]
    # The last window of 60 days, and the grace period after it, have ended.
    last = pd.Timestamp(table["begun"].max()) + pd.Timedelta(days=1 - 60 - 7)
    assert told["test_dates"][-1] == str(last.date())
    page = Path("001-trees.md").read_text(encoding="utf-8")
    assert "*Kaplan-Meier*" in page and "| few | `model.n_estimators: 2`" in page
    assert one_object(at_work("experiment", "001-trees.yaml", "--json")[1])["run_now"] == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("backtest", "--config", "subs.yaml", "--set", "mode=sub"),
            "'mode' must be 'purchase' or 'subscription'; currently set to 'sub'",
        ),
        (
            ("train", "--config", "subs.yaml", "--engine", "spark"),
            "--engine: of use with purchase logs only; leave out with mode: subscription",
        ),
        (
            ("check", "--config", "subs.yaml", "--rejects", "x.csv"),
            "--rejects: of use with purchase logs only",
        ),
        (
            ("sql", "--dialect", "duckdb", "--config", "subs.yaml", "--as-of", "2025-01-01"),
            "or score with `clvml score`, which reads a database table as well",
        ),
        (
            ("sql", "--dialect", "duckdb", "--config", "subs.yaml", "--as-of", "2025-01-01"),
            "which `clvml check`, `train`, `backtest`, `score`, `worth`, ",
        ),
        (("check", "--config", "subs.yaml", "--set", "data.columns.price="), "'data.columns.price'"),
        (("check", "--config", "subs.yaml", "--set", "data.columns.plan=tarif"), "has no column 'tarif'"),
        (
            ("check", "--config", "subs.yaml", "--set", "value.cost=cost"),
            "cost and margins are for purchase logs",
        ),
        (
            ("check", "--config", "subs.yaml", "--as-of", "2020-01-01"),
            "no subscription begins before 2020-01-01",
        ),
        (("check", ".", "--config", "subs.yaml"), "from one file or table, not from the folder '.'"),
        (("check", "duckdb:///no.duckdb?table=d", "--config", "subs.yaml"), "no.duckdb"),
        (
            ("check", "--config", "subs.yaml", "--set", "data.early=[a b]"),
            "'a b' is not a name of letters, digits",
        ),
    ],
)
def test_what_subscriptions_cannot_do_is_said(at_work, command, said):
    code, out, err = at_work(*command)
    assert (code, out) == (2, "")
    assert said in re.sub(r"\s+", " ", err)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_database_table_is_read_as_a_file(at_work, table, kind):
    if kind == "duckdb":
        with duckdb.connect("subs.db") as database:
            typed = table.assign(begun=pd.to_datetime(table["begun"]), ended=pd.to_datetime(table["ended"]))
            database.register("given", typed)
            database.execute("create table subscriptions as select * from given")
    else:
        with sqlite3.connect("subs.db") as database:
            table.to_sql("subscriptions", database, index=False)
    address = f"{kind}:///subs.db?table=subscriptions"
    found, same = (
        one_object(at_work("check", *source, "--config", "subs.yaml", "--json")[1])
        for source in ((address,), ())
    )
    assert found == same


def test_payments_are_read_and_what_they_pay_for_is_told(at_work):
    Path("payments.csv").write_text(
        "who,paid,money\n"
        + "".join(f"a,2024-{month:02}-20,9\nb,2024-{month:02}-21,5\n" for month in range(1, 10))
    )
    Path("pay.yaml").write_text(
        "mode: subscription\nwindows: {horizon_days: 60}\ndata:\n  source: payments.csv\n"
        "  payments: {customer_id: who, date: paid, amount: money}\n"
    )
    code, out, _ = at_work("check", "--config", "pay.yaml")
    assert code == 0
    assert "read        18 payments, 126.00\n" in out
    assert "found       2 subscriptions, billed 2 by the month\n" in out
    assert "as of 2024-09-22, the day after the last payment" in re.sub(r"\s+", " ", out)


def test_a_short_table_is_not_trained_on(at_work):
    code, _, err = at_work("train", "--config", "subs.yaml", "--as-of", "2023-02-15")
    assert code == 2
    assert "62 subscriptions began before 2023-02-15, 3 of which have ended: at least 100" in re.sub(
        r"\s+", " ", err
    )


def test_before_a_window_has_ended_the_survival_of_plans_is_trained_alone(at_work):
    code, out, err = at_work("train", "--config", "subs.yaml", "--as-of", "2023-04-01")
    assert code == 0
    assert "the survival of the plans predicts alone" in re.sub(r"\s+", " ", out + err)


def test_what_begins_later_is_told(tmp_path, table):
    table.to_csv(tmp_path / "subscriptions.csv", index=False)
    names = {"customer_id": "customer", "start": "begun", "end": "ended", "plan": "plan"}
    raw = {
        "mode": "subscription",
        "data": {
            "source": str(tmp_path / "subscriptions.csv"),
            "columns": {**names, "price": "price", "period": "billing"},
        },
        "windows": {"horizon_days": 60},
    }
    config = parse_any_config(raw, "configuration")
    now = pd.Timestamp("2024-06-30", tz="UTC").to_pydatetime()
    prepared = workflows.prepare_subscriptions(config.data, now)
    later = (pd.to_datetime(table["begun"]) >= str(prepared.as_of)).sum()
    assert str(prepared.as_of) <= "2024-07-01"
    assert f"{later:,} subscriptions that begin on {prepared.as_of} or later are not used" in prepared.note
