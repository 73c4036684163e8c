"""Messages: what an app or a person may ask to be said, checked before it is kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from pipelines.notifications.recipients import checked_email, checked_webhook
from pipelines.notifications.templates import rendered

Channel = Literal["slack", "email", "webhook"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
MOST_MESSAGE, MOST_SUBJECT = 20_000, 200  # characters; Slack takes 40,000


@dataclass(frozen=True, slots=True)
class NewNotice:
    """One message to one recipient over one channel, as it will be sent; `key` makes it one message.

    `about` are organizations beside its own whose data it names: with any of them it is erased.
    """

    organization_id: str
    key: str
    channel: Channel
    recipient: str | None
    subject: str
    message: str
    values: Mapping[str, Any] | None = None
    about: tuple[str, ...] = ()


class SendNotification(BaseModel):
    """Payload of `notification/send` (A4): a message, or the name of a template and the values that it needs."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )

    channel: Channel = Field(description="How it travels: slack, email or webhook.")
    to: str | None = Field(
        None, max_length=2000, description="An e-mail address or a webhook's address; Slack has its one channel."
    )
    subject: str | None = Field(None, max_length=MOST_SUBJECT, description="Of the e-mail; elsewhere its first line.")
    message: str | None = Field(None, max_length=MOST_MESSAGE, description="The text, sent as it stands.")
    template: str | None = Field(None, max_length=100, description="Name of a template, in place of a message.")
    values: dict[str, Any] = Field(
        default_factory=dict, description="What the template needs; a webhook is given them as well."
    )

    @model_validator(mode="after")
    def whole(self) -> SendNotification:
        if (self.message is None) == (self.template is None):
            raise ValueError("needs either message or template")
        if self.message is not None and not self.message.strip():
            raise ValueError("message is empty")
        if self.channel == "slack" and self.to is not None:
            raise ValueError("slack goes to the channel of SLACK_WEBHOOK_URL; leave `to` out")
        if self.channel == "email":
            self.to = checked_email(self.to)
        elif self.channel == "webhook":
            self.to = checked_webhook(self.to)
        return self

    def notice(self, organization_id: str, key: str) -> NewNotice:
        """The message as it will be sent. Raises Misuse where the template or one of its values is not there."""
        subject, message = self.subject or "", self.message or ""
        if self.template is not None:
            filled = rendered(self.template, self.values)
            subject, message = subject or filled.subject, filled.message
        return NewNotice(
            organization_id,
            key,
            self.channel,
            self.to,
            one_line(subject)[:MOST_SUBJECT],
            storable(message)[:MOST_MESSAGE],
            self.values or None,
        )


def one_line(text: str) -> str:
    """Without line breaks and control characters: what may stand in a header, whoever wrote it."""
    spaced = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text)
    return re.sub(r" {2,}", " ", storable(spaced)).strip()


def storable(text: str) -> str:
    """Without NUL and lone surrogates, which neither PostgreSQL nor a mail server can hold."""
    return (
        text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )
