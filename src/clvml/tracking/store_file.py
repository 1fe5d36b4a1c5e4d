"""The SQLite file of a new store: there whole, or not at all.

MLflow makes its tables step by step. Two commands that begin at once, or one that is killed in its first second,
would leave a file that no later command can use. So the file is made beside its place, under a lock, and put there
when it is whole.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from clvml.errors import InputError
from clvml.storage.files import draft_of, remove_stale_drafts, removed_when_ended
from clvml.storage.locks import alone


def make_store_file(path: Path, artifact_root: Path) -> None:
    """Make an SQLite store where there is none; of several commands that try at once, one does.

    Raises
    ------
    InputError
        The folder cannot be written, or the disk is full.
    """
    # Not before it is needed: MLflow's own stores take a second to load.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    try:
        with alone(path.with_name(f".{path.name}.clvml-lock")):
            if is_store_file(path):
                return
            remove_stale_drafts(path)
            draft = draft_of(path)
            with removed_when_ended(draft):
                made = SqlAlchemyStore(f"sqlite:///{draft.as_posix()}", artifact_root.as_uri())
                made._dispose_engine()
                with draft.open("rb") as written:
                    os.fsync(written.fileno())
                _put(draft, path)
    except OSError as error:
        raise InputError(
            f"tracking store '{path}' cannot be made: {error.strerror or error}; make room, or set MLFLOW_TRACKING_URI"
            " to another"
        ) from None


def is_store_file(path: Path) -> bool:
    """Return whether there is a file that is not empty."""
    return path.is_file() and path.stat().st_size > 0


def read_only_connection(path: Path) -> closing[sqlite3.Connection]:
    """Return a connection to an SQLite file that cannot change it, to be used in ``with``."""
    return closing(sqlite3.connect(f"file:{quote(path.as_posix())}?mode=ro", uri=True))


def holds_runs(path: Path) -> bool:
    """Return whether anything was ever logged to an SQLite store."""
    try:
        with read_only_connection(path) as connection:
            return bool(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)


def _put(draft: Path, path: Path) -> None:
    """Give a finished store its name, unless another program (an MLflow server) has made one meanwhile."""
    try:
        os.link(draft, path)
    except FileExistsError:
        if not is_store_file(path):
            draft.replace(path)
    except OSError:
        # A file system without hard links.
        draft.replace(path)
