"""Keys that say which ids of several sources are one customer (docs/identity.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clvml.config.base_section import Section


class KeysConfig(Section):
    """What tells who a customer of a source is, beside the id."""

    source: str | None = Field(
        None,
        description="table of the customers that has the keys; by default they stand beside the purchases",
    )
    customer_id: str | None = Field(
        None, description="its column of the id; by default that of the purchases"
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="its columns by the key that they hold: email and phone are normalised, others (loyalty, device,"
        " ...) compared without case and blanks",
    )
    alike: dict[Literal["name", "address", "postcode"], str] = Field(
        default_factory=dict,
        description="its columns by what they hold of name, address and postcode: customers are found by their likeness"
        " (needs clvml[linkage])",
    )

    @model_validator(mode="after")
    def _say_something(self) -> KeysConfig:
        if not self.columns and not self.alike:
            raise ValueError("keys name no column; give columns, or alike")
        if self.alike and ("name" not in self.alike or len(self.alike) == 1):
            raise ValueError("a likeness needs a name, and an address or postcode; give them in alike")
        written = {"name", "address", "postcode"} & set(self.columns)
        if written:
            raise ValueError(
                f"many share a {min(written)}, so it is not a key of columns; give it in alike, by likeness"
            )
        return self


class IdentityConfig(Section):
    """How ids of several sources become one customer (docs/identity.md)."""

    mapping: str | None = Field(
        None,
        description="table of ids that are known to be one customer (columns source, customer_id, unified_id)",
    )
    phone_region: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = Field(
        None, description="country of phone numbers without a country code, such as DE"
    )
    max_shared: Annotated[int, Field(ge=2, le=10**6)] = Field(
        10,
        description="customers that may share a key; one that more share, such as a shop's own e-mail, is cut",
    )
    likeness: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95,
        description="probability from which ids whose names and addresses (keys.alike) are alike are one customer",
    )
