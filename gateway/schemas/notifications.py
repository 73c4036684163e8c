"""How notices are told to people and apps, on the command line and over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from domain.timestamps import isoformat_utc


class NotificationView(Protocol):
    """A notice as it is told."""

    @property
    def notice_id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def recipient(self) -> str | None: ...
    @property
    def subject(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def error(self) -> str | None: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def next_attempt_at(self) -> datetime: ...
    @property
    def settled_at(self) -> datetime | None: ...


def notice_json(notice: NotificationView) -> dict[str, Any]:
    """A message and what became of it. Its recipient is told to those who may see its organization's messages."""
    return {
        "noticeId": notice.notice_id,
        "organizationId": notice.organization_id,
        "channel": notice.channel,
        "to": notice.recipient,
        "subject": notice.subject,
        "message": notice.message,
        "state": notice.state,
        "attempts": notice.attempts,
        "error": notice.error,
        "createdAt": isoformat_utc(notice.created_at),
        "nextAttemptAt": isoformat_utc(notice.next_attempt_at) if notice.state == "waiting" else None,
        "settledAt": isoformat_utc(notice.settled_at),
    }
