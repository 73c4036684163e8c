"""Slack: an incoming webhook, which posts into one channel."""

from dataclasses import dataclass, field

from domain.notifications.retry_policy import Outcome
from resources.ledger.notifications.outbox import Notification
from resources.notifications.http_post import Post, Response, canonical_json, classify_response, post

TIMEOUT_SECONDS = 20.0
KNOWN_ERRORS = (
    "no_service",
    "no_team",
    "invalid_token",
    "channel_is_archived",
    "channel_not_found",
    "action_prohibited",
)


@dataclass(frozen=True, slots=True)
class Slack:
    """Not repeatable: Slack has no idempotency key, and shows a message twice that is sent twice."""

    address: str = field(repr=False)
    seconds: float = TIMEOUT_SECONDS
    repeatable: bool = False
    concurrency: int = 1  # Slack takes one message a second

    def send(self, notification: Notification) -> Outcome:
        answer = post(self._request({"text": format_text(notification)}), "Slack", self.seconds)
        if isinstance(answer, Outcome):
            return answer
        if answer.status == 200 and answer.text.strip() != "ok":
            return Outcome("unconfirmed", "Slack's address answered 200 with something else than Slack's `ok`")
        return classify_response(answer, "Slack", self._why(answer))

    def check(self) -> str | None:
        """Why Slack would not accept a message; None if it would. Nothing is posted: the message has no text."""
        answer = post(self._request({}), "Slack", self.seconds)
        if isinstance(answer, Outcome):
            return answer.reason
        if answer.status == 400 and answer.text.strip() in ("no_text", "invalid_payload"):
            return None
        return (
            classify_response(answer, "Slack", self._why(answer)).reason
            or "It is no webhook of Slack: it took an empty message"
        )

    def _request(self, document: dict[str, str]) -> Post:
        return Post(self.address, canonical_json(document), {"Content-Type": "application/json"})

    def _why(self, answer: Response) -> str:
        """Slack's error code, if it is one: any other text may repeat what must not be shown."""
        word = answer.text.strip()
        if word in KNOWN_ERRORS:
            return f"{word}; make a new webhook in Slack and set SLACK_WEBHOOK_URL"
        return word if word.replace("_", "").isalpha() and word.isascii() and len(word) < 40 else ""


def format_text(notification: Notification) -> str:
    """The subject in bold, then the message; what Slack would read as a command or a mention is written as text."""
    subject, message = (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for text in (notification.subject, notification.message)
    )
    return f"*{subject.replace('*', '∗')}*\n{message}" if subject else message
