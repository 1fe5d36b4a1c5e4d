"""Events from the table to the scored file: they help where they matter, and none after a cutoff is seen."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from clvml import workflows
from clvml.config import parse_config
from clvml.errors import InputError
from clvml.evaluation.versus import gains
from clvml.scores.scorer import Scorer
from clvml.scores.serving import pyfunc_predict

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 500
START = pd.Timestamp("2023-01-01")


def simulate(customers=1200, seed=5):
    """Draw a log of customers who write tickets before most of them stop buying, and visits that tell nothing."""
    draw = np.random.default_rng(seed)
    lines, events = [], []
    for who in range(customers):
        when, rate, name = DAYS * draw.random(), draw.gamma(2, 1 / 40), f"c{who:05d}"
        while when < DAYS:
            lines.append((name, int(when), round(float(draw.gamma(4, 5)), 2)))
            events.append((name, int(when) + draw.integers(-5, 5), "visit"))
            if draw.random() < 0.2:
                events += [(name, int(when) + int(draw.integers(1, 8)), "Ticket") for _ in range(2)]
                if draw.random() < 0.9:
                    break
            when += draw.exponential(1 / rate) + 1
    events += [(f"c{who:05d}", 100 + who, "fax") for who in range(19)]
    events += [(f"c{who:05d}", 100 + who, "telex") for who in range(19)]
    log = pd.DataFrame(lines, columns=["customer_id", "day", "amount"])
    log["order_date"] = START + pd.to_timedelta(log.pop("day"), unit="D")
    told = pd.DataFrame(events, columns=["who", "day", "kind"])
    told["opened_at"] = START + pd.to_timedelta(told.pop("day"), unit="D")
    return log, told


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return the folder of a shop with its log and its table of events."""
    folder = tmp_path_factory.mktemp("shop")
    log, events = simulate()
    log.to_csv(folder / "orders.csv", index=False)
    events.to_csv(folder / "events.csv", index=False)
    events[events["kind"] == "Ticket"].to_csv(folder / "tickets.csv", index=False)
    return folder


def config_of(shop, table="events.csv", leave_out=(), **keys):
    keys = {"customer_id": "who", "date": "opened_at", "type": "kind"} | keys
    return parse_config(
        {
            "data": {
                "source": str(shop / "orders.csv"),
                "columns": {name: name for name in ("customer_id", "order_date", "amount")},
                "events": {"source": str(shop / table), **keys},
            },
            "windows": {"horizon_days": 60, "max_cutoffs": 4},
            "model": {"n_estimators": 40, "leave_out": list(leave_out), "n_jobs": 1},
            "evaluation": {"folds": 1},
        }
    )


def test_the_backtest_says_what_events_bring_with_an_interval(shop, prepared):
    tested = workflows.backtest(prepared, config_of(shop))
    (said,) = workflows.given_notes(tested)
    assert said.startswith("what events bring, against the same model without them (gain, 95% interval")
    found = gains(tested.without["events"])["clvml"]["roc_auc"]
    assert found.verdict == "better"
    assert 0.02 < found.low < found.gain < found.high
    alone = workflows.backtest(prepared, config_of(shop, leave_out=["events"]))
    assert (alone.without, workflows.given_notes(alone)) == ({}, [])
    values = alone.leaderboard.pooled.set_index(["model", "metric"])["value"]
    assert found.champion_value == pytest.approx(values["clvml", "roc_auc"])


def test_events_on_or_after_the_cutoff_change_nothing(shop, prepared, fitted, tmp_path):
    cutoff = prepared.as_of - timedelta(days=60)
    events = pd.read_csv(shop / "events.csv", parse_dates=["opened_at"])
    kept = events[events["opened_at"] < pd.Timestamp(cutoff)]
    at = pd.Timestamp(cutoff)
    later = [kept]
    for kind, days in (("Ticket", 0), ("ticket", 1), ("strike", 0), ("fax", 40), ("visit", 59)):
        later.append(kept[["who"]].drop_duplicates().assign(kind=kind, opened_at=at + timedelta(days=days)))
    models, scores = [], []
    for name, table in (("before.csv", kept), ("after.csv", pd.concat(later))):
        table.to_csv(tmp_path / name, index=False)
        config = config_of(tmp_path, name)
        data = config.data.model_copy(update={"source": str(shop / "orders.csv")})
        read = workflows.prepare(data, NOW)
        days = workflows.days_of(read.log)
        model = workflows.fit(days, cutoff, config_of(shop)).scorer
        (tmp_path / name).with_suffix("").mkdir()
        model.save((tmp_path / name).with_suffix(""))
        models.append((tmp_path / name).with_suffix("") / "churn.json")
        scores.append(model.score(days, cutoff))
    assert models[0].read_bytes() == models[1].read_bytes()
    pd.testing.assert_frame_equal(*scores)


def test_scores_say_the_events_and_are_the_same_after_saving(fitted, prepared, tmp_path):
    model = fitted.scorer.model
    assert [(kind.name, kind.types) for kind in model.trees.events] == [
        ("event_visit", ("visit",)),
        ("event_ticket", ("ticket",)),
        ("events_rare", ("fax", "telex")),
    ]
    assert "events of rare types counted together: 'fax', 'telex'" in model.notes
    assert {"event_ticket_30d", "event_ticket_days_since", "events_rare_365d"} <= set(model.trees.predictors)
    scores = workflows.score(prepared, fitted.scorer).frame()
    said = pd.concat([scores[f"reason_{rank}"] for rank in (1, 2, 3)]).dropna()
    assert said.str.fullmatch(r"Ticket: [24] in the last (30|90|365) days \(raises churn risk\)").any()
    assert not said.str.contains(r"^Ticket: \d+ in the last 30 days \(lowers").any()
    fitted.scorer.save(tmp_path)
    again = workflows.score(prepared, Scorer.load(tmp_path)).frame()
    pd.testing.assert_frame_equal(scores, again)
    whole = fitted.scorer.score(workflows.days_of(prepared.log), prepared.as_of)
    pd.testing.assert_frame_equal(scores, whole)


