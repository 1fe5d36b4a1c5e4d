"""What every section of a configuration is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Keys of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
