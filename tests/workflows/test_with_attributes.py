"""Attributes from the table of customers to the scored file: they help where they matter, and leak nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

from clvml import workflows
from clvml.config import parse_config
from clvml.engines.warehouse import feature_sql
from clvml.errors import InputError
from clvml.evaluation.backtest import predict_fold
from clvml.evaluation.metrics import roc_auc
from clvml.evaluation.versus import gains
from clvml.log.attribute_reading import read_customer_table
from clvml.models.customer_model import fit_customer_model
from clvml.scores.rules import matches
from clvml.scores.scorer import Scorer, read_scores
from clvml.scores.serving import pyfunc_predict

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 500
LEAVES = {"web": 0.05, "store": 0.3, "fair, market": 0.7}


def simulate(customers=1200, seed=3):
    """Draw a log of customers whose channel decides how soon they stop, and what is known of them."""
    draw = np.random.default_rng(seed)
    channel = draw.choice([*LEAVES], customers, p=[0.5, 0.3, 0.2])
    start, rate = DAYS * draw.random(customers), draw.gamma(2, 1 / 40, customers)
    lines = []
    for who in range(customers):
        when = start[who]
        while when < DAYS:
            lines.append((f"c{who:05d}", int(when), round(float(draw.gamma(4, 5)), 2)))
            if draw.random() < LEAVES[channel[who]]:
                break
            when += draw.exponential(1 / rate[who]) + 1
    log = pd.DataFrame(lines, columns=["customer_id", "day", "amount"])
    log["order_date"] = pd.Timestamp("2023-01-01") + pd.to_timedelta(log.pop("day"), unit="D")
    known = pd.DataFrame(
        {
            "id": [f"c{who:05d}" for who in range(customers)],
            "Channel": channel,
            "age": draw.integers(18, 80, customers).astype(float),
            "mail": [f"m{who}@x.org" for who in range(customers)],
        }
    )
    return log, known


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return the folder of a shop with its log and tables of customers."""
    folder = tmp_path_factory.mktemp("shop")
    log, known = simulate()
    log.to_csv(folder / "orders.csv", index=False)
    known.to_csv(folder / "customers.csv", index=False)
    last = log.groupby("customer_id")["order_date"].max().reindex(known["id"])
    left = (log["order_date"].max() - last).dt.days > 90
    known.assign(last_seen=last.to_numpy()).to_csv(folder / "late.csv", index=False)
    known.assign(status=np.where(left, "closed", "open")).to_csv(folder / "closed.csv", index=False)
    return folder


def config_of(shop, table="customers.csv", leave_out=(), **keys):
    return parse_config(
        {
            "data": {
                "source": str(shop / "orders.csv"),
                "columns": {name: name for name in ("customer_id", "order_date", "amount")},
                "attributes": {"source": str(shop / table), "customer_id": "id", **keys},
            },
            "windows": {"horizon_days": 60, "max_cutoffs": 4},
            "model": {"n_estimators": 40, "leave_out": list(leave_out), "n_jobs": 1},
            "evaluation": {"folds": 1},
        }
    )


def test_an_attribute_that_matters_helps_out_of_time(shop, prepared):
    days = workflows.days_of(prepared.log)
    cutoff = (pd.Timestamp(prepared.as_of) - pd.Timedelta(days=60)).date()
    auc = {}
    for leave_out in ((), ("attributes",)):
        config = config_of(shop, leave_out=leave_out)
        model = fit_customer_model(days, cutoff, config)
        part, (ours, *_) = predict_fold(days, cutoff, config, model, baselines=False)
        auc[leave_out] = roc_auc(part["churned"], part[ours.churn])
        assert ("attribute_channel" in model.trees.predictors) == (not leave_out)
    assert auc[()] > auc[("attributes",)] + 0.005


def test_scores_say_the_attribute_and_are_the_same_after_saving(fitted, prepared, tmp_path):
    assert "attributes left out: 'mail' is almost unique" in " ".join(fitted.scorer.model.notes)
    scores = workflows.score(prepared, fitted.scorer).frame()
    said = pd.concat([scores[f"reason_{rank}"] for rank in (1, 2, 3)]).dropna()
    assert said.str.startswith("Channel: fair, market (raises").any()
    assert said.str.startswith("Channel: web (lowers").any()
    assert not said.str.startswith("Channel: web (raises").any()
    fitted.scorer.save(tmp_path)
    again = workflows.score(prepared, Scorer.load(tmp_path)).frame()
    pd.testing.assert_frame_equal(scores, again)
    whole = fitted.scorer.score(workflows.days_of(prepared.log), prepared.as_of)
    pd.testing.assert_frame_equal(scores, whole)


