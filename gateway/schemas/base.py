"""What all schemas share: camelCase outside, times in UTC, and optional fields that are absent unless they are set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

# a database session may have any time zone; what leaves has a Z
Timestamp = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class Schema(BaseModel):
    """One JSON object; its keys are the camelCase of the fields, in the fields' order."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """As HTTP answers with it: fields that were not set are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Page(Schema):
    """Part of a list; `nextCursor` is null on the last page."""

    next_cursor: str | None


def present(**fields: Any) -> dict[str, Any]:
    """The fields that have something to say: neither None nor empty nor zero."""
    return {name: value for name, value in fields.items() if value}
