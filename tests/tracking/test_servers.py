"""The commands against real servers, and when the server goes away."""

import json
import shutil
from contextlib import ExitStack

import pytest
from tests.servers import free_port, mlflow_server
from tests.tracking.conftest import CONFIG, out_of_time

from clvml import cli
from clvml.config import parse_config
from clvml.errors import InputError
from clvml.tracking.comparison import compare
from clvml.tracking.pending import keep_training, sync
from clvml.tracking.promotion import promote, rollback
from clvml.tracking.registry import resolve_model
from clvml.tracking.reproduction import recorded_training
from clvml.tracking.runs import log_training
from clvml.tracking.session import check_tracking
from clvml.workflows import logged_training

QUICK = ["--set", "windows.max_cutoffs=2", "--set", "evaluation.folds=1"]


@pytest.fixture
def clvml(monkeypatch, capfd, tmp_path):
    """Return a function that runs `clvml` with --json in an empty folder: (exit code, object or error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object):
        monkeypatch.setattr("sys.argv", ["clvml", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return end.value.code, json.loads(out) if out else err.partition("Error: ")[2]

    return run


def test_every_command_over_a_server(clvml, shop, mlflow_address, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_address)
    train = ["train", "-c", shop.config, "--data", shop.log, *QUICK, "--set", "tracking.registered_model=far"]
    config = tmp_path / "far.yaml"
    config.write_text(shop.config.read_text() + "tracking: {experiment: clvml, registered_model: far}\n")
    _, first = clvml(*train, "--set", "model.n_estimators=2")
    code, second = clvml("train", "--from-run", first["run_id"])
    assert (code, second["alias"], second["model_uri"]) == (0, "challenger", "models:/far/2")
    assert second["reproduced"] == {"run_id": first["run_id"], "same_metrics": True, "changed": {}}
    assert second["metrics"] == first["metrics"]
    code, compared = clvml("compare", "--experiment", "clvml", "--output", "page.html")
    assert code == 0
    assert {one["run"]["version"] for one in compared["runs"]} == {"1", "2"}
    rival = next(one for one in compared["runs"] if one["run"]["version"] == "2")
    assert (rival["obstacle"], rival["standing"]) == ("", "no clear difference")
    assert (tmp_path / "page.html").read_text().count("<article>") == 2
    code, done = clvml("promote", "challenger", "-c", config, "--force", "for the test")
    assert (code, done["version"], done["replaced"]) == (0, "2", "1")
    code, scored = clvml(
        "score", shop.log, "-o", "s.csv", "--model", "champion", "-c", config, "--explain", "none"
    )
    assert (code, scored["run_id"]) == (0, second["run_id"])
    assert clvml("promote", "--rollback", "-c", config)[1]["version"] == "1"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request):
    """Return the address of a server on each kind of database."""
    if request.param == "sqlite":
        return request.getfixturevalue("mlflow_address")
    return request.getfixturevalue("postgres_server")


@pytest.fixture(scope="module")
def postgres_server(postgres_url, tmp_path_factory):
    backend = postgres_url.replace("postgresql://", "postgresql+psycopg2://")
    with mlflow_server(tmp_path_factory.mktemp("on-postgresql"), backend) as address:
        yield address


def test_the_whole_life_of_a_model_over_a_server(address, make_record, scored, capfd, tmp_path):
    config = parse_config({**CONFIG, "tracking": {"experiment": "life", "registered_model": "life"}})
    check_tracking(config.tracking, address)
    first = log_training(make_record(config=config, **out_of_time(0.6)), address)
    keep_training(make_record(config=config, **out_of_time(0.3)), tmp_path / "kept")
    (second,) = sync(address, tmp_path / "kept")
    found = compare(address, "life", "life", 20)
    assert [one.run.version for one in found.runs] == ["2", "1"]
    with pytest.raises(InputError, match="has no version '3'"):
        promote("3", "life", address)
    assert promote("2", "life", address).reason.startswith("better in WAPE by ")
    model = resolve_model("champion", "life", address)
    assert (model.version, model.run_id) == ("2", second.logged.run_id)
    assert (model.directory / "model.json").read_text() == '{"factor": 2}'
    assert tmp_path not in model.directory.parents, "fetched, not read from the server's disk"
    with pytest.raises(InputError, match="version 1 of 'life' is not better than the champion"):
        promote(first.run_id, "life", address)
    assert rollback("life", address).version == "1"
    assert recorded_training("1", "life", address).fingerprint == make_record().fingerprint
    assert capfd.readouterr() == ("", "")


def test_a_server_that_dies_while_training(clvml, shop, monkeypatch, tmp_path, empty_store, mlflow_address):
    folder, port = tmp_path / "server", free_port()
    folder.mkdir()
    shutil.copy(empty_store, folder / "server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    train = logged_training.train
    with ExitStack() as running, monkeypatch.context() as patch:
        running.enter_context(mlflow_server(folder, port=port))

        def train_and_lose_the_server(*arguments):
            trained = train(*arguments)
            running.close()
            return trained

        patch.setattr(logged_training, "train", train_and_lose_the_server)
        names = ["--set", "tracking.experiment=lost", "--set", "tracking.registered_model=lost"]
        code, told = clvml(
            "train", "-c", shop.config, "--data", shop.log, *QUICK, *names, "--set", "model.n_estimators=2"
        )
    assert (code, told["run_id"], told["model_uri"]) == (0, None, None)
    assert "cannot be reached: nothing answers there" in told["pending_reason"]
    assert told["metrics"]["wape"] > 0
    code, message = clvml("sync")
    assert code == 2
    assert message.startswith(
        f"MLflow server 'http://127.0.0.1:{port}' cannot be reached: nothing answers there"
    )
    code, scored = clvml(
        "score", shop.log, "-o", "s.csv", "--model", f"{told['pending']}/model", "--explain", "none"
    )
    assert (code, scored["model_version"]) == (0, "unregistered")
    # It is back, at another address.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_address)
    code, told = clvml("sync")
    assert (code, told["uploaded"]) == (0, 1)
    assert told["uploads"][0]["logged"]["model_uri"] == "models:/lost/1"
    assert clvml("sync")[1]["uploads"] == []
    code, compared = clvml("compare", "--experiment", "lost")
    assert compared["runs"][0]["standing"] == "the champion"
    assert not (tmp_path / "mlflow-pending").exists()
