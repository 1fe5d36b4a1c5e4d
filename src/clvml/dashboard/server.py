"""The dashboard served from this machine until it is interrupted."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import uvicorn

from clvml.config import DataConfig
from clvml.dashboard.app import build_app
from clvml.dashboard.guard import LOCAL
from clvml.dashboard.model_page import Models
from clvml.dashboard.orders import Orders
from clvml.dashboard.store import Snapshots
from clvml.errors import InputError
from clvml.outcomes.model_state import ModelState
from clvml.storage.workspace import temporary_folder

_WAITING = 128
_FAREWELL_SECONDS = 3


def serve(
    scores: Path,
    now: Callable[[], datetime],
    ready: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    port: int = 8050,
    password: str | None = None,
    before: Path | None = None,
    contacts: Path | None = None,
    log: DataConfig | None = None,
    without_log: Callable[[str], None] | None = None,
    ask_models: Callable[[], ModelState] | None = None,
) -> None:
    """Serve the dashboard on a scored file; return when it is interrupted.

    Parameters
    ----------
    scores, before, contacts
        See `clvml.dashboard.store.Snapshots`.
    now : callable
        Tells the time.
    ready : callable
        Told the address, when the first page can be asked for.
    host : str
        Address to listen on; others than this machine's own need a password.
    port : int
        0 for any that is free.
    password : str, optional
        Asked for by the browser, with any user name.
    log : DataConfig, optional
        The purchase log, to show what each customer bought.
    without_log : callable, optional
        Told why a log that cannot be read, or is of other scores, is not shown; without it, that is an error.
    ask_models : callable, optional
        Asks the tracking store how the models stand.

    Raises
    ------
    InputError
        A file cannot be read, the port is in use, the host is not this machine's, or a password is missing.
    """
    local = is_local(host)
    if not local and not password:
        raise InputError(
            f"--host '{host}' shows the customers to whoever reaches this machine; set a password in"
            " CLVML_DASHBOARD_PASSWORD, or leave out --host"
        )
    with listening(host, port) as listener, temporary_folder() as folder:
        snapshots = Snapshots(scores, folder, before, contacts)
        # What is wrong with the files is said here, and not in the browser.
        snapshot = snapshots.newest()
        orders = None
        if log is not None:
            try:
                read = Orders(log, now(), folder)
                read.check(snapshot)
                orders = read
            except InputError as error:
                if without_log is None:
                    raise
                without_log(str(error))
        models = Models(ask_models) if ask_models else None
        app = build_app(
            snapshots,
            lambda: now().date(),
            password,
            (*LOCAL, host.lower()) if local else None,
            orders,
            models,
        )
        if models:
            # It takes seconds, which then nobody waits for.
            models.ask()
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                server_header=False,
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=_FAREWELL_SECONDS,
            )
        )
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listener.getsockname()[1]}/")
        server.run(sockets=[listener])


def is_local(host: str) -> bool:
    """Return whether only this machine can reach an address.

    >>> [is_local(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    InputError
        The port is in use or forbidden, or the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host '{host}' is not an address of this machine ({error}); leave it out"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise InputError(
            f"port {port} of '{host}' cannot be used ({reason}); choose another with --port, or 0 for any that is free"
        ) from None
    return listener
