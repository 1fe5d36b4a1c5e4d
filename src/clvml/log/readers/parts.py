"""Where a purchase log comes from: files, directories, wildcards and database tables.

Whatever the kind, a source is a list of parts with the same columns, and a part is a DuckDB table
expression whose columns are called ``c0``, ``c1``, ... so that no input name can collide with ours.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pandas as pd

from clvml.config import DataConfig
from clvml.errors import InputError, first_of
from clvml.log.finding import Finding
from clvml.log.readers.database import copy_table
from clvml.log.readers.delimited import Layout, copy_carefully, delimited_relation, read_layout
from clvml.log.readers.frame import FRAME, register_frame
from clvml.log.readers.headers import prefer_filled
from clvml.log.readers.json_objects import copy_json
from clvml.log.readers.markup import scan_markup
from clvml.log.readers.text_files import PACKED, packed_name, scan_text
from clvml.log.readers.workbook import copy_sheet, is_markup, is_text, read_sheets
from clvml.storage.addresses import is_address, parse_address
from clvml.storage.search import check_readable, search
from clvml.storage.sql import identifier, literal

_DELIMITED = ("CSV", "TSV", "text")
_KINDS = {
    **{".csv": "CSV", ".tsv": "TSV", ".txt": "text", ".json": "JSON", ".jsonl": "JSON", ".ndjson": "JSON"},
    **{".parquet": "Parquet", ".pq": "Parquet", ".xlsx": "Excel", ".xlsm": "Excel", ".xls": "Excel"},
    **{".xlsb": "Excel", ".ods": "OpenDocument"},
}
_SUPPORTED = ".csv, .tsv, .txt, .json, .jsonl (also .gz, .zst, .zip), .xlsx, .ods, .parquet"


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
    kind : {"CSV", "TSV", "text", "JSON", "Excel", "OpenDocument", "Parquet", "table"}
    path : Path or None
        The file; None for a database table.
    layout : Layout or None
        Of a delimited file.
    encoding : str or None
        Of a file of text.
    lines : int or None
        Physical lines of a delimited file, header included.
    copied : bool
        The relation also has ``line``, where a row stands in the file, and ``broken``, why it cannot be read.
    repeated : frozenset of str
        Names that several columns of the file have.
    lacks : frozenset of str
        Columns that only other parts have; NULL in this one.
    findings : tuple of Finding
        What to know about how it was read.
    """

    name: str
    relation: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    kind: str
    path: Path | None = None
    layout: Layout | None = None
    lines: int | None = None
    encoding: str | None = None
    copied: bool = False
    repeated: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


def read_parts(
    connection: duckdb.DuckDBPyConnection, source: str | pd.DataFrame, data: DataConfig | None = None
) -> list[Part]:
    """Find the parts of ``source``; all get the columns of all, in the order of the first.

    Files are taken in the order of their names. In a directory (searched with its subdirectories), names that
    start with ``.`` or ``_`` and files of other kinds are passed over. ``data`` names the sheets of a workbook, or the
    columns that tell which they are.

    Raises
    ------
    InputError
        The source does not exist, holds no data file, mixes kinds of files, or cannot be read.
    """
    if isinstance(source, pd.DataFrame):
        return [Part(FRAME, "clvml_frame", *register_frame(connection, source, "clvml_frame"), "table")]
    if is_address(source):
        address = parse_address(source)
        columns, types = copy_table(connection, address, "clvml_raw_0")
        return [Part(address.shown, "clvml_raw_0", columns, types, "table")]
    parts: list[Part] = []
    for number, path in enumerate(find_files(source)):
        parts += _read_file(connection, path, f"clvml_file_{number}", data)
    _check_same_kind(parts, source)
    if len({part.columns for part in parts}) == 1:
        return parts
    kinds = {
        name: kind for part in reversed(parts) for name, kind in zip(part.columns, part.types, strict=True)
    }
    names = tuple(dict.fromkeys(name for part in parts for name in part.columns))
    return [_aligned(part, names, kinds) for part in parts]


def find_files(source: str) -> list[Path]:
    """Return the data files that ``source`` (a file, a directory or a wildcard pattern) stands for, sorted.

    Raises
    ------
    InputError
        Nothing is there, or nothing that ends in a supported way.
    """
    found = search(source)
    files = list(found.paths)
    if found.is_folder:
        files = [path for path in files if _kind(path)]
        # Texts beside the data are mostly notes about them.
        files = [path for path in files if _kind(path) != "text"] or files
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
        listed = first_of((f"'{left}' (is '{kept}')" for left, kept in pairs), most=3, longest=500)
        text = f"a link gives one file two names; it was read once, without {listed}"
        findings.append(Finding("same-file-twice", text))
    if found.passed:
        listed = first_of((f"'{path}'" for path in found.passed), most=3, longest=500)
        text = f"links to folders that are read already, or that lie above, were not followed: {listed}"
        findings.append(Finding("link-passed-over", text))
    return findings


