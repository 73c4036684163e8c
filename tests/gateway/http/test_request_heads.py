"""Heads of requests that do not end, over a real socket: how much is taken, and how long is waited."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.server.request_heads import MAX_HEAD_BYTES, BoundedHead


class Hurried(BoundedHead):
    seconds = 0.2


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("here")(scope, receive, send)


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server with this protocol, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=request.param, lifespan="off", log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join()
    listener.close()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def until_closed(connection: socket.socket) -> bytes:
    taken = b""
    try:
        while part := connection.recv(65536):
            taken += part
    except ConnectionError:  # it was still sending when the other side had left
        pass
    return taken


@pytest.mark.parametrize("port", [BoundedHead], indirect=True)
@pytest.mark.parametrize("part", [b"x: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
def test_headers_that_do_not_end_are_left(port: int, part: bytes) -> None:
    """Many of them, and one that is endless."""
    sent = 0
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\ny: ")
        try:
            while sent < 64 * 2**20:
                connection.sendall(part)
                sent += len(part)
        except ConnectionError:
            pass
        until_closed(connection)
    assert MAX_HEAD_BYTES <= sent < 16 * 2**20, "what the sockets hold, and no more"


@pytest.mark.parametrize("port", [BoundedHead], indirect=True)
def test_large_bodies_and_several_requests_pass(port: int) -> None:
    with connected(port) as connection:
        for _ in range(3):
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"b" * 1_000_000)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            while not connection.recv(65536).endswith(b"here"):
                pass


@pytest.mark.parametrize("port", [Hurried], indirect=True)
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(port: int, begun: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(begun)
        assert until_closed(connection) == b""