def test_a_model_is_read_again_whatever_a_type_is_called(shop, tmp_path):
    events = pd.read_csv(shop / "events.csv")
    events.assign(kind=events["kind"].replace({"visit": "m²"})).to_csv(tmp_path / "events.csv", index=False)
    config = config_of(shop)
    table = config.data.events.model_copy(update={"source": str(tmp_path / "events.csv")})
    prepared = workflows.prepare(config.data.model_copy(update={"events": table}), NOW)
    workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config).scorer.save(tmp_path)
    assert "event_m²" in [kind.name for kind in Scorer.load(tmp_path).model.trees.events]


def test_types_that_training_never_saw_are_not_counted_and_told(shop, fitted, tmp_path):
    events = pd.read_csv(shop / "events.csv")
    new = events[["who"]].drop_duplicates().assign(kind="strike", opened_at="2024-05-01")
    pd.concat([events, new]).to_csv(tmp_path / "events.csv", index=False)
    asked = config_of(tmp_path).data.model_copy(update={"source": str(shop / "orders.csv")})
    prepared = workflows.prepare(asked, NOW)
    before = workflows.score(workflows.prepare(config_of(shop).data, NOW), fitted.scorer, "none").frame()
    pd.testing.assert_frame_equal(workflows.score(prepared, fitted.scorer, "none").frame(), before)
    notes = workflows.scoring_notes(prepared, fitted.scorer, config_of(shop))
    told = f"events of types that the model does not know are not counted: 'strike' ({len(new):,})"
    assert told in notes


def test_a_table_without_types_is_counted_and_called_as_its_file(shop):
    config = config_of(shop, "tickets.csv", type=None)
    prepared = workflows.prepare(config.data, NOW)
    scorer = workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config).scorer
    assert [kind.name for kind in scorer.model.trees.events] == ["events"]
    scores = workflows.score(prepared, scorer).frame()
    assert scores["reason_1"].str.startswith("tickets: 2 in the last").any()


def test_a_log_without_the_table_is_refused(shop, fitted):
    prepared = workflows.prepare(config_of(shop).data.purchases_alone(), NOW)
    with pytest.raises(InputError, match="give the table of events as in training"):
        workflows.score(prepared, fitted.scorer)


def test_served_models_take_events_in_rows_beside_the_purchases(shop, fitted, prepared):
    orders, events = (pd.read_csv(shop / f"{name}.csv") for name in ("orders", "events"))
    expected = workflows.score(prepared, fitted.scorer).frame()

    def served(orders, events):
        return pyfunc_predict(fitted.scorer, pd.concat([orders, events]), prepared.as_of, NOW)

    pd.testing.assert_frame_equal(served(orders, events), expected)
    # Whatever happens from the day of the forecast on changes nothing, and neither do events of others.
    ids = orders["customer_id"].drop_duplicates()
    later = pd.DataFrame({"who": [*ids, "stranger"], "kind": "Ticket", "opened_at": str(prepared.as_of)})
    pd.testing.assert_frame_equal(served(orders, pd.concat([events, later])), expected)
    # What is known of one customer comes alone: that others had events, and since when, is known from training.
    loud, quiet = events.loc[events["kind"] == "Ticket", "who"].iloc[0], ids.iloc[0]
    told = events[events["who"] != quiet]
    whole = served(orders, told)
    assert loud != quiet
    assert told.loc[told["who"] == loud, "opened_at"].min() > events["opened_at"].min()
    for who in (loud, quiet):
        found = served(orders[orders["customer_id"] == who], told[told["who"] == who])
        row = whole[whole["customer_id"] == who].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, row, check_dtype=False)
    with pytest.raises(
        InputError, match="counts events of customers, and the input lacks column 'who'; give each"
    ):
        pyfunc_predict(fitted.scorer, orders, prepared.as_of, NOW)
    with pytest.raises(InputError, match=r"are of no customer with a purchase \(such as 'X"):
        served(orders, events.assign(who="X" + events["who"]))


def test_served_models_take_events_in_a_feature_table(fitted, prepared):
    expected = workflows.score(prepared, fitted.scorer).frame()
    rows = pyfunc_predict(fitted.scorer, fitted.features, prepared.as_of, NOW).set_index("customer_id")
    pd.testing.assert_frame_equal(rows.loc[expected["customer_id"]].reset_index(), expected)
    with pytest.raises(InputError, match="the feature table lacks event_ticket_30d"):
        pyfunc_predict(fitted.scorer, fitted.features.drop(columns="event_ticket_30d"), prepared.as_of, NOW)


def test_a_model_file_with_other_events_is_refused(fitted, tmp_path):
    fitted.scorer.save(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["events"][2]["types"] == ["fax", "telex"]
    model = fitted.scorer.model
    fewer = replace(model, trees=replace(model.trees, events=model.trees.events[:1]))
    replace(fitted.scorer, model=fewer).save(tmp_path)
    with pytest.raises(InputError, match="its predictors are not features of its columns"):
        Scorer.load(tmp_path)
