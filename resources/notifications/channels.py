"""Channels: which ones the settings open, and what a channel is."""

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

SWITCHES: Mapping[Channel, str] = {
    "slack": "SLACK_WEBHOOK_URL",
    "email": "SMTP_URL and EMAIL_FROM",
    "webhook": "WEBHOOK_ALLOWED_URLS and INNGEST_SIGNING_KEY",
}


class NotificationChannel(Protocol):
    """One channel to people or apps."""

    @property
    def repeatable(self) -> bool:
        """Whether the receiver knows a message when it comes again."""

    @property
    def concurrency(self) -> int:
        """How many messages may be under way at the same time."""

    def send(self, notice: Notification) -> Outcome:
        """Send one message, in bounded time. Raises nothing that the network, the service or its answer causes."""


@dataclass(frozen=True, slots=True)
class UnconfiguredChannel:
    """A channel that no setting opens: what it is given is refused, with the names of the settings."""

    switch: str
    repeatable: bool = True
    concurrency: int = 1

    def send(self, notice: Notification) -> Outcome:
        return Outcome("refused", f"The channel {notice.channel} is not set up: set {self.switch}, then send it anew")


def channels_of(settings: Settings) -> dict[Channel, NotificationChannel]:
    """Every channel, those that are closed too."""
    opened: dict[Channel, NotificationChannel] = {
        name: UnconfiguredChannel(switch) for name, switch in SWITCHES.items()
    }
    found: dict[Channel, NotificationChannel | None] = {
        "slack": slack_of(settings),
        "email": email_of(settings),
        "webhook": webhook_of(settings),
    }
    return opened | {name: carrier for name, carrier in found.items() if carrier is not None}


def slack_of(settings: Settings) -> Slack | None:
    if settings.slack_webhook_url is None:
        return None
    return Slack(usable_key("SLACK_WEBHOOK_URL", settings.slack_webhook_url.get_secret_value()))


def email_of(settings: Settings) -> Email | None:
    if settings.smtp_url is None or settings.email_from is None:
        return None
    return Email(settings.smtp_url.get_secret_value(), settings.email_from)


def webhook_of(settings: Settings) -> Webhook | None:
    if not settings.webhooks or settings.inngest_signing_key is None:
        return None
    return Webhook(
        settings.webhooks, settings.inngest_signing_key.get_secret_value(), settings.webhook_allow_private_networks
    )
