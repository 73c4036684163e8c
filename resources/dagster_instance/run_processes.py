"""Which process a run is in: written down as a tag of the run, so that others see whether it is still there."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PROCESS_TAG = "rowline/process"
RUN_ID_CHARACTERS = 8
CLOCK_SECONDS = 60  # a process's start is told by a clock that may be set


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a machine. Numbers come again, so its start (whole seconds since 1970) belongs to it.

    `run` is the beginning of the run's id where it is known: a run that is tried again inherits the tags of the
    first one, but not its process.
    """

    host: str
    pid: int
    started: int
    run: str = ""

    @classmethod
    def this(cls, run_id: str = "") -> Self:
        import psutil

        return cls(socket.gethostname(), os.getpid(), int(psutil.Process().create_time()), run_id[:RUN_ID_CHARACTERS])

    @classmethod
    def of(cls, tags: Mapping[str, str], run_id: str, is_retry: bool) -> Self | None:
        """The process that a run's tags name; None where they name none, or another run's."""
        pieces = tags.get(PROCESS_TAG, "").split("/")
        if len(pieces) != 4 or not (pieces[1].isdecimal() and pieces[2].isdecimal()):
            return None
        found = cls(pieces[0], int(pieces[1]), int(pieces[2]), pieces[3])
        its_own = run_id.startswith(found.run) if found.run else not is_retry
        return found if its_own else None

    @property
    def tag(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}/{self.run}"

    def lives(self) -> bool | None:
        """Whether it is there; None on another machine."""
        import psutil

        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            # a child that was killed stays as a zombie until its parent asks
            same = abs(process.create_time() - self.started) <= CLOCK_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
