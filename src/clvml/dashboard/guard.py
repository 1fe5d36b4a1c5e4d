"""Who may ask, and what a browser may do with the answer."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = ("localhost", "127.0.0.1", "[::1]")
# Styles may stand in the page: the lengths of bars do. Scripts and what they ask for come from here alone, and no
# script stands in a page.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; script-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Of another scoring a minute later; and no proxy should keep customers.
    "cache-control": "no-store",
}


def guarded(app: App, password: str | None, hosts: tuple[str, ...] | None) -> App:
    """Return an application that answers only to those who may ask.

    Parameters
    ----------
    app : callable
        ASGI application.
    password : str or None
        Asked for by HTTP Basic, with any user name.
    hosts : tuple of str or None
        Names under which it may be called, without the port; None for any. A page of elsewhere that makes its own
        name point to this machine is refused.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Nothing here needs a socket.
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return
        given = dict(scope["headers"])

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in own
                    ),
                ]
            await send(message)

        if hosts is not None and _host(given.get(b"host", b"")) not in hosts:
            await _refuse(send_guarded, 421, "Call this page by the address that the command printed.")
        elif password is not None and not _knows(given.get(b"authorization", b""), password):
            await _refuse(
                send_guarded,
                401,
                "A password is needed.",
                (b"www-authenticate", b'Basic realm="clvml", charset="UTF-8"'),
            )
        else:
            await app(scope, receive, send_guarded)

    return answer


def _host(given: bytes) -> str:
    """Return the name in a Host header, without its port.

    >>> _host(b"localhost:8000"), _host(b"[::1]:8000"), _host(b"evil.example")
    ('localhost', '[::1]', 'evil.example')
    """
    text = given.decode("latin-1").lower()
    name, _, port = text.rpartition(":")
    return name if name and port.isdecimal() else text


def _knows(given: bytes, password: str) -> bool:
    kind, _, coded = given.partition(b" ")
    if kind.lower() != b"basic":
        return False
    try:
        _, _, said = base64.b64decode(coded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    # In a time that says nothing of how much of it is right.
    return hmac.compare_digest(said, password.encode())


async def _refuse(send: Send, status: int, words: str, *headers: tuple[bytes, bytes]) -> None:
    body = f"{words}\n".encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
