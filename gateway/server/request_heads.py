"""The server's side of a request's head: the parser keeps headers as they come, without end and without hurry."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.middleware.request_limits import HEADER_BYTES, TARGET_BYTES

# `request_limits` answers what is just too much with a sentence; this ends what does not end.
MAX_HEAD_BYTES = 2 * (HEADER_BYTES + TARGET_BYTES)
SECONDS = 20.0  # from the first byte, or from the connection, to the end of the head
RESPONSE_431 = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHead(HttpToolsProtocol):
    """Leaves who sends a head that does not end: 60 MB of headers cost 57 MB, a slow one a connection."""

    seconds = SECONDS
    _in_head = True
    _head_bytes = 0
    _timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._head_bytes += len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._close(RESPONSE_431)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._end_head()
        self._in_head, self._head_bytes = True, 0
        self._timeout = asyncio.get_running_loop().call_later(self.seconds, self._close, b"")

    def _end_head(self) -> None:
        self._in_head = False
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _close(self, response: bytes) -> None:
        if response:
            self.transport.write(response)
        self.transport.close()
