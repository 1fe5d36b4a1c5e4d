"""Threads of numerical libraries that wait without burning a core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

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
