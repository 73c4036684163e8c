"""Notifications: the organization's messages, and their delivery.

`/notices` is what `/notifications` was called; it answers for one more release.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from domain.notifications.retry_policy import State
from gateway.http.auth.callers import Admin, OurServices
from gateway.http.pagination import Cursors, Limit
from gateway.http.problems import problem_responses
from gateway.schemas.notifications import ID_PATTERN, Notices, Notification, Notifications

router = APIRouter(tags=["notifications"])
notifications_cursor = Cursors("notifications", ID_PATTERN)
notices_cursor = Cursors("notices", ID_PATTERN)
StateFilter = Annotated[State | None, Query(description="Only messages in this state.")]


@router.get("/notifications", response_model=Notifications, summary="The organization's messages, newest first")
def list_notifications(
    caller: Admin,
    services: OurServices,
    before: Annotated[str | None, Depends(notifications_cursor)],
    limit: Limit = 50,
    state: StateFilter = None,
) -> Notifications:
    rows = services.ledger.outbox.list_all(caller.organization_id, state, before, limit + 1)
    more = notifications_cursor.of(rows[limit - 1].notification_id) if len(rows) > limit else None
    return Notifications.from_notifications(rows[:limit], more)


@router.post(
    "/notifications/{notificationId}/retry",
    response_model=Notification,
    summary="Send a message again that failed, or that may not have arrived",
    responses=problem_responses(404, 409),
)
def retry_notification(
    notification_id: Annotated[
        str, Path(alias="notificationId", pattern=f"^{ID_PATTERN}$", description="The message.")
    ],
    caller: Admin,
    services: OurServices,
) -> Notification:
    """One that is `unknown` may have arrived the first time: ask its recipient before."""
    return Notification.from_notification(services.ledger.outbox.retry(notification_id, caller.organization_id))


@router.get("/notices", response_model=Notices, deprecated=True, summary="Use /notifications")
def list_notices(
    caller: Admin,
    services: OurServices,
    before: Annotated[str | None, Depends(notices_cursor)],
    limit: Limit = 50,
    state: StateFilter = None,
) -> Notices:
    """The same messages, under `notices`."""
    rows = services.ledger.outbox.list_all(caller.organization_id, state, before, limit + 1)
    more = notices_cursor.of(rows[limit - 1].notification_id) if len(rows) > limit else None
    return Notices(notices=[Notification.from_notification(row) for row in rows[:limit]], next_cursor=more)


@router.post(
    "/notices/{noticeId}/retry",
    response_model=Notification,
    deprecated=True,
    summary="Use /notifications/{notificationId}/retry",
    responses=problem_responses(404, 409),
)
def retry_notice(
    notification_id: Annotated[str, Path(alias="noticeId", pattern=f"^{ID_PATTERN}$", description="The message.")],
    caller: Admin,
    services: OurServices,
) -> Notification:
    return retry_notification(notification_id, caller, services)
