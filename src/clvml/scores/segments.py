"""Segments: an ordered list of rules over scores and features, of which the first that holds decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import SEGMENTS
from clvml.customers import FEATURES
from clvml.errors import InputError
from clvml.log.attribute_table import AttributeTable
from clvml.scores.columns import ACQUISITION_SOURCE, REASON_COLUMNS, SCORED, attribute_column
from clvml.scores.rules import check_columns, columns_of, first_match
from clvml.storage.sql import literal

# Columns that rules may name: features, scores, and the spend from which a customer is a big spender.
BIG_SPEND = "big_spend_365d"
_NOT_YET = ("segment", "as_of", "model_version", "run_id", *REASON_COLUMNS)
KNOWN = (
    *(feature.name for feature in FEATURES),
    *(column.name for column in SCORED if column.name not in _NOT_YET),
    ACQUISITION_SOURCE.name,
    BIG_SPEND,
)

# The row of all segments together, in sums over them.
ALL = "all"
# Segments that never go on a call list, whatever their value at risk; of the first, nothing is known but refunds.
LEFT_ALONE = ("not enough history", "lost")


def may_be_called(segment: str = "segment") -> str:
    """Return the SQL condition for customers who may go on a call list; ``segment`` is the column of the segment.

    >>> may_be_called()
    "coalesce(segment, '') not in ('not enough history', 'lost')"
    """
    return f"coalesce({segment}, '') not in ({', '.join(map(literal, LEFT_ALONE))})"


def check_segments(rules: Mapping[str, str], attributes: AttributeTable | None = None) -> None:
    """Refuse rules that cannot be evaluated for customers with these attributes.

    Raises
    ------
    InputError
        A rule is not a condition, or names no feature, score or attribute; or a segment is called ``all``.
    """
    if ALL in rules:
        raise InputError(
            f"segments.{ALL}: '{ALL}' is what all customers together are called in the sums; call the segment otherwise"
        )
    own = [attribute_column(one).name for one in attributes.useful] if attributes else []
    for name, rule in rules.items():
        check_columns(columns_of(rule, f"segments.{name}"), [*KNOWN, *own], f"segments.{name}")


def segment(
    features: pd.DataFrame,
    scores: Mapping[str, Any],
    thresholds: Mapping[str, float],
    rules: Mapping[str, str] = SEGMENTS,
) -> NDArray[Any]:
    """Return the segment of each customer, shape (n,): the name of the first rule that holds.

    Parameters
    ----------
    features : DataFrame
        One row per customer.
    scores : mapping
        Scored columns by name, shape (n,) each: ``p_churn``, ``value_tier``, ...
    thresholds : mapping
        From training (`clvml.scores.tiers.spend_thresholds`); without `BIG_SPEND` nobody is a big spender.
    rules : mapping
        Names and rules, in their order; the last holds for everybody.

    Raises
    ------
    InputError
        A rule names a column that is absent, such as the number of products of a log without products, or the
        acquisition source.
    """
    known = {**scores, BIG_SPEND: thresholds.get(BIG_SPEND, np.inf)}
    named = sorted(
        {column for name, rule in rules.items() for column in columns_of(rule, f"segments.{name}")}
    )
    read = {name: known[name] if name in known else features.get(name) for name in named}
    if ACQUISITION_SOURCE.name in read and read[ACQUISITION_SOURCE.name] is None:
        raise InputError(
            f"a rule of segments names {ACQUISITION_SOURCE.name}; say where customers came from (clvml score"
            " --acquired FILE)"
        )
    table = pd.DataFrame(
        {name: values for name, values in read.items() if values is not None}, index=features.index
    )
    return np.asarray([*rules], dtype=object)[first_match(table, rules, "segments")]
