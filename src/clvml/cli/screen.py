"""What may be printed: no secrets, no control characters, and no more lines than people read."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

from clvml.secrets import Secrets, is_secret_variable

MESSAGE_LINES = 20
LINE_WIDTH = 100
# Control characters but for line ends and tabs, line ends of Unicode, and what changes the direction of text.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

_LARGEST_FILE = 1 << 20
_INDENT = re.compile(r"^\s*(?:- )?")

secrets = Secrets()


def learn_secrets(words: list[str], environment: Mapping[str, str]) -> None:
    """Take in the secrets of a command line and of the environment: what they say is never shown."""
    secrets.forget()
    secrets.learn(*words)
    for name, value in environment.items():
        if is_secret_variable(name):
            secrets.add([value])
        elif "://" in value:
            secrets.learn(value)


def learn_file(path: Path) -> None:
    """Take in the secrets of a file such as a configuration, which may be at fault."""
    with suppress(OSError, UnicodeDecodeError):
        if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
            secrets.learn(*path.read_text(encoding="utf-8").splitlines())


def harmless(text: str) -> str:
    r"""Return a text without secrets, and with the signs that a terminal would obey in writing.

    >>> print(harmless("a\x1b[2Jb\u202ec at http://ann:swordfish@host"))
    a\x1b[2Jb\u202ec at http://ann:***@host
    """
    return _OBEYED.sub(_written, secrets.hide(text))


def screenful(text: str, lines: int = MESSAGE_LINES, width: int = LINE_WIDTH) -> str:
    r"""Return a text that fills so many lines at most: where it is longer, the middle is left out and counted.

    >>> print(screenful("\n".join(map(str, range(100))), lines=4))
    0
    1
    ... (97 lines are left out) ...
    99
    >>> print(screenful("x" * 1000, lines=4, width=10))
    xxxxxxxxxxxxxxxxxxxx ... (970 characters are left out) ... xxxxxxxxxx
    """
    if len(text) <= width:
        return text
    rows = [
        (number, line[start : start + width])
        for number, line in enumerate(text.split("\n"))
        for start in range(0, max(len(line), 1), width)
    ]
    if len(rows) <= lines:
        return text
    after = max((lines - 1) // 4, 1)
    before = lines - 1 - after
    (last, _), (first, _) = rows[before - 1], rows[-after]
    if last == first:
        left_out = sum(len(row) for _, row in rows[before:-after])
        mark = f" ... ({left_out:,} characters are left out) ... "
    else:
        mark = f"\n... ({len(rows) - before - after:,} lines are left out) ...\n"
    return f"{_joined(rows[:before])}{mark}{_joined(rows[-after:])}"


def screen_width() -> int:
    """Return the signs of a line: the terminal's, or `LINE_WIDTH` where that is less or there is none."""
    return min(shutil.get_terminal_size((LINE_WIDTH, 24)).columns, LINE_WIDTH)


def wrapped(text: str, stream: TextIO) -> str:
    """Return a message with its long lines broken at blanks, where a person reads it."""
    if not stream.isatty():
        return text
    width = screen_width()
    return "\n".join(
        filled(line, width, subsequent_indent=" " * len(_INDENT.findall(line)[0]))
        for line in text.split("\n")
    )


def filled(text: str, width: int, **indents: str) -> str:
    """Return a text in lines broken at blanks alone, indented as `textwrap.fill` does."""
    return textwrap.fill(text, width, **indents, break_long_words=False, break_on_hyphens=False)  # type: ignore[arg-type]


class Screen:
    """A stream that shows nothing but what is harmless; on the stream of errors, no more than a screenful at once."""

    def __init__(self, stream: TextIO, most_lines: int | None = None) -> None:
        self._stream = stream
        self._most_lines = most_lines

    def write(self, text: str) -> int:
        shown = harmless(text)
        if self._most_lines and len(shown) > LINE_WIDTH:
            shown = screenful(shown.removesuffix("\n"), self._most_lines) + "\n" * shown.endswith("\n")
        self._stream.write(shown)
        return len(text)

    def write_checked(self, text: str) -> None:
        """Write a text that is known to be harmless, as it is."""
        self._stream.write(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        # Bytes would go past the check.
        if name in ("buffer", "raw", "detach"):
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextmanager
def screened() -> Iterator[None]:
    """Let nothing reach standard output and standard error that `harmless` would change."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Screen(sys.stdout), Screen(sys.stderr, MESSAGE_LINES)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_checked(stream: Any, text: str) -> None:
    """Write to a stream, past its check where it has one, a text that is harmless."""
    getattr(stream, "write_checked", stream.write)(text)
    stream.flush()


def _written(sign: re.Match[str]) -> str:
    number = ord(sign[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _joined(rows: list[tuple[int, str]]) -> str:
    """Return rows as text; those of one line stand on one."""
    return "\n".join("".join(row for _, row in line) for _, line in groupby(rows, key=itemgetter(0)))
