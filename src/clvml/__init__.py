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


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("clvml")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("clvml.errors" if name == "InputError" else "clvml.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