def stamps(source: str | pd.DataFrame) -> dict[str, tuple[int, ...]]:
    """Return what changes with each file of ``source``; nothing for a database table or a frame.

    A table is copied by one query, and files are read by several: whoever reads compares before and after. Size and
    time can be made those of another file; what the file is, and when anything of it last changed, cannot.
    """
    if isinstance(source, pd.DataFrame) or is_address(source):
        return {}
    states = ((str(path), path.stat()) for path in find_files(source))
    return {name: (own.st_size, own.st_mtime_ns, own.st_ctime_ns, own.st_ino) for name, own in states}


def _read_file(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, data: DataConfig | None
) -> list[Part]:
    kind = _kind(path)
    if kind == "Parquet":
        return [_parquet_part(connection, path)]
    if kind in ("Excel", "OpenDocument"):
        if not is_text(path):
            return _workbook_parts(connection, path, table, data)
        kind = "text"
    if kind == "JSON":
        _, encoding, doubt = scan_text(path, data.encoding if data else None)
        columns, types = copy_json(connection, path, table, encoding)
        part = _typed_part(str(path), table, columns, types, kind, path)
        return [replace(part, encoding=encoding, findings=(doubt,) if doubt else ())]
    lines, encoding, doubt = scan_text(path, data.encoding if data else None)
    layout = read_layout(path, encoding)
    relation, types = delimited_relation(path, layout), ("VARCHAR",) * len(layout.columns)
    part = Part(
        str(path),
        relation,
        layout.columns,
        types,
        kind,
        path,
        layout,
        lines,
        encoding,
        repeated=layout.repeated,
    )
    part = replace(part, findings=(doubt,)) if doubt else part
    return [_with_filled(connection, part, table, data)]


def _workbook_parts(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, data: DataConfig | None
) -> list[Part]:
    wanted, mapped = (data.sheets, list(data.columns.mapped().values())) if data else ([], [])
    scan = scan_markup(path, data.encoding if data else None) if is_markup(path) else None
    sheets, others = read_sheets(path, wanted, mapped, scan and scan.encoding)
    parts = []
    for number, sheet in enumerate(sheets):
        copy_sheet(connection, sheet, f"{table}_{number}")
        name = str(path) if len(sheets) == 1 else f"{path}, sheet {sheet.name}"
        part = _typed_part(name, f"{table}_{number}", sheet.columns, sheet.types, _kind(path), path)
        # A repeated name is refused where it is mapped, as it is in a delimited file.
        part = replace(part, repeated=sheet.repeated, encoding=scan and scan.encoding)
        parts.append(_with_filled(connection, part, table, data))
    if scan and scan.doubt:
        parts[0] = replace(parts[0], findings=(*parts[0].findings, scan.doubt))
    if others:
        listed = first_of((f"'{name}'" for name in others), most=5, longest=500)
        text = f"'{path}': sheets {listed} were left out; name those to read in data.sheets"
        parts[0] = replace(parts[0], findings=(*parts[0].findings, Finding("sheets-left-out", text)))
    return parts


def _with_filled(
    connection: duckdb.DuckDBPyConnection, part: Part, table: str, data: DataConfig | None
) -> Part:
    """Return a part of which a name that several columns have is that of the one that is not empty."""
    if not part.repeated:
        return part
    try:
        read = readable(connection, part, f"{table}_filled")
        counts = ", ".join(
            f"count(nullif(trim(c{place}::VARCHAR), ''))" for place in range(len(part.columns))
        )
        found = connection.execute(f"SELECT {counts} FROM {read.relation}").fetchall()[0]
    except (duckdb.Error, InputError):
        # Whatever is wrong with the file is said when it is read.
        return part
    filled = {place for place, count in enumerate(found) if count}
    columns, repeated = prefer_filled(part.columns, part.repeated, filled)
    told = "" if data is None else " ".join([*data.columns.mapped().values(), data.where or ""])
    findings = [
        Finding(
            "empty-column-passed-over",
            f"'{part.name}' has several columns called '{name}'; the one that is not empty is read",
        )
        for name in sorted(part.repeated - repeated)
        if name in told
    ]
    layout = part.layout and replace(part.layout, columns=columns, repeated=repeated)
    return replace(
        part, columns=columns, repeated=repeated, layout=layout, findings=(*part.findings, *findings)
    )


def _typed_part(
    name: str, table: str, columns: tuple[str, ...], types: tuple[str, ...], kind: str, path: Path
) -> Part:
    """Return the part of a table of texts, its columns cast to their types."""
    cells = ", ".join(
        f"c{index}" if each == "VARCHAR" else f"c{index}::{each} AS c{index}"
        for index, each in enumerate(types)
    )
    relation = f"(SELECT line, broken, {cells} FROM {table})"
    return Part(name, relation, columns, types, kind, path, copied=True)


def _parquet_part(connection: duckdb.DuckDBPyConnection, path: Path) -> Part:
    scan = f"read_parquet({literal(glob.escape(str(path)))}, hive_partitioning = false)"
    if path.stat().st_size == 0:
        raise InputError(f"'{path}' is empty (0 bytes); export it again")
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    except duckdb.Error as error:
        raise unreadable(str(path), error) from None
    columns, types = (tuple(row[place] for row in described) for place in (0, 1))
    renamed = ", ".join(f"{identifier(name)} AS c{index}" for index, name in enumerate(columns))
    return Part(str(path), f"(SELECT {renamed} FROM {scan})", columns, types, "Parquet", path)


