"""`notification/send` (A4): one message for an event, whoever asks for it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.errors import InvalidRequest
from sensors.events import new_events
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment

MAIL: dict[str, Any] = {"channel": "email", "to": "anna@corp.example", "subject": "제목", "message": "안녕하세요"}


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


def test_an_event_puts_its_message_into_the_outbox_once(events: Events):
    run = events.send("notification/send", **MAIL)
    events.tick()
    events.tick()
    (notice,) = events.services.ledger.outbox.list_all()
    assert (notice.organization_id, notice.key) == ("acme", run)
    assert (notice.recipient, notice.subject, notice.message) == ("anna@corp.example", "제목", "안녕하세요")
    ended = events.run(run)
    assert (ended["state"], json.loads(ended["output"])) == (
        "completed",
        {"notificationId": notice.notification_id, "noticeId": notice.notification_id},
    )


def test_a_run_that_was_done_before_it_was_marked_says_nothing_twice(events: Events):
    """What a crash cannot leave, since both are one transaction, is looked at all the same: the key is the run's."""
    run = events.send("notification/send", **MAIL)
    events.tick()
    events.rowline.sql("UPDATE function_runs SET state = 'waiting'")
    events.tick()
    assert len(events.services.ledger.outbox.list_all()) == 1
    assert events.run(run)["state"] == "completed"


def test_a_cancelled_run_says_nothing(events: Events):
    run = events.send("notification/send", **MAIL)
    events.rowline.sql("UPDATE function_runs SET state = 'cancelled'")
    events.services.ledger.function_runs.enqueue_notifications({run: _notice(run)})
    assert events.services.ledger.outbox.list_all() == []


def test_many_are_settled_together(events: Events):
    for number in range(50):
        events.send("notification/send", **{**MAIL, "message": f"m{number}"})
    events.tick()
    assert len(events.services.ledger.outbox.list_all()) == 50


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"channel": "sms"}, r"data\.channel"),
        ({"to": "nobody"}, r"data\.to: must be one plain e-mail address"),
        ({"message": None}, r"data\.template: must be there in place of message"),
        ({"message": None, "template": "document_failed"}, r"data\.values: .*is undefined"),
        ({"tenantId": "globex"}, "tenantId"),
    ],
)
def test_what_is_wrong_is_refused_at_the_door_with_the_field(events: Events, change: dict[str, Any], told: str):
    with pytest.raises(InvalidRequest, match=told) as error:
        events.send("notification/send", **{**MAIL, **change})
    assert "anna@corp.example" not in str(error.value)


def _notice(run: str) -> Any:
    from domain.notifications.messages import SendNotification

    return SendNotification.model_validate(MAIL).notification("acme", run)
