"""E-mail: what a person finds in the mailbox, and how far a mail came when it did not get there."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from operations.services import Services
from resources.notifications.email import Email
from tests.resources.notifications.conftest import Put, Rounds
from tests.stand_ins.certificates import Authority
from tests.stand_ins.faults import Fault
from tests.stand_ins.mail_server import PASSWORD, USER, MailServer

SENDER = "로우라인 <rowline@example.com>"
TEAM = "team@example.com"


@pytest.fixture
def outbox(services: Services, mail: MailServer) -> Rounds:
    return Rounds(services, email=Email(mail.url, SENDER, seconds=5))


def test_korean_subject_and_text_arrive_as_they_were_written(outbox: Rounds, put: Put, mail: MailServer):
    text = "보험료.xlsx 처리가 완료되었습니다.\n.점으로 시작하는 줄\n" + "가" * 2000 + "\nEnd é ✅"
    notice = put("email", text, TEAM, subject="문서 처리 완료 ✅ " + "긴" * 80)
    assert outbox.round() == {"sent": 1}
    (got,) = mail.mailbox
    assert got["Subject"] == "문서 처리 완료 ✅ " + "긴" * 80
    assert got.get_content().replace("\r\n", "\n") == text + "\n"
    assert (got["From"], got["To"]) == ("로우라인 <rowline@example.com>", TEAM)
    assert got["X-Envelope"] == "rowline@example.com team@example.com"
    assert got["Message-ID"] == f"<{notice}@example.com>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Date"].datetime == outbox.one(notice).created_at.replace(microsecond=0)


def test_a_mail_without_a_subject_has_one(outbox: Rounds, put: Put, mail: MailServer):
    put("email", "hello", TEAM)
    outbox.round()
    assert mail.mailbox[0]["Subject"] == "Rowline"


@pytest.mark.parametrize(
    ("operation", "kind"), [(o, k) for o in ("mail", "rcpt", "data_command") for k in ("reset_before", "later")]
)
def test_what_the_server_was_never_given_is_sent_again(
    outbox: Rounds, put: Put, mail: MailServer, operation: str, kind: str
):
    """The text was not handed over, so the server cannot have taken it."""
    put("email", "hello", TEAM)
    mail.faults.append(Fault(kind, operation))
    assert outbox.round() == {"waiting": 1}
    assert mail.mailbox == []
    assert outbox.again() == {"sent": 1}
    assert len(mail.mailbox) == 1


def test_a_server_that_says_later_after_the_text_has_not_taken_it(outbox: Rounds, put: Put, mail: MailServer):
    put("email", "hello", TEAM)
    mail.faults.append(Fault("later", "data"))
    assert outbox.round() == {"waiting": 1}
    assert outbox.again() == {"sent": 1}
    assert len(mail.mailbox) == 1


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "garbage", "long_answer"])
def test_a_lost_answer_to_the_text_is_for_a_person(outbox: Rounds, put: Put, mail: MailServer, kind: str):
    notice = put("email", "hello", TEAM)
    mail.faults.append(Fault(kind, "data"))
    assert outbox.round() == {"unknown": 1}
    assert outbox.again() == {}
    assert len(mail.mailbox) == (kind != "reset_before")
    assert outbox.one(notice).error == "The mail server took the text, and its answer was lost"


def test_a_server_that_never_answers_ends_the_round(services: Services, put: Put, mail: MailServer):
    outbox = Rounds(services, email=Email(mail.url, SENDER, seconds=0.3))
    put("email", "hello", TEAM)
    mail.faults.append(Fault("hang", "data"))
    assert outbox.round() == {"unknown": 1}


@pytest.mark.parametrize("operation", ["mail", "rcpt", "data_command", "data"])
def test_a_refusal_fails_at_once_and_does_not_repeat_the_address(
    outbox: Rounds, put: Put, mail: MailServer, operation: str
):
    notice = put("email", "hello", TEAM)
    mail.faults.append(Fault("refused", operation))
    assert outbox.round() == {"failed": 1}
    assert outbox.one(notice).error == "The mail server answered 550: it does not take this mail"


def test_nobody_listening_is_tried_again(services: Services, put: Put):
    notice = put("email", "hello", TEAM)
    assert Rounds(services, email=Email("smtp://127.0.0.1:1", SENDER)).round() == {"waiting": 1}
    assert outbox_error(services, notice) == "The mail server could not be used (ConnectionRefusedError)"


def outbox_error(services: Services, notice: str) -> str | None:
    return services.ledger.outbox.get(notice).error


# -- sign-in and TLS --------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority", datetime.now(UTC))


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_it_signs_in_over_tls(services: Services, put: Put, authority: Authority, scheme: str):
    trusted = ssl.create_default_context(cafile=authority.file)
    with MailServer(authority.server("localhost"), sign_in=True, implicit=scheme == "smtps") as mail:
        put("email", "안녕", TEAM)
        url = f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@localhost:{mail.port}"
        assert Rounds(services, email=Email(url, SENDER, tls=trusted)).round() == {"sent": 1}
        assert mail.mailbox[0].get_content().strip() == "안녕"


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_a_server_that_nobody_vouches_for_is_given_nothing(
    services: Services, put: Put, authority: Authority, scheme: str
):
    """The password is never shown to it; when the certificate is mended, the mail goes out."""
    with MailServer(authority.server("localhost"), implicit=scheme == "smtps") as mail:
        notice = put("email", "hello", TEAM)
        email = Email(f"{scheme}://{USER}:x@localhost:{mail.port}", SENDER)
        assert Rounds(services, email=email).round() == {"waiting": 1}
        assert "SSLCertVerificationError" in str(outbox_error(services, notice))
        assert mail.mailbox == []


def test_a_server_that_strips_starttls_is_not_used_in_plain(services: Services, put: Put, mail: MailServer):
    notice = put("email", "hello", TEAM)
    email = Email(f"smtp+starttls://{USER}:x@127.0.0.1:{mail.port}", SENDER)
    assert Rounds(services, email=email).round() == {"waiting": 1}
    assert mail.mailbox == []
    assert "SMTPNotSupportedError" in str(outbox_error(services, notice))


def test_a_wrong_password_is_told_as_one_and_not_repeated(services: Services, put: Put, authority: Authority):
    trusted = ssl.create_default_context(cafile=authority.file)
    with MailServer(authority.server("localhost"), sign_in=True) as mail:
        notice = put("email", "hello", TEAM)
        email = Email(f"smtp+starttls://{USER}:wrong-secret@localhost:{mail.port}", SENDER, tls=trusted)
        assert Rounds(services, email=email).round() == {"failed": 1}
        message = str(outbox_error(services, notice))
        assert message == "The mail server answered 535: user or password in SMTP_URL are wrong"
        assert "wrong-secret" not in repr(email)
