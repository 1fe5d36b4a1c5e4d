"""A model is found by what people call it, and every way to miss it says how to mend it."""

import re
import shutil
import sqlite3
from functools import partial

import pytest
from tests.tracking.conftest import CONFIG

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.tracking.record import StoreUnreachable
from clvml.tracking.registry import resolve_model
from clvml.tracking.runs import log_training
from clvml.tracking.session import open_store


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_store):
    """Return a store with two versions of clvml, and the two runs."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(empty_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    from tests.tracking import conftest

    with pytest.MonkeyPatch.context() as patch:
        conftest.scored.__wrapped__(patch)
        make = conftest.make_record.__wrapped__(folder)
        return uri, [log_training(make(), uri) for _ in range(2)]


def model_id(uri, run_id):
    with open_store(uri) as store:
        return store.client.get_run(run_id).outputs.model_outputs[0].model_id


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("champion", 1),
        ("challenger", 2),
        ("2", 2),
        (" 1 ", 1),
        ("models:/clvml/2", 2),
        ("models:/clvml/latest", 2),
        ("models:/clvml@champion", 1),
        ("runs:/{run}/model", 2),
        ("runs:/{run}", 2),
        ("{run}", 2),
        ("models:/{model}", 2),
    ],
)
def test_resolves(trained, reference, version):
    uri, runs = trained
    run_id = runs[1].run_id
    found = resolve_model(reference.format(run=run_id, model=model_id(uri, run_id)), "clvml", uri)
    assert (found.version, found.run_id) == (str(version), runs[version - 1].run_id)
    assert {path.name for path in found.directory.iterdir()} == {"model.json", "spend.json"}
    assert "mlartifacts" in found.directory.parts, "a local store is used in place"


def test_resolves_directories_without_a_store(trained, tmp_path, monkeypatch):
    uri, runs = trained
    saved = resolve_model("champion", "clvml", uri).directory
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved, "champion")
    found = resolve_model("./champion", "clvml", "sqlite:///none.db")
    assert (found.directory.name, found.version, found.run_id) == ("champion", "unregistered", "")
    with pytest.raises(InputError, match="no model yet"):
        resolve_model("champion", "clvml", "sqlite:///none.db")
    shutil.copytree(saved.parents[1], "exported")
    found = resolve_model("exported", "clvml", "sqlite:///none.db")
    assert (found.directory.name, found.version, found.run_id) == ("model", "unregistered", runs[0].run_id)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("chalenger", "registered model 'clvml' in '{uri}' has no alias 'chalenger' (did you mean "
         "'challenger'?); aliases: challenger (version 2), champion (version 1); versions: 2, 1"),
        ("9", "registered model 'clvml' in '{uri}' has no version '9'; aliases: "),
        ("models:/clvm/1", "no registered model 'clvm' in '{uri}' (did you mean 'clvml'?); it has: clvml; "
         "give --config with the configuration of that training (tracking.registered_model), or "
         "models:/clvml@champion as the model"),
        ("models:/clvml", "model 'models:/clvml' is not a form of reference that is known; give champion"),
        ("", "model '' is not a form of reference that is known; give champion"),
        ("runs:/" + "0" * 32 + "/model", "run '" + "0" * 32 + "' is not in '{uri}'; 'clvml compare' lists"),
        ("runs:/{run}/other", "run '{run}' (finished) has no model 'other'; its models: model; take a run"),
        ("models:/m-" + "0" * 32, "model 'models:/m-" + "0" * 32 + "' is not in '{uri}'; give champion"),
        ("no/such/folder", "model directory 'no/such/folder' does not exist; give champion"),
    ],
)  # fmt: skip
def test_what_is_not_there(trained, reference, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri, runs = trained
    names = {"uri": uri, "run": runs[0].run_id}
    with pytest.raises(InputError, match=re.escape(message.format(**names))):
        resolve_model(reference.format(**names), "clvml", uri)


def test_directories_that_are_no_models(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"model directory '{tmp_path}' holds no model.json; ")):
        resolve_model(str(tmp_path), "clvml", "")
    (tmp_path / "model.json").touch()
    with pytest.raises(InputError, match=r"is a file; give the directory that holds model\.json"):
        resolve_model(str(tmp_path / "model.json"), "clvml", "")


def test_no_store_yet(tmp_path):
    path = tmp_path / "mlflow.db"
    with pytest.raises(InputError, match=re.escape(f"no tracking store at '{path}'; run 'make train' first")):
        resolve_model("champion", "clvml", f"sqlite:///{path}")
    assert not path.exists()


def test_store_without_models(uri):
    with pytest.raises(InputError, match=re.escape(f"no model yet in '{uri}'; run 'make train' first")):
        resolve_model("champion", "clvml", uri)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"customer_id,amount\n" * 99, "is not an SQLite database, or is damaged (file is not a database)"),
        ("CREATE TABLE orders (amount REAL)", "is a database of something else (tables: orders); set"),
    ],
)  # fmt: skip
def test_file_that_is_no_store_is_left_alone(tmp_path, make_record, scored, content, message):
    path = tmp_path / "orders.db"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.execute(content)
        connection.close()
    before = path.read_bytes()
    for use in (
        lambda uri: resolve_model("champion", "clvml", uri),
        lambda uri: log_training(make_record(), uri),
    ):
        with pytest.raises(InputError, match=re.escape(f"tracking store '{path}' {message}")):
            use(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_store_that_is_locked_may_answer_later(uri, monkeypatch):
    with open_store(uri):
        pass
    monkeypatch.setattr("clvml.tracking.store_file.sqlite3.connect", partial(sqlite3.connect, timeout=0))
    other = sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreUnreachable, match="is locked by another program; wait until that has ended"):
            resolve_model("champion", "clvml", uri)
    finally:
        other.close()


def test_store_of_another_mlflow(uri):
    connection = sqlite3.connect(uri.removeprefix("sqlite:///"))
    connection.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    connection.commit()
    connection.close()
    # Nothing was logged to it: with runs in it, the mend is another (test_store_file).
    with pytest.raises(InputError, match=r"made by another version of MLflow; nothing was logged"):
        resolve_model("champion", "clvml", uri)


def test_damaged_store(uri):
    path = uri.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE registered_model_aliases")
    connection.execute("DROP TABLE model_versions")
    connection.close()
    with pytest.raises(InputError, match=re.escape(f"tracking store '{uri}'")):
        resolve_model("champion", "clvml", uri)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://127.0.0.1:9", "MLflow server 'http://127.0.0.1:9' cannot be reached: nothing answers there"),
        ("http://ann:secret@127.0.0.1:9", "MLflow server 'http://ann:***@127.0.0.1:9' cannot be reached"),
        ("./mlruns", "tracking store './mlruns' is a folder or file path, which MLflow no longer writes to"),
        ("sqllite:///a.db", "unknown scheme 'sqllite' (did you mean 'sqlite'?); set MLFLOW_TRACKING_URI"),
        ("sqlite://", "tracking store 'sqlite://' names no file; give it as sqlite:///mlflow.db"),
        ("sqlite:///{tmp}", "is a folder; give a file, such as sqlite:///mlflow.db"),
        ("mysql+nodriver://h/d", "tracking store database cannot be reached"),
    ],
)  # fmt: skip
def test_stores_that_cannot_be_used(tmp_path, uri, message):
    with pytest.raises(InputError, match=re.escape(message)):
        resolve_model("champion", "clvml", uri.format(tmp=tmp_path))


def test_model_of_another_project(make_record, uri, scored, tmp_path):
    log_training(make_record(), uri)
    (described,) = tmp_path.rglob("MLmodel")
    described.write_text(described.read_text().replace("clvml.tracking.pyfunc", "evil.loader"))
    rest = "; set tracking.registered_model to a name of clvml's own, or choose another model"
    message = f"version 1 of 'clvml' is not a clvml model: it is loaded by 'evil.loader'{rest}"
    with pytest.raises(InputError, match=re.escape(message)):
        resolve_model("1", "clvml", uri)
    described.write_text("- nothing")
    with pytest.raises(InputError, match="it has no MLmodel file with a pyfunc"):
        resolve_model("1", "clvml", uri)


def test_files_that_are_gone(make_record, uri, scored, tmp_path):
    log_training(make_record(), uri)
    (data,) = tmp_path.rglob("artifacts/data/model")
    shutil.rmtree(data)
    with pytest.raises(
        InputError, match=r"version 1 of 'clvml' is not a clvml model: it holds no model\.json"
    ):
        resolve_model("1", "clvml", uri)
    shutil.rmtree(tmp_path / "mlartifacts")
    with pytest.raises(
        InputError, match=r"the files of version 1 of 'clvml' are gone from '.*'; bring them back"
    ):
        resolve_model("1", "clvml", uri)


def test_a_name_with_an_apostrophe(make_record, uri, scored):
    for name in ("anns shop", "ann's shop"):
        raw = {**CONFIG, "tracking": {"experiment": name, "registered_model": name}}
        run_id = log_training(make_record(config=parse_config(raw)), uri).run_id
        assert resolve_model("champion", name, uri).run_id == run_id


def test_no_champion_among_other_aliases(make_record, uri, scored):
    other = parse_config({**CONFIG, "tracking": {"registered_model": "other"}})
    log_training(make_record(config=other), uri)
    with open_store(uri) as store:
        store.client.delete_registered_model_alias("other", "champion")
    with pytest.raises(InputError, match=r"has no alias 'champion'; aliases: none; versions: 1$"):
        resolve_model("champion", "other", uri)
    assert resolve_model("1", "other", uri).version == "1"


def test_a_model_of_another_name_that_was_trained_later_is_told(make_record, uri, scored):
    """Who names no model may mean the last one; models of other people and older ones are none of theirs."""
    other = parse_config({**CONFIG, "tracking": {"registered_model": "other"}})
    log_training(make_record(config=other), uri)
    log_training(make_record(), uri)
    with open_store(uri) as store:
        store.client.create_registered_model("foreign", description="Prices of houses.")
        store.client.create_model_version("foreign", "models:/clvml/1")
    assert resolve_model("champion", None, uri).note == ""
    log_training(make_record(config=other), uri)
    found = resolve_model("champion", None, uri)
    assert (found.version, found.directory) == ("1", resolve_model("champion", "clvml", uri).directory)
    assert re.match(
        r"the model is 'clvml', .* 'other' was trained later .* 'models:/other@champion'", found.note
    )
    assert resolve_model("champion", "clvml", uri).note == ""
    assert resolve_model("models:/clvml@champion", None, uri).note == ""


def test_more_models_than_a_page_of_the_server_holds(make_record, uri, scored):
    log_training(make_record(), uri)
    with open_store(uri) as store:
        for number in range(105):
            store.client.create_registered_model(f"model-{number:03d}")
    last = parse_config({**CONFIG, "tracking": {"registered_model": "zebra"}})
    log_training(make_record(config=last), uri)
    assert "'zebra' was trained later" in resolve_model("champion", None, uri).note
    with pytest.raises(InputError, match=r"no registered model 'zebbra' .*did you mean 'zebra'"):
        resolve_model("models:/zebbra@champion", "clvml", uri)
