"""Threads of numerical libraries that wait without burning a core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def passive_threads() -> Iterator[None]:
    """Let OpenMP be loaded with threads that wait without burning a core, and leave the environment as it was.

    OpenMP reads this when it is loaded, which is with scikit-learn or XGBoost. Threads that spin while they wait make
    training several times slower on a busy machine.
    """
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_WAIT_POLICY"]
