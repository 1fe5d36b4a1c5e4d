"""The champion changes for a better one or for a reason, never by half, and there is a way back."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from tests.tracking.conftest import out_of_time

from clvml.errors import InputError
from clvml.models.model_file import OlderFormat
from clvml.tracking import promotion
from clvml.tracking.liveness import mark
from clvml.tracking.promotion import promote, rollback
from clvml.tracking.registry import resolve_model
from clvml.tracking.runs import log_training
from clvml.tracking.session import open_store

NAMES = ("champion", "sharper", "blunter", "same", "other data", "sharpest")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_store):
    """Return the folder of a store with versions 1 to 6, as in NAMES, and their runs."""
    folder = tmp_path_factory.mktemp("promoted")
    shutil.copy(empty_store, folder / "mlflow.db")
    from tests.tracking import conftest

    fields = [
        out_of_time(0.6),
        out_of_time(0.4),
        out_of_time(0.9),
        out_of_time(0.6),
        {**out_of_time(0.2), "fingerprint": "abcd" * 16},
        out_of_time(0.2),
    ]
    with pytest.MonkeyPatch.context() as patch:
        conftest.scored.__wrapped__(patch)
        make = conftest.make_record.__wrapped__(folder)
        return folder, [log_training(make(**more), f"sqlite:///{folder}/mlflow.db").run_id for more in fields]


@pytest.fixture
def shelf(trained, tmp_path, monkeypatch):
    """Return the URI of a copy of that store (its artifacts stay where they are), and the runs."""
    monkeypatch.setattr(promotion, "load_scorer", lambda directory: directory)
    shutil.copy(trained[0] / "mlflow.db", tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db", dict(zip(NAMES, trained[1], strict=True))


def state(uri):
    """Return everything about the registered model that a promotion could change."""
    with open_store(uri) as store:
        model = store.client.get_registered_model("clvml")
        versions = store.client.search_model_versions("name='clvml'")
        return (
            {alias: int(version) for alias, version in model.aliases.items()},
            dict(model.tags),
            {int(version.version): dict(version.tags) for version in versions},
        )


def refused(uri, reference, **options):
    """Return why a promotion is refused, having checked that nothing has changed."""
    before = state(uri)
    with pytest.raises(InputError) as error:
        promote(reference, "clvml", uri, **options)
    assert state(uri) == before
    return str(error.value)


def test_a_better_one_becomes_champion_and_is_scored_with_at_once(shelf):
    uri, runs = shelf
    done = promote("2", "clvml", uri)
    assert (done.version, done.replaced, done.changed) == ("2", "1", True)
    assert re.match(r"better in WAPE by 0\.\d+ \(0\.\d+ to 0\.\d+\), RMSE by ", done.reason)
    assert resolve_model("champion", "clvml", uri).run_id == runs["sharper"]
    aliases, tags, versions = state(uri)
    assert aliases == {"champion": 2, "challenger": 6}
    assert versions[2]["promotion_reason"] == done.reason
    assert versions[2]["promoted_over"] == "1"
    assert list(tags) == ["champion_history"], "the announcement is withdrawn"


@pytest.mark.parametrize("reference", ["challenger", "{run}", "runs:/{run}", "models:/clvml/6", "6"])
def test_by_any_name(shelf, reference):
    uri, runs = shelf
    assert promote(reference.format(run=runs["sharpest"]), "clvml", uri).version == "6"
    assert state(uri)[0] == {"champion": 6}, "no challenger is left"


def test_worse_equal_and_incomparable_ones_are_refused(shelf):
    uri, _ = shelf
    assert re.fullmatch(
        r"version 3 of 'clvml' is not better than the champion \(version 1\): worse in WAPE by 0\.\d+ \(.*\); keep the "
        "champion, or say why with --force REASON",
        refused(uri, "3"),
    )
    assert refused(uri, "4") == (
        "version 4 of 'clvml' is not clearly better than the champion (version 1) in any of WAPE, RMSE, Spearman, "
        "Gini, log loss, Brier; keep the champion, or say why with --force REASON"
    )
    assert refused(uri, "5").startswith(
        "version 5 of 'clvml' cannot be held against the champion (version 1): other data than the champion's (another "
        "fingerprint); train both on the same data and dates ('clvml train --from-run'"
    )


def test_only_a_champion_of_an_older_format_gives_way(shelf, monkeypatch):
    uri, _ = shelf

    def refuses(error):
        def load(directory):
            raise error(f"the model in '{directory}' cannot be read")

        monkeypatch.setattr(promotion, "load_scorer", load)

    refuses(InputError)
    assert "is not better than the champion" in refused(uri, "3")
    refuses(OlderFormat)
    done = promote("3", "clvml", uri)
    assert (done.version, done.replaced, done.reason) == ("3", "1", "this clvml cannot read version 1")


def test_force_records_its_reason(shelf):
    uri, _ = shelf
    done = promote("3", "clvml", uri, force="the others are out of stock")
    assert done.reason == "forced: the others are out of stock"
    _, tags, versions = state(uri)
    assert versions[3]["promotion_reason"] == done.reason
    assert tags["champion_history"] == "1 > 3"


def test_the_champion_stays_what_it_is(shelf):
    uri, _ = shelf
    before = state(uri)
    assert not promote("champion", "clvml", uri).changed
    assert state(uri) == before


def test_rollback_goes_back_step_by_step(shelf):
    uri, _ = shelf
    promote("2", "clvml", uri)
    promote("6", "clvml", uri)
    assert rollback("clvml", uri, "complaints").reason == "rolled back from version 6: complaints"
    assert state(uri)[0]["champion"] == 2
    assert "rolled_back_at" in state(uri)[2][6]
    assert (rollback("clvml", uri).version, state(uri)[0]["champion"]) == ("1", 1)
    before = state(uri)
    with pytest.raises(InputError, match=r"version 1 of 'clvml' did not replace another by 'clvml promote'"):
        rollback("clvml", uri)
    assert state(uri) == before
    promote("6", "clvml", uri)
    assert rollback("clvml", uri).version == "1", "the newest way to the top counts"


def test_rollback_to_a_version_that_is_gone(shelf):
    uri, _ = shelf
    promote("2", "clvml", uri)
    with open_store(uri) as store:
        store.client.delete_model_version("clvml", "1")
    with pytest.raises(InputError, match=r"registered model 'clvml' in .* has no version '1'"):
        rollback("clvml", uri)
    assert state(uri)[0]["champion"] == 2


def test_runs_that_cannot_be_promoted(shelf):
    uri, runs = shelf
    with open_store(uri) as store:
        experiment = store.client.get_experiment_by_name("online-retail").experiment_id
        bare = store.client.create_run(experiment).info.run_id
        store.client.set_terminated(bare)
        running = store.client.create_run(experiment).info.run_id
        store.client.delete_run(runs["sharpest"])
    assert refused(uri, "0" * 32).startswith(f"run '{'0' * 32}' is not in ")
    assert re.search(r" was deleted in .*; restore it with 'mlflow runs restore --run-id ", refused(uri, "6"))
    assert refused(uri, bare).startswith(f"run '{bare}' (finished) has no model; its models: none")
    assert " is running, not finished; " in refused(uri, running)
    assert "has no version '99'" in refused(uri, "99")
    assert "has no alias 'chalenger' (did you mean 'challenger'?)" in refused(uri, "chalenger")
    assert refused(uri, "models:clvml").startswith("'models:clvml' is not a version or run; ")
    with pytest.raises(InputError, match="no registered model 'other' in "):
        rollback("other", uri)


def test_a_version_of_another_project(shelf, tmp_path):
    uri, _ = shelf
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: mlflow.sklearn, model_path: m}}\n"
    )
    with open_store(uri) as store:
        run = store.client.create_run("0").info.run_id
        store.client.set_terminated(run)
        store.client.create_model_version("clvml", theirs.as_uri(), run_id=run)
        store.client.create_model_version("clvml", theirs.as_uri())
    for options in ({}, {"force": "I like it"}):
        assert refused(uri, "7", **options).startswith(
            "version 7 of 'clvml' is not a clvml model: it is loaded by 'mlflow.sklearn'; "
        )
    assert refused(uri, "8").startswith("version 8 of 'clvml' was not made by a run of clvml; ")


def test_a_run_that_was_never_registered(shelf):
    uri, runs = shelf
    with open_store(uri) as store:
        store.client.delete_model_version("clvml", "6")
    done = promote(runs["sharpest"], "clvml", uri)
    assert (done.version, state(uri)[0]["champion"]) == ("7", 7)
    assert state(uri)[2][7]["data_fingerprint"]


def claim(uri, name, seconds_ago=0.0, **more):
    at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    with open_store(uri) as store:
        store.client.set_registered_model_tag("clvml", name, json.dumps({"by": "ann", "at": at, **more}))


@pytest.mark.parametrize("last_letter", ["0", "z"])
def test_two_at_once_one_gives_way(shelf, monkeypatch, last_letter):
    uri, _ = shelf
    monkeypatch.setattr(promotion, "WAIT_SECONDS", 0.3)
    claim(uri, promotion.CLAIM_PREFIX + last_letter)
    said = r"ann \(since \d\d:\d\d:\d\d UTC; if that was broken off, it counts until [\d:]{8}\) promotes a version"
    assert re.match(said, refused(uri, "2"))


def test_one_that_was_broken_off_long_ago_is_forgotten(shelf):
    uri, _ = shelf
    claim(uri, promotion.CLAIM_PREFIX + "0", promotion.ABANDONED_SECONDS + 1)
    assert promote("2", "clvml", uri).changed
    assert list(state(uri)[1]) == ["champion_history"]


def test_a_claim_of_the_dead_is_taken_over_at_once(shelf):
    uri, _ = shelf
    # No process of this id was started when the machine was.
    killed = json.dumps(json.loads(mark()) | {"started": "0"})
    claim(uri, promotion.CLAIM_PREFIX + "0", process=killed)
    assert promote("2", "clvml", uri).changed
    assert list(state(uri)[1]) == ["champion_history"]


def test_a_claim_of_the_living_is_not(shelf, monkeypatch):
    uri, _ = shelf
    monkeypatch.setattr(promotion, "WAIT_SECONDS", 0.3)
    claim(uri, promotion.CLAIM_PREFIX + "0", process=mark())
    assert refused(uri, "2").startswith("ann (since ")


def test_one_that_waited_sees_the_new_champion(shelf, monkeypatch):
    uri, _ = shelf
    other = promotion.CLAIM_PREFIX + "z"
    claim(uri, other)

    def the_other_ends(seconds):
        with open_store(uri) as store:
            store.client.set_registered_model_alias("clvml", "champion", "6")
            store.client.delete_registered_model_tag("clvml", other)

    monkeypatch.setattr(promotion.time, "sleep", the_other_ends)
    with pytest.raises(
        InputError, match=r"the champion of 'clvml' has just become version 6 \(it was 1\); nothing"
    ):
        promote("2", "clvml", uri)
    assert state(uri)[0]["champion"] == 6
    assert state(uri)[1] == {}


def test_broken_off_before_the_end_changes_nobody(shelf, monkeypatch):
    uri, _ = shelf
    from mlflow import MlflowClient

    promote("2", "clvml", uri)
    with monkeypatch.context() as patch:

        def interrupt(*arguments):
            raise KeyboardInterrupt

        patch.setattr(MlflowClient, "set_registered_model_alias", interrupt)
        with pytest.raises(KeyboardInterrupt):
            promote("6", "clvml", uri)
    assert state(uri)[0]["champion"] == 2
    assert rollback("clvml", uri).version == "1", "the way back is that of the champion, not of the attempt"


def test_the_first_champion_of_a_name(shelf):
    uri, _ = shelf
    with open_store(uri) as store:
        store.client.delete_registered_model_alias("clvml", "champion")
    done = promote("3", "clvml", uri)
    assert (done.version, done.replaced, done.reason) == ("3", "", "the first champion")
