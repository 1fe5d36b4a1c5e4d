"""What is known of customers beside their purchases, as a table in the database of the log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from clvml.storage.sql import identifier

AttributeKind = Literal["category", "number", "date"]

TABLE = "customer_attributes"
# How the names of their features begin.
FEATURE = "attribute_"


def feature_name(column: str) -> str:
    """Return what the attribute of a column is called among the features.

    >>> feature_name("Date of birth")
    'attribute_date_of_birth'
    """
    return FEATURE + words_of(column)


def words_of(text: str) -> str:
    """Return what of a user's own name can be in the name of a feature.

    >>> words_of("Plan change!")
    'plan_change'
    """
    return re.sub(r"\W+", "_", text.casefold()).strip("_")[:50]


class AttributeColumn(NamedTuple):
    """A column of the table: its ``name`` as a feature, its name in the input, and what it holds.

    ``useless`` says what keeps it from telling customers apart, such as "is empty"; a model is not trained on it.
    """

    name: str
    column: str
    kind: AttributeKind
    useless: str = ""


@dataclass(frozen=True)
class AttributeTable:
    """What is known of customers, in the database of their purchase log.

    ``columns`` are those of ``table`` beside ``customer_id``: categories as texts, numbers as doubles, dates as days.
    Where it is ``dated``, rows hold from ``valid_from`` on, and a customer may have several.
    """

    columns: tuple[AttributeColumn, ...]
    dated: bool
    table: str = TABLE

    @property
    def useful(self) -> tuple[AttributeColumn, ...]:
        """The columns that tell customers apart."""
        return tuple(one for one in self.columns if not one.useless)

    def latest(self) -> str:
        """Return SQL of the last row of each customer: ``customer_id`` and the useful columns as in the input."""
        listed = "".join(
            f", {one.name}{'::varchar' if one.kind == 'category' else ''} as {identifier(one.column)}"
            for one in self.useful
        )
        one_each = " qualify row_number() over (partition by customer_id order by valid_from desc) = 1"
        return f"select customer_id{listed} from {self.table}{one_each if self.dated else ''}"


def as_read(columns: Iterable[AttributeColumn]) -> dict[str, str]:
    """Return what the quality report says of the columns, among ``read_as``."""
    return {f"attribute {one.column}": one.useless or one.kind for one in columns}
