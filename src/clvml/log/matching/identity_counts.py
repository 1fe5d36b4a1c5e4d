"""What became of ids: counts and findings for the quality report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb

from clvml.config import IdentityConfig
from clvml.log.finding import Finding
from clvml.log.quality import IdentityCount

CROSSWALK, KEYED = "clvml_crosswalk", "clvml_keyed"
# More ids than a household gathers over the years.
_MANY_IDS = 50


def key_findings(
    cut: dict[str, tuple[int, int]], unread: dict[str, int], identity: IdentityConfig
) -> Iterator[Finding]:
    """Yield which keys join nobody: by kind, those that too many share with their ids, and texts that are no key."""
    for kind, (keys, ids) in cut.items():
        yield Finding(
            "shared-keys",
            f"{keys:,} keys of kind '{kind}' are shared by more than {identity.max_shared} customers each, {ids:,} in"
            " all: they join nobody. data.identity.max_shared says how many may share one",
        )
    for kind, texts in unread.items():
        if texts:
            hint = "; data.identity.phone_region says which country numbers without a code are of"
            yield Finding(
                "unread-keys",
                f"{texts:,} texts are no {kind} and join nobody{hint if kind == 'phone' else ''}",
            )


def count_ids(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    tables: Sequence[str],
    cut: dict[str, tuple[int, int]],
) -> IdentityCount:
    """Return what became of the ids of the sources ``names``, whose purchases ``tables`` hold."""
    query = f"SELECT number, count(*) FROM {CROSSWALK} WHERE bought GROUP BY number"
    before = dict(connection.execute(query).fetchall())
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE clvml_several AS SELECT label FROM {CROSSWALK} WHERE bought GROUP BY label"
        " HAVING count(*) > 1"
    )
    customers, joined = connection.execute(
        f"SELECT count(DISTINCT label), (SELECT count(*) FROM clvml_several) FROM {CROSSWALK} WHERE bought"
    ).fetchall()[0]
    spent = " UNION ALL ".join(
        f"SELECT {number} AS number, customer_id, sum(amount) AS money FROM {table} GROUP BY customer_id"
        for number, table in enumerate(tables)
    )
    changed = connection.execute(
        f"SELECT unified_id, count(*), max(money), sum(money) FROM ({spent})"
        f" JOIN (FROM {CROSSWALK} SEMI JOIN clvml_several USING (label)) USING (number, customer_id)"
        " GROUP BY unified_id ORDER BY sum(money) - max(money) DESC, unified_id LIMIT 5"
    ).fetchall()
    query = f"SELECT kind, count(DISTINCT node) FROM {KEYED} GROUP BY kind ORDER BY kind"
    keys = dict(connection.execute(query).fetchall())
    return IdentityCount(
        {name: int(before.get(number, 0)) for number, name in enumerate(names)},
        int(customers),
        int(joined),
        keys,
        {kind: count for kind, (count, _) in cut.items()},
        tuple((who, int(ids), round(most, 2), round(all_of_it, 2)) for who, ids, most, all_of_it in changed),
    )


def large_components(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Yield customers of very many ids: a chain of keys joins people of whom no two share too many."""
    customers, most = connection.execute(
        f"SELECT count(*), max(ids) FROM (SELECT count(*) AS ids FROM {CROSSWALK} GROUP BY label"
        f" HAVING count(*) > {_MANY_IDS})"
    ).fetchall()[0]
    if customers:
        yield Finding(
            "many-ids",
            f"{customers:,} customers have more than {_MANY_IDS} ids each, the largest {most:,}: keys may join"
            " strangers in a chain. The crosswalk (`clvml check --crosswalk FILE`) names their ids",
        )
