"""Whether the process that began something in a store is still at work, or was killed.

A process id alone says little: another machine or container may use the same, and so may a later process. So a mark
holds the machine (with its start and its space of process ids), the id, and when that process was started.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROCESS_TAG = "clvml.process"
# Of a process elsewhere nothing can be known but how long it has been silent. Logging takes minutes; a variant of
# an experiment, after which the mark is renewed, takes hours.
_SILENT = timedelta(days=1)
_ENDED_STATES = ("Z", "X")


def mark() -> str:
    """Return the mark of this process, now."""
    pid = os.getpid()
    return json.dumps(
        {"machine": _machine(), "pid": pid, "started": _state(pid)[1], "at": _now().isoformat()}
    )


def is_dead(text: str) -> bool:
    """Return whether the process of a mark is known to have ended; of one elsewhere that is never known."""
    try:
        told = json.loads(text)
        machine, pid, started = told["machine"], int(told["pid"]), told["started"]
    except (ValueError, KeyError, TypeError):
        return False
    if machine != _machine() or pid <= 0:
        return False
    state, began = _state(pid)
    if state:
        return state in _ENDED_STATES or began != started
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def is_silent(text: str) -> bool:
    """Return whether the process of a mark has not been heard of for a day."""
    try:
        return _now() - datetime.fromisoformat(json.loads(text)["at"]) > _SILENT
    except (ValueError, KeyError, TypeError):
        return False


def _machine() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    # Names of machines are private.
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _state(pid: int) -> tuple[str, str]:
    """Return the state of a process and when it was started [ticks since the machine was], where Linux tells."""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


def _now() -> datetime:
    return datetime.now(UTC)
