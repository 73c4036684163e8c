"""Running a child and listening to it: a wall clock on its silence, and always an end to it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from domain.documents.tables import Layout
from domain.errors import TransientError
from formats.errors import DamagedFile, FileTooLarge, ReaderFailed
from formats.limits import Limits
from formats.sandbox.forkserver_client import NO_SERVER, finish_job, start_job
from formats.sandbox.wire import frames

ROOT = Path(__file__).resolve().parents[2]
PIPE_BYTES = 2**20  # lets the child work ahead by some batches
READ_BYTES = 2**18
TOO_LONG = "reading the file takes too long; split it into smaller files, or save it again in Excel without its formats"


class OutOfMemory(ReaderFailed):
    """This reader needs more memory than a child may have; one that streams may not."""


def run(
    path: Path, reader: str | None, layout: Layout, limits: Limits, batch_rows: int
) -> Iterator[tuple[bytes, bytes]]:
    """The frames of one child, which is dead when this generator is.

    Raises ReaderFailed when the child died of its reader, FileTooLarge when it ran out of time, TransientError when the
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
    server, output = start_job(job, _environment())
    try:
        with contextlib.suppress(OSError):  # a smaller pipe is only slower
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield from frames(_listener(output, limits.wall_seconds))
    except ValueError as error:
        raise DamagedFile("the file is damaged in a way that confuses its reader; save it again and send it") from error
    finally:
        os.close(output)
        code = finish_job(server)
    _judge_death(code)


def _environment() -> dict[str, str]:
    """Where modules are, and nothing else: a parser has no business with keys and addresses."""
    here = [str(ROOT), *(entry for entry in sys.path if entry and entry != str(ROOT))]
    return {"PYTHONPATH": os.pathsep.join(here), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def _listener(descriptor: int, timeout: float) -> Callable[[int], bytes]:
    """read(n) over a pipe. Only waiting counts against the child's time, not what the caller does in between."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    buffer = bytearray()

    def read(size: int) -> bytes:
        deadline = time.monotonic() + timeout
        while len(buffer) < size:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise FileTooLarge(TOO_LONG)
            chunk = os.read(descriptor, READ_BYTES)
            if not chunk:
                break
            buffer.extend(chunk)
        data = bytes(buffer[:size])
        del buffer[:size]
        return data

    return read


def _judge_death(code: int | None) -> None:
    """A child that ended by itself said why. One that was killed did not: SIGXCPU and SIGKILL come from its limits,
    SIGABRT mostly from a Rust allocation over its memory."""
    if code is None:
        raise TransientError(NO_SERVER)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise FileTooLarge(TOO_LONG)
    if code == -signal.SIGABRT:
        raise OutOfMemory("aborted")
    if code != 0:
        raise ReaderFailed(f"exit {code}")
