#!/bin/sh
# The guess: `Process.is_alive()` and `exitcode` of multiprocessing speak of the process itself, whatever starts it.
# What happens: a child of the start method "forkserver" is no child of ours. What we read is a pipe that the fork server
#   holds; when that server ends (the kernel is out of memory, somebody stops it), each child counts as ended with exit
#   code 255 and `join()` returns at once, while the child works on.
# Who is hurt: a supervisor that starts a replacement when `is_alive()` is False runs the same work twice at once; one
#   that reports exit codes says "failed" of work that succeeds. Rowline's launcher keeps its own server for that reason
#   and asks the operating system whether a run's process exists.
# Seen with: Python 3.11.7 on Linux (standard library, nothing to install).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/finding.py" <<'PYTHON'
import multiprocessing
import os
import platform
import signal
import time
from multiprocessing import forkserver


def work(path: str) -> None:
    time.sleep(2)
    with open(path, "w") as file:
        file.write("finished")


if __name__ == "__main__":
    print("Python", platform.python_version())
    path = os.path.join(os.path.dirname(__file__), "result")
    process = multiprocessing.get_context("forkserver").Process(target=work, args=(path,))
    process.start()
    print("before: is_alive", process.is_alive(), "exitcode", process.exitcode)
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGTERM)  # the server that multiprocessing started for us
    process.join(1.5)
    seen = process.is_alive(), process.exitcode
    print("after the server ended: is_alive", seen[0], "exitcode", seen[1])
    os.kill(process.pid, 0)  # raises ProcessLookupError if there were no such process
    print("the process exists; its work is done:", os.path.exists(path))
    deadline = time.monotonic() + 10
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.1)
    print("some seconds later its work is done:", os.path.exists(path))
    assert seen == (False, 255), "changed: the state of the process is no longer read from the server's pipe"
    assert os.path.exists(path), "changed: the child ended with its server"
    print("holds")
PYTHON
"${PYTHON:-python3}" "$folder/finding.py"
