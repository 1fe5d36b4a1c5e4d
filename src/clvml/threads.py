"""Threads of numerical libraries: those that wait burn no core, and no forecast depends on their number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from typing import Any, TypeVar, cast

from threadpoolctl import OpenBLASController, threadpool_limits

F = TypeVar("F", bound=Callable[..., Any])

# What OpenMP (XGBoost, scikit-learn) and OpenBLAS (NumPy, SciPy) read when they are loaded; the second is the exponent
# of the number of cycles that a thread spins. No result depends on it.
WAIT = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}


@contextmanager
def passive_threads() -> Iterator[None]:
    """Let libraries be loaded with threads that wait without burning a core, and leave the environment as it was.

    Threads that spin while they wait make training several times slower on a busy machine.
    """
    missing = WAIT.keys() - os.environ.keys()
    os.environ.update({name: WAIT[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


def one_blas_thread(function: F) -> F:
    """Let a function that fits or predicts multiply with one thread.

    A product of long vectors is a sum whose order, and so whose last bits, follow the number of threads: a forecast
    would differ by a cent from machine to machine.
    """

    @wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with _one_thread:
            return function(*args, **kwargs)

    return cast(F, limited)


class _OneThread:
    """The limit is that of the whole process: the first that needs it sets it, and the last lifts it."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                _any_thread_may_set()
                self._limit = threadpool_limits(1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _any_thread_may_set()
                self._limit.restore_original_limits()
                _any_thread_may_set()


def _any_thread_may_set() -> None:
    # From version 3.7 on, only the thread that set a limit first may change it, and others do nothing.
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


_one_thread = _OneThread()
