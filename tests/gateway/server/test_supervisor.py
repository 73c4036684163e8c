"""The gateway's processes, over a real socket: workers come and go, and no client is refused."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from domain.access.api_keys import Role, mint_key
from domain.errors import ConfigurationError
from gateway.server.supervisor import bound, listening
from gateway.server.worker import warm
from operations.services import Services
from resources.embedders.local import LocalEmbedder
from settings.settings import PROJECT_ROOT, Settings

LOADED = "the model for searches is loaded"
RETRY_SECONDS = 1.9  # how long the JavaScript SDK tries
PATIENCE = 60.0
EVENT = b'{"name": "shop/opened", "data": {}}'


@dataclass
class Gateway:
    """A running `rowline gateway` over a socket that the test holds too."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def workers(self) -> list[int]:
        """Those that live and have said that they serve."""
        served = self.served()
        return [child.pid for child in psutil.Process(self.process.pid).children() if child.pid in served]

    def served(self) -> set[int]:
        """Those that have ever said so."""
        return set(map(int, re.findall(r"worker (\d+) serves", self.log.read_text("utf-8"))))

    def processes(self) -> set[int]:
        """Workers in any state: that start, serve or finish."""
        children = psutil.Process(self.process.pid).children()
        return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition; a step is as long as a request to the gateway takes."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, self.log.read_text("utf-8")
            self.ask()

    def ask(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        finally:
            connection.close()


@dataclass
class Client(threading.Thread):
    """Sends one request after the other, each on a connection of its own, as long as the block lasts.

    As the SDKs do, it tries again what failed; unlike them it does not pause.
    """

    gateway: Gateway
    sent: int = 0
    failed: list[Exception] = field(default_factory=list)
    lost: list[Exception] = field(default_factory=list)
    longest: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self.ended.is_set():
            started = time.monotonic()
            for attempt in range(5):
                try:
                    assert self.gateway.ask() == 200
                    break
                except (OSError, http.client.HTTPException) as error:
                    (self.lost if attempt == 4 else self.failed).append(error)
            self.sent += 1
            self.longest = max(self.longest, time.monotonic() - started)

    def __enter__(self) -> "Client":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts the command as a process of its own; nothing of it is left when the test ends."""
    assert settings.database_url is not None
    given = {"DATABASE_URL": settings.database_url.get_secret_value(), "ROWLINE_HOME": str(settings.rowline_home)}
    running: list[Gateway] = []
    listener = bound("127.0.0.1", 0)

    def started(*options: str, **more: str) -> Gateway:
        log = tmp_path / "gateway.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli.main", "gateway", "--fd", str(listener.fileno()), *options],
                env=os.environ | given | more | {"PYTHONPATH": str(PROJECT_ROOT)},
                pass_fds=[listener.fileno()],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        running.append(Gateway(process, listener.getsockname()[1], log))
        return running[-1]

    with listener:
        yield started
        for gateway in running:
            with suppress(ProcessLookupError):
                os.killpg(gateway.process.pid, signal.SIGKILL)
            gateway.process.wait()


@pytest.mark.slow
def test_workers_are_replaced_without_a_failed_request(start: Callable[..., Gateway]) -> None:
    """SIGHUP: a new worker is ready before the old one goes, and who was just let in is still answered."""
    gateway = start()
    gateway.until(lambda: len(gateway.workers()) == 2)
    with Client(gateway) as client:
        before = set(gateway.workers())
        gateway.process.send_signal(signal.SIGHUP)
        gateway.until(lambda: before.isdisjoint(gateway.workers()) and len(gateway.workers()) == 2)
    assert (client.failed, client.lost) == ([], [])
    assert client.sent > 100
    assert client.longest < RETRY_SECONDS


@pytest.mark.slow
def test_a_killed_worker_is_started_again_and_no_send_is_lost(start: Callable[..., Gateway]) -> None:
    """kill -9 breaks what it was at; the next attempt succeeds, within the time that the SDKs go on trying."""
    gateway = start()
    gateway.until(lambda: len(gateway.workers()) == 2)
    with Client(gateway) as client:
        for _ in range(2):
            victim = gateway.workers()[0]
            os.kill(victim, signal.SIGKILL)
            gateway.until(lambda: victim not in gateway.workers() and len(gateway.workers()) == 2)  # noqa: B023
    assert client.lost == []
    assert not any(isinstance(error, ConnectionRefusedError) for error in client.failed)
    assert len(client.failed) <= 2
    assert client.longest < RETRY_SECONDS


@pytest.mark.slow
def test_a_worker_that_dies_while_an_old_one_finishes_is_replaced_at_once(
    start: Callable[..., Gateway], services: Services
) -> None:
    """The supervisor waits for nobody: a request that takes long would else leave the gateway without workers."""
    key = mint_key()
    services.ledger.api_keys.put(
        key, "acme", "test", frozenset[Role]({"events"}), None
    )  # a stranger is answered at once
    head = f"POST /e/{key.text} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {len(EVENT)}\r\n\r\n"
    gateway = start("--graceful-timeout", "600", GATEWAY_WORKERS="1")
    gateway.until(lambda: len(gateway.workers()) == 1)
    [old] = gateway.workers()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as slow:
        slow.sendall(head.encode() + EVENT[:1])  # not whole yet
        gateway.ask()
        gateway.process.send_signal(signal.SIGHUP)
        gateway.until(lambda: len(gateway.served()) == 2)
        before = gateway.processes()
        [new] = gateway.served() - {old}
        os.kill(new, signal.SIGKILL)
        while gateway.processes() <= before:  # without a request, which nobody would answer now
            time.sleep(0.02)
        assert old in gateway.processes(), "nobody was started until the old worker had finished"
        slow.sendall(EVENT[1:])
        assert slow.recv(4096).startswith(b"HTTP/1.1 200"), "what was under way is finished"


@pytest.mark.slow
def test_asked_to_end_while_workers_are_replaced_it_starts_no_more(start: Callable[..., Gateway]) -> None:
    gateway = start()
    gateway.until(lambda: len(gateway.workers()) == 2)
    before = set(gateway.workers())
    gateway.process.send_signal(signal.SIGHUP)
    gateway.until(lambda: len(gateway.processes()) == 3)
    gateway.process.terminate()
    assert gateway.process.wait(PATIENCE) == 0
    assert gateway.served() == before


@pytest.mark.slow
def test_asked_to_end_it_finishes_what_is_under_way(start: Callable[..., Gateway]) -> None:
    """SIGTERM: a request that has begun is answered, the exit code is 0, no worker is left."""
    gateway = start(GATEWAY_WORKERS="1")
    gateway.until(lambda: len(gateway.workers()) == 1)
    workers = gateway.workers()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n")  # not whole yet
        gateway.ask()
        gateway.process.terminate()
        slow.sendall(b"\r\n")
        answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200")
    assert gateway.process.wait(PATIENCE) == 0
    assert not any(psutil.pid_exists(worker) for worker in workers)


@pytest.mark.slow
def test_each_worker_loads_the_model_before_anybody_searches(start: Callable[..., Gateway]) -> None:
    """Else the first search of each waits seconds for it."""
    gateway = start()
    gateway.until(lambda: gateway.log.read_text("utf-8").count(LOADED) == 2)
    assert len(gateway.workers()) == 2


def test_a_model_that_cannot_be_loaded_ends_no_worker(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is one loaded that is not the embedder's."""
    asked: list[object] = []

    def no_memory(embedder: LocalEmbedder) -> None:
        asked.append(embedder)
        raise MemoryError

    monkeypatch.setattr(LocalEmbedder, "warm", no_memory)
    warm(settings.model_copy(update={"embedding_provider": "openai"}))
    assert asked == []
    warm(settings.model_copy(update={"embedding_provider": "local"}))
    assert "MemoryError" in caplog.text
    assert LOADED not in caplog.text


@pytest.mark.slow
def test_workers_end_with_their_supervisor(start: Callable[..., Gateway]) -> None:
    """kill -9 of the supervisor: nobody is left who holds the port, and answers from old code."""
    gateway = start()
    gateway.until(lambda: len(gateway.workers()) == 2)
    workers = [psutil.Process(worker) for worker in gateway.workers()]
    gateway.process.kill()
    assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []


@pytest.mark.slow
def test_a_gateway_that_cannot_start_says_so_and_ends(start: Callable[..., Gateway]) -> None:
    gateway = start(GATEWAY_WORKERS="none")
    assert gateway.process.wait(PATIENCE) == 2
    assert "GATEWAY_WORKERS" in gateway.log.read_text("utf-8")


def test_a_port_that_is_taken_is_told_with_the_setting(settings: Settings) -> None:
    with (
        bound("127.0.0.1", 0) as taken,
        pytest.raises(ConfigurationError, match=re.escape("see GATEWAY_HOST and GATEWAY_PORT")),
    ):
        bound(*taken.getsockname())
    with pytest.raises(ConfigurationError, match="--fd 999 is no socket"):
        listening(settings, 999)
