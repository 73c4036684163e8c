"""The server's side of a request's head: the parser keeps headers as they come, without end and without hurry."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.middleware.request_limits import HEADER_BYTES, TARGET_BYTES

MOST = 2 * (HEADER_BYTES + TARGET_BYTES)  # `bounds` refuses politely what is just too much; this, what does not end
SECONDS = 20.0  # from the first byte, or from the connection, to the end of the head
REFUSAL = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHead(HttpToolsProtocol):
    """Leaves who sends a head that does not end: 60 MB of headers cost 57 MB, a slow one a connection."""

    seconds = SECONDS
    _in_head = True
    _taken = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._has_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._taken += len(data) if self._in_head else 0
        if self._taken > MOST and not self.transport.is_closing():
            self._leave(REFUSAL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_head()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._has_head()
        self._in_head, self._taken = True, 0
        self._patience = asyncio.get_running_loop().call_later(self.seconds, self._leave, b"")

    def _has_head(self) -> None:
        self._in_head = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _leave(self, word: bytes) -> None:
        if word:
            self.transport.write(word)
        self.transport.close()
