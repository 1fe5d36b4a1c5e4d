"""Plans and readbacks beside the model of their scores, and what campaigns earned."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from tests.decide.conftest import playbook_of
from tests.decide.conftest import scored as scored_table
from tests.outcomes.campaigns import AS_OF, DAYS, heavy_tailed, plan_of, treat
from tests.outcomes.campaigns import playbook_of as campaign_of

from clvml.decide.plan import make_plan
from clvml.outcomes.readback import read_back
from clvml.tracking.campaign_runs import (
    Campaign,
    campaign_table,
    campaigns_of,
    campaigns_sentence,
    log_plan,
    log_readback,
)
from clvml.tracking.runs import log_training
from clvml.tracking.session import open_store


def planned(run_id, campaign="spring", budget=40.0):
    book = playbook_of(mail={}).model_copy(update={"campaign": campaign})
    made = make_plan(scored_table(300).assign(run_id=run_id, model_version="1"), book, budget)
    return made.record


def read_back_of(run_id, campaign="spring"):
    """Return a readback of a simulated campaign, and the record of its plan."""
    generator = np.random.default_rng(1)
    customers = heavy_tailed(generator, 1_000).assign(
        customer_id=[f"c{k}" for k in range(1_000)], action="mail", segment="VIP"
    )
    stayed, spent = treat(customers, 0.4, generator)
    treated = generator.random(1_000) >= 0.3
    customers["group"] = np.where(treated, "treated", "control")
    book = campaign_of(0.3).model_copy(update={"campaign": campaign})
    table, record = plan_of(customers, book)
    record = record.model_copy(update={"run_id": run_id, "model_version": "1"})
    found = table.assign(
        stayed=np.where(treated, stayed, customers["stays"]).astype(float),
        spent=np.where(treated, spent, customers["spends"]),
    )
    return read_back(found, record, record.until, 0.3), record


@pytest.fixture
def training(record, uri, scored):
    return log_training(record, uri)


def experiment(training, uri):
    with open_store(uri) as store:
        return store.client.get_run(training.run_id).info.experiment_id


def test_a_plan_is_a_run_beside_the_model_and_is_logged_once(training, uri):
    record = planned(training.run_id)
    run_id, notes = log_plan(record, uri)
    assert notes == []
    assert log_plan(record, uri)[0] == run_id
    with open_store(uri) as store:
        run = store.client.get_run(run_id)
        assert run.data.tags["mlflow.parentRunId"] == training.run_id
        assert (run.data.tags["plan_id"], run.data.tags["campaign"]) == (record.plan_id, "spring")
        assert run.data.metrics["profit"] == record.summary["profit"]
        assert run.data.metrics["budget"] == 40.0
        files = {item.path for item in store.client.list_artifacts(run_id)}
        assert files == {"plan.json", "playbook.yaml", "actions.csv", "curve.csv"}
        version = store.client.get_model_version("clvml", training.model_version)
        assert version.tags["planned"] == f"spring ({record.plan_id})"


def test_a_readback_is_a_run_and_tells_the_version_what_was_earned(training, uri):
    found, record = read_back_of(training.run_id)
    run_id = log_readback(found, record, uri)
    with open_store(uri) as store:
        run = store.client.get_run(run_id)
        assert run.data.metrics["profit"] == pytest.approx(found.profits[-1].profit)
        assert run.data.metrics["control"] == found.effect("mail", "money")["control"]
        assert "retention.mail" in run.data.metrics
        version = store.client.get_model_version("clvml", training.model_version)
        assert version.tags["earned"].startswith("spring (p1): ")


def test_campaigns_show_what_they_earned_and_the_last_plan_of_the_others(training, uri):
    log_plan(planned(training.run_id, "autumn", 10.0), uri)
    last = planned(training.run_id, "autumn", 20.0)
    log_plan(last, uri)
    log_plan(planned(training.run_id, "spring"), uri)
    found, record = read_back_of(training.run_id)
    log_readback(found, record, uri)
    log_readback(found, record, uri)
    with open_store(uri) as store:
        campaigns = campaigns_of(store, experiment(training, uri), 20)
    by_name = {one.campaign: one for one in campaigns}
    assert (len(campaigns), set(by_name)) == (2, {"spring", "autumn"})
    assert by_name["spring"].earned == pytest.approx(found.profits[-1].profit)
    assert (by_name["spring"].as_of, by_name["spring"].until) == (AS_OF.isoformat(), record.until.isoformat())
    assert by_name["autumn"].plan_id == last.plan_id
    assert not by_name["autumn"].is_read_back
    assert by_name["autumn"].expected == last.summary["profit_treated"]
    assert record.until == date.fromordinal(AS_OF.toordinal() + DAYS)
    _, rows = campaign_table(campaigns)
    assert [row[-2] for row in rows if row[0] == "autumn"] == ["not read back"]


def test_scores_of_a_version_that_is_champion_no_more_are_said(training, record, uri):
    second = log_training(record, uri)
    assert second.alias == "challenger"
    with open_store(uri) as store:
        store.client.set_registered_model_alias("clvml", "champion", second.model_version)
    _, notes = log_plan(planned(training.run_id), uri)
    assert notes == [
        "the scores are of version 1 of 'clvml', and version 2 is the champion: score again with it"
    ]


def test_all_campaigns_together():
    def one(name, earned, reach, currency="EUR"):
        return Campaign(
            name, "p", "1", "2024-01-01", "2024-04-01", currency, 90, 10, 5.0, 9.0,
            earned, earned - reach, earned + reach,
        )  # fmt: skip

    both = [one("a", 100.0, 30.0), one("b", 50.0, 40.0)]
    assert campaigns_sentence(both) == (
        "The 2 campaigns that were read back earned 150 EUR together (100 to 200)."
    )
    assert campaigns_sentence(both[:1]) == ""
    assert campaigns_sentence([both[0], one("b", 1.0, 1.0, "GBP")]) == ""


def test_the_files_of_a_run_can_be_read(training, uri, tmp_path):
    record = planned(training.run_id)
    run_id, _ = log_plan(record, uri)
    with open_store(uri) as store:
        folder = store.client.download_artifacts(run_id, "", str(tmp_path))
    kept = json.loads((tmp_path / "plan.json").read_text())
    assert (kept["plan_id"], str(folder)) == (record.plan_id, str(folder))
    assert len(pd.read_csv(tmp_path / "curve.csv")) == len(record.summary["curve"])
