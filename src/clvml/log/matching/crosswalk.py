"""Ids of several sources as customers: connected components of the ids that share a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from clvml.config import DataConfig, IdentityConfig, KeysConfig
from clvml.errors import InputError, naming
from clvml.log.finding import Finding
from clvml.log.identity import folded_sql, is_whole_sql, whole_sql
from clvml.log.matching.components import label_components
from clvml.log.matching.identity_counts import CROSSWALK, KEYED, count_ids, key_findings, large_components
from clvml.log.matching.keys import hashed_sql, stage_phones, written_sql
from clvml.log.matching.known_ids import MAPPED, count_stray, read_mapping
from clvml.log.matching.likeness import FIELDS, alike_pairs, written_field_sql
from clvml.log.presets import preset_names
from clvml.log.quality import IdentityCount
from clvml.log.readers.parts import read_parts
from clvml.log.rows.rejects import escaped_sql
from clvml.log.side_tables import rows_sql
from clvml.storage.addresses import hide_password
from clvml.storage.files import write_query
from clvml.storage.sql import literal, numbered

_NODES, _EDGES, _LABELS = "clvml_nodes", "clvml_edges", "clvml_labels"
_PEOPLE, _PAIRS = "clvml_people", "clvml_alike_pairs"


def match_customers(
    connection: duckdb.DuckDBPyConnection, data: DataConfig, identity: IdentityConfig, tables: Sequence[str]
) -> tuple[IdentityCount, list[Finding]]:
    """Make ``clvml_crosswalk``: ``number`` of the source, ``customer_id`` and ``unified_id`` of each id.

    A unified id is that of the mapping, or else the source and id of the customer's first id (sources in their order,
    ids as text). It changes only when records join the customer with an earlier id. ``tables`` hold the purchases of
    each source, with ``customer_id``.

    Raises
    ------
    InputError
        A table of customers or the mapping cannot be read, lacks a column, or contradicts itself; a key is empty.
    """
    names = list(data.sources)
    keyed = {
        number: _read_records(connection, number, name, own, own.keys)
        for number, (name, own) in enumerate(data.sources.items())
        if own.keys
    }
    read_mapping(connection, identity, names)
    stray = count_stray(connection, identity, tables, keyed)
    _number_ids(
        connection,
        tables,
        [f"SELECT {number} AS number, customer_id FROM {keyed[number]}" for number in keyed],
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {KEYED} (node INTEGER, kind VARCHAR, key UHUGEINT)")
    unread: dict[str, int] = {}
    for number, records in keyed.items():
        keys = data.sources[names[number]].keys
        for order, kind in enumerate(keys.columns if keys else ()):
            count = _add_keys(connection, number, records, f"k{order}", kind, identity)
            unread[kind] = unread.get(kind, 0) + count
    alike = {number for number in keyed if (keys := data.sources[names[number]].keys) and keys.alike}
    fields = _gather_people(connection, data, {number: keyed[number] for number in alike}) if alike else ()
    for records in keyed.values():
        connection.execute(f"DROP TABLE {records}")
    cut = _make_edges(connection, identity)
    label_components(connection, _EDGES, _LABELS)
    pairs = _join_alike(connection, fields, identity.likeness) if alike else None
    _name(connection, names, identity)
    counted = count_ids(connection, names, tables, cut)
    return replace(counted, alike=pairs, likeness=identity.likeness), [
        *stray,
        *key_findings(cut, unread, identity),
        *large_components(connection),
    ]


def write_crosswalk(connection: duckdb.DuckDBPyConnection, names: Sequence[str], path: Path) -> None:
    """Write the crosswalk into a file (.csv or .parquet): source, customer_id, unified_id, one row per id."""
    as_csv = path.suffix.lower() == ".csv"
    cells = ", ".join(
        f"{escaped_sql(name) if as_csv else name} AS {name}" for name in ("customer_id", "unified_id")
    )
    source = numbered("number", names)
    query = f"SELECT {source} AS source, {cells} FROM {CROSSWALK} ORDER BY number, customer_id"
    write_query(connection, query, path)


def _read_records(
    connection: duckdb.DuckDBPyConnection, number: int, name: str, own: DataConfig, keys: KeysConfig
) -> str:
    """Make a temporary table of the ids of a source and the texts of their keys (``k0``, ...); return its name."""
    place = keys.source or own.source
    shown = hide_password(place)
    key = f"data.sources.{name}.keys"
    beside = keys.source is None
    with naming(f"{key}.source"):
        parts = read_parts(connection, place, own if beside else None)
    read = {"customer_id": keys.customer_id or own.columns.customer_id}
    read |= {f"k{order}": theirs for order, theirs in enumerate(keys.columns.values())} | keys.alike
    if beside:
        columns = parts[0].columns
        # The id has the preset's name, which another version of the export may not have.
        called = dict(zip(preset_names(own.preset, columns), columns, strict=True))
        read = {
            ours: theirs if theirs in columns else called.get(theirs, theirs) for ours, theirs in read.items()
        }
    with naming(key):
        rows = rows_sql(connection, parts, read, beside)
    # Purchases repeat the keys of their customer; a table of customers does not.
    distinct = "DISTINCT " if beside else ""
    table = f"clvml_records_{number}"
    texts = ", ".join(f"count({ours})" for ours in read if ours != "customer_id")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {distinct}* FROM ({rows})")
    whole, *filled = connection.execute(
        f"SELECT bool_and({is_whole_sql('customer_id')}), {texts} FROM {table}"
    ).fetchall()[0]
    named = [f"{part}.{kind}" for part in ("columns", "alike") for kind in getattr(keys, part)]
    for kind, theirs, count in zip(named, [*read.values()][1:], filled, strict=True):
        if not count:
            raise InputError(
                f"column '{theirs}' of '{shown}' is empty ({key}.{kind}): nobody can be found by it; leave it out"
            )
    folded = folded_sql(own.customer_ids)
    customer = whole_sql(folded) if whole else folded
    if customer != "customer_id":
        # As the purchases of the source have it.
        connection.execute(f"UPDATE {table} SET customer_id = {customer}")
    return table


def _number_ids(connection: duckdb.DuckDBPyConnection, tables: Sequence[str], others: Sequence[str]) -> None:
    """Make the table of all ids: ``node`` (1, 2, ... by source and id), ``number``, ``customer_id``, ``bought``."""
    ids = [
        *(
            f"SELECT {number} AS number, customer_id, true AS bought FROM {table}"
            for number, table in enumerate(tables)
        ),
        *(f"SELECT *, false FROM ({other}) WHERE customer_id IS NOT NULL" for other in others),
        f"SELECT number, customer_id, false FROM {MAPPED}",
    ]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_NODES} AS"
        " SELECT (row_number() OVER (ORDER BY number, customer_id))::INTEGER AS node, number, customer_id, bought"
        f" FROM (SELECT number, customer_id, bool_or(bought) AS bought FROM ({' UNION ALL '.join(ids)})"
        " GROUP BY number, customer_id)"
    )


def _add_keys(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    records: str,
    column: str,
    kind: str,
    identity: IdentityConfig,
) -> int:
    """Append the hashed keys of one kind, and return how many texts cannot be read as such a key."""
    if kind == "phone":
        stage_phones(connection, records, column, identity.phone_region)
    written = f"SELECT customer_id, {written_sql(kind, column)} AS written FROM {records} WHERE {column} IS NOT NULL"
    connection.execute(
        f"INSERT INTO {KEYED} SELECT node, {literal(kind)},"
        f" CASE WHEN written IS NOT NULL THEN {hashed_sql(kind, 'written')} END"
        f" FROM ({written}) JOIN {_NODES} USING (customer_id) WHERE number = {number}"
    )
    (unread,) = connection.execute(
        f"SELECT count(*) FROM {KEYED} WHERE key IS NULL AND kind = {literal(kind)}"
    ).fetchall()[0]
    if unread:
        connection.execute(f"DELETE FROM {KEYED} WHERE key IS NULL")
    return int(unread)


def _make_edges(
    connection: duckdb.DuckDBPyConnection, identity: IdentityConfig
) -> dict[str, tuple[int, int]]:
    """Make the pairs of ids that are one customer; return by kind how many keys are cut, and the ids that share them.

    All ids that share a key are joined to the first of them.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE clvml_shared AS SELECT kind, key, min(node) AS first, count(*) AS ids"
        f" FROM {KEYED} GROUP BY kind, key HAVING min(node) <> max(node)"
    )
    most = identity.max_shared
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE clvml_cut AS SELECT kind, key, count(DISTINCT node) AS ids FROM {KEYED}"
        f" SEMI JOIN (FROM clvml_shared WHERE ids > {most}) USING (kind, key)"
        f" GROUP BY kind, key HAVING count(DISTINCT node) > {most}"
    )
    cut = connection.execute(
        "SELECT kind, count(*), sum(ids) FROM clvml_cut GROUP BY kind ORDER BY kind"
    ).fetchall()
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_EDGES} AS
        SELECT node AS a, first AS b FROM {KEYED} JOIN (FROM clvml_shared ANTI JOIN clvml_cut USING (kind, key))
            USING (kind, key) WHERE node > first
        UNION ALL
        SELECT node, first FROM (
            SELECT node, min(node) OVER (PARTITION BY unified_id) AS first
            FROM {MAPPED} JOIN {_NODES} USING (number, customer_id)
        ) WHERE node > first
        """
    )
    for table in ("clvml_shared", "clvml_cut"):
        connection.execute(f"DROP TABLE {table}")
    return {kind: (int(keys), int(ids)) for kind, keys, ids in cut}


def _gather_people(
    connection: duckdb.DuckDBPyConnection, data: DataConfig, records: Mapping[int, str]
) -> tuple[str, ...]:
    """Make the table of ids with a name (`alike_pairs`), and return its fields; e-mail is one where it is a key."""
    sources = list(data.sources.values())
    own = {number: sources[number].keys or KeysConfig() for number in records}
    fields = tuple(
        field
        for field in FIELDS
        if any(field in keys.alike or (field == "email" and field in keys.columns) for keys in own.values())
    )
    selected = []
    for number, table in records.items():
        columns = own[number].alike | {
            kind: f"k{order}" for order, kind in enumerate(own[number].columns) if kind == "email"
        }
        cells = []
        for field in fields:
            written = "NULL::VARCHAR"
            if field == "email" and field in columns:
                written = written_sql(field, columns[field])
            elif field in columns:
                written = written_field_sql(field, field)
            cells.append(f"min({written}) AS {field}")
        selected.append(
            f"SELECT node, {', '.join(cells)} FROM {table} JOIN {_NODES} USING (customer_id)"
            f" WHERE number = {number} GROUP BY node"
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_PEOPLE} AS SELECT * FROM ({' UNION ALL '.join(selected)})"
        " WHERE name IS NOT NULL ORDER BY node"
    )
    return fields


def _join_alike(connection: duckdb.DuckDBPyConnection, fields: tuple[str, ...], likeness: float) -> int:
    """Join ids whose names and addresses are alike, and return how many pairs nothing else joins.

    Ids that the mapping gives two names stay two.
    """
    alike_pairs(connection, _PEOPLE, fields, likeness, _PAIRS)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_PAIRS} AS
        WITH named AS (
            SELECT coalesce(label, node) AS label, min(unified_id) AS name
            FROM {MAPPED} JOIN {_NODES} USING (number, customer_id) LEFT JOIN {_LABELS} USING (node) GROUP BY 1
        ), labelled AS (
            SELECT coalesce(one.label, a) AS x, coalesce(two.label, b) AS y FROM {_PAIRS}
            LEFT JOIN {_LABELS} AS one ON one.node = a LEFT JOIN {_LABELS} AS two ON two.node = b
        )
        SELECT x, y FROM labelled LEFT JOIN named AS one ON one.label = x LEFT JOIN named AS two ON two.label = y
        WHERE x <> y AND coalesce(one.name = two.name, true)
        """
    )
    (pairs,) = connection.execute(f"SELECT count(*) FROM {_PAIRS}").fetchall()[0]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_EDGES} AS SELECT node AS a, label AS b FROM {_LABELS}"
        f" UNION ALL SELECT greatest(x, y), least(x, y) FROM {_PAIRS}"
    )
    label_components(connection, _EDGES, _LABELS)
    return int(pairs)


