"""Settings of notices and alerts: which channels are open."""

from collections.abc import Iterator
from email.utils import parseaddr
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from pipelines.notifications.recipients import checked_email, checked_webhook
from resources.complaints import Complaint
from resources.gateway_settings import listed
from resources.outside import is_loopback

MAIL_SCHEMES = ("smtp", "smtps", "smtp+starttls")


class NoticeSettings(BaseModel):
    """What notices are told. Lists are written with commas."""

    slack_webhook_url: SecretStr | None = Field(
        None, description="Opens the channel slack: the address of an incoming webhook of Slack."
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="Opens the channel email: `smtp+starttls://user:password@host:587`, `smtps://…:465`, or "
        "`smtp://…:25` where nobody listens in. Special characters of the password %-encoded.",
    )
    email_from: str | None = Field(
        None, description="Whom mail is from: `rowline@example.com`, or `Rowline <rowline@example.com>`."
    )
    webhook_addresses: str = Field(
        "",
        description="Opens the channel webhook: addresses that notices may be posted to, with all below them, with "
        "commas (`https://app.example.com/hooks`). Needs INNGEST_SIGNING_KEY, which signs them.",
    )
    webhook_private: bool = Field(
        False, description="Whether webhooks may lead to this computer or into a private network."
    )

    @field_validator("slack_webhook_url")
    @classmethod
    def address_of_slack(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            parts = urlsplit(checked_address(value.get_secret_value()))
            if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
                raise ValueError("must begin with https://")
        return value

    @field_validator("smtp_url")
    @classmethod
    def mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            try:
                parts = urlsplit(value.get_secret_value())
                whole = parts.scheme in MAIL_SCHEMES and parts.hostname and parts.port != 0
            except ValueError:
                whole = None
            if not whole or parts.path not in ("", "/") or parts.query:
                raise ValueError("must be smtp+starttls://user:password@host:587, smtps://… or smtp://…")
        return value

    @field_validator("email_from")
    @classmethod
    def one_sender(cls, value: str | None) -> str | None:
        if value:
            if "\n" in value or "\r" in value:
                raise ValueError("must be one line")
            try:
                checked_email(parseaddr(value)[1])
            except ValueError:
                raise ValueError("must be one e-mail address, such as Rowline <rowline@example.com>") from None
        return value

    @field_validator("webhook_addresses")
    @classmethod
    def addresses_of_webhooks(cls, value: str) -> str:
        for part in listed(value):
            checked_address(part)
        return value

    def of_notices(self, signing_key: SecretStr | None) -> Iterator[Complaint]:
        """Settings that do not fit together."""
        if bool(self.smtp_url) != bool(self.email_from):
            reason = "SMTP_URL and EMAIL_FROM go together; set both or none"
            yield Complaint("EMAIL_FROM", reason, ("smtp_url", "email_from"))
        if self.webhook_addresses and not signing_key:
            reason = "WEBHOOK_ADDRESSES needs INNGEST_SIGNING_KEY, with which notices are signed"
            yield Complaint("WEBHOOK_ADDRESSES", reason, ("webhook_addresses",))

    @property
    def webhooks(self) -> list[str]:
        return listed(self.webhook_addresses)


def checked_address(text: str) -> str:
    try:
        return checked_webhook(text)
    except ValueError:
        raise ValueError("must be a whole address, such as https://rowline.example.com") from None
