"""A mapping: which ids of which sources are known to be one customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from clvml.config import IdentityConfig
from clvml.errors import InputError, first_of, naming
from clvml.log.finding import Finding
from clvml.log.mapping import plain
from clvml.log.readers.parts import read_parts
from clvml.log.side_tables import rows_sql
from clvml.storage.addresses import hide_password
from clvml.storage.sql import literal

MAPPED = "clvml_mapped"
_MAPPING = ("source", "customer_id", "unified_id")
_KEY = "data.identity.mapping"


def read_mapping(
    connection: duckdb.DuckDBPyConnection, identity: IdentityConfig, names: Sequence[str]
) -> None:
    """Read the mapping into a temporary table of ``number`` (of the source), ``customer_id`` and ``unified_id``.

    Raises
    ------
    InputError
        It cannot be read, lacks a column or a cell, names a source that there is not, or contradicts itself.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {MAPPED} (number INTEGER, customer_id VARCHAR, unified_id VARCHAR)"
    )
    if identity.mapping is None:
        return
    shown = f"mapping '{hide_password(identity.mapping)}' ({_KEY})"
    with naming(_KEY):
        parts = read_parts(connection, identity.mapping)
    named = {plain(name): name for name in parts[0].columns}
    lacks = [name for name in _MAPPING if plain(name) not in named]
    if lacks:
        raise InputError(
            f"{shown} has no column {', '.join(lacks)}; its columns are {first_of(parts[0].columns)}"
        )
    rows = rows_sql(connection, parts, {name: named[plain(name)] for name in _MAPPING})
    listed = ", ".join(map(literal, names))
    lacking, unknown = connection.execute(
        "SELECT count(*) FILTER (source IS NULL OR customer_id IS NULL OR unified_id IS NULL),"
        f" any_value(source) FILTER (source NOT IN ({listed})) FROM ({rows})"
    ).fetchall()[0]
    if lacking:
        raise InputError(f"{shown}: {lacking:,} lines lack a source, customer_id or unified_id; fill them in")
    if unknown is not None:
        raise InputError(f"{shown} names source '{unknown}'; the sources are {', '.join(names)}")
    connection.execute(
        f"INSERT INTO {MAPPED} SELECT DISTINCT list_position([{listed}], source) - 1, customer_id, unified_id"
        f" FROM ({rows})"
    )
    twice = (
        f"SELECT number, customer_id, string_agg(unified_id, ' and ' ORDER BY unified_id) FROM {MAPPED}"
        " GROUP BY number, customer_id HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    )
    for number, customer, unified in connection.execute(twice).fetchall():
        raise InputError(
            f"{shown} makes customer '{customer}' of source '{names[number]}' both {unified}; keep one line"
        )


def count_stray(
    connection: duckdb.DuckDBPyConnection,
    identity: IdentityConfig,
    tables: Sequence[str],
    keyed: Mapping[int, str],
) -> list[Finding]:
    """Return what to say of a mapping that has no line, or names ids that no source has."""
    if identity.mapping is None:
        return []
    shown = f"mapping '{hide_password(identity.mapping)}' ({_KEY})"
    known = " UNION ALL ".join(
        f"SELECT {number} AS number, customer_id FROM {table}"
        for number, table in (*enumerate(tables), *keyed.items())
    )
    lines, stray = connection.execute(
        f"SELECT (SELECT count(*) FROM {MAPPED}),"
        f" (SELECT count(*) FROM {MAPPED} ANTI JOIN ({known}) USING (number, customer_id))"
    ).fetchall()[0]
    if not lines:
        return [Finding("empty-mapping", f"{shown} has no line of ids")]
    text = f"{stray:,} of {lines:,} ids of {shown} are in no source; ids are compared as they are written"
    return [Finding("unknown-mapped", text)] if stray else []
