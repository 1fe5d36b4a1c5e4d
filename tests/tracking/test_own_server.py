"""Servers that answer nonsense, fall silent, refuse, or send us elsewhere with our login."""

import json
import os
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.tracking.conftest import CONFIG

from clvml.config import TrackingConfig, parse_config
from clvml.errors import InputError
from clvml.tracking.comparison import compare
from clvml.tracking.pending import keep_training, sync
from clvml.tracking.promotion import promote
from clvml.tracking.registry import resolve_model
from clvml.tracking.runs import log_training
from clvml.tracking.session import check_tracking, last_try, mlflow, open_store

PASSWORD = "Marked-Sw0rd/fish"
NAMES = TrackingConfig(experiment="shop", registered_model="shop")


@contextmanager
def serving(answer):
    """Run a server whose answers are what `answer` makes of method and path: (status, body), or None for none."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.path, dict(self.headers)))
            found = (200, "OK") if self.path == "/health" else answer(self.command, self.path)
            if found is None:
                time.sleep(60)
                return
            status, body = found
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode() if isinstance(body, str) else body)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


PAGE = "<html><body>Please log in</body></html>"
NONSENSE = {
    "a page": (200, PAGE),
    "nothing": (200, ""),
    "an empty object": (200, "{}"),
    "half of an object": (200, '{"experiment": {"experiment_id": "1", "na'),
    "a list": (200, "[1, 2]"),
    "other fields": (200, '{"jobs": [], "status": "up"}'),
    "other types": (200, '{"experiment": 5, "registered_model": [], "run": "x", "registered_models": 7}'),
    "another experiment": (
        200,
        '{"experiment": {"experiment_id": "1", "name": "other", "lifecycle_stage": "deleted"},'
        ' "registered_model": {"name": "other"}, "run": {"info": {"run_id": "other"}}}',
    ),
    "bytes": (200, bytes(range(256))),
    "a page that refuses": (403, PAGE),
    "a page that asks for a login": (401, PAGE),
    "a page about a wrong request": (400, PAGE),
    "another error": (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}'),
    "an error of another kind": (404, '{"error": "not here"}'),
    "a list of errors": (404, "[]"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_server_that_answers_nonsense_is_said_so_in_one_message(name, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving(lambda method, path: NONSENSE[name]) as (address, _):
        shown = address.replace("//", "//ann:***@")
        address = address.replace("//", f"//ann:{PASSWORD.replace('/', '%2F')}@")
        for attempt in (
            lambda: check_tracking(NAMES, address),
            lambda: resolve_model("champion", "shop", address),
            lambda: resolve_model("runs:/" + "a" * 32, "shop", address),
            lambda: compare(address, "shop", "shop", 5),
            lambda: promote("1", "shop", address),
        ):
            with pytest.raises(InputError) as told:
                attempt()
            assert shown in str(told.value)
            assert "Sw0rd" not in str(told.value)
            assert "deleted" not in str(told.value)
            assert "<html" not in str(told.value)


def test_a_server_that_falls_silent_costs_two_minutes_at_most_and_less_for_the_last_word():
    with serving(lambda method, path: None) as (address, _), open_store(address):
        env = mlflow.environment_variables
        seconds, tries = env.MLFLOW_HTTP_REQUEST_TIMEOUT.get(), 1 + env.MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()
        with last_try():
            last = env.MLFLOW_HTTP_REQUEST_TIMEOUT.get() * (1 + env.MLFLOW_HTTP_REQUEST_MAX_RETRIES.get())
    # And the pauses between, and twice the question whether anything answers.
    assert tries * seconds + last + 6 + 20 <= 120


def test_a_server_that_falls_silent_while_a_training_is_logged(make_record, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    experiment = {"experiment_id": "7", "name": "online-retail", "lifecycle_stage": "active"}
    run = {"info": {"run_id": "r" * 32, "experiment_id": "7", "status": "RUNNING", "start_time": 1}}

    def answer(method, path):
        if "experiments/get" in path:
            return 200, json.dumps({"experiment": experiment})
        if "registered-models/get" in path:
            return 404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}'
        if "set-experiment-tag" in path or "/search" in path:
            return 200, "{}"
        return (200, json.dumps({"run": run})) if path.endswith("runs/create") else None

    started = time.monotonic()
    with serving(answer) as (address, asked), pytest.raises(InputError):
        log_training(make_record(), address)
    assert any(path.endswith("runs/update") for path, _ in asked), "the run is ended, if the server hears it"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("scheme", ["http", "mlflow-artifacts"])
def test_a_login_goes_to_the_tracking_server_alone(scheme, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "Marked-token")
    with serving(lambda method, path: (200, '{"files": []}')) as (other, asked_other):
        location = other.replace("http", scheme) + "/api/2.0/mlflow-artifacts/artifacts/1"
        info = {
            "run_id": "a" * 32,
            "experiment_id": "1",
            "artifact_uri": location,
            "lifecycle_stage": "active",
        }
        with serving(lambda method, path: (200, json.dumps({"run": {"info": info}}))) as (address, asked):
            for attempt in (
                lambda store: store.client.list_artifacts("a" * 32),
                lambda store: store.client.log_text("a" * 32, "x", "x.txt"),
                lambda store: mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{location}/x", tracking_uri=store.uri
                ),
            ):
                with (
                    pytest.raises(InputError, match="another host, to which the login"),
                    open_store(address) as s,
                ):
                    attempt(s)
            sent = [headers.get("Authorization") for path, headers in asked if "runs/get" in path]
            assert set(sent) == {"Bearer Marked-token"}
            assert asked_other == []
            monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
            with open_store(address) as store:
                assert store.client.list_artifacts("a" * 32) == []
            assert "Authorization" not in asked_other[-1][1]


@pytest.mark.parametrize(
    ("location", "package"),
    [
        ("s3://bucket/1", "boto3"),
        ("gs://bucket/1", "google-cloud-storage"),
        ("wasbs://c@a.blob.core.windows.net/1", "azure"),
    ],
)
def test_a_location_whose_client_is_not_installed_is_a_message(location, package):
    info = {"run_id": "a" * 32, "experiment_id": "1", "artifact_uri": location, "lifecycle_stage": "active"}
    with (
        serving(lambda method, path: (200, json.dumps({"run": {"info": info}}))) as (address, _),
        pytest.raises(InputError, match=f"the package '{package}.*is not installed"),
        open_store(address) as store,
    ):
        store.client.list_artifacts("a" * 32)
    # Before an hour is spent on a training.
    found = {"experiment_id": "1", "name": "shop", "lifecycle_stage": "active", "artifact_location": location}
    with (
        serving(lambda method, path: (200, json.dumps({"experiment": found}))) as (address, _),
        pytest.raises(InputError, match=f"the package '{package}.*is not installed"),
    ):
        check_tracking(NAMES, address)


@pytest.mark.parametrize("kind", ["link", "folder", "hard link", "pipe", "training"])
def test_sync_uploads_nothing_from_outside_its_folder(kind, record, uri, tmp_path):
    outside = tmp_path / "outside.md"
    outside.write_text("private")
    kept = keep_training(record, tmp_path / "kept")
    place = kept / "model" / "readme.md"
    if kind == "link":
        place.symlink_to(outside)
    elif kind == "folder":
        (kept / "model" / "more").symlink_to(tmp_path, target_is_directory=True)
    elif kind == "hard link":
        place.hardlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        kept.rename(tmp_path / "elsewhere")
        kept.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (upload,) = sync(uri, tmp_path / "kept")
    assert upload.logged is None
    assert "only files of its own folder are uploaded" in upload.error


def test_no_password_is_logged_kept_or_uploaded(make_record, scored, uri, tmp_path):
    source = f"postgresql://ann:{PASSWORD}@db/shop?table=orders&sslpassword=Sw0rd"
    record = make_record(config=parse_config({**CONFIG, "data": {**CONFIG["data"], "source": source}}))
    log_training(record, uri)
    kept = keep_training(record, tmp_path / "kept")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept / "record.json" in files
    assert tmp_path / "mlflow.db" in files
    assert any(path.name == "config.yaml" for path in files)
    for path in files:
        assert b"Sw0rd" not in path.read_bytes(), path
    (upload,) = sync(uri, tmp_path / "kept")
    assert upload.logged is not None
    assert b"Sw0rd" not in (tmp_path / "mlflow.db").read_bytes()


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        ({"run_id": "=HYPERLINK(1)"}, "the run that its MLmodel file names is not a run"),
        ({"run_id": "\x1b[2J"}, "the run that its MLmodel file names is not a run"),
        ({"run_id": ["a"]}, "the run that its MLmodel file names is not a run"),
        ({"data": "../elsewhere"}, "its MLmodel file leads out of its folder"),
        ({"data": ["data"]}, "it has no MLmodel file"),
        ({"loader_module": "\x1b[2J" * 1000}, "it has no MLmodel file"),
        ({"loader_module": "evil." * 1000}, "it is loaded by"),
        ("[" * 20_000, "it has no MLmodel file"),
        ("\x00", "it has no MLmodel file"),
        ("a: &a [*a, *a]", "it has no MLmodel file"),
    ],
)
def test_what_an_mlmodel_file_says_is_not_believed(described, problem, tmp_path):
    folder = tmp_path / "model"
    for place in (folder / "data" / "model", tmp_path / "elsewhere"):
        place.mkdir(parents=True)
        (place / "model.json").write_text("{}")
    if isinstance(described, dict):
        flavor = {"loader_module": "clvml.tracking.pyfunc", "data": "data/model"}
        flavor |= {key: value for key, value in described.items() if key in flavor}
        described = json.dumps({"run_id": described.get("run_id"), "flavors": {"python_function": flavor}})
    (folder / "MLmodel").write_text(described)
    with pytest.raises(InputError, match=problem) as told:
        resolve_model(str(folder), "shop", f"sqlite:///{tmp_path}/none.db")
    assert len(str(told.value)) < 1000
