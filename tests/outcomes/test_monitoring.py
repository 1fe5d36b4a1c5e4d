"""Monitoring: the outcome by hand, drift by hand, and what is recommended when."""

import math
import shutil
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.errors import InputError
from clvml.outcomes.drift import distance, population_stability
from clvml.outcomes.monitoring import monitor, next_check
from clvml.scores.scorer import Scorer, read_scores
from clvml.tracking.beside import log_monitoring, training_metrics
from clvml.tracking.registry import resolve_model
from clvml.tracking.session import open_store

AS_OF, UNTIL, HORIZON = date(2024, 5, 2), date(2024, 7, 1), 60


@pytest.fixture(scope="module")
def resolved(shop):
    return resolve_model("champion", "clvml", shop.tracking)


@pytest.fixture(scope="module")
def scorer(shop, resolved):
    """The model of the shop, as if it had been trained on the day of the scores."""
    loaded = Scorer.load(resolved.directory, resolved.version, resolved.run_id)
    return replace(loaded, model=replace(loaded.model, as_of=AS_OF))


@pytest.fixture(scope="module")
def days(shop, build_days):
    lines = shop.lines
    return build_days(lines.assign(order_day=lines["order_date"]))


@pytest.fixture(scope="module")
def scores(scorer, days):
    return scorer.score(days, AS_OF, "none")


def outcome(days, scores):
    labels = days.labels(AS_OF, HORIZON).set_index("customer_id")
    return labels["actual_spend"].reindex(scores["customer_id"]).fillna(0.0).to_numpy()


def test_metrics_are_of_what_happened_to_the_scored(scorer, days, scores):
    found = monitor(scores, days, UNTIL, scorer)
    assert (found.as_of, found.until, found.compared_days, found.customers) == (AS_OF, UNTIL, 60, len(scores))
    actual = outcome(days, scores)
    assert found.metrics["actual_total"] == pytest.approx(actual.sum())
    assert found.metrics["wape"] == pytest.approx(
        np.abs(actual - scores["expected_spend"]).sum() / np.abs(actual).sum()
    )
    held = (np.maximum(actual, 0) >= scores["expected_spend_low"]) & (
        np.maximum(actual, 0) <= scores["expected_spend_high"]
    )
    assert found.metrics["interval_coverage"] == pytest.approx(held.mean())
    assert found.tiers["customers"].sum() == len(scores)
    assert found.tiers["actual_spend"].sum() == pytest.approx(actual.sum())
    assert next_check(found) == UNTIL
    assert found.recommendation == "keep"


def test_before_the_horizon_is_over_shorter_horizons_are_compared(scorer, days, scores):
    found = monitor(scores, days, AS_OF + timedelta(days=45), scorer, {"spearman": 0.99})
    assert found.compared_days == 30
    # The promise is of the whole horizon.
    assert found.recommendation == "keep"
    assert found.unjudged[0].startswith(
        "the order of customers, churn, intervals and the total (the horizon is"
    )
    assert found.metrics["expected_total"] == pytest.approx(scores["expected_spend_30d"].sum())
    assert "roc_auc" not in found.metrics
    assert "p_churn" not in found.tiers


def test_too_early_and_other_customers_are_refused(scorer, days, scores):
    with pytest.raises(
        InputError, match="29 days are too few to compare, 30 are needed; monitor again later"
    ):
        monitor(scores, days, AS_OF + timedelta(days=29), scorer)
    strangers = scores.assign(customer_id="x" + scores["customer_id"])
    with pytest.raises(InputError, match=r"none of the .* scored customers is in the data; give the log"):
        monitor(strangers, days, UNTIL, scorer)


def test_a_level_that_is_off_asks_for_calibration(scorer, days, scores):
    money = [name for name in scores.columns if name.startswith("expected_spend")]
    doubled = scores.assign(**{name: 2.5 * scores[name] for name in money})
    found = monitor(doubled, days, UNTIL, scorer)
    assert found.recommendation == "recalibrate"
    assert "customers spent" in found.reasons[0]


