"""Runs are held against the champion on the same customers and dates, or it is said why not."""

import re
import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from tests.tracking.conftest import CONFIG, out_of_time

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.evaluation.leaderboard import METRICS
from clvml.evaluation.versus import Gain, gain_text
from clvml.outcomes.model_state import MonitoredScores
from clvml.tracking.beside import log_beside
from clvml.tracking.comparison import compare
from clvml.tracking.comparison_page import comparison_page
from clvml.tracking.comparison_text import settings_text, short, standing, summary, table, why
from clvml.tracking.record import MONITORING
from clvml.tracking.runs import log_training
from clvml.tracking.session import open_store
from clvml.tracking.standing import model_state

DEEPER = {**CONFIG, "model": {"max_depth": 5}}
LATER = ("2011-04-01", "2011-07-01")


@pytest.fixture(scope="module")
def logged(tmp_path_factory, empty_store):
    """Return a store with runs that differ in one thing each, and their versions by name."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copy(empty_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    from tests.tracking import conftest

    runs = {
        "champion": out_of_time(0.6),
        "sharper": {**out_of_time(0.3), "config": parse_config(DEEPER)},
        "blunter": out_of_time(0.9),
        "mixed": out_of_time(0.3, churn_noise=2.0),
        "same": out_of_time(0.6),
        "other data": {**out_of_time(0.3), "fingerprint": "abcd" * 16},
        "other horizon": {**out_of_time(0.3), "horizon_days": 90},
        "other dates": out_of_time(0.3, dates=LATER),
        "other customers": out_of_time(0.3, customers=140),
        "other outcomes": out_of_time(0.3, seed=1),
        "no predictions": {"metrics": {"wape": 0.1}},
    }
    with pytest.MonkeyPatch.context() as patch:
        conftest.scored.__wrapped__(patch)
        make = conftest.make_record.__wrapped__(folder)
        versions = {name: log_training(make(**fields), uri).model_version for name, fields in runs.items()}
    return uri, versions


@pytest.fixture(scope="module")
def found(logged):
    return compare(logged[0], None, "clvml", 20)


@pytest.fixture(scope="module")
def by_name(logged, found):
    runs = {one.run.version: one for one in found.runs}
    return {name: runs[version] for name, version in logged[1].items()}


def test_the_best_come_first_and_the_incomparable_last(logged, found):
    names = {version: name for name, version in logged[1].items()}
    assert found.experiment == "online-retail"
    assert (found.champion.version, found.champion.alias) == ("1", "champion")
    order = [names[one.run.version] for one in found.runs]
    assert set(order[:2]) == {"sharper", "mixed"}
    assert order[4] == "blunter"
    assert not [one for one in found.runs[:5] if one.obstacle]
    assert all(one.obstacle for one in found.runs[5:])


def test_verdicts_and_intervals_are_the_runs_own(by_name):
    better, worse = by_name["sharper"], by_name["blunter"]
    rows = {difference.metric: difference for difference in better.differences}
    assert 0 < rows["wape"].low < rows["wape"].gain < rows["wape"].high
    assert rows["wape"].gain == pytest.approx(rows["wape"].champion_value - rows["wape"].value)
    assert better.metrics_with("better") == ["wape", "rmse", "spearman", "gini"]
    assert better.metrics_with("no clear difference") == ["log_loss", "brier"]
    assert standing(better, None) == "better"
    assert standing(worse, None) == "worse"
    assert worse.metrics_with("worse") == ["wape", "rmse", "spearman", "gini"]
    assert all(row.high < 0 for row in worse.differences if row.metric in ("wape", "gini"))


def test_the_summary_says_which_to_use(found, by_name):
    better = f"v{by_name['sharper'].run.version}"
    assert summary(found).startswith(f"Clearly better than the champion, and worse in nothing: {better}")
    assert f"clvml promote models:/clvml/{by_name['sharper'].run.version}" in summary(found)
    alike = replace(found, runs=(by_name["same"], by_name["blunter"], by_name["mixed"]))
    assert summary(alike).startswith("No run is clearly better than the champion")
    assert summary(replace(found, champion=None)) == ""


def test_what_is_equal_is_no_difference(by_name, found):
    same = by_name["same"]
    assert {difference.verdict for difference in same.differences} == {"no clear difference"}
    assert {difference.gain for difference in same.differences} == {0.0}
    assert standing(by_name["champion"], found.champion) == "the champion"
    assert by_name["champion"].differences == ()


def test_good_and_bad_are_both_told(by_name):
    mixed = by_name["mixed"]
    assert standing(mixed, None) == "better and worse"
    good, bad = why(mixed)
    assert good.startswith("better in WAPE by 0.")
    assert re.fullmatch(r"worse in log loss by 0\.\d+ \(0\.\d+ to 0\.\d+\), Brier by 0\.\d+ \(.*\)", bad)


@pytest.mark.parametrize(
    ("name", "obstacle"),
    [
        ("other data", "other data than the champion's (another fingerprint)"),
        ("other horizon", "another horizon: 90 days, the champion's is 180"),
        (
            "other dates",
            "other test dates: 2011-04-01, 2011-07-01; the champion's are 2011-03-01, 2011-06-01",
        ),
        ("other customers", "other customers: 280 predictions, the champion has 300"),
        ("other outcomes", "what happened at the test dates is not the same as in the champion's test"),
        ("no predictions", "it kept no predictions; train its configuration again"),
    ],
)
def test_what_cannot_be_compared_says_why(by_name, name, obstacle):
    assert by_name[name].obstacle == obstacle
    assert by_name[name].differences == ()
    assert standing(by_name[name], None) == f"not comparable: {obstacle}"


def test_runs_of_another_project(logged, tmp_path):
    shutil.copy(logged[0].removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with open_store(uri) as store:
        run = store.client.create_run(store.client.create_experiment("theirs"))
        store.client.log_metric(run.info.run_id, "wape", 0.5)
        store.client.set_terminated(run.info.run_id)
    (one,) = compare(uri, "theirs", "clvml", 20).runs
    assert one.obstacle == "it was not made by clvml"


def test_settings_that_differ(by_name):
    assert by_name["sharper"].settings == {"model.max_depth": ("5", "3")}
    assert settings_text(by_name["sharper"]) == "model.max_depth 5 (champion 3)"
    assert settings_text(by_name["same"]) == "the same"


def test_by_another_metric_and_only_the_newest(logged):
    found = compare(logged[0], "online-retail", "clvml", 3, "log_loss")
    assert {one.run.version for one in found.runs} == {"9", "10", "11"}
    assert found.champion.version == "1", "the champion counts though it is not among them"
    assert table(found)[0][:4] == ["Run", "when (UTC)", "log loss", "WAPE"]


def test_a_bias_is_sorted_by_its_size(logged):
    found = compare(logged[0], "online-retail", "clvml", 20, "total_bias")
    sizes = [one.run.metrics["total_bias"] for one in found.runs]
    assert all(size >= 0 for size in sizes[:-1])
    assert np.isnan(sizes[-1]), "of the run without predictions it is not known"
    comparable = sizes[:5]
    assert comparable == sorted(comparable)
    named = {one.run.version: one for one in found.runs}
    champion = next(row for row in named["2"].differences if row.metric == "total_bias").champion_value
    assert named["1"].run.metrics["total_bias"] == pytest.approx(champion)
    header, rows = table(found)
    assert header[2] == "size of bias"
    assert not any("+" in row[2] for row in rows)


def test_the_page_stands_alone(found, by_name):
    page = comparison_page(found)
    assert page.startswith("<!doctype html>")
    assert not re.search(r"https?://|<script|<link|src=|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<article>") == len(found.runs)
    assert "Not comparable: other data than the champion&#39;s (another fingerprint)" in page
    assert METRICS["wape"].description in page


def test_the_page_escapes_names(found):
    import dataclasses

    one = found.runs[0]
    named = dataclasses.replace(one, run=dataclasses.replace(one.run, name="<b>x</b>"))
    assert "<b>x</b>" not in comparison_page(dataclasses.replace(found, runs=(named,)))


def test_gains_are_told_from_zero():
    tiny = Gain("log_loss", 0.00042, 0.00031, 0.00055, "better", 0.454, 0.45442)
    assert gain_text(tiny) == "log loss by 0.00042 (0.00031 to 0.00055)"


def test_experiments_that_are_not_there(logged, uri):
    shown, _ = logged
    with pytest.raises(
        InputError, match=r"no experiment 'online-retial' in .* \(did you mean 'online-retail'\?\)"
    ):
        compare(shown, "online-retial", "clvml", 20)
    with pytest.raises(InputError, match=r"no runs yet in .*; run 'clvml train' first"):
        compare(uri, None, "clvml", 20)
    with open_store(uri) as store:
        store.client.create_experiment("empty")
        deleted = store.client.create_experiment("deleted")
        store.client.delete_experiment(deleted)
    with pytest.raises(InputError, match="experiment 'empty' has no runs yet"):
        compare(uri, "empty", "clvml", 20)
    with pytest.raises(InputError, match=r"experiment 'deleted' was deleted in .*; restore it with"):
        compare(uri, "deleted", "clvml", 20)


def test_without_a_champion_and_with_failed_runs(uri):
    with open_store(uri) as store:
        experiment = store.client.create_experiment("mine")
        for status in ("FAILED", "FINISHED", "FAILED"):
            run = store.client.create_run(experiment)
            store.client.set_terminated(run.info.run_id, status=status)
        run = store.client.create_run(experiment)
        store.client.log_metric(run.info.run_id, "wape", 0.5)
        store.client.set_terminated(run.info.run_id)
    found = compare(uri, "mine", "clvml", 20)
    assert found.left_out == {"failed": 2, "without a test": 1}
    assert [one.obstacle for one in found.runs] == ["there is no champion to compare with"]
    assert short(found.runs[0].run) == run.info.run_id


def test_how_models_stand_is_told_without_the_store(logged, found):
    uri, versions = logged
    check = {"as_of": "2011-06-01", "until": "2011-12-01", "model_version": "1", "recommendation": "keep"}
    with open_store(uri, must_exist=True) as store:
        for tags in (check, {**check, "as_of": "2011-03-01"}, {**check, "as_of": "somewhen"}):
            told = {"name": "checked", "note": "", "files": {}, "version_tags": {}, "metrics": {"wape": 0.5}}
            log_beside(store, found.champion.run_id, kind=MONITORING, tags=tags, **told)
    state = model_state(uri, None, "clvml", 20)
    assert state.champion == "v1" and state.address.endswith("workflowType=machine_learning")
    assert [model.name for model in state.models] == [f"v{one.run.version}" for one in found.runs]
    by_version = {model.name.removeprefix("v"): model for model in state.models}
    assert {name: by_version[version].standing for name, version in versions.items()} == {
        "champion": "champion",
        "sharper": "better",
        "blunter": "worse",
        "mixed": "better and worse",
        "same": "no clear difference",
        **dict.fromkeys(
            (
                "other data",
                "other horizon",
                "other dates",
                "other customers",
                "other outcomes",
                "no predictions",
            ),
            "not comparable",
        ),
    }
    assert by_version["1"].alias == "champion" and by_version["1"].metrics == found.champion.metrics
    # The newest scores first, whenever they were checked; what somebody else wrote is passed over.
    assert state.monitored == tuple(
        MonitoredScores(date(2011, month, 1), date(2011, 12, 1), "1", "keep", {"wape": 0.5})
        for month in (6, 3)
    )
