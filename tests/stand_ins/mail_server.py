"""A strict stand-in for a mail server (aiosmtpd), on 127.0.0.1 only: mailboxes, sign-in, TLS, and bad days.

    with MailServer() as server:
        server.faults.append(Fault("reset_after", "data"))

Operations: connect, mail, rcpt, data_command (DATA, before the text), data (the text itself). Kinds: reset_before and
reset_after (with `data`: after the server has taken the text, before it says so), refused (550), later (451), hang,
garbage, and long_answer: a 250 in a line that no client has to read to its end. `mailbox` is what people find there.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import deque
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as LINES
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.stand_ins.faults import Fault, next_fault

USER, PASSWORD = "rowline", "mail-password/never shown"
CODES = {"refused": "550 5.1.1 <team@example.com>: no such mailbox", "later": "451 4.3.0 try again later"}


class MailServer:
    def __init__(self, tls: ssl.SSLContext | None = None, sign_in: bool = False, implicit: bool = False) -> None:
        self.faults: deque[Fault] = deque()
        self.mailbox: list[EmailMessage] = []
        self.sessions = 0
        self._settings: dict[str, Any] = {"enable_SMTPUTF8": False, "auth_require_tls": False}
        if sign_in:
            self._settings["authenticator"] = _signed_in
        self._sign_in = sign_in  # looked at here: aiosmtpd does not see TLS that was there from the start
        if tls and not implicit:
            self._settings |= {"tls_context": tls, "require_starttls": True}
        self._tls = tls if implicit else None
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mail-stand-in", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the mail server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Server(self, loop=self._loop, **self._settings), "127.0.0.1", 0, ssl=self._tls
        )
        self.port = int(server.sockets[0].getsockname()[1])
        self._listening.set()
        await self._stopped.wait()
        server.close()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    # -- what aiosmtpd asks -----------------------------------------------------------------------------------

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname  # type: ignore[assignment]
        self.sessions += 1
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._sign_in and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if trouble := await self.trouble(server, "mail"):
            return trouble
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if trouble := await self.trouble(server, "rcpt"):
            return trouble
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        fault = next_fault(self.faults, "data")
        if fault.kind in CODES:
            return CODES[fault.kind]
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, _class=EmailMessage, policy=LINES)  # type: ignore[type-var]
        assert not message.defects
        assert b"\n" not in envelope.content.replace(b"\r\n", b""), "a bare line feed"
        message["X-Envelope"] = f"{envelope.mail_from} {' '.join(envelope.rcpt_tos)}"
        if fault.kind != "reset_before":
            self.mailbox.append(message)
        if fault.kind in ("reset_before", "reset_after"):
            server.transport.abort()
        if fault.kind == "hang":
            await asyncio.sleep(3600)
        if fault.kind == "garbage":
            return "taken, I think"
        if fault.kind == "long_answer":
            return "250 " + "x" * 9000
        return "250 OK"

    async def trouble(self, server: SMTP, operation: str) -> str | None:
        fault = next_fault(self.faults, operation)
        if fault.kind == "reset_before":
            server.transport.abort()
        return CODES.get(fault.kind)


class _Server(SMTP):
    async def smtp_DATA(self, arg: str) -> None:
        trouble = await self.event_handler.trouble(self, "data_command")
        if trouble:
            await self.push(trouble)
        elif not self.transport.is_closing():
            await super().smtp_DATA(arg)


def _signed_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth: Any) -> AuthResult:
    right = isinstance(auth, LoginPassword) and (auth.login, auth.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)
