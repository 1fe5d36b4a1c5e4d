"""Ids whose name and address are alike: pairs that Splink finds in the same DuckDB (Fellegi and Sunter 1969)."""

from __future__ import annotations

import logging

import duckdb

from clvml.errors import InputError

# What may be compared, and how a field is written in one way: names in any order of their words.
FIELDS = ("name", "address", "postcode", "email")
_WORDS = "regexp_split_to_array(trim(regexp_replace(lower(strip_accents({0})), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')), ' ')"
_WRITTEN = {
    "name": f"nullif(array_to_string(list_sort({_WORDS}), ' '), '')",
    "address": f"nullif(array_to_string({_WORDS}, ' '), '')",
    "postcode": "nullif(regexp_replace(upper({0}), '[^A-Z0-9]', '', 'g'), '')",
    "email": "{0}",
}
# Of two records of one person, how often a field is the same, nearly, rather, or not at all alike. How often that is
# so of strangers is counted in the data; of one person, it would take pairs that are known.
_NAME = [0.65, 0.22, 0.1, 0.03]
_SAME = {
    "address": ((0.92, 0.8), [0.7, 0.17, 0.05, 0.08]),
    "postcode": ((1,), [0.88, 0.05, 0.07]),
    "email": ((0.92,), [0.7, 0.1, 0.2]),
}
# Words of this similarity may be one word, misspelled. A family shares name and address, so each word must have a
# similar one, and so must the given name.
_WORD = 0.88
_LIKE = f"""
    CREATE OR REPLACE TEMP MACRO clvml_like(one, other) AS list_min(list_transform(string_split(one, ' '),
        lambda x: list_max(list_transform(string_split(other, ' '), lambda y: CASE
            WHEN least(length(x), length(y)) = 1 THEN (x[1] = y[1])::DOUBLE ELSE jaro_winkler_similarity(x, y) END)
        ))) >= {_WORD}
"""
_WORDS_OF = "len(string_split({0}, ' '))"
_FEWER = f"{_WORDS_OF.format('name_l')} <= {_WORDS_OF.format('name_r')}"
# Of the pairs of one person, the share that has the same name and postcode, to the letter.
_PLAIN = 0.6
# Pairs of strangers that are looked at.
_STRANGERS = 2_000_000


def written_field_sql(field: str, column: str) -> str:
    """Return the SQL of a field in the one way in which it is compared.

    >>> duckdb.sql("SELECT " + written_field_sql("name", "'Müller,  Ann-Kathrin'")).fetchall()
    [('ann kathrin muller',)]
    """
    return _WRITTEN[field].format(column)


def alike_pairs(
    connection: duckdb.DuckDBPyConnection, people: str, fields: tuple[str, ...], threshold: float, pairs: str
) -> None:
    """Make the temporary table ``pairs`` (``a``, ``b``) of the people who are one person, as likely as ``threshold``.

    Pairs are compared whose name is the same, or address and first letter of the name, or postcode and two letters.
    ``people`` is a table of ``node`` and the ``fields`` (some of `FIELDS`, ``name`` among them), written in one way
    (`written_field_sql`), NULL where unknown.

    Raises
    ------
    InputError
        Splink is not installed.
    """
    try:
        import splink.comparison_level_library as levels
        import splink.comparison_library as comparisons
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    except ImportError:
        raise InputError(
            "names and addresses (keys.alike) are compared by Splink, which is not installed; install it with: pip"
            " install 'clvml[linkage]'"
        ) from None
    if connection.execute(f"SELECT count(*) FROM {people}").fetchall()[0][0] < 2:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {pairs} (a INTEGER, b INTEGER)")
        return
    # It tells about its training, for which nobody asked.
    logging.getLogger("splink").addHandler(logging.NullHandler())
    connection.execute(_LIKE)
    each = "clvml_like(name_l, name_r) AND clvml_like(name_r, name_l)"
    fewer = f"CASE WHEN {_FEWER} THEN clvml_like(name_l, name_r) ELSE clvml_like(name_r, name_l) END"
    several = f"{_WORDS_OF.format('name_l')} > 1 AND {_WORDS_OF.format('name_r')} > 1 AND {fewer}"
    name = comparisons.CustomComparison(
        [
            levels.NullLevel("name"),
            levels.ExactMatchLevel("name", term_frequency_adjustments=True),
            levels.CustomLevel(each, "each word has its like"),
            levels.CustomLevel(several, "each word of the shorter has its like"),
            levels.ElseLevel(),
        ],
        "name",
    ).configure(m_probabilities=_NAME)
    kinds = {
        field: comparisons.LevenshteinAtThresholds
        if field == "postcode"
        else comparisons.JaroWinklerAtThresholds
        for field in fields
        if field in _SAME
    }
    rules = [("name",), ("address", "substr(name, 1, 1)"), ("postcode", "substr(name, 1, 2)")]
    api = DuckDBAPI(connection)
    linker = Linker(
        api.register(people),
        SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="node",
            comparisons=[
                name,
                *(
                    compare(field, list(_SAME[field][0])).configure(m_probabilities=_SAME[field][1])
                    for field, compare in kinds.items()
                ),
            ],
            blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules if rule[0] in fields],
            probability_two_random_records_match=_share_of_pairs(connection, people, fields),
            retain_matching_columns=False,
        ),
        log_level=None,
    )
    try:
        linker.training.estimate_u_using_random_sampling(max_pairs=_STRANGERS, seed=1)
        found = linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {pairs} AS"
            f" SELECT greatest(node_l, node_r) AS a, least(node_l, node_r) AS b FROM {found.physical_name}"
        )
    finally:
        api.delete_tables_created_by_splink_from_db()


def _share_of_pairs(connection: duckdb.DuckDBPyConnection, people: str, fields: tuple[str, ...]) -> float:
    """Return about which share of all pairs are one person, from those that are plainly so."""
    plainly = "name, postcode" if "postcode" in fields else "name, address"
    records, pairs = connection.execute(
        f"SELECT (SELECT count(*) FROM {people}), coalesce(sum(same * (same - 1) / 2), 0) FROM"
        f" (SELECT count(*) AS same FROM {people} WHERE (({plainly}) IS NOT NULL) GROUP BY {plainly})"
    ).fetchall()[0]
    every = max(records * (records - 1) / 2, 1)
    return float(min(max(pairs / _PLAIN, 1) / every, 0.5))
