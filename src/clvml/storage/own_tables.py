"""Reading the tables that commands of clvml wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from clvml.errors import InputError
from clvml.storage.search import check_readable


def read_own_table(
    path: Path, what: str, command: str, read_csv: Callable[[Path], pd.DataFrame]
) -> pd.DataFrame:
    """Return a table (.csv or .parquet) that a command of clvml wrote; errors name the command and ``what`` it is.

    Raises
    ------
    InputError
        The file does not exist, has another ending, or cannot be read.
    """
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": read_csv, ".parquet": pd.read_parquet}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{what} '{path}' must end in .csv or .parquet")
    if path.exists():
        check_readable(path)
    try:
        return read(path)
    except FileNotFoundError:
        raise InputError(f"{what} '{path}' does not exist; make one with `{command}`") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{what} '{path}' cannot be read ({reason}); make it again with `{command}`"
        ) from None
