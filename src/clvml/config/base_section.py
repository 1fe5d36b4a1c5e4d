"""What every section of a configuration is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Keys of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ColumnNames(Section):
    """Names of the input's columns, by ours."""

    def mapped(self) -> dict[str, str]:
        """Return ``{our name: input column}`` for the columns that are mapped."""
        return self.model_dump(exclude_none=True)
