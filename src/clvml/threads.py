"""Threads of numerical libraries: those that wait burn no core, and no forecast depends on their number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from threadpoolctl import threadpool_limits

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
    return cast(F, threadpool_limits.wrap(limits=1, user_api="blas")(function))
