"""Which process a run is in: recorded as a tag of the run, so that others see whether it still exists."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PROCESS_TAG = "rowline/process"
RUN_ID_PREFIX_LENGTH = 8
MAX_CLOCK_SKEW_SECONDS = 60  # a process's start is read from a clock that may be adjusted


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a machine. Pids are reused, so its start (whole seconds since 1970) is part of its identity.

    `run` is the beginning of the run's id if it is known: a retried run inherits the tags of the
    first one, but not its process.
    """

    host: str
    pid: int
    started: int
    run: str = ""

    @classmethod
    def current(cls, run_id: str = "") -> Self:
        import psutil

        return cls(
            socket.gethostname(), os.getpid(), int(psutil.Process().create_time()), run_id[:RUN_ID_PREFIX_LENGTH]
        )

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], run_id: str, is_retry: bool) -> Self | None:
        """The process that a run's tags name; None if they name none, or another run's."""
        pieces = tags.get(PROCESS_TAG, "").split("/")
        if len(pieces) != 4 or not (pieces[1].isdecimal() and pieces[2].isdecimal()):
            return None
        process = cls(pieces[0], int(pieces[1]), int(pieces[2]), pieces[3])
        is_own = run_id.startswith(process.run) if process.run else not is_retry
        return process if is_own else None

    @property
    def tag(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}/{self.run}"

    def is_alive(self) -> bool | None:
        """Whether it exists; None on another machine."""
        import psutil

        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            # a killed child stays a zombie until its parent reaps it
            same = abs(process.create_time() - self.started) <= MAX_CLOCK_SKEW_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
