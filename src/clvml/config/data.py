"""Keys of section ``data``: where the purchase log is and how its lines are cleaned."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

import yaml
from pydantic import Field, field_validator, model_validator

from clvml.config.base_section import ColumnNames, Section
from clvml.config.event_keys import EventsConfig
from clvml.config.identity_keys import IdentityConfig, KeysConfig
from clvml.errors import did_you_mean

# Systems whose exports are known (`src/clvml/log/presets`).
PresetName = Literal[
    "shopify", "woocommerce", "stripe", "paypal", "square", "magento", "amazon", "fec", "uci-online-retail"
]
_PRESETS = Path(__file__).parents[1] / "log" / "presets"


class ColumnsConfig(ColumnNames):
    """Names of the input's columns. The first three are required, the others are used where present."""

    customer_id: str = Field(description="who bought")
    order_date: str = Field(description="when: a date, or a timestamp with or without a time zone")
    amount: str = Field(
        description="money of the line or order, negative for a refund; or an expression such as Quantity * UnitPrice"
    )
    order_id: str | None = Field(None, description="order or invoice number")
    product_id: str | None = Field(None, description="article; brings basket and variety features")
    quantity: str | None = Field(None, description="units of the article; or an expression")
    currency: str | None = Field(None, description="currency code of the line; more than one is an error")


class Preset(Section):
    """How the export of a system is read."""

    about: str = Field(description="which export of which system")
    header: list[str] = Field(description="names that tell it from others")
    names: dict[str, list[str]] = Field(
        default_factory=dict, description="what else a column is called, by its name here"
    )
    data: dict[str, Any] = Field(description="keys of data")
    amount_else: str | None = Field(None, description="the amount where the export lacks a column of it")
    asks: list[str] = Field(default_factory=list, description="keys of data that only the shop knows")
    notes: list[str] = Field(default_factory=list, description="what it leaves to the user")


