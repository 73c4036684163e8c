"""Webhooks: a signed POST to an app, at one of the addresses that the settings name."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from domain.access.signatures import HEADER, canonical, signed
from domain.errors import PermanentError, TransientError
from domain.notifications.recipients import is_allowed, is_named
from domain.notifications.retry_policy import Outcome
from domain.timestamps import isoformat_utc
from resources.ledger.notifications.outbox import Notification
from resources.notifications.http_post import TIMEOUT_SECONDS, Post, canonical_json, classify_response, post


def resolve_host(host: str, port: int) -> list[str]:
    """The IP addresses of a name. Raises OSError if it has none."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Repeatable: `Idempotency-Key` stays the same however often a message comes, so the app can process it once."""

    allowed: Sequence[str]
    signing_key: str = field(repr=False)
    private: bool = False
    seconds: float = TIMEOUT_SECONDS
    resolve: Callable[[str, int], Sequence[str]] = resolve_host
    repeatable: bool = True
    concurrency: int = 4

    def send(self, notification: Notification) -> Outcome:
        assert notification.recipient is not None  # checked when it was enqueued
        if not is_named(notification.recipient, self.allowed):
            return Outcome("refused", "Its address is not one of WEBHOOK_ALLOWED_URLS; add it there, then send it anew")
        try:
            address, host = resolve_target(notification.recipient, self.private, self.resolve)
        except TransientError as error:
            return Outcome("retryable", str(error))
        except PermanentError as error:
            return Outcome("refused", str(error))
        body = canonical(canonical_json(build_payload(notification)))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": notification.notification_id,
            "User-Agent": "Rowline",
            HEADER: signed(body, self.signing_key, datetime.now(UTC).timestamp()),
        }
        answer = post(Post(address, body, headers, host), "The webhook", self.seconds, direct=True)
        return answer if isinstance(answer, Outcome) else classify_response(answer, "The webhook")


def resolve_target(
    address: str, private: bool, resolve: Callable[[str, int], Sequence[str]] = resolve_host
) -> tuple[str, str]:
    """The URL with the checked IP address in it, so that no second look-up resolves to another; and the host.

    Raises TransientError if the name has no IP address, PermanentError if one of them is not allowed.
    """
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = resolve(parts.hostname or "", port)
    except OSError:
        raise TransientError("The name in the webhook's address has no IP address now") from None
    if not addresses or not all(is_allowed(address, private) for address in addresses):
        raise PermanentError(
            "The webhook's address leads into a private network; WEBHOOK_ALLOW_PRIVATE_NETWORKS=true allows that"
        )
    ip = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return parts._replace(netloc=f"{ip}:{port}").geturl(), parts.netloc


def build_payload(notification: Notification) -> dict[str, object]:
    """The JSON document that an app receives."""
    return {
        "notificationId": notification.notification_id,
        "noticeId": notification.notification_id,  # its old name, for one more release
        "organizationId": notification.organization_id,
        "subject": notification.subject,
        "message": notification.message,
        "values": notification.values,
        "createdAt": isoformat_utc(notification.created_at),
    }
