"""A fork parent as its launcher sees it: started, asked, let go, ended."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from domain.errors import TransientError
from settings.settings import PROJECT_ROOT

READY_SECONDS = 120.0
ANSWER_SECONDS = 30.0
END_SECONDS = 15.0  # a little more than a fork parent gives its children


class ParentGone(TransientError):
    """The fork parent ended before it answered."""


@dataclass(eq=False)
class Parent:
    """One fork parent. `ended` hears (run, exit code) of each child; `lost` (run, arguments) of each that it had not
    begun when it died. Each call has a thread of its own: whatever it waits for, the next answer is heard.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    ended: Callable[[str, int], None]
    lost: Callable[[str, str], None]
    _ready: Future[bool] = field(default_factory=Future)
    _answers: dict[str, Future[bool]] = field(default_factory=dict)
    _unbegun: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sending: threading.Lock = field(default_factory=threading.Lock)  # lines of several threads would mix
    _let_go: bool = False

    @classmethod
    def started(
        cls,
        definitions: str,
        at_most: int,
        ended: Callable[[str, int], None],
        lost: Callable[[str, str], None],
    ) -> Self:
        """A fresh process that loads the definitions of a module; returns before it is ready."""
        ours, its = socket.socketpair()
        with its:
            path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "resources.dagster_instance.warm_launcher.forkserver",
                    str(its.fileno()),
                    str(at_most),
                    definitions,
                ],
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": path},
            )
        parent = cls(process, ours, ended, lost)
        threading.Thread(target=parent._listen, name="warm-runs", daemon=True).start()
        return parent

    def ask(self, run_id: str, args: str) -> bool:
        """Have it begin a run. False: its code is not the code on disk any more, or it was let go.

        Raises ParentGone where it died or does not answer.
        """
        self._wait(self._ready, READY_SECONDS)
        answer: Future[bool] = Future()
        with self._lock:
            self._answers[run_id], self._unbegun[run_id] = answer, args
        try:
            with self._sending:
                self.control.sendall(json.dumps({"run": run_id, "args": args}).encode() + b"\n")
            return self._wait(answer, ANSWER_SECONDS)
        except OSError as error:
            raise ParentGone(f"The fork parent (process {self.process.pid}) is gone") from error
        finally:
            with self._lock:
                self._answers.pop(run_id, None)

    def alive(self) -> bool:
        return self.process.poll() is None

    def let_go(self) -> None:
        """It takes no more runs, and ends with the last one it has."""
        self._let_go = True
        with suppress(OSError), self._sending:
            self.control.sendall(b'{"retire": true}\n')

    def stop(self) -> None:
        """End it and its runs. They have some seconds to write how they ended."""
        self._let_go = True
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait(self, future: "Future[bool]", seconds: float) -> bool:
        try:
            return future.result(seconds)
        except Late as error:
            self.process.kill()  # what does not answer now must not begin the run later
            raise ParentGone(f"The fork parent (process {self.process.pid}) did not answer") from error

    def _listen(self) -> None:
        with self.control.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                self._heard(json.loads(line))
        self.process.wait()
        gone = ParentGone(f"The fork parent ended (exit code {self.process.returncode})")
        with self._lock:
            asked = dict(self._answers)
            unbegun = {run: args for run, args in self._unbegun.items() if run not in asked}
        for future in (self._ready, *asked.values()):
            if not future.done():
                future.set_exception(gone)
        for run, args in unbegun.items() if not self._let_go else ():
            _aside(self.lost, run, args)
        self.control.close()

    def _heard(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready.set_result(True)
        elif "began" in message:
            with self._lock:
                self._unbegun.pop(message["began"], None)
        elif "ended" in message:
            _aside(self.ended, message["ended"], message["code"])
        else:
            taken = "taken" in message
            run_id = message["taken" if taken else "refused"]
            with self._lock:
                answer = self._answers.get(run_id)
                if not taken:
                    self._unbegun.pop(run_id, None)
            if answer and not answer.done():
                answer.set_result(taken)


def _aside(call: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=call, args=args, name="warm-runs-told", daemon=True).start()