def trained_with(shop, folder, **columns):
    """Train on the shop with these attributes; return the scorer as it is read again, and the log."""
    pd.DataFrame({"id": pd.read_csv(shop / "customers.csv")["id"], **columns}).to_csv(
        folder / "given.csv", index=False
    )
    config = config_of(shop)
    quick = config.model.model_copy(update={"n_estimators": 2})
    given = config.data.attributes.model_copy(update={"source": str(folder / "given.csv")})
    data = config.data.model_copy(update={"attributes": given})
    prepared = workflows.prepare(data, NOW)
    config = config.model_copy(update={"data": data, "model": quick})
    workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config).scorer.save(folder)
    return Scorer.load(folder), prepared


@pytest.mark.parametrize("name", ["m²", "½ price", "①", "%", "😀", "Канал"])
def test_a_model_is_read_again_whatever_an_attribute_is_called(shop, tmp_path, name):
    scorer, prepared = trained_with(shop, tmp_path, **{name: np.arange(1200) % 4 + 0.5})
    assert [one.column for one in scorer.model.trees.attributes] == [name]
    scores = workflows.score(prepared, scorer).frame()
    assert set(scores.iloc[:, -1]) == {0.5, 1.5, 2.5, 3.5}


def test_a_number_that_cannot_be_learnt_from_is_refused(shop, tmp_path):
    with pytest.raises(
        InputError, match=r"column 'rate' holds 'inf', .*name the others in data.attributes.columns"
    ):
        trained_with(shop, tmp_path, rate=np.where(np.arange(1200) % 2, np.inf, 1.5))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_scored_files_tell_attributes_to_worth_and_playbooks(shop, fitted, tmp_path, ending):
    known = pd.read_csv(shop / "customers.csv")
    channels = known["Channel"].replace({"store": "NA", "web": "=1+1"}).where(known.index % 7 > 0)
    known["Segment"] = (known.index % 3).map("{:02d}".format)
    known.assign(Channel=channels, since=pd.Timestamp("2022-12-24"), mail=None).to_csv(
        tmp_path / "now.csv", index=False
    )
    data = config_of(shop).data
    attributes = data.attributes.model_copy(update={"source": str(tmp_path / "now.csv")})
    prepared = workflows.prepare(data.model_copy(update={"attributes": attributes}), NOW)
    path = tmp_path / f"scores.{ending}"
    workflows.write_scored(workflows.score(prepared, fitted.scorer, "none"), str(path))
    scores = read_scores(path).set_index("customer_id")
    assert [*scores.columns][-3:] == ["channel", "age", "attribute_segment"]
    ours = known.assign(Channel=channels).set_index("id").loc[scores.index]
    assert scores["channel"].fillna("").tolist() == ours["Channel"].fillna("").tolist()
    assert scores["age"].tolist() == ours["age"].tolist()
    assert scores["attribute_segment"].tolist() == ours["Segment"].tolist()
    groups = workflows.worth(path, ["channel", "age", "attribute_segment"]).groups
    assert sorted(groups["channel"].index) == ["(none)", "=1+1", "NA", "all", "fair, market"]
    assert groups["channel"].loc["NA", "clv"] == pytest.approx(scores["clv"][ours["Channel"] == "NA"].sum())
    assert sorted(groups["attribute_segment"].index) == ["00", "01", "02", "all"]
    assert len(groups["age"]) == 6
    assert groups["age"]["customers"].sum() == 2 * len(scores)
    rule = "channel = 'NA' and age between 30 and 40"
    wanted = (ours["Channel"] == "NA") & ours["age"].between(30, 40)
    assert matches(scores, rule, "playbook").tolist() == wanted.tolist()


