"""Customer lifetime value and churn from purchase histories.

>>> import clvml
>>> log = clvml.read_log("orders.csv")  # doctest: +SKIP
>>> model = clvml.CustomerModel(horizon_days=90).fit(log)  # doctest: +SKIP
>>> model.score(log)  # doctest: +SKIP

What stands here is imported when it is first used (PEP 562), so that the command line answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clvml.api import CustomerModel, Log, load, plan, read_log, readback
    from clvml.errors import InputError

__all__ = ["CustomerModel", "InputError", "Log", "load", "plan", "read_log", "readback"]

_HOMES = {
    "CustomerModel": "clvml.api",
    "InputError": "clvml.errors",
    "Log": "clvml.api",
    "load": "clvml.api",
    "plan": "clvml.api",
    "read_log": "clvml.api",
    "readback": "clvml.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("clvml")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
