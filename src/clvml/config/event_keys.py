"""Keys of ``data.events``: what else customers did, beside their purchases."""

from __future__ import annotations

from pydantic import Field, model_validator

from clvml.config.base_section import Section


class EventsConfig(Section):
    """A table of what customers did beside buying, one row per event (docs/events.md)."""

    source: str = Field(
        description="table of events, such as visits, tickets or complaints: a file, or a database table"
    )
    customer_id: str | None = Field(
        None, description="its column of the id; by default that of the purchases"
    )
    date: str = Field(description="its column of the day or moment of the event")
    type: str | None = Field(
        None, description="its column of what kind of event it is; each frequent kind is counted on its own"
    )

    @model_validator(mode="after")
    def _columns_differ(self) -> EventsConfig:
        named = [name for name in (self.customer_id, self.date, self.type) if name is not None]
        twice = [name for name in named if named.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is given for two things; a column is id, date or type")
        return self
