"""Running a child and listening to it: a wall clock on its silence, and always an end to it."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.documents.reading.model import Layout, Limits
from pipelines.documents.reading.server import Server, leave_all
from pipelines.documents.reading.trouble import Damaged, ReaderFailed, TooLarge
from pipelines.documents.reading.wire import frames
from pipelines.failures import TransientFailure

ROOT = Path(__file__).resolve().parents[3]
MOST_IDLE = 2
PIPE_BYTES = 2**20  # lets the child work ahead by some batches
READ_BYTES = 2**18
NO_SERVER = "the process that starts readers did not start, or was killed; try again"
TOO_LONG = "reading the file takes too long; split it into smaller files, or save it again in Excel without its formats"


class OutOfMemory(ReaderFailed):
    """This reader needs more memory than a child may have; one that streams may not."""


def run(
    path: Path, reader: str | None, layout: Layout, limits: Limits, batch_rows: int
) -> Iterator[tuple[bytes, bytes]]:
    """The frames of one child, which is dead when this generator is.

    Raises ReaderFailed when the child died of its reader, TooLarge when it ran out of time, TransientFailure when the
    server that forked it was killed.
    """
    job = {
        "path": str(path.resolve()),
        "reader": reader,
        "sheet": layout.sheet,
        "header_row": layout.header_row,
        "limits": dataclasses.asdict(limits),
        "batch_rows": batch_rows,
    }
    server, output = _begun(job)
    try:
        with contextlib.suppress(OSError):  # a smaller pipe is only slower
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield from frames(_listener(output, limits.wall_seconds))
    except ValueError as error:
        raise Damaged("the file is damaged in a way that confuses its reader; save it again and send it") from error
    finally:
        os.close(output)
        code = _finished(server)
    _judge_death(code)


def _begun(job: dict[str, Any]) -> tuple[Server, int]:
    """A server at work on the job, and the pipe with the frames of its child: one that is idle, or a new one."""
    with contextlib.suppress(IndexError):
        while True:
            server = _idle.pop()
            with contextlib.suppress(OSError):  # it died meanwhile
                return server, server.begin(job)
            server.close()
    # here, not at import: a run that is forked from a warm process forgets what that one registered
    atexit.unregister(_close_idle)
    atexit.register(_close_idle)
    server = Server(_environment())
    try:
        return server, server.begin(job)
    except OSError as error:
        server.close()
        raise TransientFailure(NO_SERVER) from error


def _finished(server: Server) -> int | None:
    """How its child ended; None where nobody can tell. It waits for the next file, or is closed."""
    code = None
    try:
        code = server.end()
    finally:
        if code is None or len(_idle) >= MOST_IDLE:
            server.close()
        else:
            _idle.append(server)
    return code


_idle: deque[Server] = deque()  # of this process; one server hears one process only


def _close_idle() -> None:
    with contextlib.suppress(IndexError):
        while True:
            _idle.pop().close()


def _after_fork() -> None:
    _idle.clear()
    leave_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _environment() -> dict[str, str]:
    """Where modules are, and nothing else: a parser has no business with keys and addresses."""
    here = [str(ROOT), *(entry for entry in sys.path if entry and entry != str(ROOT))]
    return {"PYTHONPATH": os.pathsep.join(here), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def _listener(descriptor: int, patience: float) -> Callable[[int], bytes]:
    """read(n) over a pipe. Only waiting counts against the child's patience, not what the caller does in between."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    buffer = bytearray()

    def read(size: int) -> bytes:
        deadline = time.monotonic() + patience
        while len(buffer) < size:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TooLarge(TOO_LONG)
            chunk = os.read(descriptor, READ_BYTES)
            if not chunk:
                break
            buffer.extend(chunk)
        taken = bytes(buffer[:size])
        del buffer[:size]
        return taken

    return read


def _judge_death(code: int | None) -> None:
    """A child that ended by itself said why. One that was killed did not: SIGXCPU and SIGKILL come from its limits,
    SIGABRT mostly from a Rust allocation over its memory."""
    if code is None:
        raise TransientFailure(NO_SERVER)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TooLarge(TOO_LONG)
    if code == -signal.SIGABRT:
        raise OutOfMemory("aborted")
    if code != 0:
        raise ReaderFailed(f"exit {code}")
