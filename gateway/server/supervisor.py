"""The gateway's processes: a listening socket that outlives its workers, and a supervisor that replaces them.

SIGHUP brings up each new worker before the old one stops; a dead one is started again at once; SIGTERM and SIGINT let
the requests under way finish. Connections wait in the socket's queue meanwhile, so nobody is refused.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import Any

from domain.errors import ConfigurationError, PermanentError
from settings.settings import PROJECT_ROOT, Settings

BACKLOG = 2048  # connections that wait while workers come and go
POLL_INTERVAL_SECONDS = 0.2  # between looks at signals; a death is seen at once
START_TIMEOUT_SECONDS = 60.0  # for a worker to import, connect and listen, on a busy machine
HEARTBEAT_TIMEOUT_SECONDS = 60.0  # of a worker whose event loop hangs
SHUTDOWN_TIMEOUT_SECONDS = 10  # for requests under way when a worker stops
KILL_AFTER_SECONDS = 5.0  # a worker that does not keep to that
MAX_FAILED_STARTS = 5  # of workers that never got ready, with none that is: something is wrong that time does not heal
BACKOFF_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0)  # before a worker is started after so many fresh deaths

log = logging.getLogger("rowline.gateway")


def listening(settings: Settings, descriptor: int | None = None) -> socket.socket:
    """The socket of GATEWAY_HOST and GATEWAY_PORT, or the one that whoever started us holds open."""
    if descriptor is None:
        return bound(settings.gateway_host, settings.gateway_port)
    try:
        listener = socket.socket(fileno=descriptor)
        listener.listen(BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"--fd {descriptor} is no socket that can listen ({error.strerror})") from None
    return listener


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigurationError if the address is taken or not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"The gateway cannot listen on {host}:{port}: {error.strerror}; see GATEWAY_HOST and GATEWAY_PORT"
        ) from None
    return listener


class Worker:
    """One server process over the shared socket. It writes when it is ready and each second after that."""

    def __init__(
        self, listener: socket.socket, settings: Settings, shutdown_seconds: int, now: float, more: dict[str, str]
    ) -> None:
        self._shutdown_seconds = shutdown_seconds
        self.line, far_end = socket.socketpair()
        self.line.setblocking(False)
        self.started = self.heard = now
        self.ready = False
        self.kill_deadline: float | None = None
        with far_end:
            arguments = map(str, (listener.fileno(), far_end.fileno(), shutdown_seconds))
            # a module of its own: multiprocessing would import the whole command line again in each worker
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gateway.server.worker", *arguments],
                pass_fds=(listener.fileno(), far_end.fileno()),
                env=os.environ | _same_code() | more | {"ROWLINE_HOME": str(settings.rowline_home)},
                stdin=subprocess.DEVNULL,
            )

    def look(self, now: float) -> bool:
        """Read what it has written; whether it lives."""
        with suppress(BlockingIOError, ConnectionError):
            if self.line.recv(4096):
                if not self.ready:
                    log.info("worker %d serves", self.process.pid)
                self.ready, self.heard = True, now
        return self.process.poll() is None

    def is_stuck(self, now: float) -> bool:
        if self.kill_deadline is not None:
            return now > self.kill_deadline
        return now - self.heard > (HEARTBEAT_TIMEOUT_SECONDS if self.ready else START_TIMEOUT_SECONDS)

    def terminate_gracefully(self, now: float) -> None:
        """Ask it to finish what is under way and end."""
        self.kill_deadline = now + self._shutdown_seconds + KILL_AFTER_SECONDS
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.line.close()


class Supervisor:
    """Keeps `settings.gateway_workers` workers over one socket until a signal ends it."""

    def __init__(
        self,
        listener: socket.socket,
        settings: Settings,
        shutdown_seconds: int = SHUTDOWN_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._listener, self._settings, self._shutdown_seconds = listener, settings, shutdown_seconds
        self._clock, self._sleep = clock, sleep
        self._serving: list[Worker] = []
        self._retiring: list[Worker] = []
        self._to_replace: list[Worker] = []
        self._successor: Worker | None = None
        self._counts = tempfile.TemporaryDirectory(prefix="rowline-metrics-")
        self._failed_starts = 0
        self._ending = self._replacing = False

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM. Raises PermanentError if no worker gets ready."""
        with self._signals():
            try:
                while not self._ending:
                    self._spawn_missing()
                    self._wait()
                    self._reap()
                    self._replace()
            finally:
                self._end()

    def end(self, *_: object) -> None:
        self._ending = True

    def replace(self, *_: object) -> None:
        """Replace all workers, one after the other."""
        self._replacing = True

    @contextmanager
    def _signals(self) -> Iterator[None]:
        handlers: dict[int, Callable[..., Any]] = {
            signal.SIGINT: self.end,
            signal.SIGTERM: self.end,
            signal.SIGHUP: self.replace,
        }
        before = {number: signal.signal(number, action) for number, action in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _new(self) -> Worker:
        # prometheus-client keeps the counts of all workers here, so that each can report the sum
        counts = {"PROMETHEUS_MULTIPROC_DIR": self._counts.name}
        return Worker(self._listener, self._settings, self._shutdown_seconds, self._clock(), counts)

    def _spawn_missing(self) -> None:
        while len(self._serving) < self._settings.gateway_workers:
            self._sleep(BACKOFF_SECONDS[min(self._failed_starts, len(BACKOFF_SECONDS) - 1)])
            self._serving.append(self._new())

    def _wait(self) -> None:
        """Until a worker writes or dies, or it is time to look for signals."""
        everyone = [*self._serving, *self._retiring, *([self._successor] if self._successor else [])]
        wait([worker.line for worker in everyone], POLL_INTERVAL_SECONDS)

    def _reap(self) -> None:
        """Remove dead workers, and kill those that hang."""
        now = self._clock()
        for worker in [*self._serving, *self._retiring]:
            lives = worker.look(now)
            if lives and not worker.is_stuck(now):
                continue
            worker.kill()
            if worker in self._retiring:
                self._retiring.remove(worker)
                continue
            self._serving.remove(worker)
            log.warning("worker %d %s; another one starts", worker.process.pid, "hung" if lives else "died")
            self._count(worker)

    def _count(self, worker: Worker) -> None:
        self._failed_starts = 0 if worker.ready else self._failed_starts + 1
        if self._failed_starts >= MAX_FAILED_STARTS and not any(other.ready for other in self._serving):
            raise PermanentError(
                f"The gateway's workers end before they can serve (exit code {worker.process.returncode}); "
                "their last words are in the log above"
            )

    def _replace(self) -> None:
        """One step of a replacement: the successor is ready before the one it replaces is asked to go."""
        now = self._clock()
        if self._replacing:
            self._replacing, self._to_replace = False, list(self._serving)
        self._to_replace = [worker for worker in self._to_replace if worker in self._serving]
        if self._successor is None:
            if self._to_replace:
                self._successor = self._new()
            return
        lives = self._successor.look(now)
        if not lives or self._successor.is_stuck(now):
            self._successor.kill()
            self._successor, self._to_replace = None, []
            log.error("a new worker did not get ready; the old ones go on. Mend what its log says, then SIGHUP again")
        elif self._successor.ready:
            self._serving.append(self._successor)
            self._successor = None
            if self._to_replace:
                old = self._to_replace.pop(0)
                self._serving.remove(old)
                self._retiring.append(old)
                old.terminate_gracefully(now)

    def _end(self) -> None:
        """Nobody queues behind workers that stop, unless somebody else holds the socket too."""
        self._listener.close()
        everyone = [*self._serving, *self._retiring, *([self._successor] if self._successor else [])]
        for worker in everyone:
            worker.terminate_gracefully(self._clock())
        for worker in everyone:
            assert worker.kill_deadline is not None
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, worker.kill_deadline - self._clock()))
            worker.kill()
        self._counts.cleanup()


def _same_code() -> dict[str, str]:
    """A worker runs the code that its supervisor runs, whatever the current folder holds."""
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), *([others] if others else [])])}
