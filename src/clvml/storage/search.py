"""Which files a path, a folder or a wildcard pattern means: each once, whatever links lead to it."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from clvml.errors import InputError

Identity = tuple[int, int]

# What begins so is passed over in a folder: half-written files of other programs, mostly.
_HIDDEN = (".", "_")

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


@dataclass(frozen=True)
class Search:
    """What a source means.

    Attributes
    ----------
    paths : tuple of Path
        What is not a folder, in the order of the names, each file once.
    repeated : tuple of (Path, Path)
        Names that were left out, each with the name under which the same file is read.
    passed : tuple of Path
        Links to folders that were read already, or that lie above; not followed.
    folders : frozenset of (int, int)
        Identities of the folders whose files count, so that a new file in one of them might.
    pattern : str
        What the names of those files must match; empty where the source is one file.
    is_folder : bool
        The source is a folder, of which all that lies below counts.
    """

    paths: tuple[Path, ...]
    repeated: tuple[tuple[Path, Path], ...] = ()
    passed: tuple[Path, ...] = ()
    folders: frozenset[Identity] = frozenset()
    pattern: str = ""
    is_folder: bool = False


def search(source: str) -> Search:
    """Find the files that ``source`` (a file, a folder or a wildcard pattern) stands for.

    In a folder, which is searched with its subfolders and with folders that links lead to, names that start with
    ``.`` or ``_`` are passed over. A pattern means what it means to a shell; ``**`` stands for any folders.

    Raises
    ------
    InputError
        Nothing is there, a folder cannot be read, or the name cannot be one.
    """
    check_name(Path(source))
    if not source.strip():
        # It would stand for the current folder.
        raise InputError("the name of the data is empty; give a file, a folder or an address")
    try:
        path = Path(source).expanduser()
        is_folder, exists = path.is_dir(), path.exists() or path.is_symlink()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"'{source}' cannot be read: {_reason(error)}; check the path") from None
    if is_folder:
        walk = _Walk(path)
        inside = [
            entry
            for folder in walk.below(path, _HIDDEN)
            for entry in _entries(folder)
            if not entry.name.startswith(_HIDDEN) and not _is_folder(entry)
        ]
        return _once([Path(entry.path) for entry in inside], walk, "*", is_folder=True)
    if exists:
        return Search((path,))
    if not glob.has_magic(str(path)):
        raise InputError(f"'{source}' does not exist; check the path and the current folder ('{Path.cwd()}')")
    start = next(index for index, part in enumerate(path.parts) if glob.has_magic(part))
    top, parts = Path(*path.parts[:start]), list(path.parts[start:])
    walk = _Walk(top)
    if top.is_dir():
        _match(walk, top, parts)
    found = _once(sorted(walk.found), walk, "*" if parts[-1] == "**" else parts[-1])
    if not found.paths:
        raise InputError(f"no file matches '{source}'; check the pattern and the current folder")
    return found


def check_readable(path: Path) -> None:
    """Refuse what may not be read or is no file: a pipe, a socket or a device (or a link to one), a link to nothing."""
    check_name(path)
    try:
        mode = path.stat().st_mode
        kind = next((name for fits, name in _KINDS if fits(mode)), "")
        if kind:
            raise InputError(f"'{path}' is {kind}, and no file; write what it holds to a file first")
        path.open("rb").close()
    except OSError as error:
        if error.errno == errno.ENOENT and path.is_symlink():
            raise InputError(
                f"'{path}' is a link to '{path.readlink()}', which is not there; bring it back, or remove the link"
            ) from None
        raise InputError(
            f"'{path}' cannot be read: {_reason(error)}; give yourself the permission, or leave it out"
        ) from None


def check_name(path: Path) -> None:
    """Refuse a name that holds a NUL or is not UTF-8: neither messages, databases nor MLflow could hold it."""
    if "\0" in str(path):
        raise InputError(f"the name {str(path)!r} holds a character that no name can hold; correct it")
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name of '{os.fsencode(path).decode('utf-8', 'backslashreplace')}' is not UTF-8; rename it"
        ) from None


def identity(path: Path | str) -> Identity | None:
    """Return what tells a file from every other, whatever its name; None where there is none."""
    try:
        state = os.stat(path)  # noqa: PTH116 - takes text as well
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino


def belongs(path: Path, source: str) -> bool:
    """Return whether a file is, or would become, part of a source, under whatever spelling or link."""
    try:
        found = search(source)
    except InputError:
        # The reader says what is wrong with it.
        return False
    # What is written is where the name leads, also through folders that are not there.
    target = Path(os.path.realpath(path))
    own = identity(target)
    if own is not None and own in map(identity, found.paths):
        return True
    if found.is_folder:
        return any(identity(parent) in found.folders for parent in target.parents)
    return (
        bool(found.pattern)
        and identity(target.parent) in found.folders
        and any(fnmatch(name, found.pattern) for name in (path.name, target.name))
    )


@dataclass
class _Walk:
    """What is known while a source is searched."""

    top: Path
    found: set[Path] = field(default_factory=set)
    passed: list[Path] = field(default_factory=list)
    folders: set[Identity | None] = field(default_factory=set)

    def below(self, start: Path, hidden: str | tuple[str, ...]) -> Iterator[Path]:
        """Yield ``start`` and all folders below it, each once; links come last, and never lead upwards."""
        above = {identity(parent) for parent in Path(os.path.realpath(self.top)).parents}
        seen: set[Identity | None] = set()
        waiting, links = [start], list[Path]()
        while waiting or links:
            is_link = not waiting
            folder = waiting.pop() if waiting else links.pop(0)
            own = identity(folder)
            if own in seen or (is_link and own in above):
                self.passed.append(folder)
                continue
            seen.add(own)
            self.folders.add(own)
            yield folder
            for entry in _entries(folder):
                if _is_folder(entry) and not entry.name.startswith(hidden):
                    (links if entry.is_symlink() else waiting).append(Path(entry.path))


def _match(walk: _Walk, folder: Path, parts: list[str]) -> None:
    part, rest = parts[0], parts[1:]
    if part == "**":
        for below in list(walk.below(folder, ".")):
            _match(walk, below, rest or ["*"])
        return
    if not rest:
        walk.folders.add(identity(folder))
    if not glob.has_magic(part):
        inside = [folder / part] if (folder / part).exists() or (folder / part).is_symlink() else []
    else:
        hidden = part.startswith(".")
        inside = [
            folder / entry.name
            for entry in _entries(folder)
            if fnmatch(entry.name, part) and (hidden or not entry.name.startswith("."))
        ]
    for path in inside:
        if rest and path.is_dir():
            _match(walk, path, rest)
        elif not rest and not path.is_dir():
            walk.found.add(path)


def _once(paths: list[Path], walk: _Walk, pattern: str, is_folder: bool = False) -> Search:
    """Return each file once; a name that is not a link comes before one that is."""
    kept: dict[Identity, Path] = {}
    chosen: list[Path] = []
    repeated: list[tuple[Path, Path]] = []
    for path in sorted(paths, key=lambda path: (path.is_symlink(), path)):
        own = identity(path)
        if own is not None and own in kept:
            repeated.append((path, kept[own]))
            continue
        if own is not None:
            kept[own] = path
        chosen.append(path)
    folders = frozenset(own for own in walk.folders if own is not None)
    return Search(
        tuple(sorted(chosen)), tuple(repeated), tuple(sorted(set(walk.passed))), folders, pattern, is_folder
    )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"folder '{folder}' cannot be read: {_reason(error)}; give yourself the permission, or name what is to be"
            " read without it"
        ) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