def unreadable(name: str, error: Exception) -> InputError:
    """Return the error for a file that DuckDB cannot read."""
    reason = str(error).splitlines()[0]
    return InputError(
        f"'{name}' cannot be read; it may be cut off or of another kind: export it again ({reason})"
    )


def _check_same_kind(parts: list[Part], source: str) -> None:
    examples = {"CSV" if part.kind == "text" else part.kind: part.name for part in reversed(parts)}
    if len(examples) > 1:
        listed = ", ".join(f"{kind} ('{examples[kind]}')" for kind in sorted(examples))
        raise InputError(f"'{source}' mixes kinds of files: {listed}; give files of one kind")


def _aligned(part: Part, columns: tuple[str, ...], types: dict[str, str]) -> Part:
    """Return ``part`` with the given columns; those that it lacks are NULL."""
    kept = dict(zip(part.columns, part.types, strict=True))
    return replace(
        part,
        relation=_reordered(part, part.columns, columns, types),
        columns=columns,
        types=tuple(kept.get(name, types[name]) for name in columns),
        lacks=frozenset(columns) - frozenset(part.columns),
    )


def copied_part(connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> Part:
    """Return ``part``, a delimited file, read line by line into the temporary ``table``."""
    if part.path is None or part.layout is None:
        raise TypeError(f"part '{part.name}' is not a delimited file")
    copy_carefully(connection, part.path, part.layout, table)
    copied = replace(part, relation=table, copied=True)
    if part.layout.columns == part.columns:
        return copied
    types = dict(zip(part.columns, part.types, strict=True))
    return replace(copied, relation=_reordered(copied, part.layout.columns, part.columns, types))


def readable(connection: duckdb.DuckDBPyConnection, part: Part, table: str) -> Part:
    """Return a part that DuckDB can read, if no line of it is broken: copied into ``table`` where it has to be."""
    return part if part.layout is None or is_plain(part) else copied_part(connection, part, table)


def selectable(connection: duckdb.DuckDBPyConnection, part: Part, table: str, places: Iterable[int]) -> Part:
    """Return a part whose columns at ``places`` DuckDB can select, copied into ``table`` where it cannot by itself."""
    if part.layout is None:
        return part
    # Of a single column, DuckDB takes blank lines for rows.
    if is_plain(part) and len(part.columns) > 1:
        read = ", ".join(f"c{place}" for place in places)
        try:
            query = f"SELECT count(*), bit_xor(hash({read})) FROM {part.relation}"
            if connection.execute(query).fetchall()[0][0] + header_lines(part) == part.lines:
                return part
        except duckdb.Error:
            # What is wrong, or only unusual, the careful reader tells.
            pass
    return copied_part(connection, part, table)


def is_plain(part: Part) -> bool:
    """Return whether DuckDB can read a delimited file as it is."""
    return (
        part.path is not None
        and part.path.suffix.lower() != ".zip"
        and part.layout is not None
        and part.layout.header_line == 1
        and part.layout.encoding in ("utf-8", "latin-1")
    )


def check_column(part: Part, theirs: str, ours: str) -> None:
    """Refuse a mapped column that a part lacks, or has several times."""
    if theirs in part.lacks:
        raise InputError(
            f"'{part.name}' has no column '{theirs}' ({ours}), which other files of the same source have; give files"
            " that all have the mapped columns"
        )
    if theirs in part.repeated:
        raise InputError(f"'{part.name}' has several columns called '{theirs}'; rename all but one")


def line_of(connection: duckdb.DuckDBPyConnection, part: Part, position: int) -> int:
    """Return where a row of a part, counted from 0, stands in its file: header and titles included."""
    if part.copied:
        ((line,),) = connection.execute(
            f"SELECT line FROM {part.relation} LIMIT 1 OFFSET {position}"
        ).fetchall()
        return line
    return position + 1 + header_lines(part)


def header_lines(part: Part) -> int:
    """Return how many lines stand above the first row of a part."""
    return 0 if part.layout is None else part.layout.header_line


def _reordered(part: Part, columns: tuple[str, ...], wanted: tuple[str, ...], types: dict[str, str]) -> str:
    also = "line, broken, " if part.copied else ""
    cells = ", ".join(
        f"c{columns.index(name)} AS c{index}" if name in columns else f"NULL::{types[name]} AS c{index}"
        for index, name in enumerate(wanted)
    )
    return f"(SELECT {also}{cells} FROM {part.relation})"


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in PACKED:
        return _KINDS.get(suffix, "")
    inside = Path(packed_name(path)) if suffix == ".zip" else path.with_suffix("")
    kind = _KINDS.get(inside.suffix.lower(), "")
    return kind if kind in (*_DELIMITED, "JSON") else ""
