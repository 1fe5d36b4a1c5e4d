"""What every section of a configuration is."""

from __future__ import annotations

from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from clvml.storage.addresses import hide_password

# Keys of section data, and of what is in it, that name a file, a folder or an address.
_PLACES = ("source", "rates", "mapping")


class Section(BaseModel):
    """Keys of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # YAML reads yes and on as true, which would count as 1.
        kind = cls.model_fields[info.field_name or ""].annotation
        given = value.values() if isinstance(value, dict) else [value]
        counts = _holds(kind, int, float) and not _holds(kind, bool)
        if counts and any(isinstance(one, bool) for one in given):
            raise ValueError("must be a number, and true, false, yes and no are none")
        return value

    def places(self) -> dict[str, str]:
        """Return every file, folder or address of data that is read, by its key, such as ``attributes.source``."""
        found = {key: place for key, place in self if key in _PLACES and place}
        for key, value in self:
            sections = value.items() if isinstance(value, dict) else [("", value)]
            for name, section in sections:
                if isinstance(section, Section):
                    path = f"{key}.{name}" if name else key
                    found |= {f"{path}.{inner}": place for inner, place in section.places().items()}
        return found

    def without_passwords(self) -> Self:
        """Return the keys as they may be shown and kept."""
        shown: dict[str, Any] = {}
        for key, value in self:
            if key in _PLACES and value:
                shown[key] = hide_password(value)
            elif isinstance(value, Section):
                shown[key] = value.without_passwords()
            elif isinstance(value, dict):
                shown[key] = {
                    name: one.without_passwords() if isinstance(one, Section) else one
                    for name, one in value.items()
                }
        # What was not given stays not given.
        return self.model_copy(update={key: now for key, now in shown.items() if now != getattr(self, key)})


class ColumnNames(Section):
    """Names of the input's columns, by ours."""

    def mapped(self) -> dict[str, str]:
        """Return ``{our name: input column}`` for the columns that are mapped."""
        return self.model_dump(exclude_none=True)


def _holds(annotation: Any, *kinds: type) -> bool:
    """Return whether one of these types is a part of an annotation."""
    return annotation in kinds or any(_holds(part, *kinds) for part in get_args(annotation))
