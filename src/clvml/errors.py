"""The one error a user's input can cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from clvml.secrets import hide_secrets


class InputError(ValueError):
    """The user's input is at fault: data, configuration, a path or a model reference.

    The message says what is wrong, where, and how to mend it. The command line prints it alone (no
    traceback) and exits with code 2. Whatever is quoted in it, no password is shown.

    >>> str(InputError("no table in 'postgresql://ann:swordfish@db/shop'"))
    "no table in 'postgresql://ann:***@db/shop'"
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(hide_secrets(message))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known word nearest to ``word``, or an empty string.

    >>> did_you_mean("horizon", ["horizon_days", "step_days"])
    " (did you mean 'horizon_days'?)"
    >>> did_you_mean("zzz", ["horizon_days"])
    ''
    """
    nearest = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""
