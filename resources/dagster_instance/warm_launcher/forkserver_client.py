"""The launcher's side of a fork server: start, submit runs, retire, stop."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from domain.errors import TransientError
from settings.settings import PROJECT_ROOT

READY_TIMEOUT_SECONDS = 120.0
RESPONSE_TIMEOUT_SECONDS = 30.0
EXIT_TIMEOUT_SECONDS = 15.0  # a little more than a fork server gives its children


class ForkserverGone(TransientError):
    """The fork server ended, or did not answer in time."""


@dataclass(eq=False)
class ForkserverClient:
    """One fork server.

    `on_exit` is called with (run, exit code) of each child, `on_lost` with (run, arguments) of each run that the server
    had not started when it died. Each call has a thread of its own, so that a slow one does not block the next message.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    on_exit: Callable[[str, int], None]
    on_lost: Callable[[str, str], None]
    _ready: Future[bool] = field(default_factory=Future)
    _answers: dict[str, Future[bool]] = field(default_factory=dict)
    _unstarted: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sending: threading.Lock = field(default_factory=threading.Lock)  # lines of several threads would mix
    _retiring: bool = False

    @classmethod
    def start(
        cls,
        definitions: str,
        max_children: int,
        on_exit: Callable[[str, int], None],
        on_lost: Callable[[str, str], None],
    ) -> Self:
        """A fresh process that loads the definitions of a module; returns before it is ready."""
        control, server_end = socket.socketpair()
        with server_end:
            path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "resources.dagster_instance.warm_launcher.forkserver",
                    str(server_end.fileno()),
                    str(max_children),
                    definitions,
                ],
                pass_fds=(server_end.fileno(),),
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": path},
            )
        client = cls(process, control, on_exit, on_lost)
        threading.Thread(target=client._listen, name="warm-runs", daemon=True).start()
        return client

    def submit(self, run_id: str, args: str) -> bool:
        """Have it start a run; False if its code is no longer the code on disk, or if it is retiring.

        Raises ForkserverGone if it died or does not answer.
        """
        self._wait(self._ready, READY_TIMEOUT_SECONDS)
        answer: Future[bool] = Future()
        with self._lock:
            self._answers[run_id], self._unstarted[run_id] = answer, args
        try:
            with self._sending:
                self.control.sendall(json.dumps({"run": run_id, "args": args}).encode() + b"\n")
            return self._wait(answer, RESPONSE_TIMEOUT_SECONDS)
        except OSError as error:
            raise ForkserverGone(f"The fork server (process {self.process.pid}) is gone") from error
        finally:
            with self._lock:
                self._answers.pop(run_id, None)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def retire(self) -> None:
        """It accepts no more runs, and ends with the last one it has."""
        self._retiring = True
        with suppress(OSError), self._sending:
            self.control.sendall(b'{"retire": true}\n')

    def stop(self) -> None:
        """End it and its runs. They have some seconds to write how they ended."""
        self._retiring = True
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
        try:
            self.process.wait(EXIT_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait(self, future: "Future[bool]", seconds: float) -> bool:
        try:
            return future.result(seconds)
        except FutureTimeout as error:
            self.process.kill()  # it must not start the run after the caller gave up on it
            raise ForkserverGone(f"The fork server (process {self.process.pid}) did not answer") from error

    def _listen(self) -> None:
        with self.control.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                self._handle(json.loads(line))
        self.process.wait()
        gone = ForkserverGone(f"The fork server ended (exit code {self.process.returncode})")
        with self._lock:
            pending = dict(self._answers)
            unstarted = {run: args for run, args in self._unstarted.items() if run not in pending}
        for future in (self._ready, *pending.values()):
            if not future.done():
                future.set_exception(gone)
        for run, args in unstarted.items() if not self._retiring else ():
            _call_in_thread(self.on_lost, run, args)
        self.control.close()

    def _handle(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready.set_result(True)
        elif "started" in message:
            with self._lock:
                self._unstarted.pop(message["started"], None)
        elif "exited" in message:
            _call_in_thread(self.on_exit, message["exited"], message["code"])
        else:
            accepted = "accepted" in message
            run_id = message["accepted" if accepted else "rejected"]
            with self._lock:
                answer = self._answers.get(run_id)
                if not accepted:
                    self._unstarted.pop(run_id, None)
            if answer and not answer.done():
                answer.set_result(accepted)


def _call_in_thread(call: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=call, args=args, name="warm-runs-callback", daemon=True).start()
