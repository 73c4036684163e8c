"""The protocol of a channel, and the channels that the settings configure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.notifications.messages import Channel
from domain.notifications.retry_policy import Outcome
from resources.ledger.notifications.outbox import Notification
from resources.notifications.email import Email
from resources.notifications.slack import Slack
from resources.notifications.webhook import Webhook
from settings.settings import Settings
from settings.values import usable_key

REQUIRED_SETTINGS: Mapping[Channel, str] = {
    "slack": "SLACK_WEBHOOK_URL",
    "email": "SMTP_URL and EMAIL_FROM",
    "webhook": "WEBHOOK_ALLOWED_URLS and INNGEST_SIGNING_KEY",
}


class NotificationChannel(Protocol):
    """One channel to people or apps."""

    @property
    def repeatable(self) -> bool:
        """Whether the receiver recognizes a message that is sent twice."""

    @property
    def concurrency(self) -> int:
        """How many messages may be sent at the same time."""

    def send(self, notification: Notification) -> Outcome:
        """Send one message, in bounded time. Raises nothing that the network, the service or its answer causes."""


@dataclass(frozen=True, slots=True)
class UnconfiguredChannel:
    """A channel without its settings: it refuses every message, with the names of those settings."""

    settings: str
    repeatable: bool = True
    concurrency: int = 1

    def send(self, notification: Notification) -> Outcome:
        return Outcome(
            "refused", f"The channel {notification.channel} is not set up: set {self.settings}, then send it anew"
        )


def create_channels(settings: Settings) -> dict[Channel, NotificationChannel]:
    """Every channel, unconfigured ones included."""
    channels: dict[Channel, NotificationChannel] = {
        name: UnconfiguredChannel(switch) for name, switch in REQUIRED_SETTINGS.items()
    }
    configured: dict[Channel, NotificationChannel | None] = {
        "slack": create_slack(settings),
        "email": create_email(settings),
        "webhook": create_webhook(settings),
    }
    return channels | {name: channel for name, channel in configured.items() if channel is not None}


def create_slack(settings: Settings) -> Slack | None:
    if settings.slack_webhook_url is None:
        return None
    return Slack(usable_key("SLACK_WEBHOOK_URL", settings.slack_webhook_url.get_secret_value()))


def create_email(settings: Settings) -> Email | None:
    if settings.smtp_url is None or settings.email_from is None:
        return None
    return Email(settings.smtp_url.get_secret_value(), settings.email_from)


def create_webhook(settings: Settings) -> Webhook | None:
    if not settings.webhooks or settings.inngest_signing_key is None:
        return None
    return Webhook(
        settings.webhooks, settings.inngest_signing_key.get_secret_value(), settings.webhook_allow_private_networks
    )
