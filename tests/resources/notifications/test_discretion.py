"""Neither whom a notice goes to nor what opens a channel is ever written into a log, an error or a table's sentence."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from operations.services import Services
from resources.notifications.email import Email
from resources.notifications.slack import Slack
from resources.notifications.webhook import Webhook
from tests.resources.notifications.conftest import Put, Rounds
from tests.stand_ins.faults import Fault
from tests.stand_ins.mail_server import MailServer
from tests.stand_ins.notice_receivers import SIGNING_KEY, SlackServer, WebhookReceiver

SECRETS = ("never-shown-secret", "anna@corp.example", "token=abcdef", SIGNING_KEY[13:], "hunter2")
KINDS: Sequence[Sequence[Fault]] = [
    [],
    [Fault("reset_after"), Fault("reset_after", "data")],
    [Fault("server_error", message="at /services/T0STANDIN/B0STANDIN/never-shown-secret"), Fault("refused", "rcpt")],
    [Fault("missing", message="no anna@corp.example at token=abcdef"), Fault("later", "mail")],
]


@pytest.mark.parametrize("faults", KINDS)
def test_nothing_of_it_is_told(
    services: Services,
    put: Put,
    slack: SlackServer,
    receiver: WebhookReceiver,
    mail: MailServer,
    faults: Sequence[Fault],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    for server in (slack, receiver, mail):
        server.faults.extend(faults)
    put("slack", "hello")
    put("webhook", "hello", f"{receiver.url}?token=abcdef")
    put("email", "hello", "anna@corp.example")
    outbox = Rounds(
        services,
        slack=Slack(slack.url, seconds=5),
        webhook=Webhook([receiver.address], SIGNING_KEY, private=True, seconds=5),
        email=Email(mail.url, "rowline@example.com", seconds=5),
    )
    with caplog.at_level(logging.DEBUG):
        ended = outbox.round()
    assert sum(ended.values()) == 3
    said = capfd.readouterr()
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("mail", "aiohttp", "asyncio")))
    errors = "\n".join(str(notice.error) for notice in outbox.notices.list_all())
    for secret in SECRETS:
        for where in (ours, said.out, said.err, errors, repr(outbox.channels)):
            assert secret not in where


def test_the_log_of_httpx_would_have_told_it(slack: SlackServer, caplog: pytest.LogCaptureFixture):
    """A proof that cannot fail is none: what others ask by httpx is still written down."""
    import httpx

    with caplog.at_level(logging.DEBUG, "httpx"):
        httpx.post(slack.url, json={"text": "hello"})
    assert "never-shown-secret" in caplog.text
