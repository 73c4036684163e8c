"""Notices: what the organization's people and apps were told, and what became of it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from domain.notifications.retry_policy import State
from gateway.http.auth.callers import Admin, OurServices
from gateway.http.pagination import Cursors, Limit
from gateway.http.problems import told_as
from gateway.schemas.documents import Page
from gateway.schemas.notifications import notice_json

router = APIRouter(prefix="/notices", tags=["notices"])
NOTICE = r"ntc_[0-9a-f]{32}"
NOTICE_ID = "ntc_01a1fd4f3c7a7a5b8f2d7cb1f2b5a6e1"
notices_cursor = Cursors("notices", NOTICE)


class KnownNotice(BaseModel):
    """A message and what became of it."""

    noticeId: str = Field(examples=[NOTICE_ID])
    organizationId: str
    channel: str = Field(examples=["email"])
    to: str | None
    subject: str
    message: str
    state: State = Field(description="unknown: it went out and its answer was lost; it may have arrived")
    attempts: int
    error: str | None
    createdAt: datetime
    nextAttemptAt: datetime | None
    settledAt: datetime | None


class KnownNotices(Page):
    """A page of messages, newest first."""

    notices: list[KnownNotice]


@router.get("", response_model=KnownNotices, summary="The organization's messages, newest first")
def list_notices(
    caller: Admin,
    services: OurServices,
    before: Annotated[str | None, Depends(notices_cursor)],
    limit: Limit = 50,
    state: Annotated[State | None, Query(description="Only messages in this state.")] = None,
) -> dict[str, Any]:
    found = services.ledger.outbox.list_all(caller.organization_id, state, before, limit + 1)
    page = found[:limit]
    more = notices_cursor.of(page[-1].notice_id) if len(found) > limit else None
    return {"notices": [notice_json(notice) for notice in page], "nextCursor": more}


@router.post(
    "/{noticeId}/retry",
    response_model=KnownNotice,
    summary="Send a message anew that failed, or of which nobody knows whether it arrived",
    responses=told_as(404, 409),
)
def retry_notice(
    notice_id: Annotated[str, Path(alias="noticeId", pattern=f"^{NOTICE}$", description="The message.")],
    caller: Admin,
    services: OurServices,
) -> dict[str, Any]:
    """One that is `unknown` may have arrived the first time: look there before."""
    return notice_json(services.ledger.outbox.retry(notice_id, caller.organization_id))
