"""The parts of `rowline dev`: started together, kept alive, ended together, nothing left behind."""

import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from domain.errors import ConfigurationError, InvalidRequest, PermanentError, RowlineError, TransientError
from gateway.server.supervisor import bound
from operations.services import Services
from resources.database.embedded import EmbeddedServer
from settings.settings import PROJECT_ROOT, Settings

START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 20.0
POLL_INTERVAL_SECONDS = 0.2
MAX_PORTS_TRIED = 50
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAX_RESTARTS, RESTART_WINDOW_SECONDS = 5, 60.0  # so many within so long: something is wrong that a start does not heal

log = logging.getLogger("rowline.development")


class Part(Protocol):
    """Something that `rowline dev` keeps alive."""

    name: str
    log: Path

    def lives(self) -> bool: ...

    def start(self) -> None: ...


@dataclass
class Program:
    """A process with children of its own, in a session of its own: Ctrl-C reaches us only, and we pass it on."""

    name: str
    command: Sequence[str]
    log: Path
    url: str
    answers_at: str
    pass_fds: Sequence[int] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, after what a dead one may have left."""
        self.send_signal(signal.SIGKILL)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                pass_fds=self.pass_fds,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def answers(self) -> bool:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(self.url + self.answers_at, timeout=2).close()
            return True
        return False

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it and all its children, also those that outlived it."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


@dataclass(frozen=True)
class Development:
    """A running Rowline: the programs that answer at an address, and all the parts that are kept alive."""

    gateway: Program
    dagster: Program
    parts: Sequence[Part]

    @classmethod
    @contextmanager
    def started(cls, settings: Settings) -> Iterator[Self]:
        """Everything up inside the block. A signal to us, or the end of the block, stops all of it."""
        services = Services(settings)
        settings.inbox.mkdir(parents=True, exist_ok=True)
        assert services.database  # the server is up and migrated before anything else asks for it
        with alone(settings.rowline_home) as lock, free_listener(settings) as listener, interrupt_on_signals():
            # Dagster is imported by this command only
            from pipelines.local_runs import dagster_home, end_abandoned_runs

            end_abandoned_runs(settings)
            environment = {"DAGSTER_HOME": dagster_home(settings), "ROWLINE_HOME": str(settings.rowline_home)}
            dagster = dagster_program(settings, lock, environment)
            links = {"DAGSTER_URL": settings.dagster_url or dagster.url}
            gateway = gateway_program(settings, listener, lock, environment | links)
            database = () if settings.database_url else (EmbeddedServer.of(settings),)
            programs = (dagster, gateway)
            for program in programs:
                rotate_log(program.log)
            try:
                for program in programs:
                    program.start()
                yield cls(gateway, dagster, (*database, *programs))
            finally:
                stop(programs, services.ledger.wake_waiting)
                services.close()
                for server in database:
                    # else it would wait for those that were killed, and run on
                    server.forget_the_dead([program.process.pid for program in programs if program.process])

    def wait_until_ready(
        self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Return when all answer. Raises TransientError if one does not, with the end of its log."""
        deadline = clock() + START_TIMEOUT_SECONDS
        for program in (self.gateway, self.dagster):
            while not program.answers():
                if clock() > deadline or not program.lives():
                    raise TransientError(
                        f"{program.name} did not come up. The end of its log {program.log}:\n{log_tail(program.log)}"
                    )
                sleep(POLL_INTERVAL_SECONDS)

    def keep(
        self,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Restart each part that dies, until a signal ends us.

        Raises PermanentError if one keeps dying, with the end of its log.
        """
        deaths: dict[str, deque[float]] = {part.name: deque(maxlen=MAX_RESTARTS) for part in self.parts}
        with suppress(KeyboardInterrupt):
            while True:
                for part in self.parts:
                    if not part.lives():
                        revive(part, deaths[part.name], clock(), say)
                sleep(POLL_INTERVAL_SECONDS)


def rotate_log(log: Path) -> None:
    """A log is of this time only; the one before it, which may tell of a crash, becomes `.log.1`."""
    with suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))


def revive(part: Part, deaths: deque[float], now: float, say: Callable[[str], None]) -> None:
    """Start a part again. Raises PermanentError if it has died too often of late."""
    deaths.append(now)
    if len(deaths) == MAX_RESTARTS and now - deaths[0] < RESTART_WINDOW_SECONDS:
        raise PermanentError(
            f"{part.name} ended {MAX_RESTARTS} times within {RESTART_WINDOW_SECONDS:.0f} s. "
            f"The end of its log {part.log}:\n{log_tail(part.log)}"
        )
    say(f"{part.name} ended by itself and is started again; its log is {part.log}")
    with suppress(PermanentError):  # that is one more death
        part.start()


def dagster_program(settings: Settings, lock: int, environment: dict[str, str]) -> Program:
    """UI, daemon and code server, which end together."""
    port = free_port(settings.dagster_port)
    workspace = str(PROJECT_ROOT / "workspace.yaml")
    return Program(
        "Dagster",
        [sys.executable, "-m", "dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)],
        settings.rowline_home / "logs" / "dagster.log",
        f"http://127.0.0.1:{port}",
        "/server_info",
        (lock,),  # held as long as any of them lives
        environment,
    )


def gateway_program(settings: Settings, listener: socket.socket, lock: int, environment: dict[str, str]) -> Program:
    """`rowline gateway` over a socket of ours, so that connections wait while it is started again."""
    port = listener.getsockname()[1]
    return Program(
        "The gateway",
        [sys.executable, "-m", "gateway.cli.main", "gateway", "--fd", str(listener.fileno())],
        settings.rowline_home / "logs" / "gateway.log",
        f"http://{'127.0.0.1' if settings.gateway_host in ('0.0.0.0', '::') else settings.gateway_host}:{port}",
        "/health",
        (lock, listener.fileno()),
        environment,
    )


@contextmanager
def alone(home: Path) -> Iterator[int]:
    """Hold the home's lock; yields its descriptor.

    Raises InvalidRequest if another `rowline dev` runs over the home.
    """
    with (home / "dev.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidRequest(
                f"Rowline is up already over {home}; stop that one, or set another ROWLINE_HOME to run side by side"
            ) from None
        yield lock.fileno()


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end us as Ctrl-C does; SIGINT too where the shell that started us ignores it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop(
    programs: Sequence[Program],
    wake: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """End them all, with all their children: SIGINT first, then SIGTERM, then SIGKILL; sooner by another Ctrl-C.

    The daemon ends when its sensors do, and each of them may be waiting for an upload, now or in a moment: `wake` ends
    that wait.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for program in programs:
            program.send_signal(number)
        deadline = clock() + STOP_TIMEOUT_SECONDS
        with suppress(KeyboardInterrupt):
            while any(program.lives() for program in programs) and clock() < deadline:
                with suppress(RowlineError):  # a database that is away has nobody waiting
                    wake()
                sleep(POLL_INTERVAL_SECONDS)
    for program in programs:
        program.send_signal(signal.SIGKILL)  # a grandchild that outlived its parent


@contextmanager
def free_listener(settings: Settings) -> Iterator[socket.socket]:
    """A listening socket at the gateway's port, or at the next one that is free."""
    for port in ports_from(settings.gateway_port):
        with suppress(ConfigurationError):
            listener = bound(settings.gateway_host, port)
            break
    else:
        raise no_free_port(settings.gateway_port, "GATEWAY_PORT")
    with listener:
        yield listener


def free_port(first: int) -> int:
    """The wanted port, or the next one that nobody listens on, so that two homes run side by side."""
    for port in ports_from(first):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise no_free_port(first, "DAGSTER_PORT")


def ports_from(first: int) -> range:
    return range(first, min(first + MAX_PORTS_TRIED, 2**16))


def no_free_port(first: int, setting: str) -> TransientError:
    return TransientError(f"No port from {first} to {ports_from(first)[-1]} is free; set {setting}")


def log_tail(path: Path, lines: int = 20) -> str:
    try:
        with path.open("r", encoding="utf-8", errors="replace") as text:
            return "".join(deque(text, lines))
    except OSError:
        return "(there is none)"
