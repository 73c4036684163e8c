"""Times in JSON and headers: UTC with a Z, whatever time zone the database's session has."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import overload


@overload
def isoformat_utc(at: datetime) -> str: ...
@overload
def isoformat_utc(at: datetime | None) -> str | None: ...
def isoformat_utc(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def parse_http_date(text: str) -> datetime | None:
    """A date as HTTP writes it (RFC 9110); None for anything else."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a year or time zone of twenty digits
        return None
    return date.replace(tzinfo=date.tzinfo or UTC)  # HTTP has no other time zone
