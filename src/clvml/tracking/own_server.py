"""What a tracking server may do to us: answer nonsense, or send us elsewhere with our login."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from mlflow.store.artifact import artifact_repository_registry as kinds_of_storage
from mlflow.utils.credentials import read_mlflow_creds

from clvml.errors import InputError

# Locations that are asked by HTTP, with the login of the tracking server.
_ASKED_BY_HTTP = ("http", "https", "mlflow-artifacts")
_LOGINS = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
)
_PORTS = {"http": 80, "https": 443}
# Where MLflow takes answers apart.
_READERS = (
    "/mlflow/utils/rest_utils.py",
    "/mlflow/utils/proto_json_utils.py",
    "/mlflow/store/tracking/rest_store.py",
    "/mlflow/store/model_registry/rest_store.py",
    "/mlflow/store/artifact/http_artifact_repo.py",
    "/mlflow/store/artifact/mlflow_artifacts_repo.py",
    "/mlflow/entities/",
    "/google/protobuf/",
)
_STORAGES = ("azure", "boto3", "botocore", "google", "paramiko", "pysftp", "s3transfer")


@contextmanager
def only_own_server(uri: str, shown: str) -> Iterator[None]:
    """Let MLflow send the login of the tracking server to no other host, whatever the server says of its files.

    Raises
    ------
    InputError
        Inside: the files of a run or model lie on another host, and there is a login.
    """
    known = kinds_of_storage._artifact_repository_registry._registry
    before = {scheme: known[scheme] for scheme in _ASKED_BY_HTTP if scheme in known}

    def guarded(repository: Callable[..., Any]) -> Callable[..., Any]:
        def made(artifact_uri: str, *arguments: Any, **named: Any) -> Any:
            if _host(artifact_uri, uri) != _host(uri, uri) and _has_login():
                raise InputError(
                    f"tracking store '{shown}' says that its files lie at '{artifact_uri}': another host, to which the "
                    "login of the tracking server is not sent; have the server pass the files on (mlflow server "
                    "--serve-artifacts), or leave the login out"
                )
            return repository(artifact_uri, *arguments, **named)

        return made

    known.update({scheme: guarded(repository) for scheme, repository in before.items()})
    try:
        yield
    finally:
        known.update(before)


def check_location(location: str, uri: str) -> None:
    """Check that MLflow can be asked for the files at a location, without asking.

    Raises
    ------
    ImportError
        The client of the storage is not installed.
    InputError
        It is a host to which our login is not sent (`only_own_server`).
    MlflowException
        It is of no kind that MLflow knows.
    """
    kinds_of_storage.get_artifact_repository(location, tracking_uri=uri)
    if urlsplit(location).scheme == "s3":
        # The others are imported with their repository.
        importlib.import_module("boto3")


def nonsense_of(error: Exception) -> str:
    """Return the message about an answer that MLflow could not take apart; empty where the error is another."""
    if not any(
        place in frame.filename.replace(os.sep, "/")
        for frame in traceback.extract_tb(error.__traceback__)
        for place in _READERS
    ):
        return ""
    return (
        f"it answers, but not as an MLflow server does ({type(error).__name__}); check that MLFLOW_TRACKING_URI points "
        "at an MLflow server, and that nothing answers in its place"
    )


def said_by_storage(error: Exception) -> str:
    """Return the message about an error of a storage's client; empty where the error is another."""
    if type(error).__module__.partition(".")[0] not in _STORAGES:
        return ""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"the storage of its files refuses: {lines[0]}; check the login for that storage"


def _host(address: str, tracking: str) -> tuple[str, int | None]:
    """Return the host and port that an address leads to; a location without a host is at the tracking server."""
    parts = urlsplit(address)
    if not parts.netloc:
        parts = urlsplit(tracking)
    scheme = urlsplit(tracking).scheme if parts.scheme == "mlflow-artifacts" else parts.scheme
    try:
        port = parts.port or _PORTS.get(scheme)
    except ValueError:
        port = -1
    return (parts.hostname or "").lower(), port


def _has_login() -> bool:
    found = read_mlflow_creds()
    return bool(found.username or found.password) or any(os.environ.get(name) for name in _LOGINS)
