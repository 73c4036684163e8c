"""The reading server: one clean process that forks a child for each file. Started by sandbox.py.

A new Python takes some 60 ms to be ready, a small file a few to be read; a fork is ready at once, and as alone with its
file as a new process. The server itself never opens a file. One child at a time; what a server hears: a job as a line
of JSON, with the pipe for the child's frames; then one byte when the child's frames were read, or nobody wants them.
It kills the child, which has mostly ended by then, and answers with how it ended. Nothing to hear: it ends itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from importlib import import_module
from typing import Any

from pipelines.documents.reading.child import read
from pipelines.documents.reading.wire import ENDED

READY = (  # what most files need; others are imported by the child that needs them
    "ctypes",
    "python_calamine",
    "pipelines.documents.reading.delimited",
    "pipelines.documents.reading.excel",
    "pipelines.documents.reading.probe",
)
HEARD_BYTES = 2**16


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in READY:
        import_module(module)
    while (job := _next_job(control)) is not None:
        _serve(control, *job)
    os._exit(0)


def _next_job(control: socket.socket) -> tuple[dict[str, Any], int] | None:
    heard, descriptors, _, _ = socket.recv_fds(control, HEARD_BYTES, 1)
    while heard and not heard.endswith(b"\n"):
        heard += control.recv(HEARD_BYTES)
    return (json.loads(heard), descriptors[0]) if heard else None


def _serve(control: socket.socket, job: dict[str, Any], frames: int) -> None:
    server = os.getpid()
    child = os.fork()
    if child == 0:
        control.close()
        os.dup2(frames, 1)
        os.close(frames)
        read(job, parent=server)
    os.close(frames)
    wanted = control.recv(1)  # nothing: whoever asked is dead
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if wanted:
        control.sendall(ENDED.pack(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
