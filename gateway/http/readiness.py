"""Whether what the gateway needs is there: each part asked at the same time, within its own limit, not too often."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass, field
from uuid import UUID

from domain.errors import ErrorCode, RowlineError, TransientError
from operations.services import Services

FRESH_SECONDS = 1.0
PART_SECONDS = 3.0
NOBODYS = "rowline-health"
SILENCE_SECONDS = 120.0  # a daemon is heard every 30 s


@dataclass(frozen=True, slots=True)
class State:
    """How a part is: the reason where it is down, a sentence without secrets."""

    part: str
    up: bool
    reason: str | None = None


def check_database(services: Services) -> None:
    """It answers, and its schema is what this code expects."""
    from resources.database.schema import branches_of, schema_is_current
    from resources.database.urls import database_url

    if not schema_is_current(database_url(services.settings), branches_of(services.settings)):
        raise TransientError(
            "The newest migrations have not been applied; run `rowline db upgrade`", code=ErrorCode.DATABASE_OUTDATED
        )


def check_vectors(services: Services) -> None:
    """A read of a vector that nobody has is answered."""
    services.vectors.missing(NOBODYS, NOBODYS, [str(UUID(int=0))])


def check_objects(services: Services) -> None:
    """A list of objects that nobody has is answered."""
    next(services.objects.keys(f"{NOBODYS}/"), None)


def check_daemon(services: Services) -> None:
    """Dagster's daemon was heard of late: without it uploads and events are kept, and wait."""
    seconds = services.ledger.counters.heartbeat_seconds()
    if seconds is None:
        raise TransientError("Dagster's daemon has never run over this database; start it: `rowline dev`")
    if seconds > SILENCE_SECONDS:
        raise TransientError(f"Dagster's daemon was last heard {seconds:.0f} s ago; start it again")


Check = Callable[[Services], None]
CHECKS: dict[str, Check] = {
    "database": check_database,
    "vectors": check_vectors,
    "objects": check_objects,
    "daemon": check_daemon,
}


@dataclass
class Readiness:
    """Asks the parts; an answer is good for a second, and a part that hangs is not asked by a second thread."""

    services: Services
    checks: dict[str, Check] = field(default_factory=lambda: dict(CHECKS))
    seconds: float = PART_SECONDS
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: dict[str, tuple[float, Future[None]]] = field(default_factory=dict)

    def states(self, parts: Sequence[str]) -> list[State]:
        """How these parts are, in the time that the slowest takes, and not longer than the limit."""
        asked = {part: self._ask(part) for part in parts}
        deadline = self.clock() + self.seconds
        return [self._state(part, answer, deadline) for part, answer in asked.items()]

    def _ask(self, part: str) -> Future[None]:
        with self._lock:
            at, answer = self._asked.get(part, (0.0, None))
            if answer is None or (answer.done() and self.clock() - at > FRESH_SECONDS):
                answer = Future()
                self._asked[part] = (self.clock(), answer)
                threading.Thread(target=self._look, args=(part, answer), daemon=True).start()
            return answer

    def _look(self, part: str, answer: Future[None]) -> None:
        try:
            self.checks[part](self.services)
        except Exception as error:  # noqa: BLE001 – whatever it is, the part is down; the reason is chosen below
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
        except Exception as error:  # noqa: BLE001 – of a library: its words may hold an address with a password
            return State(part, False, f"It could not be asked ({type(error).__name__})")
        return State(part, True)
