"""Attributes of customers as features: what was known at a cutoff, and what a model keeps of them.

In a feature table a category is a text, a number a number, and a date the days from it to the cutoff. A model reads
categories as codes (`Attribute.read`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers.groups import Feature
from clvml.errors import InputError, first_of
from clvml.log.attribute_table import AttributeColumn, AttributeKind, AttributeTable

# Values of fewer customers are rare: trees would learn noise from them.
FEWEST_CUSTOMERS = 20
MOST_LEVELS = 200
# The unit of a feature whose values have no order.
CATEGORY = "category"


@dataclass(frozen=True)
class Attribute:
    """An attribute as a model reads it: the ``name`` of its feature, its ``column`` in the table of customers.

    ``levels`` are the values of a category that are common, by their code. Rare values, and those never seen, share the
    code after these where it ``has_rare``; else they are missing.
    """

    name: str
    column: str
    kind: AttributeKind
    levels: tuple[str, ...] = ()
    has_rare: bool = False

    @property
    def feature(self) -> Feature:
        """The attribute as a feature, for lists of features."""
        unit = {"date": "days", "category": CATEGORY}.get(self.kind, "")
        what = f"days since {self.column}" if self.kind == "date" else self.column
        return Feature(
            self.name, self.name, unit, f"{what} (attribute)", self.name, "attributes", grain="customer"
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """What each code of a category stands for; empty text for rare values."""
        return (*self.levels, *([""] if self.has_rare else []))

    def read(self, values: pd.Series) -> NDArray[np.float32]:
        """Return the values of a feature table as numbers, shape (n,): codes of a category; NaN where missing.

        Raises
        ------
        InputError
            Texts stand where the model knows numbers.
        """
        if self.kind != "category" and pd.api.types.is_numeric_dtype(values):
            return values.to_numpy(np.float32, na_value=np.nan)
        texts = values.astype("category")
        places = texts.cat.codes.to_numpy()
        known = [_written(value) for value in texts.cat.categories]
        if self.kind == "category":
            code = {level: float(place) for place, level in enumerate(self.levels)}
            rare = float(len(self.levels)) if self.has_rare else np.nan
            read = [code.get(text, rare) for text in known]
        else:
            read = list(pd.to_numeric(pd.Series(known, dtype=object), errors="coerce"))
            wrong = [known[place] for place in np.unique(places[places >= 0]) if np.isnan(read[place])]
            if wrong:
                raise InputError(
                    f"attribute '{self.column}' was a {self.kind} in training and holds '{wrong[0]}' now; correct the"
                    " table of customers, or train a model on it"
                )
        # Missing values are at -1.
        return np.asarray([*read, np.nan], dtype=np.float32)[places]

    def with_levels(self, values: pd.Series) -> Attribute:
        """Return a category with the levels that are common among customers, the commonest first."""
        if self.kind != "category":
            return self
        counts = values.astype("category").value_counts()
        counts = counts[counts > 0]
        ordered = sorted(counts.index, key=lambda value: (-counts[value], str(value)))
        levels = [value for value in ordered if counts[value] >= FEWEST_CUSTOMERS][:MOST_LEVELS]
        rare = counts.drop(levels).sum()
        return replace(self, levels=tuple(map(_written, levels)), has_rare=bool(rare >= FEWEST_CUSTOMERS))


def usable_attributes(
    table: AttributeTable | None, named: Collection[str] = ()
) -> tuple[tuple[Attribute, ...], str]:
    """Return the attributes of a table that tell customers apart, as yet without levels, and a note on the others.

    Raises
    ------
    InputError
        One of the columns ``named`` in the configuration tells nobody apart, or none does.
    """
    if table is None:
        return (), ""
    useless = [f"'{one.column}' {one.useless}" for one in table.columns if one.useless]
    usable = tuple(Attribute(one.name, one.column, one.kind) for one in table.useful)
    if useless and (named or not usable):
        mend = "leave them out of data.attributes.columns" if usable else "leave data.attributes out"
        raise InputError(f"attributes tell no customers apart: {first_of(useless, longest=120)}; {mend}")
    note = f"attributes left out: {first_of(useless, longest=120)}" if useless else ""
    return usable, note


def with_known(
    features: str, table: str, columns: Sequence[AttributeColumn], dated: bool, cutoff: date
) -> str:
    """Return SQL of a feature table with what ``table`` says of each customer at the cutoff.

    A date after the cutoff is known only where rows are dated, and those before the cutoff say it.
    """
    days = f"date_diff('day', {{0}}, date '{cutoff}')::double"
    told = days if dated else f"case when {{0}} < date '{cutoff}' then {days} end"
    values = [told.format(one.name) if one.kind == "date" else one.name for one in columns]
    known = ", ".join(f"{value} as {one.name}" for value, one in zip(values, columns, strict=True))
    listed = ", ".join(f"known.{one.name}" for one in columns)
    latest = (
        f" where valid_from < date '{cutoff}'"
        " qualify row_number() over (partition by customer_id order by valid_from desc) = 1"
    )
    return (
        f"select own.*, {listed} from ({features}) as own left join"
        f" (select customer_id, {known} from {table}{latest if dated else ''}) as known"
        " on known.customer_id = own.customer_id"
    )


def _written(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, int | float | np.number) else str(value)
