"""Passwords, keys and tokens: found in addresses and texts, and replaced by ``***`` before anybody reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
# Bounds, here and below, keep the search through a text of any length quick.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,30}://"
# Words by which parameters, variables and keys that hold a secret are called, wherever they stand in a name.
_SECRET_WORDS = (
    r"password|passwd|passphrase|secret|token|signature|credentials?|authorization|bearer|pwd"
    r"|access[_-]?key|account[_-]?key|api[_-]?key|private[_-]?key|security[_-]?key"
)
_NAME = rf"[\w.%-]*(?:{_SECRET_WORDS})[\w.%-]*"
# Short names that are a secret's only as a parameter of an address.
_PARAMETER = re.compile(
    rf"(?P<name>[?&;#](?:{_NAME}|pass|pw|sig|auth|key|sas))(?P<equals>=|%3d)(?P<value>[^&\s]*)", re.IGNORECASE
)
_PAIR = re.compile(
    rf"(?P<name>(?<![\w.%-]){_NAME})(?P<equals>=|%3d)(?P<quote>['\"]?)(?P<value>[^&;\s'\"]+)", re.IGNORECASE
)
_KEY = re.compile(
    rf"(?P<name>(?P<mark>['\"]){_NAME}(?P=mark)\s*:\s*)(?P<quote>['\"])(?P<value>(?:\\.|(?!(?P=quote)).){{0,2000}})(?P=quote)",
    re.IGNORECASE,
)
_SENT = re.compile(r"\b(?P<kind>Bearer|Basic)\s+(?!\*)[\w.~+/=-]{8,}", re.IGNORECASE)
_VARIABLE = re.compile(rf"(?:^|_)(?:{_SECRET_WORDS}|PASS|KEY|SAS)(?:_|$)", re.IGNORECASE)
# What is asked of a database stands behind its address, and may hold any sign.
_ASKED = re.compile(r"[?&](?:query|table)=")
_HOST = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]*\])(?::\d*)?")
_DRIVE = re.compile(r"/[A-Za-z]:[/\\]")
# Where an address in a text ends: at the quote that it began with, else at a blank.
_QUOTED_ADDRESS = re.compile(
    rf"(?P<mark>['\"`])(?P<address>{_SCHEME}.{{0,2000}}?)(?P=mark)(?=[\s,;:.)\]}}]|$)", re.MULTILINE
)
_BARE_ADDRESS = re.compile(
    rf"{_SCHEME}[^\s:/@]*:(?!\d+\b)(?=\S)[^\n@]{{0,1000}}@\S*|{_SCHEME}\S+?(?=['\"`,;:.)\]}}]{{0,5}}(?:\s|$))"
)
# Who forgets the scheme has a password all the same; the alias of a registered model has none.
_WITHOUT_SCHEME = re.compile(
    r"(?:^|=|//)(?!models:/)[^\s/:@=]{1,100}:(?P<value>\S{1,500})@[\w.-]+(?:[:/?]|$)"
)
# Shorter secrets and plain numbers would be found in text that has nothing to do with them.
_TELLING = re.compile(r"(?![\d.,-]+$).{6,}|(?=.*[^a-z])(?![\d.,-]+$).{4,}", re.DOTALL)


def hide_password(address: str) -> str:
    """Return an address without its password, key or token; other text stays as it is.

    A password may hold any sign: it ends at the last ``@`` before what is asked of the database.

    >>> hide_password("postgresql://ann:secret@db/shop?table=orders")
    'postgresql://ann:***@db/shop?table=orders'
    >>> hide_password("postgresql://db/shop?user=ann&password=secret&table=orders")
    'postgresql://db/shop?user=ann&password=***&table=orders'
    >>> hide_password("s3://AKIA:sec/ret@bucket/orders.csv"), hide_password("https://token@host/x")
    ('s3://AKIA:***@bucket/orders.csv', 'https://***@host/x')
    >>> hide_password("data/orders.csv")
    'data/orders.csv'
    """
    place = _login(address)
    if place is not None:
        start, end = place
        address = f"{address[:start]}{HIDDEN}{address[end:]}"
    return _PAIR.sub(_hidden_value, _PARAMETER.sub(_hidden_value, address))


def hide_secrets(text: str) -> str:
    """Return a text in which every address, ``password=...`` and ``"token": "..."`` is without its secret.

    >>> hide_secrets("'mysql://ann:a/b@db' said: password=hunter2 is wrong for ann")
    "'mysql://ann:***@db' said: password=*** is wrong for ann"
    """
    if "://" in text:
        text = _QUOTED_ADDRESS.sub(
            lambda found: f"{found['mark']}{hide_password(found['address'])}{found['mark']}", text
        )
        text = _BARE_ADDRESS.sub(lambda found: hide_password(found[0]), text)
    if "=" in text or "%3" in text:
        text = _PAIR.sub(_hidden_value, text)
    if ":" in text:
        text = _KEY.sub(lambda found: f"{found['name']}{found['quote']}{HIDDEN}{found['quote']}", text)
    return _SENT.sub(lambda found: f"{found['kind']} {HIDDEN}", text)


def secrets_of(text: str) -> set[str]:
    """Return the secrets in the addresses, parameters and keys of a text, as they are written there.

    >>> sorted(secrets_of("postgresql://ann:swordfish@db/shop?sslpassword=open%20sesame"))
    ['open%20sesame', 'swordfish']
    """
    found: set[str] = set()
    matches = [match["address"] for match in _QUOTED_ADDRESS.finditer(text)]
    matches += [match[0] for match in _BARE_ADDRESS.finditer(text)]
    if re.match(_SCHEME, text):
        matches.append(text)
    for address in matches:
        if (place := _login(address)) is not None:
            found.add(address[slice(*place)])
    patterns = [_PARAMETER, _PAIR, _KEY, *([] if "://" in text else [_WITHOUT_SCHEME])]
    found |= {match["value"] for pattern in patterns for match in pattern.finditer(text)}
    return found - {"", HIDDEN}


def is_secret_variable(name: str) -> bool:
    """Return whether an environment variable of this name holds a secret.

    >>> [is_secret_variable(name) for name in ("MLFLOW_TRACKING_TOKEN", "PGPASSWORD", "KEYBOARD", "PWD")]
    [True, True, False, False]
    """
    if name in ("PWD", "OLDPWD"):
        # The working folder.
        return False
    return _VARIABLE.search(name) is not None or name.upper().endswith(("PASSWORD", "SECRET", "TOKEN"))


class Secrets:
    """The secrets of one run, to be taken out of whatever is shown of it.

    >>> mine = Secrets()
    >>> mine.learn("postgresql://ann:sw0rd/fish@db/shop")
    >>> mine.hide("could not translate host name 'ann:sw0rd', nor ann:sw0rd%2Ffish")
    "could not translate host name 'ann:***', nor ann:***"
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know of no secrets any more."""
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, *texts: str) -> None:
        """Take in the secrets of texts that hold some, such as an address."""
        found = {secret for text in texts for secret in secrets_of(text)}
        # A library that misreads an address names a part of it.
        written = [f"{secret}/{unquote(secret)}" for secret in found]
        parts = {
            part
            for text in written
            for signs in (r"[/@:?#&%\s'\"]", r"[/@:?#&\s'\"]")
            for part in re.split(signs, text)
        }
        self.add(found | parts)

    def add(self, secrets: Iterable[str]) -> None:
        """Take in secrets as they are; they are known in the forms in which a library would show them, too."""
        forms = {form for secret in secrets for form in _forms_of(secret)}
        if forms - self._forms:
            self._forms |= forms
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile(
                rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9])"
            )

    def hide(self, text: str) -> str:
        """Return a text without them, and without what looks like one."""
        text = hide_secrets(text)
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _login(address: str) -> tuple[int, int] | None:
    """Return where in an address its password begins and ends, or its token where there is no user name."""
    scheme = re.search(_SCHEME, address)
    if scheme is None:
        return None
    start = scheme.end()
    rest = address[start:]
    asked = _ASKED.search(rest)
    head = rest[: asked.start()] if asked else rest
    is_web = scheme[0].lower().endswith(("http://", "https://"))
    if is_web and _HOST.fullmatch(re.split(r"[/?#]", head, maxsplit=1)[0]):
        # A host and a port, or a user and a password that begins with digits and a slash.
        head = re.split(r"[?#]", head, maxsplit=1)[0]
    at = head.rfind("@")
    if at < 0 or _DRIVE.match(head):
        return None
    colon = head.find(":", 0, at)
    if colon < 0:
        return (start, start + at) if is_web and "/" not in head[:at] else None
    return (start + colon + 1, start + at) if at > colon + 1 else None


def _hidden_value(found: re.Match[str]) -> str:
    quote_mark = found.groupdict().get("quote") or ""
    value = found["value"]
    # In a list that is divided by semicolons, a value ends at one.
    rest = value[value.index(";") :] if ";" in value and found[0].startswith(";") else ""
    return f"{found['name']}{found['equals']}{quote_mark}{HIDDEN if value else ''}{_PARAMETER.sub(_hidden_value, rest)}"


def _forms_of(secret: str) -> set[str]:
    """Return a secret as it is, decoded, encoded, and as JSON and Python write it."""
    whole = {secret, unquote(secret), unquote_plus(secret)}
    whole |= {form for text in set(whole) for form in (quote(text, safe=""), quote_plus(text), quote(text))}
    whole |= {json.dumps(text)[1:-1] for text in set(whole)} | {repr(text)[1:-1] for text in set(whole)}
    return {form for form in whole if _TELLING.fullmatch(form)}
