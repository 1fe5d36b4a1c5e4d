"""The error that bad input raises, and a context in which steps that are not needed may fail with a note."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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


def first_of(names: Iterable[object], most: int = 30, longest: int = 60) -> str:
    """Return names as a list in words: the first few of many, and how many there are; long ones cut.

    >>> first_of(["day", "sum"])
    'day, sum'
    >>> first_of(range(1000), most=3)
    '0, 1, 2, ... (1,000 in all)'
    """
    texts = [str(name) for name in names]
    shown = [text if len(text) <= longest else f"{text[: longest - 3]}..." for text in texts[:most]]
    return ", ".join(shown + [f"... ({len(texts):,} in all)"] * (len(texts) > most))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known word nearest to ``word``, or an empty string.

    >>> did_you_mean("horizon", ["horizon_days", "step_days"])
    " (did you mean 'horizon_days'?)"
    >>> did_you_mean("zzz", ["horizon_days"])
    ''
    """
    nearest = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Let the errors of a block begin with the key of the configuration that led to it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


@contextmanager
def secondary(step: str, notes: list[str]) -> Iterator[None]:
    """Run a step that no training may be lost to: where it fails, a note says which step and why.

    For pictures, words and comparisons only. What a score depends on, or what asks a database, may not stand here:
    a failure of it, an interrupt or too little memory, must end the work.

    >>> notes = []
    >>> with secondary("the picture of the gains", notes):
    ...     raise ValueError("nothing was spent")
    >>> notes
    ['left out: the picture of the gains (ValueError: nothing was spent)']
    """
    try:
        yield
    # All errors are caught: a picture may fail for a font, a release of matplotlib or a single value of the data.
    except Exception as error:  # noqa: BLE001
        reason = str(error).partition("\n")[0]
        notes.append(f"left out: {step} ({type(error).__name__}{f': {reason}' if reason else ''})")
