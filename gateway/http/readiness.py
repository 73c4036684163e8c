"""Readiness of the services that the gateway needs: checked concurrently, with a timeout, at most once a second."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass, field
from uuid import UUID

from domain.errors import ErrorCode, RowlineError, TransientError
from operations.services import Services

MAX_AGE_SECONDS = 1.0
TIMEOUT_SECONDS = 3.0
NONEXISTENT = "rowline-health"
HEARTBEAT_TIMEOUT_SECONDS = 120.0  # the daemon sends a heartbeat every 30 s


@dataclass(frozen=True, slots=True)
class State:
    """Whether a part is up; `reason` is a sentence without secrets if it is down."""

    part: str
    up: bool
    reason: str | None = None


def check_database(services: Services) -> None:
    """The database answers, and its schema is the one that this code expects."""
    from resources.database.schema import branches_of, schema_is_current
    from resources.database.urls import database_url

    if not schema_is_current(database_url(services.settings), branches_of(services.settings)):
        raise TransientError(
            "The newest migrations have not been applied; run `rowline db upgrade`", code=ErrorCode.DATABASE_OUTDATED
        )


def check_vectors(services: Services) -> None:
    """The vector store answers a read of a vector that does not exist."""
    services.vectors.missing(NONEXISTENT, NONEXISTENT, [str(UUID(int=0))])


def check_objects(services: Services) -> None:
    """The object store lists a folder that does not exist."""
    next(services.objects.keys(f"{NONEXISTENT}/"), None)


def check_daemon(services: Services) -> None:
    """Dagster's daemon has sent a heartbeat lately; without the daemon, uploads and events wait."""
    seconds = services.ledger.counters.heartbeat_seconds()
    if seconds is None:
        raise TransientError("Dagster's daemon has never run over this database; start it: `rowline dev`")
    if seconds > HEARTBEAT_TIMEOUT_SECONDS:
        raise TransientError(f"Dagster's daemon sent its last heartbeat {seconds:.0f} s ago; restart it")


Check = Callable[[Services], None]
CHECKS: dict[str, Check] = {
    "database": check_database,
    "vectors": check_vectors,
    "objects": check_objects,
    "daemon": check_daemon,
}


@dataclass
class Readiness:
    """Checks the parts; a result is valid for a second, and a check that hangs gets no second thread."""

    services: Services
    checks: dict[str, Check] = field(default_factory=lambda: dict(CHECKS))
    seconds: float = TIMEOUT_SECONDS
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pending: dict[str, tuple[float, Future[None]]] = field(default_factory=dict)

    def states(self, parts: Sequence[str]) -> list[State]:
        """The state of these parts, in the time that the slowest takes, and not later than the timeout."""
        checks = {part: self._start(part) for part in parts}
        deadline = self.clock() + self.seconds
        return [self._state(part, answer, deadline) for part, answer in checks.items()]

    def _start(self, part: str) -> Future[None]:
        with self._lock:
            started, answer = self._pending.get(part, (0.0, None))
            if answer is None or (answer.done() and self.clock() - started > MAX_AGE_SECONDS):
                answer = Future()
                self._pending[part] = (self.clock(), answer)
                threading.Thread(target=self._check, args=(part, answer), daemon=True).start()
            return answer

    def _check(self, part: str, answer: Future[None]) -> None:
        try:
            self.checks[part](self.services)
        except Exception as error:  # noqa: BLE001 – any error means that the part is down; `_state` words it
            answer.set_exception(error)
        else:
            answer.set_result(None)

    def _state(self, part: str, answer: Future[None], deadline: float) -> State:
        try:
            answer.result(max(0.0, deadline - self.clock()))
        except NoAnswer:
            return State(part, False, f"It did not answer within {self.seconds:g} s")
        except RowlineError as error:
            return State(part, False, str(error))
        except Exception as error:  # noqa: BLE001 – a library's message may contain a URL with a password
            return State(part, False, f"The check failed ({type(error).__name__})")
        return State(part, True)
