"""Writing files so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from clvml.errors import InputError

# What a spreadsheet would run as a formula, unless it is a plain number such as -12.50. Text that looks as if it
# had been escaped is escaped again, so that taking one apostrophe off always gives the text back. Both patterns
# mean the same to Python and to DuckDB.
FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"
NUMBER = r"^[+-]?([0-9]+([.,][0-9]+)*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
TABLES = (".csv", ".parquet")


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
        draft.unlink()
    except OSError as error:
        raise InputError(
            f"{what} '{path}' cannot be written: {error.strerror or error}; choose another folder"
        ) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place when the block ends well.

    Raises
    ------
    InputError
        The folder cannot be written, or the disk is full.
    """
    draft = _draft(path)
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise InputError(
            f"output '{path}' cannot be written: {error.strerror or error}; make room or choose another folder"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


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
