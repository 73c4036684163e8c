"""Settings of notifications and alerts: channels, kinds of alerts, and their recipients."""

from collections.abc import Iterator
from email.utils import parseaddr
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from domain.notifications.alerts import KINDS
from domain.notifications.recipients import Target, checked_email, checked_webhook, is_named, target_of
from settings.errors import SettingError
from settings.gateway import listed
from settings.renamed import renamed
from settings.values import is_loopback

MAIL_SCHEMES = ("smtp", "smtps", "smtp+starttls")


class NotificationSettings(BaseModel):
    """The section of notifications and alerts. Lists are separated by commas."""

    slack_webhook_url: SecretStr | None = Field(
        None, description="URL of an incoming webhook of Slack; it enables the channel slack."
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server; it enables the channel email: `smtp+starttls://user:password@host:587`, "
        "`smtps://…:465`, or "
        "`smtp://…:25` in a trusted network. Special characters of the password are %-encoded.",
    )
    email_from: str | None = Field(
        None, description="Sender of mail: `rowline@example.com`, or `Rowline <rowline@example.com>`."
    )
    webhook_allowed_urls: str = Field(
        "",
        description="URLs that notifications may be posted to, with all paths below them, comma-separated "
        "(`https://app.example.com/hooks`); they enable the channel webhook. Needs INNGEST_SIGNING_KEY, which signs.",
        validation_alias=renamed("webhook_addresses"),
    )
    webhook_allow_private_networks: bool = Field(
        False,
        description="Whether webhooks may be on this computer or in a private network.",
        validation_alias=renamed("webhook_private"),
    )
    public_url: str | None = Field(None, description="URL of the gateway, for links in alerts.")
    alert_channels: str = Field(
        "",
        description="Recipients of alerts, comma-separated: `slack`, `email:ops@example.com`, `webhook:https://…`. "
        "Unset: "
        "no alerts.",
    )
    alert_kinds: str = Field(
        ",".join(KINDS),
        description="Kinds of failures that raise an alert, comma-separated.",
        validation_alias=renamed("alert_on"),
    )
    alert_threshold: int = Field(
        1, ge=1, description="Number of failures of the same cause within ALERT_WINDOW_MINUTES that raises an alert."
    )
    alert_window_minutes: float = Field(
        60,
        gt=0,
        le=7 * 24 * 60,
        description="Minutes for which a failure counts; without a new one, the alert is then resolved.",
    )
    alert_error_share: float = Field(
        0.1, ge=0, lt=1, description="Share of error rows above which a completed document raises an alert."
    )
    alert_queue_minutes: float = Field(
        15, gt=0, description="Minutes after which a waiting upload, event or notification raises an alert."
    )
    alert_reminder_hours: float = Field(24, gt=0, description="Hours between reminders of an open alert.")

    @field_validator("slack_webhook_url")
    @classmethod
    def slack_url(cls, value: SecretStr | None) -> SecretStr | None:
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
    def single_sender(cls, value: str | None) -> str | None:
        if value:
            if "\n" in value or "\r" in value:
                raise ValueError("must be one line")
            try:
                checked_email(parseaddr(value)[1])
            except ValueError:
                raise ValueError("must be one e-mail address, such as Rowline <rowline@example.com>") from None
        return value

    @field_validator("webhook_allowed_urls")
    @classmethod
    def webhook_urls(cls, value: str) -> str:
        for part in listed(value):
            checked_address(part)
        return value

    @field_validator("public_url")
    @classmethod
    def web_url(cls, value: str | None) -> str | None:
        return checked_address(value).rstrip("/") if value else value

    @field_validator("alert_kinds")
    @classmethod
    def known_kinds(cls, value: str) -> str:
        for part in listed(value):
            if part not in KINDS:
                raise ValueError(f"must be of {', '.join(KINDS)}, with commas")
        return value

    @field_validator("alert_channels")
    @classmethod
    def known_channels(cls, value: str) -> str:
        for part in listed(value):
            target_of(part)
        return value

    def notification_errors(self, signing_key: SecretStr | None) -> Iterator[SettingError]:
        """Settings that do not fit together."""
        if bool(self.smtp_url) != bool(self.email_from):
            reason = "SMTP_URL and EMAIL_FROM go together; set both or none"
            yield SettingError("EMAIL_FROM", reason, ("smtp_url", "email_from"))
        if self.webhook_allowed_urls and not signing_key:
            reason = "WEBHOOK_ALLOWED_URLS needs INNGEST_SIGNING_KEY, which signs notifications"
            yield SettingError("WEBHOOK_ALLOWED_URLS", reason, ("webhook_allowed_urls",))
        for target in self.alert_targets:
            if closed := self._closed(target):
                reason = f"ALERT_CHANNELS names {target.channel}: {closed}"
                yield SettingError("ALERT_CHANNELS", reason, ("alert_channels",))

    def _closed(self, target: Target) -> str | None:
        """Why an alert cannot go there."""
        if target.channel == "slack":
            return None if self.slack_webhook_url else "set SLACK_WEBHOOK_URL"
        if target.channel == "email":
            return None if self.smtp_url and self.email_from else "set SMTP_URL and EMAIL_FROM"
        named = is_named(target.recipient or "", self.webhooks)
        return None if named else "its address is not one of WEBHOOK_ALLOWED_URLS"

    @property
    def webhooks(self) -> list[str]:
        return listed(self.webhook_allowed_urls)

    @property
    def alert_targets(self) -> list[Target]:
        return [target_of(part) for part in listed(self.alert_channels)]

    @property
    def enabled_alert_kinds(self) -> list[str]:
        return listed(self.alert_kinds)


def checked_address(text: str) -> str:
    try:
        return checked_webhook(text)
    except ValueError:
        raise ValueError("must be a whole address, such as https://rowline.example.com") from None
