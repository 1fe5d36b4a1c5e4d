"""The columns of a source as they stand in the file, read again for what they say that are not used."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from clvml.log.readers.parts import Part
from clvml.log.values.numbers import Spelling, compare_formats, number_sql, spellings_sql

_SAMPLE_ROWS = 50_000


@dataclass(frozen=True)
class RawColumns:
    """The columns of a source, in every part of it.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        Reads the parts.
    parts : list of Part
    names : tuple of str
        Columns of the parts, as the preset calls them.
    """

    connection: duckdb.DuckDBPyConnection
    parts: list[Part]
    names: tuple[str, ...]

    def run(self, query: str) -> list[tuple]:
        """Return the rows of a query."""
        return self.connection.execute(query).fetchall()

    def table(self, **cells: str) -> str:
        """Return the relation of all rows, with columns of the given SQL."""
        listed = ", ".join(f"{sql} AS {name}" for name, sql in cells.items())
        return f"({' UNION ALL '.join(f'SELECT {listed} FROM {part.relation}' for part in self.parts)})"

    def cell(self, name: str) -> str:
        """Return the SQL of a column as text without blanks, NULL where it is empty."""
        return f"nullif(trim(c{self.names.index(name)}::VARCHAR), '')"

    def number(self, name: str) -> str:
        """Return the SQL of a column as a number, in the format that its texts fit; 10 % is 10."""
        cell = f"rtrim({self.cell(name)}, '% ')"
        texts = self.sample(f"{cell} AS text, 0 AS part, 0 AS place")
        chosen = compare_formats(Spelling(*row[1:]) for row in self.run(spellings_sql(texts, "text"))).chosen
        return number_sql(cell, chosen) if chosen else f"TRY_CAST({cell} AS DOUBLE)"

    def sample(self, columns: str) -> str:
        """Return the relation of the first rows of the first part."""
        return f"(SELECT {columns} FROM {self.parts[0].relation} LIMIT {_SAMPLE_ROWS})"


def heading_column(raw: RawColumns, day: str) -> str | None:
    """Return the first column if it has no name and names groups in lines of their own, above those with a day."""
    name = raw.names[0]
    if name != "column_1" or name == day:
        return None
    others = f"coalesce({', '.join(raw.cell(other) for other in raw.names[1:])})"
    headings, own, below = raw.run(
        "SELECT count(name) FILTER (rest IS NULL), count(name) FILTER (day IS NOT NULL),"
        f" count(day) FILTER (name IS NULL) FROM {raw.table(name=raw.cell(name), rest=others, day=raw.cell(day))}"
    )[0]
    return name if min(headings, below) > 1 and not own else None
