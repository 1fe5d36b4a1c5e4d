"""Addresses of database tables: ``duckdb:///FILE?table=NAME``, ``sqlite:///...``, ``postgresql://...``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clvml.errors import InputError, did_you_mean
from clvml.secrets import hide_password as hide_password

KINDS = ("duckdb", "sqlite", "postgresql")
_FORMS = {
    "duckdb": "duckdb:///FILE?table=NAME",
    "sqlite": "sqlite:///FILE?table=NAME",
    "postgresql": "postgresql://USER@HOST/DATABASE?table=NAME",
}
_SUPPORTED = f"{', '.join(_FORMS.values())}, or a file"
# A query may hold any sign, so all that follows belongs to it.
_WANTED = re.compile(r"[?&](?:query=(?P<query>.*)$|table=(?P<table>[^&]*))", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """Where a table or query is.

    ``shown`` is the address for people, without a password. ``place`` is the path of the file, or what libpq connects
    to. ``table`` is a name, with the schema before a dot where that is not the usual one; without one there is a
    ``query``.
    """

    kind: str
    shown: str
    place: str
    table: str | None
    query: str | None

    @property
    def path(self) -> Path:
        """The file of a DuckDB or SQLite database."""
        return Path(self.place)


def is_address(source: str) -> bool:
    """Return whether ``source`` is an address (``scheme://...``) and not a path.

    >>> is_address("sqlite:///shop.db?table=orders"), is_address("data/orders.csv")
    (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def parse_address(url: str) -> Address:
    """Take an address apart.

    Three slashes start a path relative to the current folder, four an absolute one. ``query=`` comes last and
    takes the rest.

    >>> parse_address("postgresql://ann@db/shop?sslmode=require&table=old.orders").place
    'postgresql://ann@db/shop?sslmode=require'
    >>> parse_address("sqlite:///shop.db?query=select * from a where b = 'x&y'").query
    "select * from a where b = 'x&y'"

    Raises
    ------
    InputError
        The address is not supported or not well-formed.
    """
    scheme, _, rest = url.partition("://")
    kind = "postgresql" if scheme.lower() == "postgres" else scheme.lower()
    if kind not in KINDS:
        raise InputError(
            f"addresses of the kind '{scheme}://' are not supported{did_you_mean(kind, KINDS)}; supported: {_SUPPORTED}"
        )
    shown = hide_password(url)
    wanted = _WANTED.search(rest)
    table = unquote(wanted["table"] or "") if wanted else ""
    query = unquote(wanted["query"] or "").strip().rstrip(";") if wanted else ""
    place = rest[: wanted.start()] + rest[wanted.end() :] if wanted else rest
    if "?" not in place:
        place = place.replace("&", "?", 1)
    if kind == "postgresql":
        # What libpq says of an address that it misreads would show a part of the password.
        if urlsplit(f"{kind}://{place}").netloc.count("@") > 1:
            raise InputError(f"'{shown}' holds several @; write those of the user name or password as %40")
        is_well_formed = bool(place)
        place = f"{kind}://{place}"
    else:
        is_well_formed = len(place) > 1 and place.startswith("/") and "?" not in place
        place = unquote(place[1:])
    if not (is_well_formed and (table or query)):
        raise InputError(f"'{shown}' is not of the form {_FORMS[kind]} or ...?query=SELECT ...")
    return Address(kind, shown, place, table or None, query or None)
