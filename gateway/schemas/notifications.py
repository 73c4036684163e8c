"""JSON of notifications: a message and its delivery."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, Self

from pydantic import Field

from domain.notifications.retry_policy import State
from gateway.schemas.base import Page, Schema, Timestamp

NOTIFICATION_ID = "ntf_01a1fd4f3c7a7a5b8f2d7cb1f2b5a6e1"
ID_PATTERN = r"nt[cf]_[0-9a-f]{32}"  # ntc_ began ids until `notices` became `notifications`


class NotificationView(Protocol):
    """What these schemas read of a notification."""

    @property
    def notification_id(self) -> str: ...
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
    def state(self) -> State: ...
    @property
    def attempts(self) -> int: ...
    @property
    def error(self) -> str | None: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def next_attempt_at(self) -> datetime: ...
    @property
    def finished_at(self) -> datetime | None: ...


class Notification(Schema):
    """A message and its delivery. Whoever may list the organization's messages sees the recipient."""

    notification_id: str = Field(examples=[NOTIFICATION_ID])
    notice_id: str = Field(
        examples=[NOTIFICATION_ID], deprecated=True, description="The same id: read `notificationId`."
    )
    organization_id: str
    channel: str = Field(examples=["email"])
    to: str | None
    subject: str
    message: str
    state: State = Field(description="unknown: it was sent and the answer was lost; it may have arrived")
    attempts: int
    error: str | None
    created_at: Timestamp
    next_attempt_at: Timestamp | None
    settled_at: Timestamp | None  # JSON keeps the name that apps read

    @classmethod
    def from_notification(cls, notification: NotificationView) -> Self:
        return cls(
            notification_id=notification.notification_id,
            notice_id=notification.notification_id,
            organization_id=notification.organization_id,
            channel=notification.channel,
            to=notification.recipient,
            subject=notification.subject,
            message=notification.message,
            state=notification.state,
            attempts=notification.attempts,
            error=notification.error,
            created_at=notification.created_at,
            next_attempt_at=notification.next_attempt_at if notification.state == "waiting" else None,
            settled_at=notification.finished_at,
        )


class Notifications(Page):
    """A page of messages, newest first."""

    notifications: list[Notification]

    @classmethod
    def from_notifications(cls, notifications: Iterable[NotificationView], next_cursor: str | None) -> Self:
        listed = [Notification.from_notification(notification) for notification in notifications]
        return cls(notifications=listed, next_cursor=next_cursor)


class Notices(Page):
    """A page of messages under their old name."""

    notices: list[Notification]
