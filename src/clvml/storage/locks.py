"""Locks on files, also between containers that share a folder. A lock ends with its process, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a file that is there, without waiting; yield whether that could be done. OSError where it is not there."""
    # A link or a pipe under the name of a lock is not ours: it is neither followed nor waited for.
    handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        yield lock(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for a lock on a file that is made for it and goes away with it; OSError where it cannot be made."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        lock(handle, wait=True)
        # Whoever had it before has taken the file away, and a third may have made another.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                break
        os.close(handle)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def lock(handle: int, wait: bool = False) -> bool:
    """Lock an open file until it is closed; return whether that could be done."""
    try:
        import fcntl
    except ImportError:
        # Without such locks (Windows) nothing is known to be left over.
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def is_ours(path: Path) -> bool:
    """Return whether a file or folder, no link, belongs to the user of this process; OSError where it is not there."""
    state = path.lstat()
    return not path.is_symlink() and (not hasattr(os, "geteuid") or state.st_uid == os.geteuid())
