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
from resources.notifications.http_post import SECONDS, Post, as_json, judged, post


def resolved(host: str, port: int) -> list[str]:
    """The IP addresses of a name. Raises OSError where it has none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Repeatable: `Idempotency-Key` stays the same however often a message comes, so the app takes it once."""

    allowed: Sequence[str]
    signing_key: str = field(repr=False)
    private: bool = False
    seconds: float = SECONDS
    resolve: Callable[[str, int], Sequence[str]] = resolved
    repeatable: bool = True
    concurrency: int = 4

    def send(self, notice: Notification) -> Outcome:
        assert notice.recipient is not None  # checked when it was put
        if not is_named(notice.recipient, self.allowed):
            return Outcome("refused", "Its address is not one of WEBHOOK_ALLOWED_URLS; add it there, then send it anew")
        try:
            address, host = place_of(notice.recipient, self.private, self.resolve)
        except TransientError as error:
            return Outcome("later", str(error))
        except PermanentError as error:
            return Outcome("refused", str(error))
        body = canonical(as_json(document_of(notice)))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": notice.notice_id,
            "User-Agent": "Rowline",
            HEADER: signed(body, self.signing_key, datetime.now(UTC).timestamp()),
        }
        answer = post(Post(address, body, headers, host), "The webhook", self.seconds, direct=True)
        return answer if isinstance(answer, Outcome) else judged(answer, "The webhook")


def place_of(address: str, private: bool, resolve: Callable[[str, int], Sequence[str]] = resolved) -> tuple[str, str]:
    """The address with the IP address in it that was judged, so that no second look-up leads elsewhere; and the host.

    Raises TransientError where the name has no IP address, PermanentError where one of them may not be asked.
    """
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = resolve(parts.hostname or "", port)
    except OSError:
        raise TransientError("The name in the webhook's address has no IP address now") from None
    if not found or not all(is_allowed(one, private) for one in found):
        raise PermanentError(
            "The webhook's address leads into a private network; WEBHOOK_ALLOW_PRIVATE_NETWORKS=true allows that"
        )
    ip = f"[{found[0]}]" if ":" in found[0] else found[0]
    return parts._replace(netloc=f"{ip}:{port}").geturl(), parts.netloc


def document_of(notice: Notification) -> dict[str, object]:
    """What an app is given."""
    return {
        "noticeId": notice.notice_id,
        "organizationId": notice.organization_id,
        "subject": notice.subject,
        "message": notice.message,
        "values": notice.values,
        "createdAt": isoformat_utc(notice.created_at),
    }
