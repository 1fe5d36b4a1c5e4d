"""Sessions with MLflow: quiet, with errors that people can act on, and with its global settings put back afterwards."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from clvml.config import TrackingConfig
from clvml.errors import InputError
from clvml.storage.files import no_room, plain_name
from clvml.storage.workspace import temporary_folder
from clvml.tracking.location import DEFAULT_URI, first_line, locate, missing_client, read_only
from clvml.tracking.own_server import check_location, nonsense_of, only_own_server, said_by_storage
from clvml.tracking.store_file import holds_runs, is_store_file, make_store_file

# Importing mlflow.pyfunc warns about MLflow's own type hints. Other modules of this package take mlflow from
# here, so that it happens in one place.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    from mlflow import MlflowClient, entities, models, types  # noqa: F401
    from mlflow.exceptions import MlflowException
    from mlflow.utils.logging_utils import MLFLOW_LOGGING_STREAM

# MLflow's own tag, by which its page groups runs under another.
PARENT_TAG = "mlflow.parentRunId"
# What MLflow says of a thing that is not there: a file and a server have different words.
MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOISY = ("mlflow", "alembic", "sqlalchemy", "urllib3")
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Standard output belongs to the caller: it may be JSON.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Both would put files of the user's project or names of the user's variables into the model.
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}
# Unless the user has set them: a server that is gone or silent is waited for a minute or so per request, not for
# the eight that are MLflow's default, and not for as long as it asks for.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "25",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
# Where one request has failed, the last one of a run is tried once, and not for long.
_LAST_SECONDS = 10


@dataclass(frozen=True)
class Store:
    """An open tracking store.

    Attributes
    ----------
    uri : str
        As MLflow is told it: the path of an SQLite file is absolute.
    shown : str
        The same for messages, without a password.
    artifact_root : Path or None
        Where new experiments keep their files; None leaves it to the server.
    complaints : list of str
        The warnings and errors that MLflow has logged so far.
    """

    client: MlflowClient
    uri: str
    shown: str
    artifact_root: Path | None
    complaints: list[str]


def current_tracking_uri() -> str:
    """Return where this process keeps its runs: what MLflow was set to, or an SQLite file in the current folder."""
    return mlflow.get_tracking_uri() if mlflow.tracking.is_tracking_uri_set() else DEFAULT_URI


def check_tracking(tracking: TrackingConfig, uri: str) -> None:
    """Check that a training could be logged: to be called before an hour is spent on one.

    Raises
    ------
    InputError
        The store cannot be reached or written, one of the two names cannot be used in it, or the files of the
        experiment lie where we cannot or must not go.
    """
    with open_store(uri) as store:
        found = experiment_id(store, tracking.experiment, create=False)
        if found is not None:
            check_location(store.client.get_experiment(found).artifact_location, uri)
        registered_aliases(store, tracking.registered_model)


@contextmanager
def open_store(uri: str, must_exist: bool = False) -> Iterator[Store]:
    """Connect to a tracking store; inside, MLflow is silent and its global state is ours.

    Not for use in several threads at once: MLflow's tracking URI, the logging handlers and the warning
    filters belong to the process. All are put back at the end.

    Parameters
    ----------
    uri : str
        From `tracking_uri`.
    must_exist : bool
        Refuse an SQLite file that is not there instead of creating it.

    Raises
    ------
    InputError
        The scheme is unknown, the file is no MLflow database, half made or cannot be written, its disk is full, or
        the store fails while it is in use: it refuses, answers nonsense, or keeps its files where we cannot
        or must not go.
    StoreUnreachable
        The server or database does not answer, at the beginning or any more.
    """
    uri, shown, artifact_root = locate(uri, must_exist)
    file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    with (
        _silence() as complaints,
        _point_mlflow_at(uri),
        _TEMPORARY_FILES,
        only_own_server(uri, shown),
    ):
        try:
            if file is not None and artifact_root is not None and not is_store_file(file):
                make_store_file(file, artifact_root)
            yield Store(MlflowClient(tracking_uri=uri), uri, shown, artifact_root, complaints)
        except InputError:
            raise
        except (MlflowException, SQLAlchemyError, CommandError, requests.RequestException) as error:
            # An invalid parameter is a defect of ours, not a state of the store; a server may say so of anything.
            if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE" and not uri.startswith("http"):
                raise
            if _is_full(error):
                raise InputError(_full(shown, first_line(error))) from error
            # Where nothing answers any more, that is what there is to say.
            locate(uri, must_exist)
            if file is not None and _is_of_the_tables(error) and not holds_runs(file):
                raise InputError(
                    f"tracking store '{file}' is half made: the command that began it was killed, or it was made by"
                    " another version of MLflow; nothing was logged to it yet, so remove the file and run this again"
                ) from error
            # SQLite's words for it, somewhere in MLflow's.
            if any(text in str(error) for text in ("readonly database", "unable to open database file")):
                raise InputError(read_only(shown)) from error
            raise InputError(f"tracking store '{shown}': {_remedy(error, shown)}") from error
        except ImportError as error:
            raise InputError(missing_client(error, shown)) from error
        except OSError as error:
            if no_room(error):
                place = f" ('{error.filename}')" if error.filename else ""
                raise InputError(_full(shown, f"{error.strerror or error}{place}")) from error
            if error.errno not in _NO_PERMISSION:
                raise
            raise InputError(
                f"tracking store '{shown}' cannot be written: {error.strerror} ('{error.filename}'); give yourself "
                "the permission, or set MLFLOW_TRACKING_URI to another"
            ) from error
        except Exception as error:
            # Of the clients of storages there are many, each with errors of its own.
            told = said_by_storage(error) or (nonsense_of(error) if uri.startswith("http") else "")
            if not told:
                raise
            raise InputError(f"tracking store '{shown}': {told}") from error


def experiment_id(store: Store, name: str, create: bool = True) -> str | None:
    """Return the id of the experiment called `name`, made where it is missing (None if not `create`).

    Raises
    ------
    InputError
        An experiment of that name lies in MLflow's trash.
    """
    found = store.client.get_experiment_by_name(name)
    if found is not None:
        check_answer(store, "the experiment", name, found.name)
        if found.lifecycle_stage != "deleted":
            return str(found.experiment_id)
        raise InputError(
            f"experiment '{name}' was deleted in '{store.shown}'; restore it with "
            f"'mlflow experiments restore --experiment-id {found.experiment_id}', or choose another name for "
            "tracking.experiment"
        )
    if not create:
        return None
    # MLflow would put the files of an SQLite store under ./mlruns, wherever the database is.
    location = None if store.artifact_root is None else (store.artifact_root / plain_name(name)).as_uri()
    # Without the kind, MLflow's page asks whether this is about chatbots.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    try:
        created = str(store.client.create_experiment(name, artifact_location=location, tags=tags))
        check_answer(store, "the id of a new experiment", True, bool(created))
        return created
    except MlflowException as error:
        # Somebody else has just made it.
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return experiment_id(store, name, create=False)


def registered_aliases(store: Store, name: str) -> dict[str, str]:
    """Return ``{alias: version}`` of the registered model called `name`; nothing if there is none.

    Raises
    ------
    InputError
        MLflow does not take the name.
    """
    try:
        found = store.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code in MISSING:
            return {}
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise InputError(f"tracking.registered_model '{name}': {first_line(error)}") from error
        raise
    check_answer(store, "the registered model", name, found.name)
    return {str(alias): str(version) for alias, version in found.aliases.items()}


def all_pages(search: Callable[..., Any], *arguments: Any, **named: Any) -> Iterator[Any]:
    """Yield everything that a search of MLflow's client finds, page after page."""
    token: str | None = None
    while True:
        page = search(*arguments, **named, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def check_answer(store: Store, asked_for: str, expected: object, found: object) -> None:
    """Refuse to go on where a server answered with something else than what it was asked for.

    Raises
    ------
    InputError
        The two differ.
    """
    if found != expected:
        raise InputError(
            f"tracking store '{store.shown}': asked for {asked_for}, it answered with something else; check that "
            "MLFLOW_TRACKING_URI points at an MLflow server, and that nothing answers in its place"
        )


@contextmanager
def last_try() -> Iterator[None]:
    """Ask the store once, and wait for it shortly: for what can be done without."""
    seconds = min(mlflow.environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT.get(), _LAST_SECONDS)
    with _environment({"MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}):
        yield


@contextmanager
def _silence() -> Iterator[list[str]]:
    kept = _Complaints(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    streaming = MLFLOW_LOGGING_STREAM.enabled
    try:
        for logger in loggers:
            logger.handlers, logger.propagate = [kept], False
        MLFLOW_LOGGING_STREAM.enabled = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield kept.messages
    finally:
        MLFLOW_LOGGING_STREAM.enabled = streaming
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate


class _Complaints(logging.Handler):
    """Keeps what is logged instead of showing it."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _point_mlflow_at(uri: str) -> Iterator[None]:
    # Models can only be logged to MLflow's global tracking URI. Setting it also sets the variable, and
    # unsetting it falls back to the variable, so putting the variable back restores both.
    patience = {name: os.environ.get(name, text) for name, text in _PATIENCE.items()}
    with _environment({**_SETTINGS, **patience, "MLFLOW_TRACKING_URI": uri}):
        mlflow.set_tracking_uri(uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class _TemporaryFiles:
    """Lets MLflow's temporary folders lie in one of ours, which goes away also where the process is killed.

    Sessions may overlap in any order, in threads for example: the first makes the folder, the last removes it.
    """

    def __init__(self) -> None:
        self.lock, self.sessions, self.open = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self.lock:
            if not self.sessions:
                folder = self.open.enter_context(temporary_folder())
                self.open.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
                tempfile.tempdir = str(folder)
            self.sessions += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.sessions -= 1
            if not self.sessions:
                self.open.close()


_TEMPORARY_FILES = _TemporaryFiles()


def _is_full(error: Exception) -> bool:
    """Return whether an error of MLflow or SQLite says that a disk is full."""
    return any(words in str(error) for words in ("No space left on device", "database or disk is full"))


def _full(shown: str, said: str) -> str:
    return f"there is no room to log to tracking store '{shown}': {said}; make room, then run this again"


def _is_of_the_tables(error: Exception) -> bool:
    """Return whether an error says that the tables of a database are not those that MLflow expects."""
    words = (
        "out-of-date database schema",
        "already exists",
        "no such table",
        "no such column",
        "duplicate column",
    )
    return isinstance(error, CommandError) or any(text in str(error) for text in words)


def _remedy(error: Exception, shown: str) -> str:
    text = first_line(error)
    if "out-of-date database schema" in text:
        return (
            "it was written by another version of MLflow; make a copy of it, then run "
            f"'mlflow db upgrade {shown}'"
        )
    if "REQUEST failed" in text or "Response body:" in text:
        text = text.partition(" Response body:")[0].rstrip(".")
    return f"{text}; check that MLFLOW_TRACKING_URI points at an MLflow store, and that it can be written"
