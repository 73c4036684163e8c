"""E-mail by SMTP: one message to one recipient, command by command, so that it is known how far it got."""

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
    """Not repeatable once the server has the text: it may have accepted it, and mail has no deduplication."""

    url: str = field(repr=False)
    sender: str
    seconds: float = STEP_TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None
    repeatable: bool = False
    concurrency: int = 2

    def send(self, notification: Notification) -> Outcome:
        handed_over = False
        try:
            with self._opened() as server:
                _expect(server.mail(_bare_address(self.sender)), 250)
                _expect(server.rcpt(str(notification.recipient)), 250, 251)
                _expect(server.docmd("DATA"), 354)
                handed_over = True
                server.send(_dot_stuff(build_message(notification, self.sender).as_bytes(policy=SMTP)))
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
        """Connect, and sign in if there is a user. Raises MailServerUnusable."""
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
    """The mail server cannot be used with these settings."""


class _Session:
    """A connection that is signed in. Errors while it is closed are ignored: the outcome is known by then."""

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
    """An answer that is not the one that a step needs; its text may repeat the address, so only the code is shown."""

    def __init__(self, code: int) -> None:
        said = f"The mail server answered {code}"
        reasons = {530: "it wants a user and password", 535: "user or password in SMTP_URL are wrong"}
        why = reasons.get(code, "it does not take this mail" if code >= 500 else "it does not take mail now")
        self.outcome = Outcome("refused" if code >= 500 else "retryable", f"{said}: {why}")


def _expect(reply: tuple[int, bytes], *accepted: int) -> None:
    if reply[0] not in accepted:
        if reply[0] == -1:
            raise smtplib.SMTPServerDisconnected("closed")
        raise _Rejection(reply[0])


def _expect_accepted(code: int) -> None:
    """The reply to the text: only an error code says that it was not accepted.

    Anything else but success says nothing.
    """
    if 400 <= code < 600:
        raise _Rejection(code)
    if not 200 <= code < 300:
        raise smtplib.SMTPServerDisconnected("no answer")


def build_message(notification: Notification, sender: str) -> EmailMessage:
    """The mail, with the same Message-ID and date however often it is sent."""
    message = EmailMessage(policy=SMTP)
    name, address = parseaddr(sender)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=str(notification.recipient))
    message["Subject"] = notification.subject or DEFAULT_SUBJECT
    message["Date"] = format_datetime(notification.created_at)
    message["Message-ID"] = f"<{notification.notification_id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # no auto-reply answers it
    message.set_content(notification.message, charset="utf-8")
    return message


def _bare_address(sender: str) -> str:
    return parseaddr(sender)[1]


def _dot_stuff(text: bytes) -> bytes:
    """The text for DATA: lines end in CRLF, a leading dot is doubled, a single dot ends it (RFC 5321, 4.5.2)."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", text)
    return re.sub(rb"(?m)^\.", b"..", lines.removesuffix(b"\r\n") + b"\r\n") + b".\r\n"
