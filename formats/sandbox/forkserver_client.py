"""Reading servers, as the process that reads files knows them: started clean, each asked for one child at a time."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from typing import Any
from weakref import WeakSet

from domain.errors import TransientError

MODULE = "formats.sandbox.forkserver"
RESPONSE_TIMEOUT_SECONDS = 10.0  # to kill a child and say how it ended
MAX_IDLE_SERVERS = 2
NO_SERVER = "the process that starts readers did not start, or was killed; try again"


class Server:
    """A running forkserver.py."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._control, its = Pipe()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-X", "utf8", "-m", MODULE, str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
        _of_this_process.add(self)

    def begin(self, job: Mapping[str, Any]) -> int:
        """Fork a child for the job; returns the pipe of its frames. Raises OSError if the server is dead."""
        frames, of_child = os.pipe()
        try:
            self._control.send_bytes(json.dumps(job).encode())
            send_handle(self._control, of_child, self._process.pid)
        except OSError:
            os.close(frames)
            raise
        finally:
            os.close(of_child)
        return frames

    def end(self) -> int | None:
        """Kill the child, unless it has ended; how it ended, as subprocess reports it; None if the server is dead."""
        with suppress(OSError, EOFError):
            self._control.send_bytes(b"end")
            if self._control.poll(RESPONSE_TIMEOUT_SECONDS):
                return int(self._control.recv_bytes())
        return None

    def close(self) -> None:
        """End it, and its child with it."""
        self._control.close()
        self._process.kill()  # a fork of ours may hold the line open, and who was stopped hears nothing
        self._process.wait()

    def leave(self) -> None:
        """In a fork: it is the parent's, whose answers we would hear, and whose child we would end."""
        self._control.close()
        self._process.returncode = 0  # not our child


def start_job(job: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Server, int]:
    """A server at work on the job, and the pipe with the frames of its child: one that is idle, or a new one.

    Raises TransientError if none starts.
    """
    with suppress(IndexError):
        while True:
            server = _idle.pop()
            with suppress(OSError):  # it died meanwhile
                return server, server.begin(job)
            server.close()
    # here, not at import: a run that is forked from a warm process forgets what that one registered
    atexit.unregister(_close_idle)
    atexit.register(_close_idle)
    server = Server(environment)
    try:
        return server, server.begin(job)
    except OSError as error:
        server.close()
        raise TransientError(NO_SERVER) from error


def finish_job(server: Server) -> int | None:
    """How its child ended; None if that is unknown. The server waits for the next file, or is closed."""
    code = None
    try:
        code = server.end()
    finally:
        if code is None or len(_idle) >= MAX_IDLE_SERVERS:
            server.close()
        else:
            _idle.append(server)
    return code


_of_this_process: WeakSet[Server] = WeakSet()
_idle: deque[Server] = deque()


def _close_idle() -> None:
    with suppress(IndexError):
        while True:
            _idle.pop().close()


def _leave_all() -> None:
    """A server hears one process only."""
    _idle.clear()
    for server in list(_of_this_process):
        server.leave()
    _of_this_process.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)
