"""The columns of the scored table, as data for the scorer, writers and readers of its file, Spark and the docs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from clvml.customers import FEATURES
from clvml.errors import InputError
from clvml.log.attribute_table import FEATURE, AttributeColumn
from clvml.models.outlook import HORIZONS

Kind = Literal["text", "whole", "number"]


@dataclass(frozen=True)
class Column:
    """A column of a table that clvml writes.

    Attributes
    ----------
    kind : {"text", "whole", "number"}
        Text may be missing; numbers only in the columns at the end of the file.
    description : str
        One line, without the unit.
    unit : str
        Unit of a number: ``currency``, ``days``, ``purchase days`` or ``share``.
    decimals : int or None
        Decimals that a number is rounded to; None: not rounded.
    own : bool
        Text that clvml or MLflow made, which needs no quotes in CSV and no escape in a spreadsheet.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    decimals: int | None = 2
    own: bool = True

    @property
    def dtype(self) -> str:
        """The type in pandas."""
        return {"text": "string", "whole": "int64", "number": "float64"}[self.kind]

    @property
    def sql_type(self) -> str:
        """The type in DuckDB."""
        return {"text": "VARCHAR", "whole": "BIGINT", "number": "DOUBLE"}[self.kind]


def money(name: str, description: str) -> Column:
    """Return a column of money."""
    return Column(name, "number", description, "currency")


REASONS = ("reason_1", "reason_2", "reason_3")


def _for_other_languages(reasons: tuple[str, ...], forecast: str) -> tuple[Column, ...]:
    parts = (
        ("key", f"the feature, then + where it raises the {forecast} or - where it lowers it"),
        ("values", "the numbers and names in its words, with ; between"),
    )
    return tuple(
        Column(f"{reason}_{part}", "text", f"{reason} for other languages: {words}", own=part == "key")
        for reason in reasons
        for part, words in parts
    )


# The first columns of every scored file; further columns are added at the end.
SCORED = (
    Column("customer_id", "text", "as in the purchase log", own=False),
    Column("as_of", "text", "first day not used; everything is predicted from here"),
    Column("horizon_days", "whole", "days of future that the unsuffixed columns cover", "days"),
    Column("p_churn", "number", "probability of no purchase in the horizon", "share", decimals=6),
    Column("churn_risk", "text", "low below 1/3, high from 2/3, else medium"),
    Column("expected_orders", "number", "purchase days expected in the horizon", "purchase days"),
    money("expected_spend", "net spend expected in the horizon"),
    money("expected_spend_low", "low end of the 80% interval"),
    money("expected_spend_high", "high end of the 80% interval"),
    *(money(f"expected_spend_{days}d", f"net spend expected in {days} days") for days in HORIZONS),
    money("clv", "present value of the margin over value.horizon_days, net of value.retention_cost"),
    money("historic_spend", "net spend so far"),
    Column("last_order_date", "text", "last purchase day; empty without one"),
    Column(
        "next_order_date",
        "text",
        "day by which a customer who comes back within half a year is back as likely as not; empty where staying"
        " away for a year is likelier, of regular customers for two",
    ),
    Column(
        "value_tier",
        "text",
        "platinum, gold, silver, bronze: the top 5, 20, 50 and 100% of `clv` in training; empty where"
        " the model was fitted without them",
    ),
    # Users name segments in the configuration.
    Column("segment", "text", "what to do about the customer (docs/scoring.md)", own=False),
    Column(
        "reason_1",
        "text",
        "strongest reason for the churn risk, in words; without any purchase, what there is instead",
        own=False,
    ),
    Column("reason_2", "text", "second reason; empty where nothing else matters", own=False),
    Column("reason_3", "text", "third reason", own=False),
    Column("model_version", "text", "version in the model registry"),
    Column("run_id", "text", "MLflow run that trained the model"),
    Column(
        "usual_gap_days",
        "number",
        "mean days between purchase days; empty for one-time buyers",
        "days",
        decimals=1,
    ),
    *_for_other_languages(REASONS, "risk"),
)
# Added at the end by `clvml score --value-reasons`.
VALUE_REASONS = (
    Column(
        "value_reason_1",
        "text",
        "strongest reason why the expected spend is high or low, in words; with `clvml score --value-reasons`",
        own=False,
    ),
    Column("value_reason_2", "text", "second reason for the expected spend", own=False),
    Column("value_reason_3", "text", "third reason for the expected spend", own=False),
    *_for_other_languages(tuple(f"value_{reason}" for reason in REASONS), "spend"),
)
COLUMNS = tuple(column.name for column in SCORED)
# Added at the end by `clvml score --acquired`; rules of segments may name it.
ACQUISITION_SOURCE = Column(
    "acquisition_source",
    "text",
    "where the customer came from; only with `clvml score --acquired`",
    own=False,
)
# Columns that files of older versions lack, and that only pages need.
FURTHER = COLUMNS[COLUMNS.index("run_id") + 1 :]
REASON_COLUMNS = tuple(name for name in COLUMNS if name.startswith("reason_"))
# Serves as the segment of a subscriber.
PLAN = Column("plan", "text", "plan of the current subscription: of those that run, the newest", own=False)
_BY_NAME = {column.name: column for column in SCORED}
# The columns of a scored file of subscriptions.
SUBSCRIBERS = (
    *(_BY_NAME[name] for name in ("customer_id", "as_of", "horizon_days")),
    replace(_BY_NAME["p_churn"], description="probability of no subscription at the end of the horizon"),
    _BY_NAME["churn_risk"],
    money("expected_spend", "revenue expected in the horizon"),
    *(_BY_NAME[f"expected_spend_{end}"] for end in ("low", "high")),
    *(money(f"expected_spend_{days}d", f"revenue expected in {days} days") for days in HORIZONS),
    _BY_NAME["clv"],
    money("historic_spend", "revenue so far, earned day by day"),
    PLAN,
    money("monthly_price", "price of all that runs, per month"),
    Column("tenure_days", "whole", "days since the first subscription began", "days"),
    _BY_NAME["value_tier"],
    *(_BY_NAME[name] for name in (*REASONS, "model_version", "run_id")),
    *(column for column in SCORED if column.name in FURTHER and column.name in REASON_COLUMNS),
)
_OF_SUBSCRIBERS = {column.name for column in SUBSCRIBERS} - set(COLUMNS)


