"""Writing files so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from clvml.errors import InputError

_FORMULA = r"^[=+\-@\t\r]"


def check_output(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse an output that could not be written at the end of the work.

    Raises
    ------
    InputError
        The ending is not one of ``endings``, or the folder does not exist or cannot be written.
    """
    if path.suffix.lower() not in endings:
        raise InputError(f"output '{path}' must end in {' or '.join(endings)}")
    if path.is_dir():
        raise InputError(f"output '{path}' is a directory; give a file name")
    if not path.parent.is_dir():
        raise InputError(f"folder '{path.parent}' of the output does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"folder '{path.parent}' of the output cannot be written; choose another")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place when the block ends well.

    Raises
    ------
    InputError
        The folder cannot be written, or the disk is full.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise InputError(f"output '{path}' cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of ``path``.

    In CSV, text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    with replacing(path) as draft:
        if path.suffix.lower() == ".parquet":
            table.to_parquet(draft, index=False)
            return
        table = table.copy()
        for name in table.select_dtypes(include=["object", "string"]).columns:
            risky = table[name].str.match(_FORMULA, na=False)
            table.loc[risky, name] = "'" + table.loc[risky, name]
        table.to_csv(draft, index=False, lineterminator="\n")