def _name(connection: duckdb.DuckDBPyConnection, names: Sequence[str], identity: IdentityConfig) -> None:
    """Make the crosswalk; refuse components of which the mapping says that they are several customers."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {CROSSWALK} AS
        WITH labelled AS (
            SELECT nodes.*, coalesce(label, node) AS label FROM {_NODES} AS nodes LEFT JOIN {_LABELS} USING (node)
        ), given AS (
            SELECT label, min(unified_id) AS unified_id, max(unified_id) AS other
            FROM {MAPPED} JOIN labelled USING (number, customer_id) GROUP BY label
        )
        SELECT labelled.node, labelled.label, labelled.number, labelled.customer_id, labelled.bought,
               coalesce(given.unified_id, {numbered("first.number", names)} || ':' || first.customer_id) AS unified_id,
               given.other
        FROM labelled JOIN {_NODES} AS first ON first.node = labelled.label
        LEFT JOIN given ON given.label = labelled.label
        """
    )
    against = f"SELECT unified_id, other FROM {CROSSWALK} WHERE other <> unified_id ORDER BY ALL LIMIT 1"
    for one, other in connection.execute(against).fetchall():
        raise InputError(
            f"mapping '{hide_password(identity.mapping or '')}' tells '{one}' and '{other}' apart, and their keys make"
            " them one customer; give them one unified_id, or correct the keys"
        )
    if identity.mapping:
        taken = (
            f"SELECT unified_id FROM {CROSSWALK} GROUP BY unified_id HAVING min(label) <> max(label)"
            " ORDER BY unified_id LIMIT 1"
        )
        for (name,) in connection.execute(taken).fetchall():
            raise InputError(
                f"mapping '{hide_password(identity.mapping)}' calls a customer '{name}', and that is the name of"
                " another one; give a line for the other's id as well, or another unified_id"
            )
    connection.execute(f"ALTER TABLE {CROSSWALK} DROP COLUMN other")
