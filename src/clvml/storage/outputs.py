"""What is refused as an output before the work begins."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from clvml.errors import InputError
from clvml.storage.addresses import hide_password, is_address, parse_address
from clvml.storage.files import draft_of
from clvml.storage.search import belongs, check_name, identity


def check_output(
    path: Path, endings: tuple[str, ...], source: str | None = None, what: str = "output"
) -> None:
    """Refuse an output that could not be written at the end of the work, or that would change the input.

    ``endings`` are what its name may end in, ``source`` is the file, folder, wildcard pattern or database address that
    is read, and ``what`` it is called in errors.

    Raises
    ------
    InputError
        The ending is not one of ``endings``, the folder does not exist or cannot be written, there is something
        else than a file under the name, or it belongs to ``source`` under whatever spelling.
    """
    check_name(path)
    if path.suffix.lower() not in endings:
        raise InputError(f"{what} '{path}' must end in {' or '.join(endings)}")
    # Where a link leads; the link stays.
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise InputError(f"{what} '{path}' is a directory; give a file name")
        if not target.parent.is_dir():
            folder = target.parent if path.is_symlink() else path.parent
            raise InputError(f"folder '{folder}' of the {what} does not exist; create it first")
        if os.path.lexists(target) and not target.is_file():
            raise InputError(
                f"{what} '{path}' is not a file but a device, a pipe or a link that leads nowhere; give another name"
            )
        if source is not None and _is_read(path, source):
            raise InputError(
                f"{what} '{path}' lies inside the data that is read ('{hide_password(source)}'), which is"
                " never changed; write it somewhere else"
            )
        if target.exists() and not os.access(target, os.W_OK):
            raise InputError(f"{what} '{path}' is there and write-protected; give another name")
        draft = draft_of(target)
        draft.touch()
        draft.unlink()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{what} '{path}' cannot be written: {getattr(error, 'strerror', None) or error}; choose another folder"
        ) from None


def is_same_output(one: Path, other: Path) -> bool:
    """Return whether two names are of one file, or would be: by links, by spelling, or by case alone.

    Whether the file system tells names apart by case is not known before both are there.
    """
    first, second = (Path(os.path.realpath(path)) for path in (one, other))
    if _is_same(first, second):
        return True
    return _is_same(first.parent, second.parent) and _folded(first.name) == _folded(second.name)


def _is_same(one: Path, other: Path) -> bool:
    return one == other or identity(one) == identity(other) is not None


def _is_read(path: Path, source: str) -> bool:
    if not is_address(source):
        return belongs(path, source)
    address = parse_address(source)
    return address.kind != "postgresql" and is_same_output(path, address.path)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
