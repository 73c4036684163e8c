"""Messages: what an app or a person may ask to be said, checked before it is kept."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from domain.errors import InvalidRequest
from domain.notifications.message_templates import rendered
from domain.notifications.recipients import checked_email, checked_webhook

Channel = Literal["slack", "email", "webhook"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
MAX_MESSAGE_LENGTH, MAX_SUBJECT_LENGTH = 20_000, 200  # characters; Slack takes 40,000


@dataclass(frozen=True, slots=True)
class NewNotification:
    """One message to one recipient over one channel, as it will be sent; `key` makes it one message.

    `mentioned_organizations` are organizations beside its own whose data it names: with any of them it is erased.
    """

    organization_id: str
    key: str
    channel: Channel
    recipient: str | None
    subject: str
    message: str
    values: Mapping[str, Any] | None = None
    mentioned_organizations: tuple[str, ...] = ()


class SendNotification(BaseModel):
    """Payload of `notification/send`: a message, or the name of a template and the values that it needs."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )

    channel: Channel = Field(description="How it travels: slack, email or webhook.")
    to: str | None = Field(
        None,
        max_length=2000,
        validate_default=True,
        description="An e-mail address or a webhook's address; Slack has its one channel.",
    )
    title: str | None = Field(
        None,
        alias="subject",
        max_length=MAX_SUBJECT_LENGTH,
        description="Subject of the e-mail; elsewhere its first line.",
    )
    message: str | None = Field(None, max_length=MAX_MESSAGE_LENGTH, description="The text, sent as it stands.")
    template: str | None = Field(
        None, max_length=100, validate_default=True, description="Name of a template, in place of a message."
    )
    values: dict[str, Any] = Field(
        default_factory=dict,
        validate_default=True,
        description="What the template needs; a webhook is given them as well.",
    )

    @field_validator("to")
    @classmethod
    def fits_the_channel(cls, to: str | None, others: ValidationInfo) -> str | None:
        channel = others.data.get("channel")
        if channel == "slack" and to is not None:
            raise ValueError("must be left out: slack goes to the channel of SLACK_WEBHOOK_URL")
        if channel == "email":
            return checked_email(to)
        return checked_webhook(to) if channel == "webhook" else to

    @field_validator("message")
    @classmethod
    def says_something(cls, message: str | None) -> str | None:
        if message is not None and not message.strip():
            raise ValueError("must not be empty")
        return message

    @field_validator("template")
    @classmethod
    def message_or_template(cls, template: str | None, others: ValidationInfo) -> str | None:
        if "message" in others.data and (others.data["message"] is None) == (template is None):
            raise ValueError("must be there in place of message, and only then")
        return template

    @field_validator("values")
    @classmethod
    def fill_the_template(cls, values: dict[str, Any], others: ValidationInfo) -> dict[str, Any]:
        if template := others.data.get("template"):
            try:
                rendered(template, values)
            except InvalidRequest as error:
                raise ValueError(str(error)) from None
        return values

    def notification(self, organization_id: str, key: str) -> NewNotification:
        """The message as it will be sent."""
        subject, message = self.title or "", self.message or ""
        if self.template is not None:
            filled = rendered(self.template, self.values)
            subject, message = subject or filled.subject, filled.message
        return NewNotification(
            organization_id,
            key,
            self.channel,
            self.to,
            one_line(subject)[:MAX_SUBJECT_LENGTH],
            storable(message)[:MAX_MESSAGE_LENGTH],
            json.loads(storable(json.dumps(self.values, ensure_ascii=False))) or None,  # a webhook sends it as UTF-8
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
