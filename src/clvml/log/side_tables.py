"""Tables beside the log, of keys or of known ids: each row counts, and every cell is text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from clvml.errors import InputError, first_of
from clvml.log.identity import float_id_sql, whole_sql
from clvml.log.readers.parts import Part, check_column, selectable
from clvml.log.rows.staging import cleaned_sql


def rows_sql(
    connection: duckdb.DuckDBPyConnection,
    parts: Iterable[Part],
    columns: Mapping[str, str],
    lines_of_log: bool = False,
) -> str:
    """Return the SQL of all rows of a table: ``{our name: its column}`` as text without blanks, NULL where empty.

    ``lines_of_log`` says that the rows are purchases, whose faults are counted where they are read.

    Raises
    ------
    InputError
        A column is not there or there twice, or a row cannot be read.
    """
    selected = []
    for number, part in enumerate(parts):
        for name in columns.values():
            if name not in part.columns:
                raise InputError(
                    f"'{part.name}' has no column '{name}'; its columns are {first_of(part.columns)}"
                )
            check_column(part, name, "needed")
        places = {ours: part.columns.index(theirs) for ours, theirs in columns.items()}
        part = selectable(connection, part, f"clvml_side_{number}", places.values())
        usable = ""
        if part.copied and lines_of_log:
            usable = " WHERE broken IS NULL"
        elif part.copied:
            refuse_broken(connection, part)
        cells = (f"{_text_sql(f'c{at}', part.types[at])} AS {ours}" for ours, at in places.items())
        selected.append(f"SELECT {', '.join(cells)} FROM {part.relation}{usable}")
    return " UNION ALL ".join(selected)


def refuse_broken(connection: duckdb.DuckDBPyConnection, part: Part) -> None:
    """Refuse a copied part that has a line that cannot be read."""
    query = f"SELECT line, broken FROM {part.relation} WHERE broken IS NOT NULL LIMIT 1"
    for line, reason in connection.execute(query).fetchall():
        raise InputError(f"'{part.name}' line {line}: {reason}; correct that line, or export the table again")


def _text_sql(column: str, kind: str) -> str:
    """Return the SQL of a cell as text: without blanks, NULL where it is missing, whole floats without an exponent."""
    if kind in ("FLOAT", "DOUBLE"):
        return whole_sql(float_id_sql(column))
    return f"({cleaned_sql(column, kind)})::VARCHAR"
