"""E-mail by SMTP: one message to one recipient, step by step, so that it is known how far it came."""

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from domain.errors import PermanentError
from domain.notifications.retry_policy import SENT, Outcome
from resources.ledger.notifications.outbox import Notification

STEP_TIMEOUT_SECONDS = 15.0  # for each step
DEFAULT_SUBJECT = "Rowline"


@dataclass(frozen=True, slots=True)
class Email:
    """Not repeatable once the server was given the text: it may have taken it, and mail does not look for doubles."""

    url: str = field(repr=False)
    sender: str
    seconds: float = STEP_TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None
    repeatable: bool = False
    concurrency: int = 2

    def send(self, notice: Notification) -> Outcome:
        handed_over = False
        try:
            with self._opened() as server:
                _expect(server.mail(_bare_address(self.sender)), 250)
                _expect(server.rcpt(str(notice.recipient)), 250, 251)
                _expect(server.docmd("DATA"), 354)
                handed_over = True
                server.send(_dot_stuff(build_message(notice, self.sender).as_bytes(policy=SMTP)))
                _expect_accepted(server.getreply()[0])
        except _Rejection as error:
            return error.outcome
        except (smtplib.SMTPException, OSError) as error:  # ssl.SSLError is an OSError
            if handed_over:  # smtplib raises what it cannot read of an answer, also a "500 Line too long" of its own
                return Outcome("unconfirmed", "The mail server took the text, and its answer was lost")
            if isinstance(error, smtplib.SMTPResponseException):
                return _Rejection(error.smtp_code).outcome
            return Outcome("retryable", f"The mail server could not be used ({type(error).__name__})")
        return SENT

    def check(self) -> None:
        """Connect, and sign in where there is a user. Raises MailServerUnusable."""
        try:
            with self._opened():
                pass
        except smtplib.SMTPResponseException as error:
            raise MailServerUnusable(_Rejection(error.smtp_code).outcome.reason) from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailServerUnusable(f"The mail server could not be used ({type(error).__name__})") from None

    def _opened(self) -> "_Session":
        return _Session(self)


class MailServerUnusable(PermanentError):
    """The mail server does not let us in."""


class _Session:
    """A connection that is signed in. How it is taken leave of changes nothing any more."""

    def __init__(self, email: Email) -> None:
        self._email = email

    def __enter__(self) -> smtplib.SMTP:
        parts = urlsplit(self._email.url)
        context = self._email.tls or ssl.create_default_context()
        host, seconds = parts.hostname or "localhost", self._email.seconds
        if parts.scheme == "smtps":
            self._server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=seconds, context=context)
        else:
            self._server = smtplib.SMTP(
                host, parts.port or (587 if "starttls" in parts.scheme else 25), timeout=seconds
            )
        try:
            self._server.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp+starttls":
                self._server.starttls(context=context)
            if parts.username:
                self._server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            self._server.close()
            raise
        return self._server

    def __exit__(self, *_: object) -> None:
        try:
            self._server.quit()
        except (smtplib.SMTPException, OSError):
            self._server.close()


class _Rejection(Exception):
    """An answer that is not the one that a step needs; its text may repeat the address, so only the number is told."""

    def __init__(self, code: int) -> None:
        said = f"The mail server answered {code}"
        reasons = {530: "it wants a user and password", 535: "user or password in SMTP_URL are wrong"}
        why = reasons.get(code, "it does not take this mail" if code >= 500 else "it does not take mail now")
        self.outcome = Outcome("refused" if code >= 500 else "retryable", f"{said}: {why}")


def _expect(answer: tuple[int, bytes], *good: int) -> None:
    if answer[0] not in good:
        if answer[0] == -1:
            raise smtplib.SMTPServerDisconnected("closed")
        raise _Rejection(answer[0])


def _expect_accepted(code: int) -> None:
    """The answer to the text: only a refusal says that it was not taken; anything else but a yes says nothing."""
    if 400 <= code < 600:
        raise _Rejection(code)
    if not 200 <= code < 300:
        raise smtplib.SMTPServerDisconnected("no answer")


def build_message(notice: Notification, sender: str) -> EmailMessage:
    """The mail: the same Message-ID and date however often it is sent."""
    message = EmailMessage(policy=SMTP)
    name, address = parseaddr(sender)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=str(notice.recipient))
    message["Subject"] = notice.subject or DEFAULT_SUBJECT
    message["Date"] = format_datetime(notice.created_at)
    message["Message-ID"] = f"<{notice.notice_id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # nobody's holiday reply answers it
    message.set_content(notice.message, charset="utf-8")
    return message


def _bare_address(sender: str) -> str:
    return parseaddr(sender)[1]


def _dot_stuff(text: bytes) -> bytes:
    """As DATA wants it: lines end in CRLF, one that begins with a dot has another, a dot alone ends it."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", text)
    return re.sub(rb"(?m)^\.", b"..", lines.removesuffix(b"\r\n") + b"\r\n") + b".\r\n"
