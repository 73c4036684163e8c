"""A TCP proxy in front of a real PostgreSQL: 127.0.0.1 here, a Unix socket or TCP there, and faults in between.

It follows the protocol far enough to know what the client asks for, so a fault hits a chosen point:

    with PostgresProxy(server_url) as proxy:
        proxy.faults.append(Fault("reset_after", "COMMIT"))            # the commit is applied, its answer is lost
        proxy.faults.append(Fault("reset_before", "INSERT INTO lineage"))
        proxy.faults.append(Fault("timeout", "connect", always=True))
        proxy.fault_at_commit = 3, Fault("reset_after")                # of the third commit from now on

A `Fault.operation` is `connect`, or a text that a statement (SQL and parameters) contains; "" is any statement.
Kinds: reset_before, reset_after, timeout, slow, truncated, garbage, and what a server answers: unavailable (57P03),
quota_full (53300), wrong_key (28P01), missing (3D000), disk_full (53100), read_only (25006). `down()` refuses everyone.
With `tls` (a server-side SSL context) clients that ask for TLS get it, which the embedded server's build cannot.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from tests.stand_ins.faults import NONE, Fault

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
ENDS_A_UNIT = b"QSFHXpcfd"  # after these a client may wait for the server; what came before belongs to them
READY_FOR_QUERY = b"Z\x00\x00\x00\x05"
ANSWERS = {
    "unavailable": ("57P03", "the database system is starting up"),
    "quota_full": ("53300", "sorry, too many clients already"),
    "wrong_key": ("28P01", 'password authentication failed for user "app"'),
    "missing": ("3D000", 'database "rowline" does not exist'),
    "disk_full": ("53100", "could not extend file: No space left on device"),
    "read_only": ("25006", "cannot execute INSERT in a read-only transaction"),
}


def error_response(kind: str) -> bytes:
    """The server's last words to a client, which it then leaves."""
    state, message = ANSWERS[kind]
    fields = b"".join(
        letter + text.encode() + b"\0"
        for letter, text in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", state), (b"M", message))
    )
    return b"E" + struct.pack(">i", len(fields) + 5) + fields + b"\0"


class Cut(Exception):
    """The link is to end here."""


