"""Times as they are told: in UTC and with a Z, whatever zone the database's session has."""

from datetime import UTC, datetime
from typing import overload


@overload
def told_time(at: datetime) -> str: ...
@overload
def told_time(at: datetime | None) -> str | None: ...
def told_time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
