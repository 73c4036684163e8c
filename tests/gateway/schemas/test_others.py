"""JSON of events, keys, notifications and what jobs did."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.schemas.base import Schema
from gateway.schemas.events import Event, envelope
from gateway.schemas.keys import Key
from gateway.schemas.maintenance import ErasureReceipt, Removal, RemovalRequest, Rollback, VectorSync
from gateway.schemas.notifications import Notification
from operations.documents.erasure import Receipt
from operations.documents.removal import RemovalReport
from operations.documents.rollback import RollbackReport
from operations.documents.vector_sync import SyncReport

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROLLED_BACK = RollbackReport("doc_1", 1, 2, 3, 4, 5)
RECEIPT = Receipt("acme", None, dry_run=True)


@pytest.mark.parametrize(
    ("schema", "output"),
    [
        (Rollback, ROLLED_BACK.as_json()),
        (Removal, RemovalReport("doc_1", dry_run=True).as_json()),
        (VectorSync, SyncReport(checked=7, missing=1).as_json()),
        (VectorSync, SyncReport(checked=7, rewritten=7).as_json()),
    ],
)
def test_a_jobs_output_is_its_schema_key_by_key(schema: type[Schema], output: dict[str, Any]) -> None:
    assert json.dumps(schema.model_validate(output).to_json()) == json.dumps(output)


def test_a_receipt_has_every_count_and_the_old_name_of_one() -> None:
    shown = ErasureReceipt.model_validate(RECEIPT.as_json()).to_json()
    assert (shown["notificationsDeleted"], shown["noticesDeleted"]) == (None, None)
    assert len(shown) == len(fields(Receipt)) + 1
    counted = ErasureReceipt.model_validate(RECEIPT.as_json() | {"noticesDeleted": 5}).to_json()
    assert (counted["notificationsDeleted"], counted["noticesDeleted"]) == (5, 5)


def test_a_removal_that_was_accepted_is_no_dry_run() -> None:
    plan = Removal.from_plan(RemovalReport("doc_1", dry_run=True, versions=[1, 2]))
    accepted = RemovalRequest.from_event(plan, "01M7").to_json()
    assert accepted == {**plan.to_json(), "dryRun": False, "eventId": "01M7"}


@dataclass(frozen=True)
class StoredNotification:
    notification_id: str = "ntf_1"
    organization_id: str = "acme"
    channel: str = "email"
    recipient: str | None = "team@example.com"
    subject: str = "제목"
    message: str = "안녕하세요"
    state: Any = "sent"
    attempts: int = 1
    error: str | None = None
    created_at: datetime = NOON
    next_attempt_at: datetime = NOON
    finished_at: datetime | None = NOON


def test_a_notification_has_its_id_under_both_names() -> None:
    shown = Notification.from_notification(StoredNotification()).to_json()
    assert json.dumps(shown, ensure_ascii=False) == (
        '{"notificationId": "ntf_1", "noticeId": "ntf_1", "organizationId": "acme", "channel": "email", '
        '"to": "team@example.com", "subject": "제목", "message": "안녕하세요", "state": "sent", "attempts": 1, '
        '"error": null, "createdAt": "2026-11-21T12:00:00Z", "nextAttemptAt": null, '
        '"settledAt": "2026-11-21T12:00:00Z"}'
    )


def test_only_a_notification_that_waits_has_a_next_attempt() -> None:
    waiting = Notification.from_notification(StoredNotification(state="waiting", finished_at=None)).to_json()
    assert (waiting["nextAttemptAt"], waiting["settledAt"]) == ("2026-11-21T12:00:00Z", None)


@dataclass(frozen=True)
class StoredKey:
    key_id: str = "k1"
    organization_id: str = "acme"
    label: str = "an app"
    roles: Any = ("upload", "events")
    employee_id: str | None = None
    digest: bytes = b"secret"
    state: str = "active"
    created_at: datetime = datetime(2026, 11, 21, 21, tzinfo=timezone(timedelta(hours=9)))
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaced_by: str | None = None
    last_used_at: datetime | None = None


def test_a_key_is_shown_without_its_digest() -> None:
    assert json.dumps(Key.from_key(StoredKey()).to_json()) == (
        '{"keyId": "k1", "organizationId": "acme", "label": "an app", "roles": ["events", "upload"], '
        '"employeeId": null, "state": "active", "createdAt": "2026-11-21T12:00:00Z", "expiresAt": null, '
        '"revokedAt": null, "replacedBy": null, "lastUsedAt": null}'
    )


@dataclass(frozen=True)
class StoredEvent:
    event_id: str = "01M7Y1BYAWCM74RYSJ606BDNG5"
    fields: Any = field(default_factory=lambda: {"name": "app/x", "data": {"half \ud83d": ["\ud83d", 1.5, None]}})
    received_at: datetime = NOON


def test_an_event_is_shown_as_it_was_sent_with_half_a_surrogate_pair_too() -> None:
    shown = envelope([Event.from_event(StoredEvent())], NOON)
    assert json.loads(json.dumps(shown))["data"][0] == {
        "internal_id": "01M7Y1BYAWCM74RYSJ606BDNG5",
        "id": "01M7Y1BYAWCM74RYSJ606BDNG5",
        "name": "app/x",
        "data": {"half \ud83d": ["\ud83d", 1.5, None]},
        "user": {},
        "ts": 1795262400000,
        "v": "",
        "received_at": "2026-11-21T12:00:00Z",
    }


def test_an_event_is_shown_however_deep_it_is() -> None:
    deep: Any = "treasure"
    for _ in range(400):
        deep = [deep]
    event = StoredEvent(fields={"name": "app/x", "data": {"deep": deep}})
    assert "treasure" in json.dumps(envelope(Event.from_event(event), NOON))