class PostgresProxy:
    """The proxy, its queue of faults and its counters. A context manager: runs in a thread of its own."""

    def __init__(self, server_url: str, tls: ssl.SSLContext | None = None) -> None:
        self.faults: deque[Fault] = deque()
        self.fault_at_commit: tuple[int, Fault] | None = None
        self.rewrites: list[tuple[bytes, bytes]] = []  # of what the server says, same length
        self.commits = 0
        self.connections = 0
        self.plain = 0  # of those, without TLS
        self.most = 0  # of those, at once
        self.statements: deque[bytes] = deque(maxlen=1000)
        self._url, self._tls = server_url, tls
        self._address = psycopg.conninfo.conninfo_to_dict(server_url)
        self._loop = asyncio.new_event_loop()
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postgres-proxy", daemon=True)
        self.port = 0

    def url(self, user: str | None = None, password: str = "", host: str = "127.0.0.1", query: str = "") -> str:
        """The address of the server's database through the proxy."""
        name = self._address.get("dbname", "postgres")
        account = f"{user or self._address.get('user', 'postgres')}:{password}"
        return f"postgresql://{account}@{host}:{self.port}/{name}{query}"

    def to(self, server_url: str) -> str:
        """The same, for another database of the same server."""
        return f"postgresql://postgres:@127.0.0.1:{self.port}{urlsplit(server_url).path}"

    def cut_all(self) -> None:
        """Every open link dies at once, as when the server's machine goes."""
        self._call(self._cut_all)

    def down(self) -> None:
        """Refuse connections and drop those there are, until `up()`."""
        self._call(self._down)

    def up(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def reset(self) -> None:
        self.faults.clear()
        self.fault_at_commit, self.commits = None, 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._down)
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _call(self, action: Any) -> None:
        done = threading.Event()
        # the loop closes what was aborted in its next round
        self._loop.call_soon_threadsafe(lambda: (action(), self._loop.call_soon(done.set)))
        done.wait(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        await self._listen()
        self._ready.set()
        await self._stopped.wait()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _down(self) -> None:
        self._server.close()
        self._cut_all()

    def _cut_all(self) -> None:
        for writer in list(self._links):
            abort(writer)

    # -- one client -------------------------------------------------------------------------------------------

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(writer)
        self._tasks.add(task)
        self.most = max(self.most, len(self._links))
        try:
            with suppress(Cut, OSError, asyncio.IncompleteReadError):
                startup = await self._startup(reader, writer)
                if startup is not None:
                    await Link(self, reader, writer).run(startup)
        finally:
            self._links.discard(writer)
            self._tasks.discard(task)
            abort(writer)

    async def _startup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """The client's startup packet, after TLS was agreed on or declined; `None` where it asked for no session."""
        encrypted = False
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack(">ii", head)
            packet = head + await reader.readexactly(length - 8)
            if code == SSL_REQUEST and self._tls:
                writer.write(b"S")
                await writer.drain()
                before = writer.transport
                try:
                    await writer.start_tls(self._tls)
                except AttributeError:  # asyncio trips over a client that hangs up right after the handshake
                    writer._transport = before  # type: ignore[attr-defined]
                    raise Cut from None
                encrypted = True
            elif code in (SSL_REQUEST, GSS_REQUEST):
                writer.write(b"N")
            elif code == CANCEL_REQUEST:
                _, upstream = await self.upstream()
                upstream.write(packet)
                await upstream.drain()
                upstream.close()
                return None
            else:
                self.plain += not encrypted
                return packet

    async def upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._address.get("host", "127.0.0.1")), int(self._address.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    def fault_for(self, statement: bytes) -> Fault:
        """The fault that this statement meets, if any."""
        if is_commit(statement):
            self.commits += 1
            if self.fault_at_commit and self.fault_at_commit[0] == self.commits:
                return self.fault_at_commit[1]
        return self.taken(lambda fault: fault.operation != "connect" and fault.operation.encode() in statement)

    def taken(self, hits: Callable[[Fault], bool]) -> Fault:
        """The first fault that hits, taken from the queue unless it stays."""
        fault = next(filter(hits, self.faults), NONE)
        if fault is not NONE and not fault.always:
            self.faults.remove(fault)
        return fault


class Link:
    """A client's session with the server: two streams, and the fault that is at work on them."""

    def __init__(self, proxy: PostgresProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._at_work = NONE

    async def run(self, startup: bytes) -> None:
        proxy = self._proxy
        proxy.connections += 1
        fault = proxy.taken(lambda fault: fault.operation == "connect")
        self._answers, self._server = await proxy.upstream()
        try:
            await self._pass_on(startup, fault)
            both = [asyncio.ensure_future(self._ask()), asyncio.ensure_future(self._answer())]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            abort(self._server)

    async def _ask(self) -> None:
        """What the client says, whole messages at a time, each unit past the faults."""
        unit = b""
        while True:
            head = await self._reader.readexactly(5)
            body = await self._reader.readexactly(struct.unpack(">i", head[1:])[0] - 4)
            unit += head + body
            if head[:1] in ENDS_A_UNIT:
                is_statement = head[:1] in b"QS"
                if is_statement:
                    self._proxy.statements.append(unit)
                await self._pass_on(unit, self._proxy.fault_for(unit) if is_statement else NONE)
                unit = b""

    async def _pass_on(self, unit: bytes, fault: Fault) -> None:
        if fault.kind == "reset_before":
            raise Cut
        if fault.kind == "timeout":
            await self._reader.read(1)  # until the client gives up
            raise Cut
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault.kind in ANSWERS:
            self._writer.write(error_response(fault.kind))
            await self._writer.drain()
            self._writer.close()
            raise Cut
        if fault.kind in ("reset_after", "truncated", "garbage"):
            self._at_work = fault
        self._server.write(unit)
        await self._server.drain()

    async def _answer(self) -> None:
        """What the server says, as it comes."""
        while data := await self._answers.read(65536):
            for old, new in self._proxy.rewrites:
                data = data.replace(old, new)
            if self._at_work is not NONE:
                data = await self._spoiled(data)
            self._writer.write(data)
            await self._writer.drain()

    async def _spoiled(self, data: bytes) -> bytes:
        """The answer to the unit that was hit: lost, cut in half, or something else altogether."""
        # all of it: then it has been applied; while signing in (R) or before a COPY (G) the client is to speak next
        while READY_FOR_QUERY not in data and not data.startswith((b"R", b"G")):
            more = await self._answers.read(65536)
            if not more:
                break
            data += more
        kind, self._at_work = self._at_work.kind, NONE
        if kind == "garbage":
            return b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>Bad gateway</html>"
        if kind == "truncated":
            self._writer.write(data[: len(data) // 2])
            await self._writer.drain()
            self._writer.close()
        raise Cut


def is_commit(unit: bytes) -> bool:
    return unit[5:11].upper() == b"COMMIT" or (unit[:1] == b"P" and b"\0COMMIT" in unit.upper())


def abort(writer: asyncio.StreamWriter) -> None:
    """Hang up with a reset, so that the other side sees a dead link and not an orderly end."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX and not writer.is_closing():
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def postgres_proxy(server_url: str, **settings: Any) -> Iterator[PostgresProxy]:
    """A running proxy, for fixtures."""
    with PostgresProxy(server_url, **settings) as proxy:
        yield proxy
