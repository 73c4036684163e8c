"""A gateway on a real socket, and a proxy that hands requests on and loses some of the answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import uvicorn


@contextmanager
def served(app: Any) -> Iterator[int]:
    """The app under uvicorn on loopback, in a thread; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


class LossyProxy:
    """Each request reaches the gateway; of the next `lose` answers none comes back."""

    def __init__(self, port: int) -> None:
        self.lose = self.requests = 0
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                gateway = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._up, args=(client, gateway), daemon=True).start()
                threading.Thread(target=self._down, args=(client, gateway), daemon=True).start()

    def _up(self, client: socket.socket, gateway: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(1 << 16):
                gateway.sendall(chunk)
            gateway.shutdown(socket.SHUT_WR)

    def _down(self, client: socket.socket, gateway: socket.socket) -> None:
        with suppress(OSError):
            while chunk := gateway.recv(1 << 16):
                if chunk.startswith(b"HTTP/"):
                    self.requests += 1
                    if self.lose:
                        self.lose -= 1
                        break
                client.sendall(chunk)
        for end in (client, gateway):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