def test_dates_are_told_as_dates_and_only_those_of_the_past(shop, tmp_path):
    known = pd.read_csv(shop / "customers.csv")
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(known.index % 1100, unit="D")
    known.assign(Joined=days.strftime("%Y-%m-%d")).to_csv(tmp_path / "dated.csv", index=False)
    config = config_of(shop, "customers.csv", leave_out=["attributes"])
    attributes = config.data.attributes.model_copy(update={"source": str(tmp_path / "dated.csv")})
    prepared = workflows.prepare(config.data.model_copy(update={"attributes": attributes}), NOW)
    # A model without attributes leaves them to who reads the scores.
    scorer = workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config).scorer
    scores = workflows.score(prepared, scorer, "none").frame().set_index("customer_id")
    ours = known.assign(day=days).set_index("id").loc[scores.index]
    past = ours["day"] < pd.Timestamp(prepared.as_of)
    assert scores["joined"].notna().tolist() == past.tolist()
    assert scores.loc[past, "joined"].tolist() == ours.loc[past, "day"].dt.strftime("%Y-%m-%d").tolist()


def test_segments_may_be_of_attributes_also_where_a_model_is_served(shop, prepared):
    rules = {"young at the fair": "channel = 'fair, market' and age < 30", "the others": "true"}
    config = config_of(shop).model_copy(update={"segments": rules})
    scorer = workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config).scorer
    scores = workflows.score(prepared, scorer, "none").frame().set_index("customer_id")
    wanted = (scores["channel"] == "fair, market") & (scores["age"] < 30)
    assert 10 < wanted.sum() < 500
    assert (scores["segment"] == "young at the fair").tolist() == wanted.tolist()
    features = workflows.days_of(prepared.log).features(prepared.as_of, 60)
    rows = pyfunc_predict(scorer, features, prepared.as_of, NOW).set_index("customer_id")
    assert rows.loc[scores.index, "segment"].tolist() == scores["segment"].tolist()
    without = workflows.prepare(config.data.purchases_alone(), NOW)
    with pytest.raises(InputError, match="the scores have no column 'age'"):
        workflows.fit(workflows.days_of(without.log), without.as_of, config)


def test_new_values_and_missing_customers_are_scored_and_other_tables_are_refused(shop, fitted, tmp_path):
    known = pd.read_csv(shop / "customers.csv")

    def score(table):
        table.to_csv(tmp_path / "now.csv", index=False)
        data = config_of(shop).data
        attributes = data.attributes.model_copy(update={"source": str(tmp_path / "now.csv")})
        prepared = workflows.prepare(data.model_copy(update={"attributes": attributes}), NOW)
        return workflows.score(prepared, fitted.scorer, "none").frame().set_index("customer_id")

    before = score(known)
    changed = known.assign(Channel=known["Channel"].where(known["id"] != "c00003", "kiosk")).iloc[:-1]
    after = score(changed)
    others = before.index.drop(["c00003", known["id"].iloc[-1]], errors="ignore")
    pd.testing.assert_frame_equal(before.loc[others].sort_index(), after.loc[others].sort_index())
    # Every row is alike in a column that once told customers apart.
    assert len(score(known.assign(age=30.0))) == len(before)
    with pytest.raises(InputError, match="attributes of customers that this data does not have: Channel"):
        score(known.drop(columns="Channel"))
    with pytest.raises(InputError, match="'age' was a number in training and holds 'old' now"):
        score(known.assign(age="old"))


def test_a_log_without_the_table_is_refused(shop, fitted):
    prepared = workflows.prepare(config_of(shop).data.purchases_alone(), NOW)
    with pytest.raises(InputError, match="give the table of customers as in training"):
        workflows.score(prepared, fitted.scorer)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "late.csv",
            r"attribute 'last_seen' gives the future away: of [\d,]+ customers who had bought before",
        ),
        ("closed.csv", r"attribute 'status' gives the future away: it alone tells who stays away \(AUC 0\.9"),
    ],
)
def test_what_was_written_afterwards_is_refused(shop, table, message):
    config = config_of(shop, table)
    prepared = workflows.prepare(config.data, NOW)
    with pytest.raises(InputError, match=message):
        workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config)
    without = config_of(shop, table, columns=["Channel", "age"])
    prepared = workflows.prepare(without.data, NOW)
    assert workflows.fit(workflows.days_of(prepared.log), prepared.as_of, without)


