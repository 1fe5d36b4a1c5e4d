"""The rejects file: every rejected row as it was read, with the reason and where it stands."""

from __future__ import annotations

from pathlib import Path

import duckdb

from clvml.log.readers.parts import Part, header_lines
from clvml.log.rows.cleaning import VERDICTS
from clvml.storage.files import FORMULA, NUMBER, escaped, write_query
from clvml.storage.sql import identifier, literal, setting

_PLACES = "clvml_rejected_places"
_ROWS = "clvml_rejected_rows"


def write_rejects(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], reasons: list[str], rejects: Path
) -> None:
    """Write the rejected rows of all parts, in input order, and rename the finished file into place.

    Columns: reason, file, line (the line in a CSV file, header included; the row in a Parquet file or table),
    then the input's columns as text. A broken line has its fields as far as they can be told.
    """
    width = len(parts[0].columns)
    texts = ", ".join(f"c{index} VARCHAR" for index in range(width))
    connection.execute(
        f"""
        CREATE TEMP TABLE {_PLACES} AS
        WITH parts AS (SELECT part, min(place) AS first_place FROM {VERDICTS} GROUP BY part)
        SELECT place, part, place - first_place + 1 AS position, reason
        FROM {VERDICTS} JOIN parts USING (part)
        WHERE reason IN ({", ".join(map(literal, reasons))});
        CREATE TEMP TABLE {_ROWS} (place BIGINT, reason VARCHAR, file VARCHAR, line BIGINT, {texts});
        """
    )
    # The rows of a part are numbered anew, and with several threads DuckDB may number them out of order.
    with setting(connection, "threads", "1"):
        for (number,) in connection.execute(f"SELECT DISTINCT part FROM {_PLACES} ORDER BY part").fetchall():
            connection.execute(f"INSERT INTO {_ROWS} {_part_sql(parts[number], number, width)}")
    names = ("reason", "file", "line", *parts[0].columns)
    taken: list[str] = []
    for name in names:
        while name.casefold() in (other.casefold() for other in taken):
            name += "_"
        taken.append(name)
    as_csv = rejects.suffix.lower() == ".csv"
    escape = escaped_sql if as_csv else str
    cells = ["reason", escape("file"), "line", *(escape(f"c{index}") for index in range(width))]
    headers = [identifier(escaped(name) if as_csv else name) for name in taken]
    columns = ", ".join(f"{cell} AS {header}" for cell, header in zip(cells, headers, strict=True))
    write_query(connection, f"SELECT {columns} FROM {_ROWS} ORDER BY place", rejects)


def _part_sql(part: Part, number: int, width: int) -> str:
    line = "line" if part.copied else f"position + {header_lines(part)}"
    columns = ", ".join(f"c{index}::VARCHAR" for index in range(width))
    return (
        f"SELECT place, reason, {literal(part.name)}, {line}, {columns} "
        f"FROM (SELECT row_number() OVER () AS position, * FROM {part.relation}) AS original "
        f"JOIN (FROM {_PLACES} WHERE part = {number}) AS rejected USING (position)"
    )


def escaped_sql(cell: str) -> str:
    """Return the SQL of a text that no spreadsheet runs as a formula (`clvml.storage.files.escaped`)."""
    is_formula = (
        f"regexp_matches({cell}, {literal(FORMULA)}) AND NOT regexp_matches({cell}, {literal(NUMBER)})"
    )
    return f"CASE WHEN {is_formula} THEN '''' || {cell} ELSE {cell} END"
