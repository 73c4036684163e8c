"""An aiohttp application served on 127.0.0.1: in a thread of its own for a block, or as a process of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

from aiohttp import web


class Served:
    """What stand-ins share: give an `application`, and it listens. Port 0 is any free one."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def application(self) -> web.Application:
        raise NotImplementedError

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError(f"{self._thread.name} did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.serve())

    async def serve(self, announce: bool = False) -> None:
        """Serves until stopped; announces its address on stdout once it listens."""
        self._stopped = asyncio.Event()
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        self._listening.set()
        if announce:
            print(self.address, flush=True)  # noqa: T201 – who started the process waits for this line
        try:
            await self._stopped.wait()
        finally:
            await runner.cleanup()
