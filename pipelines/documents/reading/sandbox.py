"""Running the child and listening to it: a wall clock on its silence, and always an end to it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from pipelines.documents.reading.model import Layout, Limits
from pipelines.documents.reading.trouble import Damaged, ReaderFailed, TooLarge
from pipelines.documents.reading.wire import frames

MODULE = "pipelines.documents.reading.child"
ROOT = Path(__file__).resolve().parents[3]
PIPE_BYTES = 2**20  # lets the child work ahead by some batches
READ_BYTES = 2**18
TOO_LONG = "reading the file takes too long; split it into smaller files, or save it again in Excel without its formats"


class OutOfMemory(ReaderFailed):
    """This reader needs more memory than a child may have; one that streams may not."""


def run(
    path: Path, reader: str | None, layout: Layout, limits: Limits, batch_rows: int
) -> Iterator[tuple[bytes, bytes]]:
    """The frames of one child, which is dead when this generator is.

    Raises ReaderFailed when the child died of its reader, TooLarge when it ran out of time.
    """
    job = {
        "path": str(path.resolve()),
        "reader": reader,
        "sheet": layout.sheet,
        "header_row": layout.header_row,
        "limits": dataclasses.asdict(limits),
        "batch_rows": batch_rows,
        "parent": os.getpid(),
    }
    child = subprocess.Popen(
        [sys.executable, "-S", "-X", "utf8", "-m", MODULE, json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        cwd="/",
        bufsize=0,
    )
    assert child.stdout is not None
    try:
        with contextlib.suppress(OSError):  # a smaller pipe is only slower
            fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            yield from frames(_listener(child.stdout, limits.wall_seconds))
        except ValueError as error:
            raise Damaged("the file is damaged in a way that confuses its reader; save it again and send it") from error
        _judge_death(child.wait())
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def _environment() -> dict[str, str]:
    """Where modules are, and nothing else: a parser has no business with keys and addresses."""
    here = [str(ROOT), *(entry for entry in sys.path if entry and entry != str(ROOT))]
    return {"PYTHONPATH": os.pathsep.join(here), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def _listener(stream: IO[bytes], patience: float) -> Callable[[int], bytes]:
    """read(n) over a pipe. Only waiting counts against the child's patience, not what the caller does in between."""
    descriptor = stream.fileno()
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


def _judge_death(code: int) -> None:
    """A child that ended by itself said why. One that was killed did not: SIGXCPU and SIGKILL come from its limits,
    SIGABRT mostly from a Rust allocation over its memory."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TooLarge(TOO_LONG)
    if code == -signal.SIGABRT:
        raise OutOfMemory("aborted")
    if code != 0:
        raise ReaderFailed(f"exit {code}")
