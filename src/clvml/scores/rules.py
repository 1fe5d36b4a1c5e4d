"""Rules over columns of a table of customers: conditions of a small grammar, which cannot run other SQL."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.errors import InputError, did_you_mean, first_of
from clvml.expressions import Expression, Kind, parse_expression
from clvml.storage.sql import identifier
from clvml.storage.workspace import offline_database


def parse_rule(rule: str, where: str = "the rule") -> Expression:
    """Return a rule as a checked expression; ``where`` names it in errors.

    Raises
    ------
    InputError
        It is not a condition of the grammar (`clvml.expressions`).
    """
    parsed = parse_expression(rule, "truth", where)
    if parsed.is_name:
        raise InputError(f"{where} '{rule}' is a column and no condition; for example: {rule} >= 0.5")
    return parsed


def columns_of(rule: str, where: str) -> list[str]:
    """Return the columns that a rule reads, sorted; ``where`` names it in errors.

    >>> columns_of("clv > 2 * historic_spend and not p_churn < 0.5", "mail")
    ['clv', 'historic_spend', 'p_churn']

    Raises
    ------
    InputError
        It is not a rule; see `parse_rule`.
    """
    return sorted(parse_rule(rule, where).columns)


def matches(table: pd.DataFrame, rule: str, where: str) -> NDArray[np.bool_]:
    """Return for which rows a rule holds, shape (n,); False where a missing value leaves that open.

    Parameters
    ----------
    table : DataFrame
        The scored table.
    rule : str
    where : str
        Where the rule stands, for errors.

    Raises
    ------
    InputError
        A column is not in the table, or the rule compares what cannot be compared.
    """
    return np.equal(first_match(table, {"": rule}, where), 0)


def first_match(table: pd.DataFrame, rules: Mapping[str, str], where: str) -> NDArray[np.intp]:
    """Return the index of the first rule that holds for each row, shape (n,); -1 where none does.

    Parameters
    ----------
    table : DataFrame
    rules : mapping
        Names and rules.
    where : str
        Where the rules stand, for errors.

    Raises
    ------
    InputError
        See `matches`.
    """
    needed: set[str] = set()
    for name, rule in rules.items():
        at = f"{where}.{name}" if name else where
        columns = columns_of(rule, at)
        check_columns(columns, table.columns, at)
        needed |= set(columns)
    # Rules without columns hold for all rows or for none; DuckDB reads no table without any.
    read = table[sorted(needed)] if needed else pd.DataFrame({"row": range(len(table))})
    cases = " ".join(
        f"when {parse_rule(rule).sql(_read)} then {place}" for place, rule in enumerate(rules.values())
    )
    with _database().cursor() as connection:
        connection.register("known", read)
        try:
            found = connection.execute(f"select case {cases} else -1 end as place from known").fetchnumpy()
        except duckdb.Error as error:
            reason = str(error).strip().partition("\n")[0]
            told = "the rule" if len(rules) == 1 else "one of the rules"
            shown = (
                ", ".join(f"'{rule}'" for rule in rules.values())
                if len(rules) == 1
                else f"of {', '.join(rules)}"
            )
            raise InputError(
                f"{where}: {told} {shown} cannot be worked out ({reason}); compare numbers with numbers and texts with"
                " texts in single quotes"
            ) from None
    return np.asarray(found["place"], dtype=np.intp)


def check_columns(needed: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse columns that the scored table does not have."""
    known = [str(name) for name in known]
    for name in needed:
        if name not in known:
            raise InputError(
                f"{where}: the scores have no column '{name}'{did_you_mean(name, known)}; they have {first_of(known)}"
            )


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return the database of all rules in a process: to open one for each batch takes longer than its rules."""
    return offline_database()


if hasattr(os, "register_at_fork"):
    # A forked process has none of the threads of the database, and would wait for them or crash when it ends.
    os.register_at_fork(before=_database.cache_clear)


def _read(name: str, kind: Kind) -> str:
    types = {"number": "double", "text": "varchar", "truth": "boolean"}
    return f"cast({identifier(name)} as {types[kind]})"
