"""Where the tracking store is, and whether it can be used: MLflow would find out slowly, or overwrite."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import requests
import sqlalchemy
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from clvml.errors import InputError, did_you_mean
from clvml.storage.addresses import hide_password
from clvml.tracking.record import StoreUnreachable
from clvml.tracking.store_file import is_store_file, read_only_connection

DEFAULT_URI = "sqlite:///mlflow.db"
ARTIFACT_FOLDER = "mlartifacts"
HEALTH_SECONDS = 10
# How the clients of storages are called where they are installed from.
PACKAGES = {"azure": "azure-storage-blob", "botocore": "boto3", "google": "google-cloud-storage"}
_GATEWAY_ERRORS = (502, 503, 504)
_SQL_SCHEMES = ("postgresql", "mysql", "mssql")
_KNOWN = (
    "sqlite:///FILE, postgresql://..., mysql://..., mssql://..., http://HOST:PORT, https://... or databricks"
)


def tracking_uri(environ_uri: str | None) -> str:
    """Return where runs go: `environ_uri` if it says something, else an SQLite file in the current folder.

    >>> tracking_uri(None)
    'sqlite:///mlflow.db'
    >>> tracking_uri("http://127.0.0.1:5000")
    'http://127.0.0.1:5000'
    """
    return (environ_uri or "").strip() or DEFAULT_URI


def store_in_use(environ_uri: str | None) -> str | None:
    """Return where runs go if somebody said so or has trained in the current folder; None otherwise."""
    uri = tracking_uri(environ_uri)
    return uri if uri != DEFAULT_URI or _sqlite_path(uri).exists() else None


def locate(uri: str, must_exist: bool) -> tuple[str, str, Path | None]:
    """Check that a store can be used, and return its URI for MLflow, its URI for people, and its file root.

    The path of an SQLite file becomes absolute, people are spared passwords, and the root, where new
    experiments keep their files, is None where the server decides.

    Raises
    ------
    InputError
        See `clvml.tracking.session.open_store`.
    StoreUnreachable
        Nothing answers there: that may change.
    """
    scheme, colon, _ = uri.partition(":")
    dialect = scheme.partition("+")[0]
    if dialect == "sqlite" and colon:
        path = _sqlite_path(uri)
        _check_sqlite(path, must_exist)
        return f"sqlite:///{path.as_posix()}", hide_password(uri), path.parent / ARTIFACT_FOLDER
    if dialect in _SQL_SCHEMES and colon:
        return uri, _check_database(uri), Path(ARTIFACT_FOLDER).absolute()
    if scheme in ("http", "https") and colon:
        return uri, _check_server(uri), None
    if scheme in ("databricks", "databricks-uc", "uc"):
        return uri, hide_password(uri), None
    if not colon or scheme == "file" or len(scheme) == 1:
        raise InputError(
            f"tracking store '{uri}' is a folder or file path, which MLflow no longer writes to; set "
            f"MLFLOW_TRACKING_URI to one of {_KNOWN}"
        )
    known = ("sqlite", *_SQL_SCHEMES, "http", "https", "databricks")
    raise InputError(
        f"tracking store '{uri}': unknown scheme '{scheme}'{did_you_mean(scheme, known)}; set "
        f"MLFLOW_TRACKING_URI to one of {_KNOWN}"
    )


def read_only(shown: str) -> str:
    """Return the message about a store that cannot be written."""
    return (
        f"tracking store '{shown}' can only be read: its file or folder is not yours to write; give yourself the "
        "permission, or set MLFLOW_TRACKING_URI to another"
    )


def missing_client(error: ImportError, shown: str) -> str:
    """Return the message about a storage whose client is not installed."""
    needed = (error.name or "").partition(".")[0]
    package = f"the package '{PACKAGES.get(needed, needed)}'" if needed else "a package"
    return (
        f"tracking store '{shown}': where it keeps its files, {package} is needed, which is not installed; "
        f"install it{f' with: pip install {PACKAGES.get(needed, needed)}' if needed else ''}, or use an experiment "
        "whose files lie elsewhere"
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's message: what follows is often a traceback or an SQL statement."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _sqlite_path(uri: str) -> Path:
    _, slashes, name = uri.partition(":///")
    name = name.partition("?")[0]
    if not slashes or not name or name == ":memory:":
        raise InputError(f"tracking store '{uri}' names no file; give it as {DEFAULT_URI}")
    # MLflow caches one connection per URI: a relative path would still mean the old folder after a chdir.
    return Path(name).absolute()


def _check_sqlite(path: Path, must_exist: bool) -> None:
    if not path.exists() or (path.is_file() and not is_store_file(path)):
        if must_exist:
            raise InputError(
                f"no model yet: there is no tracking store at '{path}'; run 'make train' first, or point "
                "MLFLOW_TRACKING_URI at the store that has it"
            )
        _check_folder(path)
        return
    if not path.is_file():
        raise InputError(f"tracking store '{path}' is a folder; give a file, such as {DEFAULT_URI}")
    if not os.access(path, os.R_OK):
        raise InputError(f"no permission to read the tracking store '{path}'")
    # A database is written beside itself, too: its journal.
    if not must_exist and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise InputError(read_only(str(path)))
    try:
        with read_only_connection(path) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreUnreachable(
                f"tracking store '{path}' is locked by another program; wait until that has ended, then run this again"
            ) from None
        raise InputError(f"tracking store '{path}' cannot be opened: {error}") from None
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"tracking store '{path}' is not an SQLite database, or is damaged ({error}); move it away to "
            "start a new one, or set MLFLOW_TRACKING_URI to another"
        ) from None
    tables = sorted(name for (name,) in rows)
    if tables and "experiments" not in tables:
        raise InputError(
            f"tracking store '{path}' is a database of something else (tables: {', '.join(tables[:5])}); set "
            f"MLFLOW_TRACKING_URI to another file, such as {DEFAULT_URI}"
        )


def _check_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder of the tracking store '{path}' cannot be made: {error.strerror}") from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"no permission to create the tracking store '{path}'; set MLFLOW_TRACKING_URI to another"
        )


def _check_database(uri: str) -> str:
    # MLflow retries a database that does not answer for minutes; this asks once.
    shown = hide_password(uri)
    try:
        url = sqlalchemy.make_url(uri)
        sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool).connect().close()
    except ModuleNotFoundError as error:
        # SQLAlchemy looks for the newer driver where none is named.
        other = " (or write postgresql+psycopg2://... to use psycopg2)" if error.name == "psycopg" else ""
        raise InputError(
            f"tracking store '{shown}' needs the package '{error.name}'; install it{other}"
        ) from None
    except SQLAlchemyError as error:
        # A wrong host, port or password looks the same from here as a database that is down.
        kind = StoreUnreachable if isinstance(error, OperationalError) else InputError
        raise kind(
            f"tracking store database cannot be reached: {first_line(error)}; check MLFLOW_TRACKING_URI"
        ) from None
    except (ValueError, TypeError):
        # Of a port that is not a number, say, because a sign of the password was not written as %40 and so on.
        raise InputError(
            f"tracking store '{shown}' is not an address of a database; write signs of the user name and the password "
            "as %40 (@), %2F (/), %3A (:) and so on"
        ) from None
    return shown


def _check_server(uri: str) -> str:
    # As above: MLflow would retry for four minutes. Any answer of a proxy or a login page counts, but for the
    # ones that mean that nothing is behind it.
    shown = hide_password(uri)
    try:
        # What it says is not read: it might never end.
        with requests.get(f"{uri.rstrip('/')}/health", timeout=HEALTH_SECONDS, stream=True) as answer:
            if answer.status_code in _GATEWAY_ERRORS:
                raise requests.ConnectionError
    except requests.exceptions.SSLError:
        # Whether certificates matter is one of MLflow's own settings.
        pass
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError):
        raise InputError(
            f"MLflow server '{shown}' cannot be asked; correct MLFLOW_TRACKING_URI, and write signs "
            "of the user name and the password as %40 (@), %2F (/), %3A (:) and so on"
        ) from None
    except requests.RequestException as error:
        late = isinstance(error, requests.Timeout)
        reason = "it did not answer in time" if late else "nothing answers there"
        raise StoreUnreachable(
            f"MLflow server '{shown}' cannot be reached: {reason}; start it, or correct MLFLOW_TRACKING_URI "
            f"(without it, runs go to {DEFAULT_URI})"
        ) from None
    return shown