def test_the_model_scores_what_the_sql_of_a_warehouse_gives(shop, fitted, prepared):
    data = config_of(shop).data
    with duckdb.connect() as connection:
        for name in ("orders", "customers"):
            connection.execute(f"create table {name} as from '{shop / name}.csv'")
        query = feature_sql(
            data, "orders", prepared.as_of, 60, "duckdb", attributes=read_customer_table(data)[1].useful
        )
        features = connection.sql(query).df()
    expected = workflows.score(prepared, fitted.scorer).frame().set_index("customer_id")
    rows = pyfunc_predict(fitted.scorer, features, prepared.as_of, NOW).set_index("customer_id")
    pd.testing.assert_frame_equal(rows.loc[expected.index], expected[rows.columns])


def test_served_models_read_attributes_beside_the_purchases_or_in_a_feature_table(shop, fitted, prepared):
    log = pd.read_csv(shop / "orders.csv")
    known = pd.read_csv(shop / "customers.csv", dtype={"age": str})
    beside = log.merge(known, left_on="customer_id", right_on="id")
    # Who sends attributes need not be sent them back.
    expected = workflows.score(prepared, fitted.scorer).frame().drop(columns=["channel", "age"])
    served = pyfunc_predict(fitted.scorer, beside, prepared.as_of, NOW)
    pd.testing.assert_frame_equal(served, expected)
    with pytest.raises(InputError, match="the purchase log lacks Channel, age; give them in every line"):
        pyfunc_predict(fitted.scorer, log, prepared.as_of, NOW)
    changing = beside.assign(Channel=np.where(beside.index == 0, "fair", beside["Channel"]))
    with pytest.raises(InputError, match="has several rows of 1 customers"):
        pyfunc_predict(fitted.scorer, changing, prepared.as_of, NOW)
    features = workflows.days_of(prepared.log).features(prepared.as_of, 60)
    texts = features.assign(attribute_channel=features["attribute_channel"].astype(str))
    rows = pyfunc_predict(fitted.scorer, texts, prepared.as_of, NOW).set_index("customer_id")
    pd.testing.assert_frame_equal(rows.loc[expected["customer_id"]].reset_index(), expected)
    with pytest.raises(InputError, match="the feature table lacks attribute_channel"):
        pyfunc_predict(fitted.scorer, features.drop(columns="attribute_channel"), prepared.as_of, NOW)


def test_a_model_file_with_other_attributes_is_refused(fitted, tmp_path):
    fitted.scorer.save(tmp_path)
    state = json.loads((tmp_path / "model.json").read_text())
    assert state["attributes"][0]["levels"] == ["web", "store", "fair, market"]
    renamed = fitted.scorer.model.trees.attributes[0]
    other = replace(fitted.scorer.model.trees, attributes=(replace(renamed, name="attribute_other"),))
    replace(fitted.scorer, model=replace(fitted.scorer.model, trees=other)).save(tmp_path)
    with pytest.raises(InputError, match="its predictors are not features of its columns"):
        Scorer.load(tmp_path)


def test_a_model_of_many_attributes_is_read_again(fitted, tmp_path):
    known = fitted.scorer.model.trees.attributes
    many = (*known, *(replace(known[0], name=f"attribute_a{number}") for number in range(1001)))
    trees = replace(fitted.scorer.model.trees, attributes=many)
    replace(fitted.scorer, model=replace(fitted.scorer.model, trees=trees)).save(tmp_path)
    assert Scorer.load(tmp_path).model.trees.attributes == many


def test_the_backtest_says_what_attributes_bring_with_an_interval(shop, prepared):
    tested = workflows.backtest(prepared, config_of(shop))
    assert "clvml without attributes" not in tested.leaderboard.models
    (said,) = workflows.given_notes(tested)
    assert "against the same model without them (gain, 95% interval" in said
    found = gains(tested.without["attributes"])["clvml"]["roc_auc"]
    assert found.verdict == "better"
    assert 0 < found.low < found.gain < found.high
    alone = workflows.backtest(prepared, config_of(shop, leave_out=["attributes"]))
    assert (alone.without, workflows.given_notes(alone)) == ({}, [])
    # What they are compared with is the model that leaves them out.
    values = alone.leaderboard.pooled.set_index(["model", "metric"])["value"]
    assert found.champion_value == pytest.approx(values["clvml", "roc_auc"])
