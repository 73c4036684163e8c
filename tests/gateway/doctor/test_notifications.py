"""The doctor looks at the channels of notices without telling anybody anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.doctor import notifications as look
from gateway.doctor.context import Context
from settings.settings import Settings
from tests.stand_ins.faults import Fault
from tests.stand_ins.mail_server import MailServer
from tests.stand_ins.notice_receivers import SlackServer

MakeContext = Callable[..., Context]


@pytest.fixture
def context(clean_environment: Path) -> MakeContext:
    def context(production: bool = False, **settings: object) -> Context:
        return Context(Settings(rowline_home=clean_environment / "home", **settings), production=production)

    return context


def test_nothing_set_is_nothing_wrong_but_production_is_told_that_nobody_is(context: MakeContext):
    assert {check(context()).state for check in (look.slack, look.mail, look.webhooks, look.alerts)} == {"skipped"}
    assert look.alerts(context(production=True)).state == "warning"


def test_slack_is_asked_and_says_nothing(context: MakeContext):
    with SlackServer() as slack:
        assert look.slack(context(slack_webhook_url=slack.url)).state == "ok"
        wrong = look.slack(context(slack_webhook_url=f"{slack.address}/services/T/B/never-shown"))
        assert (wrong.state, "no_service" in wrong.message, "never-shown" in str(wrong)) == ("failed", True, False)
        slack.faults.append(Fault("unavailable"))
        assert look.slack(context(slack_webhook_url=slack.url)).state == "failed"
        assert slack.shown == []


def test_the_mail_server_is_asked_and_sends_nothing(context: MakeContext):
    with MailServer() as mail:
        good = {"smtp_url": mail.url, "email_from": "rowline@example.com"}
        assert look.mail(context(**good)).state == "ok"
        assert mail.mailbox == []
    assert look.mail(context(**good)).message == "The mail server could not be used (ConnectionRefusedError)"


def test_webhooks_lead_where_they_may(context: MakeContext):
    key = {"inngest_signing_key": "signkey-prod-" + "0123456789abcdef" * 4}
    inside = "https://127.0.0.1/hooks"
    assert look.webhooks(context(webhook_allowed_urls=inside, **key)).state == "failed"
    assert look.webhooks(context(webhook_allowed_urls=inside, webhook_allow_private_networks=True, **key)).state == "ok"
    plain = look.webhooks(context(webhook_allowed_urls="http://8.8.8.8/x", production=True, **key))
    assert (plain.state, "plain http" in plain.message) == ("failed", True)
    missing = look.webhooks(context(webhook_allowed_urls="https://no-such-name.invalid/x", **key))
    assert (missing.state, missing.message.startswith("no-such-name.invalid: ")) == ("failed", True)


def test_alerts_name_their_channels_not_their_recipients(context: MakeContext):
    told = look.alerts(
        context(
            slack_webhook_url="https://hooks.slack.com/services/T/B/x",
            smtp_url="smtps://u:p@mail.example",
            email_from="rowline@example.com",
            alert_channels="slack, email:ops@example.com",
        )
    )
    assert told.message == "sent by email, slack"
