"""Where a command works: a DuckDB that keeps within a limit of memory and spills into a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from clvml.errors import InputError
from clvml.storage.files import locked, removed_when_ended

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
# Python with its libraries and one batch of customers takes about half of it.
LEAST_MEMORY = 10**9
# The rest is for what DuckDB does not count, for the libraries and for a batch of customers.
_DATABASE_SHARE = 0.5
# Threads of DuckDB work on blocks of their own.
_MEMORY_PER_THREAD = 125 * 10**6
# Fetching extensions would touch the network.
_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_PREFIX = "clvml-"


def parse_memory(text: str) -> int:
    """Return the bytes of a size such as 4GB.

    Raises
    ------
    InputError
        It is no size, or less than 1GB.

    >>> parse_memory("1.5GB"), parse_memory("4 GiB")
    (1500000000, 4294967296)
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([MGT]i?B)", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise InputError(f"--memory '{text}' is not a size; give a number with MB or GB, such as 4GB")
    size = int(float(found[1]) * _UNITS[found[2].upper()])
    if size < LEAST_MEMORY:
        raise InputError(f"--memory '{text}' is too little; give at least 1GB")
    return size


@contextmanager
def workspace(memory: int | None = None, parent: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to a database that nobody else sees; remove all it wrote when the block ends.

    Parameters
    ----------
    memory : int, optional
        Bytes that the whole process should take at most; DuckDB gets half of them and keeps its tables on disk.
        Without a limit, tables stay in memory as long as DuckDB's own limit (80 % of the machine's) allows.
    parent : Path, optional
        Folder on a disk with room; ``/var/tmp`` where there is one, because ``/tmp`` may be in memory itself.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    parent = parent or _disk_folder()
    _remove_stale(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    except OSError as error:
        raise InputError(
            f"temporary folder '{parent}' cannot be written: {error.strerror or error}; set TMPDIR to another"
        ) from None
    with removed_when_ended(folder), locked(folder / "lock"):
        config: dict[str, str | bool | int | float | list[str]] = {
            **_OFFLINE,
            "temp_directory": str(folder / "spill"),
        }
        if memory is not None:
            limit = int(memory * _DATABASE_SHARE)
            config["memory_limit"] = f"{limit}B"
            config["threads"] = max(1, min(os.cpu_count() or 1, limit // _MEMORY_PER_THREAD))
        path = ":memory:" if memory is None else str(folder / "purchases.duckdb")
        connection = duckdb.connect(path, config=config)
        try:
            yield connection
        finally:
            with suppress(duckdb.Error):
                connection.close()


def offline_database() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory that fetches no extensions: that would touch the network."""
    return duckdb.connect(config=dict(_OFFLINE))


def _disk_folder() -> Path:
    disk = Path("/var/tmp")
    chosen = tempfile.gettempdir()
    usable = disk.is_dir() and os.access(disk, os.W_OK)
    # Whoever names a folder (TMPDIR) gets it.
    return disk if chosen == "/tmp" and usable else Path(chosen)


def _remove_stale(parent: Path) -> None:
    """Remove what commands left here that were killed: nobody holds the lock any more."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), locked(folder / "lock", create=False) as mine:
            if mine:
                shutil.rmtree(folder, ignore_errors=True)