@cache
def read_preset(name: PresetName) -> Preset:
    """Return how the exports of a system are read."""
    return Preset.model_validate(yaml.safe_load((_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")))


class AttributesConfig(Section):
    """A table of what is known of customers beside their purchases (docs/attributes.md)."""

    source: str = Field(description="table of customers: a file, or a database table")
    customer_id: str | None = Field(
        None, description="its column of the id; by default that of the purchases"
    )
    columns: list[str] = Field(
        default_factory=list, description="its columns to use; without any, all that may tell customers apart"
    )
    categories: list[str] = Field(
        default_factory=list,
        description="columns of numbers that are names, such as a postcode or a number of a plan",
    )
    valid_from: str | None = Field(
        None,
        description="its column of the day from which a row holds: each cutoff then sees the last row of a customer"
        " before it; without one a customer has one row, which holds for all time",
    )

    @model_validator(mode="after")
    def _columns_agree(self) -> AttributesConfig:
        own = [name for name in (self.customer_id, self.valid_from) if name is not None]
        taken = [name for name in own if name in (*self.columns, *self.categories)]
        if taken or len(set(own)) < len(own):
            raise ValueError(
                f"'{(taken or own)[0]}' is given for two things; a column is id, day or attribute"
            )
        unused = [name for name in self.categories if self.columns and name not in self.columns]
        if unused:
            raise ValueError(
                f"'{unused[0]}' is among the categories and not among the columns; add it or drop it"
            )
        twice = [name for name in self.columns if self.columns.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' stands twice among the columns; drop one")
        return self


_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# Several sources together are a log with these columns; what one of them lacks is empty.
_OUR_NAMES = {
    name: name for name in ("customer_id", "order_date", "amount", "order_id", "product_id", "quantity")
}
# Keys that say how all sources become one log, and keys that say how a file is read.
_OF_THE_WHOLE = ("rates", "identity", "attributes", "events")
_OF_A_SOURCE = (
    "keys",
    "preset",
    "columns",
    "where",
    "amount_per",
    "ignore_columns",
    "formats",
    "sheets",
    "encoding",
    "fill_down",
)


def _inherited(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a source; the columns of another export are no use to one with a preset of its own."""
    if own.get("preset") and "columns" not in own:
        shared = {key: value for key, value in shared.items() if key != "columns"}
    return shared | own


class DataConfig(Section):
    """Where the purchase log is and how its lines are cleaned."""

    source: str = Field(description="file, directory, glob or database table of the purchase log")
    sources: dict[str, DataConfig] = Field(
        default_factory=dict,
        description="several purchase logs instead of one, by name: each with the keys of data, of which those that it"
        " does not give are taken from beside `sources` (docs/sources.md)",
    )
    keys: KeysConfig | None = Field(None, description="what tells who a customer of this source is")
    identity: IdentityConfig | None = Field(None, description="how ids of the sources become one customer")
    attributes: AttributesConfig | None = Field(
        None, description="table of what else is known of the customers (docs/attributes.md)"
    )
    events: EventsConfig | None = Field(
        None, description="table of what else the customers did (docs/events.md)"
    )
    rates: str | None = Field(
        None,
        description="table of exchange rates (columns date, from, to, rate) by which lines in other currencies become"
        " data.currency, at the last rate before their day",
    )
    preset: PresetName | None = Field(
        None,
        description="the system that wrote the export: brings columns, where and other keys of data, each of which may"
        " be given beside it",
    )
    columns: ColumnsConfig = Field(description="input columns, by our names")
    where: str | None = Field(
        None,
        description="which rows are purchases: a condition on the file's columns such as Status = 'Paid'; rows of which"
        " it is not true are left out (counted)",
    )
    amount_per: Literal["line", "order"] = Field(
        "line",
        description="line: each row has its own money; order: the money of an order stands in one or in all of its"
        " rows and counts once, and empty cells of the others are as in the first",
    )
    fill_down: bool | None = Field(
        None,
        description="whether empty customers, dates and order numbers are as in the line above, as in reports and"
        " merged cells; by default only of lines that have neither customer nor date, with a warning",
    )
    refunds: Literal["net", "drop", "reject"] = Field(
        "net",
        description="lines of negative amount: net against purchases, drop (counted), or reject (to the rejects file)",
    )
    duplicates: Literal["drop", "keep", "reject"] | None = Field(
        None,
        description="exact repeats of a line: drop (counted), keep, or reject (to the rejects file); by default"
        " dropped, but without an order number those within one file are kept, with a warning",
    )
    overlaps: Literal["latest", "keep"] | None = Field(
        None,
        description="an order that stands in several files with different content: latest (of the file that goes on"
        " longest) or keep (all); by default latest, with a warning, where the files are overlapping exports",
    )
    guests: Literal["keep", "reject"] | None = Field(
        None,
        description="customer ids that stand for nobody (guest, 0, unknown, and guest_ids): keep, or reject; by default"
        " they are kept, with a warning",
    )
    guest_ids: list[str] = Field(
        default_factory=list, description="further customer ids that stand for nobody in particular"
    )
    customer_ids: Literal["as_is", "casefold", "loose"] | None = Field(
        None,
        description="when two customer ids are one: as_is, casefold (equal but for case and blanks) or loose (also but"
        " for leading zeros); by default as they are, with a warning",
    )
    known_warnings: list[str] = Field(
        default_factory=list, description="codes of warnings that were looked into and are not shown again"
    )
    ignore_columns: list[str] = Field(
        default_factory=list,
        description="columns that do not tell lines apart when looking for duplicates, such as the sheet or file name",
    )
    formats: dict[str, str] = Field(
        default_factory=dict,
        description='how a column is written, where its texts leave that open: an example of a number ("1.234,56") or'
        ' the pattern of a date ("%d/%m/%Y", excel, epoch seconds), by our name of the column or the input\'s',
    )
    encoding: str | None = Field(
        None,
        description="encoding of text files that are not UTF-8 or UTF-16, such as cp1250; by default cp1252, cp1250,"
        " cp1251 or cp1254, as their words tell",
    )
    sheets: list[str] = Field(
        default_factory=list,
        description="sheets of an Excel workbook to read; without any, all that have the mapped columns",
    )
    max_unreadable: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="share of the texts of a column that may be no number or date; more are refused"
    )
    timezone: str = Field("UTC", description="zone in which a purchase day begins and ends (IANA name)")
    currency: str | None = Field(
        None, description="currency of the amounts; only lines in it are used, unless rates convert others"
    )

    def with_source(self, source: str) -> DataConfig:
        """Return how to read the same kind of log at another place, which is one source.

        In place of several sources it is of our names, in one currency, and its customers are those it names.
        """
        told: dict[str, Any] = {"source": source}
        if self.sources:
            told |= {"sources": {}, "rates": None, "identity": None}
        return self.model_copy(update=told)

    @property
    def tables_beside(self) -> dict[str, AttributesConfig | EventsConfig]:
        """The tables of customers that are read beside the purchases, by their key."""
        told = {"attributes": self.attributes, "events": self.events}
        return {key: table for key, table in told.items() if table is not None}

    def purchases_alone(self) -> DataConfig:
        """Return how to read the purchases alone."""
        return self.model_copy(update=dict.fromkeys(self.tables_beside))

    def places(self) -> dict[str, str]:
        """Return every file, folder or address that is read, by its key; several sources are read one by one."""
        return {key: place for key, place in super().places().items() if key != "source" or not self.sources}

    @property
    def repeats(self) -> Literal["drop", "keep", "reject", "keep_within"]:
        """What becomes of exact repeats: `duplicates`, or what it stands for where it is not given."""
        return self.duplicates or ("drop" if self.columns.order_id else "keep_within")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, keys: Any) -> Any:
        if not isinstance(keys, dict) or keys.get("preset") not in get_args(PresetName):
            return keys
        preset = read_preset(keys["preset"]).data
        columns = keys.get("columns", {})
        if isinstance(columns, dict):
            columns = {**preset["columns"], **columns}
        return {**preset, **keys, "columns": columns}

    @model_validator(mode="before")
    @classmethod
    def _share_among_sources(cls, keys: Any) -> Any:
        """Give each source what stands beside `sources`; together they are a log with columns of our own names."""
        if not isinstance(keys, dict) or not keys.get("sources"):
            return keys
        sources = keys["sources"]
        if not isinstance(sources, dict) or not all(isinstance(own, dict) for own in sources.values()):
            return {"source": "", "columns": _OUR_NAMES, **keys}
        joined = " + ".join(map(str, sources))
        if keys.get("source") not in (None, joined):
            raise ValueError("data.source and data.sources contradict each other; give one of them")
        for name, own in sources.items():
            if not _SOURCE_NAME.fullmatch(str(name)):
                raise ValueError(
                    f"a source is called '{name}'; give it a name of letters, digits, _, . and -"
                )
            for key in ("sources", *_OF_THE_WHOLE):
                if own.get(key):
                    raise ValueError(f"'{key}' belongs beside `sources`, not into source '{name}'")
        shared = {
            key: value for key, value in keys.items() if key not in ("source", "sources", *_OF_THE_WHOLE)
        }
        if shared.get("columns") == _OUR_NAMES:
            del shared["columns"]
        given = {name: _inherited(shared, own) for name, own in sources.items()}
        currencies = {str(own["currency"]).strip().upper() for own in given.values() if own.get("currency")}
        if len(currencies) == 1 and not keys.get("currency"):
            keys = {**keys, "currency": currencies.pop()}
        elif currencies - {str(keys.get("currency")).strip().upper()} and not (
            keys.get("rates") and keys.get("currency")
        ):
            raise ValueError(
                f"the sources are in {', '.join(sorted(currencies))}; give data.currency and data.rates, a table of"
                " exchange rates"
            )
        whole = {key: value for key, value in keys.items() if key not in _OF_A_SOURCE}
        return {**whole, "source": joined, "sources": given, "columns": _OUR_NAMES}

    @model_validator(mode="after")
    def _rates_have_a_target(self) -> DataConfig:
        if self.rates and not self.currency:
            raise ValueError("data.rates convert into data.currency; give it, such as EUR")
        return self

    @model_validator(mode="after")
    def _identity_has_keys(self) -> DataConfig:
        keyed = [name for name, own in self.sources.items() if own.keys]
        if self.identity and not self.sources:
            raise ValueError("data.identity is for data.sources; name the log there, also where it is one")
        if self.identity and not keyed and not self.identity.mapping:
            raise ValueError("data.identity needs data.sources.NAME.keys of a source, or a mapping")
        if keyed and not self.identity:
            raise ValueError(f"source '{keyed[0]}' has keys; say how they are used in data.identity")
        return self

    @field_validator("currency")
    @classmethod
    def _is_code(cls, currency: str | None) -> str | None:
        # Codes of lines and rates are compared in capitals.
        return currency.strip().upper() if currency else currency

    @field_validator("where")
    @classmethod
    def _is_condition(cls, where: str | None) -> str | None:
        if where is not None:
            from clvml.expressions import parse_expression

            parse_expression(where, "truth", "the row filter")
        return where

    @field_validator("encoding")
    @classmethod
    def _is_code_page(cls, name: str | None) -> str | None:
        text = "customer_id;1,50"
        try:
            fits = name is None or text.encode(name) == text.encode()
        except (LookupError, UnicodeError):
            fits = False
        if not fits:
            raise ValueError(
                f"'{name}' is no encoding of text that is not UTF-8 or UTF-16; give cp1250, cp1251, cp850 or the like"
            )
        return name

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"unknown time zone '{zone}'{did_you_mean(zone, available_timezones())}")
        return zone
