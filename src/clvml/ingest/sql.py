"""Names and text inside SQL, quoted so that no file, column or value can change a statement."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier.

    >>> identifier('say "hi"')
    '"say ""hi\"""'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return ``text`` as a SQL string literal.

    >>> literal("d'Artagnan.csv")
    "'d''Artagnan.csv'"
    """
    return "'" + text.replace("'", "''") + "'"