def is_of_subscribers(names: Collection[str]) -> bool:
    """Return whether a table with these columns holds scores of subscriptions.

    >>> is_of_subscribers(COLUMNS), is_of_subscribers([column.name for column in SUBSCRIBERS])
    (False, True)
    """
    return set(names) >= _OF_SUBSCRIBERS


def whom(subscribers: bool, words: str = "customers") -> str:
    """Return words about the customers of a table as they are said of those.

    >>> whom(True), whom(True, "order of customers"), whom(False, "order of customers")
    ('subscribers', 'order of subscribers', 'order of customers')
    """
    return words.replace("customer", "subscriber").replace("Customer", "Subscriber") if subscribers else words


def refuse_purchase_log(names: Collection[str]) -> None:
    """Refuse a purchase log beside a table with these columns.

    Raises
    ------
    InputError
        It holds scores of subscriptions.
    """
    if is_of_subscribers(names):
        raise InputError(
            "the scores are of subscriptions (mode: subscription), and --data is a purchase log; leave --data out: the"
            " scored file knows since when customers are subscribed"
        )


def as_written(values: Mapping[str, Any], columns: Sequence[Column], index: pd.Index) -> pd.DataFrame:
    """Return a table from values by column name: numbers rounded, text of one type, empty text missing.

    A value is a column with the length of the index, or one text or whole number for all rows.
    """

    def shown(column: Column) -> Any:
        held = values[column.name]
        if column.kind == "number":
            # Adding 0.0 turns -0.0, which would look like a loss, into 0.0.
            return held if column.decimals is None else held.round(column.decimals) + 0.0
        if column.kind == "whole":
            return held
        # One text type, also for a column without any value.
        if isinstance(held, str):
            return pd.array([held or None], dtype="string").repeat(len(index))
        return pd.Series(held, dtype="string").array

    return pd.DataFrame({column.name: shown(column) for column in columns}, index=index)


def scored_columns(
    value_reasons: bool, acquired: bool, attributes: Iterable[AttributeColumn] = ()
) -> tuple[Column, ...]:
    """Return the columns of a scored file, with or without `ACQUISITION_SOURCE`, `VALUE_REASONS` and attributes."""
    return (
        *SCORED,
        *((ACQUISITION_SOURCE,) if acquired else ()),
        *(VALUE_REASONS if value_reasons else ()),
        *map(attribute_column, attributes),
    )


def attribute_column(one: AttributeColumn) -> Column:
    """Return an attribute as a column of the scored file, under its own name unless clvml uses that name already.

    >>> [attribute_column(AttributeColumn(f"attribute_{it}", it, "category")).name for it in ("channel", "segment")]
    ['channel', 'attribute_segment']
    """
    plain = one.name.removeprefix(FEATURE)
    has_meaning = plain in _TAKEN or plain.startswith(FEATURE)
    name = plain if plain.isidentifier() and not has_meaning else one.name
    if one.kind == "number":
        return Column(name, "number", one.column, decimals=None)
    return Column(name, "text", one.column, own=False)


# Types for reading a scored file, so that an id is not read as a number.
_READ = (*scored_columns(value_reasons=True, acquired=True), PLAN)
TEXTS = {column.name: column.dtype for column in _READ if column.kind == "text"}
# Names that pages, rules and `clvml worth` use, in lower case.
_TAKEN = {
    name.casefold()
    for name in (
        *(column.name for column in (*_READ, *SUBSCRIBERS)),
        *(feature.name for feature in FEATURES),
        *("at_risk", "cohort", "place", "margin", "acquisition_cost", "service_cost"),
    )
}


def typed(frame: pd.DataFrame, columns: Sequence[Column] = SCORED) -> pd.DataFrame:
    """Return a frame with these columns in their order and types; text that is absent is missing.

    >>> typed(pd.DataFrame({name: [] for name in COLUMNS})).dtypes["clv"]
    dtype('float64')
    """
    kinds = {column.name: column.dtype for column in columns}
    return frame.reindex(columns=list(kinds)).astype(kinds)
