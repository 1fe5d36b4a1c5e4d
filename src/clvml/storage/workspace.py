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
from clvml.storage.files import removed_when_ended
from clvml.storage.locks import is_ours, lock, locked

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
# Python with its libraries and one batch of customers takes about half of it.
LEAST_MEMORY = 10**9
# The rest is for what DuckDB does not count, for the libraries and for a batch of customers.
_DATABASE_SHARE = 0.5
# Threads of DuckDB work on blocks of their own.
_MEMORY_PER_THREAD = 125 * 10**6
_PREFIX = "clvml-work-"
# Tells our folders from those of others with such a name.
_MARKER = ".clvml-workspace"
_INSIDE = "files"
_MARK = b"A folder of clvml: removed when the command that made it has ended.\n"


def parse_memory(text: str) -> int:
    """Return the bytes of a size such as 4GB.

    Raises
    ------
    InputError
        It is not a size, or less than 1GB.

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
def temporary_folder() -> Iterator[Path]:
    """Yield a new, empty folder that goes away with the block, or, where the process is killed, with the next one.

    It lies in ``/var/tmp`` where there is one, because ``/tmp`` may be in memory itself, or where TMPDIR says.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    parent = _disk_folder()
    _remove_stale(parent)
    while True:
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            handle = os.open(folder / _MARKER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise InputError(
                f"temporary folder '{parent}' cannot be written: {error.strerror or error}; set TMPDIR to another"
            ) from None
        with removed_when_ended(folder):
            try:
                os.write(handle, _MARK)
                lock(handle)
                # Between the making and the lock, another command may have taken it for a left-over one.
                if (folder / _MARKER).exists():
                    inside = folder / _INSIDE
                    inside.mkdir()
                    yield inside
                    return
            finally:
                os.close(handle)


@contextmanager
def workspace(memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to a database that nobody else sees; remove all it wrote when the block ends.

    Parameters
    ----------
    memory : int, optional
        Bytes that the whole process should take at most; DuckDB gets half of them and keeps its tables on disk.
        Without a limit, tables stay in memory as long as DuckDB's own limit (80 % of the machine's) allows.

    Raises
    ------
    InputError
        The `temporary_folder` cannot be written.
    """
    with temporary_folder() as folder:
        config = offline(folder)
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


def offline(folder: Path | None = None) -> dict[str, str | bool | int | float | list[str]]:
    """Return the settings of a DuckDB that fetches no extensions, which would touch the network; it spills there."""
    spill = {} if folder is None else {"temp_directory": str(folder / "spill")}
    return {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", **spill}


def offline_database() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory that fetches no extensions: that would touch the network."""
    return duckdb.connect(config=offline())


def _disk_folder() -> Path:
    disk = Path("/var/tmp")
    chosen = tempfile.gettempdir()
    if Path(chosen).name == _INSIDE and Path(chosen).parent.name.startswith(_PREFIX):
        # Inside the block of another such folder, which may end sooner.
        chosen = str(Path(chosen).parent.parent)
    usable = disk.is_dir() and os.access(disk, os.W_OK)
    # Whoever names a folder (TMPDIR) gets it.
    return disk if chosen == "/tmp" and usable else Path(chosen)


def _remove_stale(parent: Path) -> None:
    """Remove what killed commands of this user left here: folders with our mark whose lock nobody holds."""
    for folder in parent.glob(f"{_PREFIX}*"):
        marker = folder / _MARKER
        with suppress(OSError):
            if is_ours(folder) and is_ours(marker) and marker.read_bytes() == _MARK:
                with locked(marker) as mine:
                    if mine:
                        shutil.rmtree(folder, ignore_errors=True)
