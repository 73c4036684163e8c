"""The processes of `rowline dev`: started together, ended together, nothing left behind."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipelines.failures import Misuse, RowlineFailure, TransientFailure
from resources.services import Services
from resources.settings import PROJECT_ROOT, Settings

START_SECONDS = 120.0
STOP_SECONDS = 20.0
PORTS_TRIED = 50
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Development:
    """A running `dagster dev` over this deployment's database."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @classmethod
    @contextmanager
    def started(cls, settings: Settings) -> Iterator[Self]:
        """Everything up inside the block. A signal to us, or the end of the block, stops all of it."""
        services = Services(settings)
        settings.inbox.mkdir(parents=True, exist_ok=True)
        assert services.database  # the server is up and migrated before anything else asks for it
        port = free_port(settings.dagster_port)
        # Dagster is imported by this command only
        from pipelines.running import dagster_home, end_abandoned_runs

        log = settings.rowline_home / "logs" / "dagster.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        workspace = str(PROJECT_ROOT / "workspace.yaml")
        with alone(settings.rowline_home) as lock, log.open("wb") as output, ended_by_signals():
            end_abandoned_runs(settings)
            process = subprocess.Popen(
                [sys.executable, "-m", "dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)],
                pass_fds=(lock,),  # held as long as any of them lives
                env=os.environ | {"DAGSTER_HOME": dagster_home(settings), "ROWLINE_HOME": str(settings.rowline_home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us only; we pass it on
            )
            try:
                yield cls(process, port, log)
            finally:
                stop_group(process, services.ledger.documents.wake_waiting)
                services.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(
        self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Return when the UI answers. Raises TransientFailure where it does not, with the end of its log."""
        deadline = clock() + START_SECONDS
        while clock() < deadline and self.process.poll() is None:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{self.url}/server_info", timeout=2).close()
                return
            sleep(0.2)
        raise TransientFailure(f"Dagster did not come up. The end of its log {self.log}:\n{log_tail(self.log)}")

    def wait(self) -> int:
        """Until it is stopped (0) or ends by itself (its exit code)."""
        try:
            return self.process.wait() or 1
        except KeyboardInterrupt:
            return 0


@contextmanager
def alone(home: Path) -> Iterator[int]:
    """Hold the home's lock, and give its descriptor. Raises Misuse where another `rowline dev` runs over the home."""
    with (home / "dev.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misuse(
                f"Rowline is up already over {home}; stop that one, or set another ROWLINE_HOME to run side by side"
            ) from None
        yield lock.fileno()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end us as Ctrl-C does; SIGINT too where the shell that started us ignores it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_group(process: subprocess.Popen[bytes], wake: Callable[[], None]) -> None:
    """End a process and all its children: asked first, then told, then killed.

    The daemon ends when its sensors do, and one of them may be waiting for an upload: `wake` ends that wait.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(RowlineFailure):  # a database that is away has nobody waiting
            wake()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            break
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a grandchild that outlived its parent


def free_port(wanted: int) -> int:
    """The wanted port, or the next one that nobody listens on, so that two homes run side by side."""
    for port in range(wanted, wanted + PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise TransientFailure(f"No port from {wanted} to {wanted + PORTS_TRIED - 1} is free; set DAGSTER_PORT")


def log_tail(log: Path, lines: int = 20) -> str:
    with log.open("r", encoding="utf-8", errors="replace") as text:
        return "".join(deque(text, lines))
