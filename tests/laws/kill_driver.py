"""A process that forks one `rowline` command after another and lets each die at a chosen moment.

Its parent writes a JSON line for each command to its stdin and reads a JSON line about its end. Everything heavy is
imported once, before the first fork, and no connection or thread is open then: so a command costs half a second.
Nothing of this is in the product: the moments are counted by patches that only the forked child installs.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any


class Trap:
    """Counts the moments at which dying could hurt, notes each, and dies at the n-th (0: never)."""

    def __init__(self, at: int, log: str) -> None:
        self._at = at
        self._count = 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._lock = threading.Lock()

    def reach(self, moment: str) -> None:
        with self._lock:
            self._count += 1
            os.write(self._log, f"{moment}\n".encode())
            if self._count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, before: str, after: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(real)
        def patched(*args: Any, **kwargs: Any) -> Any:
            self.reach(before)
            found = real(*args, **kwargs)
            self.reach(after)
            return found

        setattr(owner, name, patched)


def set_trap(at: int, log: str) -> None:
    import httpx2
    import psycopg

    trap = Trap(at, log)
    trap.around(psycopg.Transaction, "__exit__", "before a commit", "after a commit")
    trap.around(psycopg.Copy, "finish", "before the end of a COPY", "after a COPY, not committed")
    trap.around(os, "replace", "before an object is renamed", "after an object was renamed")
    trap.around(os, "unlink", "before an object is deleted", "after an object was deleted")
    trap.around(httpx2.Client, "send", "before an embedding request", "after an answer, not kept")


def command(asked: dict[str, Any]) -> None:
    """In the child: the command as a user runs it, with its output in a file."""
    out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(asked["environment"])
    set_trap(asked["at"], asked["log"])
    if asked["arguments"][0] == "group":
        process_group(asked["arguments"][1:])
        return
    sys.argv = ["rowline", *asked["arguments"]]
    from gateway.cli.main import main

    main()


def process_group(runs: list[str]) -> None:
    """One run for many documents, as a run worker has it."""
    from pipelines.jobs.document_group import document_group
    from pipelines.local_runs import instance
    from resources.dagster_instance.run_processes import PROCESS_TAG, Process
    from settings.settings import load_settings

    with instance(load_settings()) as dagster:
        config = {"ops": {"processed_documents": {"config": {"runs": runs}}}}
        document_group.execute_in_process(
            instance=dagster, run_config=config, tags={PROCESS_TAG: Process.current().tag}, raise_on_error=False
        )


def preload() -> None:
    import dagster_postgres  # noqa: F401
    import httpx2  # noqa: F401
    import openai.resources  # noqa: F401
    import psycopg2  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import gateway.cli.main  # noqa: F401
    import pipelines.definitions
    import pipelines.local_runs
    import resources.dagster_instance.storage  # noqa: F401

    pipelines.definitions.defs.resolve_job_def("document_graph")
    assert threading.active_count() == 1


def main() -> None:
    preload()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                command(asked)
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
