"""Writing files so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from clvml.errors import InputError
from clvml.storage.locks import is_ours, lock, locked
from clvml.storage.sql import literal

if TYPE_CHECKING:
    import duckdb

# What a spreadsheet would run as a formula, unless it is a plain number such as -12.50. Text that looks as if it
# had been escaped is escaped again, so that taking one apostrophe off always gives the text back. Both patterns
# mean the same to Python and to DuckDB.
FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"
NUMBER = r"^[+-]?([0-9]+([.,][0-9]+)*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NO_ROOM = (
    "No space left",
    "File too large",
    "Disk quota",
    "max_temp_directory_size",
    "failed to offload",
    "Could not write",
)
TABLES = (".csv", ".parquet")
# With what SQLite writes beside a file.
_DRAFT = re.compile(r"\.clvml-[0-9a-f]{16}\.tmp(-journal|-wal|-shm)?$")
# Letters of a name that another name repeats: four bytes each at most, of the 255 that a name may have.
_NAMED = 48

_leftovers: set[Path] = set()


def no_room(error: BaseException) -> bool:
    """Return whether an error says that a disk is full; DuckDB has no error number for it.

    >>> no_room(OSError(errno.ENOSPC, "No space left on device")), no_room(OSError(errno.EACCES, "no"))
    (True, False)
    """
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    # The exceptions of DuckDB, which is not imported for this.
    named = type(error).__module__.startswith(("duckdb", "_duckdb"))
    return named and any(words in str(error) for words in _NO_ROOM)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place when the block ends well.

    What is replaced keeps its mode and, where that is permitted, its owner; a link stays, and what it leads to is
    replaced. Drafts that killed commands left behind are removed; one that another command is writing is left
    alone, and whoever ends last has the last word.

    Raises
    ------
    InputError
        The folder cannot be written, was removed meanwhile, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    try:
        remove_stale_drafts(target)
        with _new_draft(target) as draft, removed_when_ended(draft):
            yield draft
            # What is renamed must be on the disk, or a power cut could leave an empty file under the old name.
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.replace(target)
    except OSError as error:
        reason = error.strerror or error
        if not target.parent.is_dir():
            reason = f"its folder '{target.parent}' was removed meanwhile"
        raise InputError(
            f"output '{path}' cannot be written: {reason}; make room or choose another folder"
        ) from None


@contextmanager
def removed_when_ended(path: Path) -> Iterator[Path]:
    """Remove a file or folder when the block ends, or when `remove_leftovers` is called meanwhile."""
    _leftovers.add(path)
    try:
        yield path
    finally:
        _remove(path)
        _leftovers.discard(path)


def remove_leftovers() -> None:
    """Remove the temporary files and folders of all open blocks: for whoever ends the process without unwinding."""
    for path in list(_leftovers):
        _remove(path)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of ``path``; see `fill_draft`."""
    with replacing(path) as draft:
        fill_draft(draft, table, path)


def fill_draft(draft: Path, table: pd.DataFrame, path: Path) -> None:
    """Write a table into the draft of ``path``, as CSV or Parquet by the ending of ``path``.

    In CSV, text that a spreadsheet would run as a formula gets a leading apostrophe, and what is missing is
    empty.
    """
    if path.suffix.lower() == ".parquet":
        table.to_parquet(draft, index=False)
        return
    table = table.copy()
    for name in table.select_dtypes(include=["object", "string"]).columns:
        table[name] = table[name].map(escaped, na_action="ignore")
    table.to_csv(draft, index=False, lineterminator="\n")


def escaped(text: str) -> str:
    """Return text for a cell of a CSV file, with an apostrophe before what a spreadsheet would run.

    >>> [escaped(text) for text in ("=1+1", "-5", "@x", "C001", "'=1+1")]
    ["'=1+1", '-5', "'@x", 'C001', "''=1+1"]
    """
    return f"'{text}" if re.match(FORMULA, text) and not re.fullmatch(NUMBER, text) else text


def unescaped(text: str) -> str:
    """Return the text that `escaped` was given.

    >>> [unescaped(escaped(text)) for text in ("=1+1", "'=1+1", "'tis", "C001")]
    ['=1+1', "'=1+1", "'tis", 'C001']
    """
    return text[1:] if text.startswith("'") and escaped(text[1:]) == text else text


def plain_name(text: str) -> str:
    """Return a text as a part of a file's name: letters, digits, - and _, not more than a file system takes.

    >>> plain_name("my shop/2024")
    'my-shop-2024'
    """
    return "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in text[:_NAMED])


def draft_of(path: Path) -> Path:
    """Return a name beside ``path`` that nobody else has, and that says whose it is."""
    # A name may be as long as the file system takes.
    return path.with_name(f".{path.name[:_NAMED]}.clvml-{secrets.token_hex(8)}.tmp")


@contextmanager
def _new_draft(path: Path) -> Iterator[Path]:
    """Make a draft, with the mode and owner of ``path`` where that exists, and hold a lock on it."""
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    while True:
        draft = draft_of(path)
        # From the start, nobody may read what could not be read before.
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666 if old is None else 0o600)
        lock(handle)
        # Between the making and the lock, another command may have taken it for a left-over one.
        if draft.exists():
            break
        os.close(handle)
    try:
        if old is not None:
            if hasattr(os, "chown"):
                with suppress(PermissionError):
                    os.chown(draft, old.st_uid, old.st_gid)
            draft.chmod(stat.S_IMODE(old.st_mode))
        yield draft
    finally:
        os.close(handle)


def remove_stale_drafts(path: Path) -> None:
    """Remove drafts of this user's commands that nobody holds any more."""
    for draft in path.parent.glob(f".{glob.escape(path.name[:_NAMED])}.clvml-*.tmp*"):
        if _DRAFT.search(draft.name):
            with suppress(OSError):
                if is_ours(draft):
                    with locked(draft) as stale:
                        if stale:
                            draft.unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_query(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write the rows of a query into a file (.csv or .parquet); see `replacing`."""
    options = "FORMAT csv, HEADER" if path.suffix.lower() == ".csv" else "FORMAT parquet, COMPRESSION zstd"
    with replacing(path) as temporary:
        connection.execute(f"COPY ({query}) TO {literal(str(temporary))} ({options}, USE_TMP_FILE false)")
