"""Receivers of notices, and one round of delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from domain.notifications.messages import NewNotification
from operations.notifications.delivery import Delivery
from operations.services import Services
from resources.ledger.notifications.outbox import Notification, Outbox
from resources.notifications.channels import NotificationChannel, UnconfiguredChannel
from tests.stand_ins.mail_server import MailServer
from tests.stand_ins.notice_receivers import SlackServer, WebhookReceiver

Put = Callable[..., str]


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def notices(services: Services) -> Outbox:
    return services.ledger.outbox


@pytest.fixture
def put(notices: Outbox) -> Put:
    """Puts a message: `put("slack", "text")`, with recipient=, subject=, key=, organization=."""

    def made(
        channel: str,
        message: str = "안녕하세요",
        recipient: str | None = None,
        subject: str = "",
        key: str | None = None,
        organization: str = "acme",
    ) -> str:
        key = key or f"test:{len(notices.list_all(limit=1000))}"
        return notices.enqueue(NewNotification(organization, key, channel, recipient, subject, message))  # type: ignore[arg-type]

    return made


class Rounds:
    """Rounds of delivery over the channels that a test opens; nobody waits for a pause to be over."""

    def __init__(self, services: Services, **channels: NotificationChannel) -> None:
        self.services, self.notices = services, services.ledger.outbox
        self.channels = {
            name: channels.get(name, UnconfiguredChannel("nothing")) for name in ("slack", "email", "webhook")
        }

    def round(self) -> Counter[str]:
        delivery = Delivery(self.notices, self.channels, 30, jitter=lambda: 0.5)  # type: ignore[arg-type]
        delivery.fail_orphaned()
        delivery.run()
        assert delivery.errors == []
        return delivery.ended

    def again(self) -> Counter[str]:
        """A round after all pauses are over."""
        with self.services.database.transaction() as connection:
            connection.execute("UPDATE notifications SET next_attempt_at = now() WHERE state = 'waiting'")
        return self.round()

    def one(self, notification_id: str) -> Notification:
        return self.notices.get(notification_id)
