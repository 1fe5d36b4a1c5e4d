"""Where a purchase log comes from: files, directories, wildcards and database tables.

Whatever the kind, a source is a list of parts with the same columns, and a part is a DuckDB table
expression whose columns are called ``c0``, ``c1``, ... so that no input name can collide with ours.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pandas as pd

from clvml.errors import InputError
from clvml.log.database import copy_table
from clvml.log.delimited import Layout, copy_carefully, count_lines, delimited_relation, read_layout
from clvml.log.finding import Finding
from clvml.log.frame import FRAME, register_frame
from clvml.storage.addresses import is_address, parse_address
from clvml.storage.search import check_readable, search
from clvml.storage.sql import identifier, literal

_KINDS = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".pq": "Parquet"}
_PACKED = (".gz", ".zst")
_SUPPORTED = ".csv, .tsv (also .gz, .zst), .parquet"


@dataclass(frozen=True)
class Part:
    """One file or table. Rows are numbered from 1 in the order in which they stand in it.

    Attributes
    ----------
    name : str
        Path or address, as people know it.
    relation : str
        DuckDB table expression with the columns ``c0``, ``c1``, ... in the order of ``columns``.
    columns, types : tuple of str
        Names in the input and their DuckDB types.
    kind : {"CSV", "TSV", "Parquet", "table"}
    path : Path or None
        The file; None for a database table.
    layout : Layout or None
        Of a delimited file.
    lines : int or None
        Physical lines of a delimited file, header included.
    copied : bool
        The relation is a temporary table that also has ``line`` and ``broken``.
    """

    name: str
    relation: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    kind: str
    path: Path | None = None
    layout: Layout | None = None
    lines: int | None = None
    copied: bool = False


def read_parts(connection: duckdb.DuckDBPyConnection, source: str | pd.DataFrame) -> list[Part]:
    """Find the parts of ``source`` and check that their columns are the same.

    Files are taken in the order of their names. In a directory (searched with its subdirectories), names that
    start with ``.`` or ``_`` and files of other kinds are passed over.

    Raises
    ------
    InputError
        The source does not exist, holds no data file, mixes kinds of files or columns, or cannot be read.
    """
    if isinstance(source, pd.DataFrame):
        return [Part(FRAME, "clvml_frame", *register_frame(connection, source, "clvml_frame"), "table")]
    if is_address(source):
        address = parse_address(source)
        columns, types = copy_table(connection, address, "clvml_raw_0")
        return [Part(address.shown, "clvml_raw_0", columns, types, "table", copied=True)]
    parts = [_read_part(connection, path) for path in find_files(source)]
    _check_same_kind(parts, source)
    return [parts[0], *(_same_columns(part, parts[0]) for part in parts[1:])]


def find_files(source: str) -> list[Path]:
    """Return the data files that ``source`` (a file, a directory or a wildcard pattern) stands for, sorted.

    Raises
    ------
    InputError
        Nothing is there, or nothing that ends in a supported way.
    """
    found = search(source)
    files = [path for path in found.paths if _kind(path)] if found.is_folder else list(found.paths)
    if not files:
        raise InputError(f"directory '{source}' holds no data file; supported: {_SUPPORTED}")
    for file in files:
        check_readable(file)
        if not _kind(file):
            raise InputError(
                f"'{file}' ends in '{file.suffix}', which is not supported; supported: {_SUPPORTED}"
            )
    return files


def file_findings(source: str | pd.DataFrame) -> list[Finding]:
    """Return what to know about the files of ``source``: which names were passed over, because links lead there."""
    if isinstance(source, pd.DataFrame) or is_address(source):
        return []
    found = search(source)
    pairs = [(left, kept) for left, kept in found.repeated if _kind(left) or not found.is_folder]
    findings = []
    if pairs:
        listed = ", ".join(f"'{left}' (is '{kept}')" for left, kept in pairs[:3])
        more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
        findings.append(
            Finding(
                "same-file-twice",
                f"a link gives one file two names; it was read once, without {listed}{more}",
            )
        )
    if found.passed:
        listed = ", ".join(f"'{path}'" for path in found.passed[:3])
        more = f" and {len(found.passed) - 3} more" if len(found.passed) > 3 else ""
        findings.append(
            Finding(
                "link-passed-over",
                f"links to folders that are read already, or that lie above, were not followed: {listed}{more}",
            )
        )
    return findings


def stamps(source: str | pd.DataFrame) -> dict[str, tuple[int, ...]]:
    """Return what changes with each file of ``source``; nothing for a database table or a frame.

    A table is copied by one query, and files are read by several: whoever reads compares before and after. Size and
    time can be made those of another file; what the file is, and when anything of it last changed, cannot.
    """
    if isinstance(source, pd.DataFrame) or is_address(source):
        return {}
    states = {str(path): path.stat() for path in find_files(source)}
    return {
        name: (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        for name, state in states.items()
    }


def _read_part(connection: duckdb.DuckDBPyConnection, path: Path) -> Part:
    kind = _kind(path)
    if kind == "Parquet":
        return _parquet_part(connection, path)
    layout = read_layout(path)
    types = ("VARCHAR",) * len(layout.columns)
    relation = delimited_relation(path, layout)
    return Part(str(path), relation, layout.columns, types, kind, path, layout, count_lines(path))


def _parquet_part(connection: duckdb.DuckDBPyConnection, path: Path) -> Part:
    scan = f"read_parquet({literal(glob.escape(str(path)))}, hive_partitioning = false)"
    if path.stat().st_size == 0:
        raise InputError(f"'{path}' is empty (0 bytes); export it again")
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    except duckdb.Error as error:
        raise unreadable(str(path), error) from None
    columns = tuple(row[0] for row in described)
    renamed = ", ".join(f"{identifier(name)} AS c{index}" for index, name in enumerate(columns))
    return Part(
        str(path),
        f"(SELECT {renamed} FROM {scan})",
        columns,
        tuple(row[1] for row in described),
        "Parquet",
        path,
    )


def unreadable(name: str, error: Exception) -> InputError:
    """Return the error for a file that DuckDB cannot read."""
    reason = str(error).splitlines()[0]
    return InputError(
        f"'{name}' cannot be read; it may be cut off or of another kind: export it again ({reason})"
    )


def _check_same_kind(parts: list[Part], source: str) -> None:
    examples = {part.kind: part.name for part in reversed(parts)}
    if len(examples) > 1:
        listed = ", ".join(f"{kind} ('{examples[kind]}')" for kind in sorted(examples))
        raise InputError(f"'{source}' mixes kinds of files: {listed}; give files of one kind")


def _same_columns(part: Part, first: Part) -> Part:
    """Return ``part`` with its columns in the order of ``first``."""
    if set(part.columns) != set(first.columns):
        lacks = [name for name in first.columns if name not in part.columns]
        extra = [name for name in part.columns if name not in first.columns]
        differences = [f"lacks {_quoted(lacks)}"] if lacks else []
        differences += [f"has also {_quoted(extra)}"] if extra else []
        raise InputError(
            f"files have different columns: compared with '{first.name}', '{part.name}' "
            f"{' and '.join(differences)}; give files with the same columns"
        )
    if part.columns == first.columns:
        return part
    types = tuple(part.types[part.columns.index(name)] for name in first.columns)
    relation = _reordered(part.relation, part.columns, first.columns)
    return replace(part, relation=relation, columns=first.columns, types=types)


def copied_part(connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> Part:
    """Return ``part``, a delimited file, read line by line into the temporary ``table``."""
    if part.path is None or part.layout is None:
        raise TypeError(f"part '{part.name}' is not a delimited file")
    copy_carefully(connection, part.path, part.layout, table)
    relation = table
    if part.layout.columns != part.columns:
        relation = _reordered(table, part.layout.columns, part.columns, "line, broken, ")
    return replace(part, relation=relation, copied=True)


def line_of(connection: duckdb.DuckDBPyConnection, part: Part, position: int) -> int:
    """Return the line of a row of a part, counted from 0: in a delimited file with the header, else its number."""
    if part.layout is None:
        return position + 1
    if not part.copied:
        return position + 2
    return connection.execute(f"SELECT line FROM {part.relation} LIMIT 1 OFFSET {position}").fetchall()[0][0]


def _reordered(relation: str, columns: tuple[str, ...], wanted: tuple[str, ...], also: str = "") -> str:
    renamed = ", ".join(f"c{columns.index(name)} AS c{index}" for index, name in enumerate(wanted))
    return f"(SELECT {also}{renamed} FROM {relation})"


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _PACKED:
        kind = _KINDS.get(path.with_suffix("").suffix.lower(), "")
        return kind if kind in ("CSV", "TSV") else ""
    return _KINDS.get(suffix, "")
