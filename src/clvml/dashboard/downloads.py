"""Files to take away: what is filtered, as it was scored or for an e-mail tool."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import pandas as pd
from fastapi.responses import Response, StreamingResponse

from clvml.dashboard.filters import Filter
from clvml.dashboard.store import Snapshot
from clvml.decide.lists import target_lists
from clvml.decide.plan_file import TREATED
from clvml.storage.files import escaped
from clvml.storage.sql import identifier

_CSV = "text/csv; charset=utf-8"
_ROWS_AT_A_TIME = 5_000
# What a list of filtered customers is called, in the tool that reads it.
_FILTERED = "customers"


def scored_rows(snapshot: Snapshot, wanted: Filter) -> Response:
    """Return the wanted customers with the columns of the scored file, in parts as they are read."""
    where, values = wanted.where()
    cursor = snapshot.connection.cursor()
    cursor.execute(
        f"select {', '.join(map(identifier, snapshot.columns))} from customers where {where} order by {wanted.order()}",
        values,
    )
    return StreamingResponse(
        _lines(snapshot, cursor), media_type=_CSV, headers=_named(f"customers-{snapshot.facts.as_of}.csv")
    )


def filtered_for_a_tool(snapshot: Snapshot, wanted: Filter, preset: str) -> Response:
    """Return the wanted customers as an e-mail tool takes them."""
    where, values = wanted.where()
    query = f"select customer_id from customers where {where} order by {wanted.order()}"
    with snapshot.connection.cursor() as cursor:
        found = cursor.execute(query, values).fetch_df()
    rows = pd.DataFrame(
        {
            "customer_id": found["customer_id"].astype("string"),
            "campaign": f"{_FILTERED}-{snapshot.facts.as_of}",
            "action": _FILTERED,
            "group": TREATED,
            "channel": "email",
        }
    )
    return for_a_tool(snapshot, rows, preset)


def for_a_tool(snapshot: Snapshot, rows: pd.DataFrame, preset: str) -> Response:
    """Return treated rows of a plan as an e-mail tool takes them, with those addresses that are known.

    Parameters
    ----------
    rows : DataFrame
        ``customer_id, campaign, action, group, channel``; of one action.
    preset : str
        One of `clvml.decide.lists.presets`; empty for all customer ids and no address.
    """
    lists, _ = target_lists(rows, snapshot.contacts if preset else None, preset or "generic")
    # Nobody is on no list; a file without rows has its columns all the same.
    (listed,) = lists.values() or (rows[["customer_id", "campaign", "action"]],)
    texts = listed.astype("string").fillna("").map(escaped)
    name = f"{rows['campaign'].iloc[0] if len(rows) else _FILTERED}.csv"
    return as_file(texts.to_csv(index=False, lineterminator="\n"), _CSV, name)


def as_file(content: str, kind: str, name: str) -> Response:
    """Return a text that the browser keeps as a file."""
    return Response(content, media_type=kind, headers=_named(name))


def _named(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _lines(snapshot: Snapshot, cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a file of CSV, in parts; the snapshot is kept until all is sent."""
    yield _text([snapshot.columns])
    with cursor:
        while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
            yield _text(rows)


def _text(rows: Iterable[Iterable[Any]]) -> str:
    part = io.StringIO()
    csv.writer(part, lineterminator="\n").writerows(
        [escaped(value) if isinstance(value, str) else value for value in row] for row in rows
    )
    return part.getvalue()
