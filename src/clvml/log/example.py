"""The first lines of a log under the names of the input: what a model that is served is tried with."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import duckdb
import pandas as pd

from clvml.expressions import Kind
from clvml.log.cleaning import VERDICTS
from clvml.log.derived import Formulas
from clvml.log.parts import Part
from clvml.storage.sql import identifier, setting

_ROWS = 50


def example_lines(
    connection: duckdb.DuckDBPyConnection,
    parts: list[Part],
    mapping: Mapping[str, int],
    formulas: Formulas,
    also: Collection[tuple[str, Kind]],
) -> pd.DataFrame:
    """Return the first accepted lines of a log, at most 50, with the columns that reading it again needs.

    A column that is one of ours holds what was understood of it, so that a few lines leave no format open. The columns
    of expressions and of ``data.where``, and those named by ``also`` with the kind they are read as, hold what stands
    in the input. A column of ``also`` that is not there is left out.
    """
    names = parts[0].columns
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
    columns = [f"kept.{ours} as {identifier(names[index])}" for index, ours in clean.items()]
    columns += [f"original.c{index} as {identifier(names[index])}" for index in sorted(raw)]
    # With several threads, rows may be numbered out of order.
    with setting(connection, "threads", "1"):
        lines = connection.execute(
            f"select {', '.join(columns)} from {kept} as kept join (select row_number() over () as position, * from"
            f" {parts[part].relation} limit {last}) as original using (position) order by position"
        ).df()
    for name in {name for name, kind in uses if kind == "number"}:
        try:
            lines[name] = pd.to_numeric(lines[name]).astype(float)
        except (ValueError, TypeError):
            # As 1.234,50: then the texts tell how they are written.
            continue
    return lines
