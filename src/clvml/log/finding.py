"""What a reader of the data should know before trusting it: a doubt, and the key that answers it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A warning about a purchase log.

    ``code`` names the kind for programs, in lower case with hyphens: ``guest-customer``. ``text`` is one or two
    sentences: what was found, and the config key that answers it. ``rows`` are the lines that it is about, ``money`` is
    theirs [currency of the log].
    """

    code: str
    text: str
    rows: int | None = None
    money: float | None = None

    def to_text(self) -> str:
        """Return the warning as a reader of the terminal sees it, broken at 100 letters."""
        return textwrap.fill(
            f"warning     {self.text} [{self.code}]",
            100,
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
