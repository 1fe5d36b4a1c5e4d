"""What every section of a configuration is."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Section(BaseModel):
    """Keys of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # YAML reads yes and on as true, which would count as 1.
        kind = cls.model_fields[info.field_name or ""].annotation
        kinds = get_args(kind) or (kind,)
        if isinstance(value, bool) and bool not in kinds and {int, float} & set(kinds):
            raise ValueError("must be a number, and true, false, yes and no are none")
        return value


class ColumnNames(Section):
    """Names of the input's columns, by ours."""

    def mapped(self) -> dict[str, str]:
        """Return ``{our name: input column}`` for the columns that are mapped."""
        return self.model_dump(exclude_none=True)