def test_an_order_that_is_lost_asks_for_training(scorer, days, scores):
    turned = scores.assign(p_churn=1 - scores["p_churn"])
    found = monitor(turned, days, UNTIL, scorer, {"roc_auc": 0.8})
    assert found.recommendation == "retrain"
    assert found.reasons[0].startswith(
        "the order of customers is worse than in training: Finding churners (AUC) 0."
    )
    assert monitor(turned, days, UNTIL, scorer).recommendation != "retrain"


def test_a_stale_model_asks_for_training(scorer, days, scores):
    old = replace(scorer, model=replace(scorer.model, as_of=UNTIL - timedelta(days=121)))
    found = monitor(scores, days, UNTIL, old)
    assert found.recommendation == "retrain"
    assert "the model was trained 121 days ago, more than 2 horizons of 60 days" in found.reasons


def test_without_the_model_what_happened_is_compared_all_the_same(scorer, days, scores):
    whole, part = (monitor(scores, days, UNTIL, who, {"roc_auc": 0.5}) for who in (scorer, None))
    assert part.metrics == whole.metrics
    pd.testing.assert_frame_equal(part.tiers, whole.tiers)
    assert part.drift.empty
    assert (part.recommendation, part.unjudged) == (
        "keep",
        ["total spend, drift and the age of the model (the model cannot be read)"],
    )
    assert whole.unjudged == []
    assert monitor(scores, days, UNTIL, None, {"roc_auc": 0.99}).recommendation == "retrain"
    early = monitor(scores, days, AS_OF + timedelta(days=45), None)
    assert early.reasons == ["nothing can be judged yet"]


def test_drift_is_of_the_customers_now_against_those_of_training(scorer, days, scores):
    drift = monitor(scores, days, UNTIL, scorer).drift.set_index("name")
    then, now = (days.features(day, HORIZON).query("purchase_days > 0") for day in (AS_OF, UNTIL))
    assert drift.loc["spend_sum_90d", "psi"] == population_stability(
        then["spend_sum_90d"], now["spend_sum_90d"]
    )
    assert drift.loc["spend_sum_90d", "median_now"] == now["spend_sum_90d"].median()
    assert {"p_churn", "expected_spend"} <= set(drift.index)
    assert drift["weight"].sum() <= 1.0 + 1e-9
    assert drift["psi"].is_monotonic_decreasing


def test_population_stability_by_hand():
    then, now = np.arange(10.0), np.full(10, 9.0)
    # Ten bins of one each, and a bin of missing values; half a customer more in each.
    p = np.r_[np.full(10, 1.5), 0.5] / 15.5
    q = np.r_[np.full(9, 0.5), 10.5, 0.5] / 15.5
    assert population_stability(then, now) == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert population_stability([np.nan] * 5, [np.nan] * 5) == 0.0
    assert population_stability([1.0] * 100, [np.nan] * 100) > 1
    assert population_stability(np.arange(1000), np.arange(1000)) == 0.0


def test_distance_by_hand():
    assert distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert distance([1.0, np.nan], [1.0, 1.0]) == 0.5
    assert math.isnan(distance([], [1.0]))


# --- the scored file, read back ---


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_scored_file_is_read_as_it_was_written(scores, tmp_path, ending):
    from clvml.storage.files import write_table

    path = tmp_path / f"scores{ending}"
    write_table(scores, path)
    again = read_scores(path)
    assert list(again["customer_id"]) == list(scores["customer_id"])
    assert {"=1+1", "-5", "'=2", "007"} <= set(again["customer_id"])
    np.testing.assert_allclose(again["clv"], scores["clv"])


