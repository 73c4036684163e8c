"""Settings of notices and alerts: what is told of a wrong one, and what does not fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from settings.settings import Settings

SIGNING = {"inngest_signing_key": "signkey-prod-" + "0123456789abcdef" * 4}
MAIL = {"smtp_url": "smtps://u:hunter2-never-shown@mail.example", "email_from": "Rowline <rowline@example.com>"}


@pytest.fixture(autouse=True)
def nothing_set(clean_environment: object) -> None:
    """No setting of the caller."""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"slack_webhook_url": "http://hooks.slack.com/services/T/B/hunter2"}, "must begin with https://"),
        ({"slack_webhook_url": "hooks.slack.com"}, "must be a whole address"),
        ({"smtp_url": "mail.example", "email_from": "a@b.example"}, "must be smtp"),
        ({"smtp_url": "smtps://u:hunter2@mail.example:x", "email_from": "a@b.example"}, "must be smtp"),
        ({"smtp_url": "smtps://mail.example"}, "SMTP_URL and EMAIL_FROM go together"),
        ({"email_from": "rowline@example.com"}, "SMTP_URL and EMAIL_FROM go together"),
        ({**MAIL, "email_from": "nobody"}, "must be one e-mail address"),
        ({**MAIL, "email_from": "a@b.example\r\nBcc: c@d.example"}, "must be one line"),
        ({**SIGNING, "webhook_allowed_urls": "app.example.com"}, "must be a whole address"),
        ({"webhook_allowed_urls": "https://app.example.com"}, "needs INNGEST_SIGNING_KEY"),
        ({"alert_channels": "slack"}, "set SLACK_WEBHOOK_URL"),
        ({"alert_channels": "email:ops@example.com"}, "set SMTP_URL and EMAIL_FROM"),
        ({"alert_channels": "webhook:https://a.example"}, "not one of WEBHOOK_ALLOWED_URLS"),
        ({"alert_channels": "sms"}, "must be of slack"),
        ({"alert_kinds": "everything"}, "must be of document_failed"),
        ({"public_url": "rowline"}, "must be a whole address"),
    ],
)
def test_what_is_wrong_is_told_and_never_its_value(given: dict[str, str], told: str):
    with pytest.raises(ValidationError) as error:
        Settings(**given)
    assert told in str(error.value)
    assert "hunter2" not in str(error.value)


def test_what_is_right_opens_channels_and_names_targets():
    settings = Settings(
        **MAIL,
        **SIGNING,
        slack_webhook_url="https://hooks.slack.com/services/T/B/x",
        webhook_allowed_urls="https://app.example.com/hooks, https://b.example",
        alert_channels="slack, email:ops@example.com, webhook:https://app.example.com/hooks/rowline",
        alert_kinds="document_failed, queue_age",
        public_url="https://rowline.example/",
    )
    assert settings.webhooks == ["https://app.example.com/hooks", "https://b.example"]
    assert [target.channel for target in settings.alert_targets] == ["slack", "email", "webhook"]
    assert settings.enabled_alert_kinds == ["document_failed", "queue_age"]
    assert settings.public_url == "https://rowline.example"
    from resources.notifications.channels import UnconfiguredChannel, create_channels

    assert not any(isinstance(carrier, UnconfiguredChannel) for carrier in create_channels(settings).values())
    assert "hunter2" not in repr(create_channels(settings))
