"""The reading server: one clean process that forks a child for each file. Started by forkserver_client.py.

A new Python takes some 60 ms to be ready, a small file a few to be read; a fork is ready at once, and as alone with its
file as a new process. The server itself never opens a file. One child at a time; what a server hears: a job as JSON and
the pipe for the child's frames; then a word when the child's frames were read, or nobody wants them. It kills the
child, which has mostly ended by then, and answers with how it ended. With nobody to hear, it ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

from formats.sandbox.worker import read

READY = (  # what most files need; others are imported by the child that needs them
    "ctypes",
    "python_calamine",
    "formats.spreadsheets.delimited",
    "formats.spreadsheets.xlsx",
    "formats.spreadsheets.fidelity",
)


def main() -> None:
    control = Connection(int(sys.argv[1]))
    for module in READY:
        import_module(module)
    with suppress(EOFError, OSError):
        while True:
            _serve(control, json.loads(control.recv_bytes()), recv_handle(control))
    os._exit(0)


def _serve(control: Connection, job: dict[str, Any], frames: int) -> None:
    server = os.getpid()
    child = os.fork()
    if child == 0:
        control.close()
        os.dup2(frames, 1)
        os.close(frames)
        read(job, parent=server)
    os.close(frames)
    try:
        control.recv_bytes()
    finally:  # also if the client is dead
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    control.send_bytes(b"%d" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
