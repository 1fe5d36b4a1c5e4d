"""Keys of section ``data``: where the purchase log is and how its lines are cleaned."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clvml.errors import did_you_mean

# Systems whose exports are known (`src/clvml/log/presets`).
PresetName = Literal[
    "shopify", "woocommerce", "stripe", "paypal", "square", "magento", "amazon", "uci-online-retail"
]
_PRESETS = Path(__file__).parents[1] / "log" / "presets"


class Section(BaseModel):
    """Keys of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ColumnsConfig(Section):
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

    def mapped(self) -> dict[str, str]:
        """Return ``{our name: input column}`` for the columns that are mapped."""
        return {ours: theirs for ours, theirs in self.model_dump().items() if theirs is not None}


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


class DataConfig(Section):
    """Where the purchase log is and how its lines are cleaned."""

    source: str = Field(description="file, directory, glob or database table of the purchase log")
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
    sheets: list[str] = Field(
        default_factory=list,
        description="sheets of an Excel workbook to read; without any, all that have the mapped columns",
    )
    max_unreadable: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="share of the texts of a column that may be no number or date; more are refused"
    )
    timezone: str = Field("UTC", description="zone in which a purchase day begins and ends (IANA name)")
    currency: str | None = Field(None, description="currency of the amounts; only lines in it are used")

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

    @field_validator("where")
    @classmethod
    def _is_condition(cls, where: str | None) -> str | None:
        if where is not None:
            from clvml.expressions import parse_expression

            parse_expression(where, "truth", "the row filter")
        return where

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"unknown time zone '{zone}'{did_you_mean(zone, available_timezones())}")
        return zone
