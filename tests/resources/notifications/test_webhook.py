"""Webhooks: signed, repeated under one key, and only to where the settings allow."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from domain.timestamps import isoformat_utc
from operations.services import Services
from resources.notifications.webhook import Webhook
from tests.resources.notifications.conftest import Put, Rounds
from tests.stand_ins.faults import Fault
from tests.stand_ins.notice_receivers import SIGNING_KEY, WebhookReceiver


@pytest.fixture
def outbox(services: Services, receiver: WebhookReceiver) -> Rounds:
    return Rounds(services, webhook=Webhook([receiver.address], SIGNING_KEY, private=True, seconds=5))


def test_an_app_is_given_the_message_under_its_key_signed(outbox: Rounds, put: Put, receiver: WebhookReceiver):
    notice = put("webhook", "보험료 처리 완료", receiver.url, subject="완료")
    assert outbox.round() == {"sent": 1}
    assert receiver.taken == {
        notice: {
            "notificationId": notice,
            "noticeId": notice,
            "organizationId": "acme",
            "subject": "완료",
            "message": "보험료 처리 완료",
            "values": {},
            "createdAt": isoformat_utc(outbox.one(notice).created_at),
        }
    }


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "gateway_timeout", "server_error", "rate_limit"])
def test_whatever_was_lost_is_sent_again_and_taken_once(outbox: Rounds, put: Put, receiver: WebhookReceiver, kind: str):
    put("webhook", "hello", receiver.url)
    receiver.faults.append(Fault(kind))
    assert outbox.round() == {"waiting": 1}
    assert outbox.again() == {"sent": 1}
    assert (receiver.requests, len(receiver.taken)) == (2, 1)


def test_a_slow_app_is_waited_for_and_holds_up_no_other(services: Services, put: Put, receiver: WebhookReceiver):
    """Three messages for an app that hangs, one for an app that does not."""
    receiver.faults.append(Fault("hang"))
    for _ in range(3):
        put("webhook", "hello", receiver.url)
    with WebhookReceiver() as other:
        put("webhook", "hello", other.url)
        carrier = Webhook([receiver.address, other.address], SIGNING_KEY, private=True, seconds=1)
        ended = Rounds(services, webhook=carrier).round()
        assert (len(other.taken), receiver.requests) == (1, 3)
    assert ended == {"sent": 3, "waiting": 1}


def test_a_wrong_signature_is_refused_by_the_app(services: Services, put: Put, receiver: WebhookReceiver):
    put("webhook", "hello", receiver.url)
    carrier = Webhook([receiver.address], "signkey-test-" + "f" * 64, private=True)
    assert Rounds(services, webhook=carrier).round() == {"failed": 1}
    assert receiver.taken == {}


def test_a_redirect_is_not_followed(outbox: Rounds, put: Put, receiver: WebhookReceiver):
    put("webhook", "hello", receiver.url)
    receiver.faults.append(Fault("redirect"))
    assert outbox.round() == {"failed": 1}
    assert receiver.requests == 1


def test_an_address_that_is_not_named_is_not_asked(services: Services, put: Put, receiver: WebhookReceiver):
    notice = put("webhook", "hello", receiver.url)
    carrier = Webhook([f"{receiver.address}/other"], SIGNING_KEY, private=True)
    assert Rounds(services, webhook=carrier).round() == {"failed": 1}
    assert receiver.requests == 0
    assert "WEBHOOK_ALLOWED_URLS" in str(services.ledger.outbox.get(notice).error)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside_is_not_asked(
    services: Services, put: Put, receiver: WebhookReceiver, addresses: Sequence[str]
):
    """Also where only one of its addresses does: which one a second look-up would give is anybody's guess."""
    notice = put("webhook", "hello", receiver.url)
    carrier = Webhook([receiver.address], SIGNING_KEY, resolve=lambda *_: addresses)
    assert Rounds(services, webhook=carrier).round() == {"failed": 1}
    assert receiver.requests == 0
    assert "private network" in str(services.ledger.outbox.get(notice).error)


def test_the_address_that_was_judged_is_the_one_that_is_asked(services: Services, put: Put, receiver: WebhookReceiver):
    """No second look-up, and the app sees the name that it knows itself by."""
    asked: list[str] = []

    def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    address = f"http://hooks.invalid:{receiver.port}"
    put("webhook", "hello", f"{address}/hooks/rowline")
    carrier = Webhook([address], SIGNING_KEY, private=True, resolve=resolve)
    assert Rounds(services, webhook=carrier).round() == {"sent": 1}
    assert (asked, receiver.hosts) == (["hooks.invalid"], [f"hooks.invalid:{receiver.port}"])


def test_a_name_without_an_address_is_tried_again(services: Services, put: Put):
    def resolve(*_: object) -> Sequence[str]:
        raise OSError("no such name")

    put("webhook", "hello", "https://hooks.invalid/x")
    assert Rounds(services, webhook=Webhook(["https://hooks.invalid"], SIGNING_KEY, resolve=resolve)).round() == {
        "waiting": 1
    }


def test_a_channel_that_no_setting_opens_says_which_one_would(services: Services, put: Put):
    from resources.notifications.channels import create_channels

    message = {}
    for channel, recipient in (("slack", None), ("email", "team@example.com"), ("webhook", "https://a.example")):
        message[channel] = put(channel, "hello", recipient)
    outbox = Rounds(services, **create_channels(services.settings))
    assert outbox.round() == {"failed": 3}
    errors = {channel: str(outbox.one(notice).error) for channel, notice in message.items()}
    assert "SLACK_WEBHOOK_URL" in errors["slack"]
    assert "SMTP_URL and EMAIL_FROM" in errors["email"]
    assert "INNGEST_SIGNING_KEY" in errors["webhook"]
