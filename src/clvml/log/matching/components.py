"""Connected components of a graph in SQL, over integers, so that they are found out of core.

Each round hooks every node to its least smaller neighbour, finds the roots of that forest by pointer jumping (Shiloach
and Vishkin 1982) and contracts the graph to them. Stars, which ids that share a key are, take two or three rounds.
"""

from __future__ import annotations

import duckdb

_HOOKS, _ROUND, _NEXT = "clvml_hooks", "clvml_round", "clvml_contracted"


def label_components(connection: duckdb.DuckDBPyConnection, edges: str, labels: str) -> None:
    """Make the temporary table ``labels`` (node, label): of each node with an edge, the least node of its component.

    ``edges`` is a table of pairs of integers, ``a`` > ``b``; it is dropped. The least nodes themselves are left out.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_HOOKS} (node INTEGER, label INTEGER)")
    while _count(connection, edges):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_ROUND} AS SELECT a AS node, min(b) AS label FROM {edges} GROUP BY a"
        )
        _compress(connection, _ROUND)
        connection.execute(f"INSERT INTO {_HOOKS} FROM {_ROUND}")
        _replace(
            connection,
            edges,
            f"""
            SELECT DISTINCT greatest(x, y) AS a, least(x, y) AS b FROM (
                SELECT one.label AS x, coalesce(two.label, b) AS y
                FROM {edges} JOIN {_ROUND} AS one ON one.node = a LEFT JOIN {_ROUND} AS two ON two.node = b
            ) WHERE x <> y
            """,
        )
    connection.execute(f"DROP TABLE {edges}")
    _compress(connection, _HOOKS)
    connection.execute(f"DROP TABLE IF EXISTS {labels}")
    connection.execute(f"ALTER TABLE {_HOOKS} RENAME TO {labels}")


def _compress(connection: duckdb.DuckDBPyConnection, hooks: str) -> None:
    """Let each node of a forest point to its root."""
    above = f"FROM {hooks} AS one LEFT JOIN {hooks} AS two ON two.node = one.label"
    while _count(connection, f"(SELECT 1 {above} WHERE two.node IS NOT NULL)"):
        _replace(connection, hooks, f"SELECT one.node, coalesce(two.label, one.label) AS label {above}")


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])


def _replace(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """Put the rows of a query, which may read the table, in its place."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_NEXT} AS {query}")
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE {_NEXT} RENAME TO {table}")
