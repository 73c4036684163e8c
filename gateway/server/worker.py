"""One server process of the gateway: `python -m gateway.server.worker LISTENER LINE`, two open descriptors.

It writes to the line when it is ready and each second after that. When the line closes, the supervisor is gone, and it
ends too: a worker that nobody replaces would keep the port.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import suppress

import uvicorn

from gateway.app import app
from gateway.server.logging import configure
from gateway.server.request_heads import BoundedHead
from gateway.server.supervisor import BACKLOG
from settings.settings import Settings, load_settings

ACCEPT_GRACE_SECONDS = 0.1  # for the first request of a connection that was taken a moment ago
KEEP_ALIVE_SECONDS = 30
log = logging.getLogger("rowline.gateway")


def main() -> None:
    listener, line = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:3])
    shutdown_seconds = int(sys.argv[3])
    settings = load_settings()
    configure(settings)

    warming = threading.Thread(target=warm, args=(settings,), daemon=True)

    async def heartbeat() -> None:
        if warming.ident is None:
            warming.start()
        with suppress(OSError):
            line.send(b".")

    server = Server(
        uvicorn.Config(
            app,
            factory=True,
            http=BoundedHead,
            backlog=BACKLOG,
            log_config=None,
            access_log=False,  # ours masks the keys that stand in paths
            server_header=False,
            proxy_headers=False,  # the app believes TRUSTED_PROXIES, whatever serves it
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=shutdown_seconds,
            timeout_notify=1,
            callback_notify=heartbeat,  # uvicorn calls it once it listens, on the event loop
        )
    )
    # what uvicorn puts back and signals again when it is done: asked before it starts, or after it has ended
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor's, also if a terminal signals the whole group
    threading.Thread(target=end_with, args=(line,), daemon=True).start()
    server.run([listener])


class Server(uvicorn.Server):
    """uvicorn's, but a connection that was taken a moment before the end may still say what it wants."""

    def leave(self, *_: object) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(ACCEPT_GRACE_SECONDS)
        await super().shutdown(sockets)


def warm(settings: Settings) -> None:
    """Load the embedder's model while nobody waits for it: else the first search of each worker would, for seconds.

    Then all that is there by now stays out of Python's garbage collection, which would stop everybody for 0.15 s.
    """
    try:
        if settings.embedding_provider == "local":
            from resources.embedders.local import LocalEmbedder

            LocalEmbedder().warm()
            log.info("the model for searches is loaded")
    except Exception:  # the boundary of a thread: a search meets the same error, and reports it to its caller
        log.exception("the model for searches cannot be loaded; everything else works")
    gc.collect()
    gc.freeze()


def end_with(line: socket.socket) -> None:
    """Wait for the supervisor's end of the line to close, then end as if asked to."""
    with suppress(OSError):
        while line.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
