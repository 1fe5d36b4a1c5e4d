"""PostgreSQL through ADBC, which speaks Arrow. libpq finds what an address leaves out in PG* and ~/.pgpass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clvml.errors import InputError
from clvml.storage.addresses import Address


@contextmanager
def connected(address: Address) -> Iterator[Any]:
    """Yield a connection (DB-API with ADBC's methods for Arrow), in a transaction that is rolled back at the end.

    Raises
    ------
    InputError
        The driver is missing, the server does not answer or refuses, or it refuses a statement of the block.
    """
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise InputError(
            "PostgreSQL needs a driver that is not installed; install it with: pip install 'clvml[postgres]'"
        ) from None
    try:
        connection = dbapi.connect(address.place)
    except dbapi.Error as error:
        raise InputError(
            f"'{address.shown}' cannot be reached: {_reason(error)}; check the address, that the server runs, and"
            " the user and password (in the address, PGPASSWORD or ~/.pgpass)"
        ) from None
    try:
        yield connection
    except dbapi.Error as error:
        raise InputError(
            f"'{address.shown}': {_reason(error)}; check the table or query and the rights of the user"
        ) from None
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    """Return what the server said, without where in which library."""
    said = re.sub(r"^[A-Z_]+: (\[libpq\] )?", "", str(error).strip())
    first = said.splitlines()[0] if said else type(error).__name__
    return re.sub(r"^.*?(ERROR|FATAL): +", "", first).rstrip(".")
