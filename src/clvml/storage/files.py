"""Writing files so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from clvml.errors import InputError

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

_leftovers: set[Path] = set()


def check_output(
    path: Path, endings: tuple[str, ...], source: str | None = None, what: str = "output"
) -> None:
    """Refuse an output that could not be written at the end of the work, or that would change the input.

    Parameters
    ----------
    path : Path
        Where to write.
    endings : tuple of str
        What the name may end in.
    source : str, optional
        File, directory or wildcard that is read; the output must not be part of it.
    what : str
        What the output is called in errors.

    Raises
    ------
    InputError
        The ending is not one of ``endings``, the folder does not exist or cannot be written, or the file
        belongs to ``source``.
    """
    if path.suffix.lower() not in endings:
        raise InputError(f"{what} '{path}' must end in {' or '.join(endings)}")
    if path.is_dir():
        raise InputError(f"{what} '{path}' is a directory; give a file name")
    if not path.parent.is_dir():
        raise InputError(f"folder '{path.parent}' of the {what} does not exist; create it first")
    if source is not None and _belongs(path, source):
        raise InputError(
            f"{what} '{path}' lies inside the data that is read ('{source}'), which is never changed; write it"
            " somewhere else"
        )
    draft = _draft(path)
    try:
        draft.touch()
        # Another command that clears drafts may be quicker.
        draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{what} '{path}' cannot be written: {error.strerror or error}; choose another folder"
        ) from None


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

    Drafts of the same output that killed commands left behind are removed; one that another command is writing
    is left alone, and whoever ends last has the last word.

    Raises
    ------
    InputError
        The folder cannot be written, was removed meanwhile, or the disk is full.
    """
    _remove_stale_drafts(path)
    draft = _draft(path)
    try:
        with removed_when_ended(draft), locked(draft):
            yield draft
            # What is renamed must be on the disk, or a power cut could leave an empty file under the old name.
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.replace(path)
    except OSError as error:
        reason = error.strerror or error
        if not path.parent.is_dir():
            reason = f"its folder '{path.parent}' was removed meanwhile"
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


@contextmanager
def locked(path: Path, create: bool = True) -> Iterator[bool]:
    """Hold a lock on a file, which ends with the process however it ends; yield whether it could be had.

    Raises
    ------
    OSError
        The file cannot be opened, or is not there and must not be made.
    """
    handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666)
    try:
        yield _lock(handle)
    finally:
        os.close(handle)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of ``path``.

    In CSV, text that a spreadsheet would run as a formula gets a leading apostrophe, and what is missing is
    empty.
    """
    with replacing(path) as draft:
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


def _belongs(path: Path, source: str) -> bool:
    """Return whether ``path`` is the source, lies in its directory or matches its pattern."""
    place = Path(source).expanduser()
    if place.is_dir():
        return place.resolve() in path.resolve().parents
    if place.exists():
        return path.exists() and path.samefile(place)
    return fnmatch(str(path.absolute()), str(place.absolute()))


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _remove_stale_drafts(path: Path) -> None:
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if re.fullmatch(rf"\.{re.escape(path.name)}\.\d+\.tmp", draft.name):
            with suppress(OSError), locked(draft, create=False) as stale:
                if stale:
                    draft.unlink()


def _lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:
        # Without such locks (Windows) nothing is known to be stale.
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