def test_what_is_no_scored_file_is_refused(scores, tmp_path):
    def refusal(name, table=None, content=None):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        elif table is not None:
            table.to_parquet(path)
        with pytest.raises(InputError) as caught:
            read_scores(path)
        return str(caught.value)

    assert "does not exist; make one" in refusal("none.csv")
    ending = refusal("scores.xlsx", content="x")
    assert ending == f"scored file '{tmp_path / 'scores.xlsx'}' must end in .csv or .parquet"
    assert "cannot be read" in refusal("broken.parquet", content="x")
    assert "lacks as_of, horizon_days" in refusal("list.csv", content="customer_id\n1\n")
    assert "holds no customer" in refusal("empty.parquet", scores.head(0))
    mixed = pd.concat([scores, scores.assign(as_of="2024-06-01")])
    assert "mixes several as_of" in refusal("mixed.parquet", mixed)
    assert "twice; give the file of one scoring" in refusal(
        "twice.parquet", pd.concat([scores, scores.head(1)])
    )


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("p_churn", 2.0, "p_churn is not between 0 and 1"),
        ("p_churn", -0.1, "p_churn is not between 0 and 1"),
        ("p_churn", float("inf"), "a number is missing or not finite"),
        ("p_churn", float("nan"), "a number is missing or not finite"),
        ("expected_spend", float("inf"), "a number is missing or not finite"),
        ("clv", -float("inf"), "a number is missing or not finite"),
        ("expected_orders", -1.0, "a forecast is negative"),
        ("expected_spend_low", 1e9, "expected_spend is outside its interval"),
        ("expected_spend_30d", 1e9, "expected_spend falls as the horizon grows"),
        ("value_tier", "diamond", "value_tier is unknown"),
        ("last_order_date", "2024-13-01", "month must be in 1..12"),
        ("last_order_date", "2100-01-01", "last_order_date 2100-01-01 is not before as_of"),
    ],
)
def test_numbers_and_dates_that_cannot_be_are_refused(scores, tmp_path, ending, column, value, said):
    from clvml.storage.files import write_table

    changed = scores.copy()
    changed.loc[3, column] = value
    path = tmp_path / f"scores{ending}"
    write_table(changed, path)
    with pytest.raises(InputError) as refused:
        read_scores(path)
    assert f"was changed since it was written ({said}" in str(refused.value)


@pytest.mark.parametrize("as_of", ["9999-12-31", "0000-01-01", "soon"])
def test_a_date_that_cannot_be_is_refused(scores, tmp_path, as_of):
    path = tmp_path / "scores.parquet"
    scores.assign(as_of=as_of).to_parquet(path)
    with pytest.raises(InputError, match="was changed since it was written"):
        read_scores(path)


def test_an_endless_scored_file_is_refused(tmp_path):
    path = tmp_path / "scores.csv"
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is a device, and no file"):
        read_scores(path)


# --- in MLflow ---


def test_it_is_logged_under_the_training_and_beside_the_version(
    shop, resolved, scorer, days, scores, tmp_path
):
    shutil.copy(shop.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    found = monitor(scores, days, UNTIL, scorer, training_metrics(resolved.run_id, uri))
    with open_store(uri) as store:
        # The same model under another name, and a version of that number which is not it.
        source = store.client.get_model_version("clvml", resolved.version).source
        store.client.create_registered_model("other")
        store.client.create_model_version("other", source, run_id=store.client.create_run("0").info.run_id)
        store.client.create_model_version("other", source, run_id=resolved.run_id)
    run_id = log_monitoring(found, resolved, uri)
    with open_store(uri) as store:
        not_it, also = (store.client.get_model_version("other", number).tags for number in ("1", "2"))
        run = store.client.get_run(run_id)
        version = store.client.get_model_version("clvml", resolved.version)
        files = {file.path for file in store.client.list_artifacts(run_id)}
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == resolved.run_id
    assert run.data.metrics["wape"] == found.metrics["wape"]
    assert files == {"tiers.csv", "drift.csv"}
    assert version.tags["recommendation"] == found.recommendation
    assert version.tags["monitored_until"] == also["monitored_until"] == "2024-07-01"
    assert "recommendation" not in not_it
