"""Whether the code that a process has loaded is still the code on disk."""

import os
import sys
import time
from collections.abc import Iterable, Mapping


def source_files() -> list[str]:
    """Files of all modules loaded here."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return sorted({file for file in files if file})


def marks(files: Iterable[str]) -> dict[str, tuple[int, int] | None]:
    """Time of change and size of each file; None for one that is gone."""
    return {file: _mark(file) for file in files}


def _mark(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Sources:
    """What was loaded since `began` (nanoseconds since 1970). A file that was written meanwhile may be half loaded."""

    def __init__(self, files: Iterable[str], began: int) -> None:
        self._seen: Mapping[str, tuple[int, int] | None] = marks(files)
        now = time.time_ns()  # a file from the future is no reason to load for ever
        self._torn = any(mark and began <= mark[0] <= now for mark in self._seen.values())

    def changed(self) -> bool:
        """Whether any of it is another file now: 2 ms for the 2,600 files of a deployment."""
        return self._torn or marks(self._seen) != self._seen
