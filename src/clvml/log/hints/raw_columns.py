"""The columns of a source as they stand in the file, read again for what they say that are not used."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from clvml.log.readers.parts import Part
from clvml.log.values.numbers import Spelling, compare_formats, number_sql, spellings_sql

SAMPLE_ROWS = 50_000


@dataclass(frozen=True)
class RawColumns:
    """The parts of a source, and which of their columns are of use already."""

    connection: duckdb.DuckDBPyConnection
    parts: list[Part]
    names: tuple[str, ...]
    used: frozenset[str] = frozenset()

    def run(self, query: str) -> list[tuple]:
        return self.connection.execute(query).fetchall()

    def rows(self, columns: str, limit: int | None = None) -> str:
        """Return the query of all rows, or of the first ones of the first part."""
        if limit is not None:
            return f"(SELECT {columns} FROM {self.parts[0].relation} LIMIT {limit})"
        return f"({' UNION ALL '.join(f'SELECT {columns} FROM {part.relation}' for part in self.parts)})"

    def cell(self, name: str) -> str:
        return f"nullif(trim(c{self.names.index(name)}::VARCHAR), '')"

    def number(self, name: str) -> str:
        """Return the SQL of a column as a number, in the format that its texts fit; 10 % is 10."""
        cell = f"rtrim({self.cell(name)}, '% ')"
        texts = self.rows(f"{cell} AS text, 0 AS part, 0 AS place", SAMPLE_ROWS)
        spellings = [Spelling(*row[1:]) for row in self.run(spellings_sql(texts, "text"))]
        chosen = compare_formats(spellings).chosen
        return number_sql(cell, chosen) if chosen else f"TRY_CAST({cell} AS DOUBLE)"
