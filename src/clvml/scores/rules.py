"""Rules over columns of a table of customers: a small grammar of conditions, and nothing else of SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp

from clvml.errors import InputError, did_you_mean, first_of
from clvml.storage.workspace import offline_database

_ALLOWED = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.Neg),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div),
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between),
    *(exp.And, exp.Or, exp.Not, exp.In, exp.Is, exp.Like),
)
_CONDITIONS = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.And, exp.Or, exp.Not),
    *(exp.In, exp.Is, exp.Like, exp.Boolean),
)


def check_rule(rule: str) -> str:
    """Return the rule unchanged.

    Raises
    ------
    ValueError
        It is no condition, or holds more than column names, literals, arithmetic, comparisons, and/or/not, in,
        between, is null and like.

    >>> check_rule("p_churn >= 0.5 and segment in ('VIP', 'lost')")
    "p_churn >= 0.5 and segment in ('VIP', 'lost')"
    """
    _parsed(rule)
    return rule


def columns_of(rule: str, where: str) -> list[str]:
    """Return the columns that a rule reads, sorted; ``where`` names it in errors.

    >>> columns_of("clv > 2 * historic_spend and not p_churn < 0.5", "mail")
    ['clv', 'historic_spend', 'p_churn']

    Raises
    ------
    InputError
        It is no rule; see `check_rule`.
    """
    try:
        return sorted({column.name for column in _parsed(rule).find_all(exp.Column)})
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def matches(table: pd.DataFrame, rule: str, where: str) -> NDArray[np.bool_]:
    """Return which rows a rule holds for, shape (n,); where it cannot be told because a value is missing: no.

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
    return first_match(table, {"": rule}, where) == 0


def first_match(table: pd.DataFrame, rules: Mapping[str, str], where: str) -> NDArray[np.intp]:
    """Return the place of the first rule that holds for each row, shape (n,); -1 where none does.

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
    # Rules without columns hold for all rows or for none.
    read = table[sorted(needed)] if needed else table.iloc[:, :1]
    cases = " ".join(
        f"when {_parsed(rule).sql('duckdb', identify=True)} then {place}"
        for place, rule in enumerate(rules.values())
    )
    with offline_database() as connection:
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


def _parsed(rule: str) -> Any:
    try:
        tree = sqlglot.parse_one(rule, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        reason = str(error).partition("\n")[0].partition(". Line")[0]
        raise ValueError(f"'{rule}' is not a condition ({reason}); for example: p_churn >= 0.5") from None
    for node in tree.walk():
        if not isinstance(node, _ALLOWED) or (isinstance(node, exp.Column) and node.table):
            raise ValueError(
                f"'{rule}' holds '{node.sql('duckdb')}', which a rule may not; use columns, numbers, 'texts', + - * /,"
                " comparisons, and, or, not, in, between, is null and like"
            )
    inner = tree
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if not isinstance(inner, _CONDITIONS):
        raise ValueError(f"'{rule}' is no condition, which is true or false; for example: p_churn >= 0.5")
    return tree
