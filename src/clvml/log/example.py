"""The first lines of a log under the names of the input: what a model that is served is tried with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import duckdb
import pandas as pd

from clvml.expressions import Kind
from clvml.log.readers.parts import Part
from clvml.log.rows.cleaning import VERDICTS
from clvml.log.rows.derived import Formulas
from clvml.log.values.numbers import FORMATS, Spelling, compare_formats, parse_example, parse_number
from clvml.storage.sql import identifier, setting

_ROWS = 50


def example_lines(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Part],
    names: Sequence[str],
    mapping: Mapping[str, int],
    formulas: Formulas,
    also: Collection[tuple[str, Kind]],
    read_as: Mapping[str, str],
) -> pd.DataFrame:
    """Return the first accepted lines of a log, at most 50, with the columns that reading it again needs.

    A column that is one of ours holds what was understood of it, so that a few lines leave no format open. The columns
    of expressions and of ``data.where``, and those named by ``also`` with the kind they are read as, hold what stands
    in the input, numbers as what they are. A column of ``also`` that is not there is left out.

    ``names`` are those of the columns as the preset calls them, by which the others go; ``read_as`` is how columns that
    are text were read (`Staged.read_as`).
    """
    theirs = parts[0].columns
    uses = [*formulas.uses, *((name, kind) for name, kind in also if name in names)]
    clean = {
        index: "order_ts" if ours == "order_date" else ours
        for ours, index in mapping.items()
        if ours != "currency"
    }
    raw = {names.index(name) for name, _ in uses if names.index(name) not in clean} | {
        mapping[ours] for ours in mapping if ours == "currency"
    }
    (part,) = connection.execute(f"select min(part) from {VERDICTS} where reason is null").fetchall()[0]
    kept = (
        f"(select *, place - (select min(place) from {VERDICTS} where part = {part}) + 1 as position"
        f" from {VERDICTS} where part = {part} and reason is null order by place limit {_ROWS})"
    )
    (last,) = connection.execute(f"select max(position) from {kept}").fetchall()[0]
    columns = [f"kept.{ours} as {identifier(theirs[index])}" for index, ours in clean.items()]
    columns += [f"original.c{index} as {identifier(theirs[index])}" for index in sorted(raw)]
    # With several threads, rows may be numbered out of order.
    with setting(connection, "threads", "1"):
        lines = connection.execute(
            f"select {', '.join(columns)} from {kept} as kept join (select row_number() over () as position, * from"
            f" {parts[part].relation} limit {last}) as original using (position) order by position"
        ).df()
    for name in {name for name, kind in uses if kind == "number"}:
        index = names.index(name)
        column = theirs[index]
        if pd.api.types.is_numeric_dtype(lines[column]):
            lines[column] = lines[column].astype(float)
            continue
        # All of a column tell how it is written, where nothing else does.
        query = f"select distinct c{index}::varchar from {parts[part].relation}"
        texts = lines[column] if name in read_as else connection.execute(query).df().iloc[:, 0]
        known = [parse_example(read_as[name])] if name in read_as else FORMATS
        spellings = [Spelling(text, 1, 0) for text in texts.dropna().astype(str)]
        if format_ := compare_formats(spellings, known).chosen:
            values = [parse_number(text, format_) for text in lines[column].map(str)]
            lines[column] = [float("nan") if value is None else float(value) for value in values]
    return lines
