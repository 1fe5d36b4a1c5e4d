"""clvml worth, end to end."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.decide.conftest import scored

from clvml.scores.columns import SUBSCRIBERS
from clvml.storage.files import write_table


@pytest.fixture
def scores(tmp_path):
    write_table(scored(300), tmp_path / "scores.csv")
    before = {"as_of": ["2024-04-01"] * 300, "last_order_date": ["2024-03-01"] * 300}
    write_table(scored(300, seed=1, **before), tmp_path / "before.csv")
    (tmp_path / "costs.csv").write_text("value_tier,acquisition_cost,margin\ngold,50,0.4\n")
    return "scores.csv"


def test_worth_is_printed(run, scores):
    code, out, err = run("worth", scores, "--before", "before.csv", "--costs", "costs.csv")
    assert code == 0, err
    for said in (
        "300 customers are worth",
        "may cost: margin so far and to come",
        "The most valuable",
        "Since the earlier scores",
        "a margin of 30%",
        "months",
    ):
        assert said in out


def test_worth_as_json(run, scores):
    code, out, err = run("worth", scores, "--by", "churn_risk", "--json")
    assert code == 0, err
    found = json.loads(out)
    rows = found["groups"]["churn_risk"]
    assert rows[-1]["churn_risk"] == "all"
    assert rows[-1]["customers"] == 300
    assert sum(row["clv"] for row in rows[:-1]) == pytest.approx(rows[-1]["clv"], abs=0.05)


def test_what_winning_customers_cost(run, scores, tmp_path):
    ids = scored(300)["customer_id"]
    rows = [
        f"{name},{'ads' if place % 2 else 'fair'},2024-0{1 + place % 3}-10\n"
        for place, name in enumerate(ids)
    ]
    (tmp_path / "acquired.csv").write_text(
        "customer_id,acquisition_source,acquisition_date\n" + "".join(rows)
    )
    (tmp_path / "spend.csv").write_text(
        "month,source,spend\n2024-01,ads,900\n2024-02,ads,800\n2024-03,ads,700\n"
    )
    asked = ("worth", scores, "--acquired", "acquired.csv", "--spend", "spend.csv")
    code, out, err = run(*asked)
    assert code == 0, err
    assert "value to cost" in out
    assert "ads, 2024-03" in out
    code, out, err = run(*asked, "--json")
    found = json.loads(out)["acquisition"]
    assert found["by_source"][0]["source"] == "ads"
    assert found["by_source"][0]["cost_each"] == 16.0
    code, out, err = run("report", "--scores", scores, *asked[2:], "--output", "page.html", "--json")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    assert ">16.00</td>" in page
    assert "150 customers were won in months for which the spend table has nothing" in str(
        json.loads(out)["notes"]
    )
    for command in (("worth", scores), ("report", "--scores", scores, "--output", "page.html")):
        code, out, err = run(*command, "--spend", "spend.csv")
        assert (code, out) == (2, "")
        assert "--acquired and --spend say together what winning customers cost; give both" in err


@pytest.fixture
def scored_shop(run, shop):
    """Score the shop into s.csv."""
    code, _, err = run(
        "score",
        shop.log,
        "-o",
        "s.csv",
        "--config",
        shop.config,
        "--model",
        _model(shop),
        "--explain",
        "none",
    )
    assert code == 0, err
    return shop


def test_plain_formulas_from_the_log_of_the_scores(run, scored_shop):
    shop = scored_shop
    code, out, err = run(
        "worth", "s.csv", "--data", shop.log, "--config", shop.config, "--by", "cohort,segment", "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    assert len(found["formulas"]) == 3
    assert "2023Q2" in {row["cohort"] for row in found["groups"]["cohort"]}
    # Sources that the configuration names need no --data.
    config = yaml.safe_load(Path(shop.config).read_text())
    config["data"]["sources"] = {"till": {"source": str(shop.log)}}
    del config["data"]["source"]
    Path("sources.yaml").write_text(yaml.safe_dump(config))
    code, out, err = run("worth", "s.csv", "--config", "sources.yaml", "--by", "cohort,segment", "--json")
    assert code == 0, err
    assert json.loads(out) == found


def test_a_value_of_nothing_has_no_shares_and_no_multiples(run, scored_shop):
    pd.read_csv("s.csv", dtype=str).assign(clv="0.0").to_csv("nothing.csv", index=False)
    code, out, err = run("worth", "nothing.csv", "--data", scored_shop.log, "--config", scored_shop.config)
    assert code == 0, err
    assert "Plain formula" in out
    assert not re.search(r"\b(nan|inf)", out)


def test_own_margins_count_in_what_acquired_customers_earned(run, scored_shop):
    shop = scored_shop
    frame = pd.read_csv("s.csv", dtype={"customer_id": str})
    frame.assign(acquisition_source="ads", acquisition_date=frame["as_of"]).filter(
        ["customer_id", "acquisition_source", "acquisition_date"]
    ).to_csv("acquired.csv", index=False)
    Path("spend.csv").write_text(f"month,source,spend\n{frame['as_of'].iloc[0][:7]},ads,900\n")
    earned = []
    for margin in ("value.margin=0.4", "value.cost=0.2 * amount"):
        code, out, err = run(
            "worth", "s.csv", "--data", shop.log, "--config", shop.config, "--acquired", "acquired.csv",
            "--spend", "spend.csv", "--set", margin, "--json",
        )  # fmt: skip
        assert code == 0, err
        earned.append(json.loads(out)["acquisition"]["by_source"][0]["earned_each"])
    # Each customer's own margin, here .8 of all they buy.
    assert earned[1] == pytest.approx(2 * earned[0], rel=1e-3)


def _model(shop):
    from clvml.tracking.registry import resolve_model

    return resolve_model("champion", "clvml", shop.tracking).directory


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "land"], "the scores have no column 'land'"),
        (["--by", "cohort"], "give --data"),
        (["--costs", "x.csv"], "costs file 'x.csv' does not exist"),
        (["--before", "x.csv"], "scored file 'x.csv' does not exist"),
        (["--before", "scores.csv"], "give the older file with --before"),
        (["--data", "orders.csv"], "add --config FILE"),
    ],
)
def test_input_at_fault_ends_in_one_message(run, scores, words, said):
    code, out, err = run("worth", scores, *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--data", "orders.csv"],
            "leave --data out: the scored file knows since when customers are subscribed",
        ),
        (["--before", "before.csv"], "the earlier scores are of purchases and the others of subscriptions"),
    ],
)
def test_purchases_beside_subscriptions_end_in_one_message(run, scores, tmp_path, words, said):
    table = scored(300).assign(plan="basic", monthly_price=9.0, tenure_days=100)
    table[[column.name for column in SUBSCRIBERS]].to_csv(tmp_path / "subscribers.csv", index=False)
    code, out, err = run("worth", "subscribers.csv", *words)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    # Nor is it advised.
    code, out, _ = run("worth", "subscribers.csv", "--by", "cohort")
    assert code == 0 and "--by cohort" in " ".join(out.split()) and "--data" not in out
    assert out.startswith("300 subscribers are worth") and "customer" not in out
