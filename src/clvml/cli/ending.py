"""Ctrl-C and SIGTERM: an end within two seconds, wherever the work is, with nothing left lying about."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {130: "Interrupted.", 143: "Terminated."}
# Python sees a signal only between two of its own steps, and a library may be long about one.
_PATIENCE_SECONDS = 1.0


class Ending:
    """What a signal asked for: ``code`` is the exit code, 0 before one came; ``told`` is whether it was said."""

    code = 0
    told = False


@contextmanager
def prompt_end() -> Iterator[Ending]:
    """Let SIGINT and SIGTERM unwind the work as an exception; where that takes too long, end without unwinding.

    Only the main thread may set signal handlers; elsewhere nothing is changed.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def unwind(number: int, frame: FrameType | None) -> None:
        ending.code = EXIT_CODES[signal.Signals(number)]
        raise KeyboardInterrupt

    before = {number: signal.signal(number, unwind) for number in EXIT_CODES}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader, ending), daemon=True)
    watcher.start()
    try:
        yield ending
    finally:
        signal.set_wakeup_fd(old_writer)
        for number, handler in before.items():
            signal.signal(number, handler)
        # After a signal the watcher stays: Python waits for threads at work before it ends.
        if not ending.code:
            os.close(writer)
            watcher.join(timeout=2 * _PATIENCE_SECONDS)
            os.close(reader)


def _watch(reader: int, ending: Ending) -> None:
    """Wait for a signal on the pipe that the interpreter writes them to, at once and from whatever thread."""
    while received := os.read(reader, 1):
        code = EXIT_CODES.get(signal.Signals(received[0]))
        if code is None:
            continue
        deadline = time.monotonic() + _PATIENCE_SECONDS
        os.set_blocking(reader, False)
        while time.monotonic() < deadline:
            time.sleep(0.02)
            try:
                if not os.read(reader, 1):
                    return
            except BlockingIOError:
                continue
        if files := sys.modules.get("clvml.storage.files"):
            files.remove_leftovers()
        if not ending.told:
            os.write(2, f"{WORDS[code]}\n".encode())
        os._exit(code)
