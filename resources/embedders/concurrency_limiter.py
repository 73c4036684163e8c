"""How many requests this process sends to one service at once (AIMD), shared by all its threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from resources.embedders.errors import ServiceError


class ConcurrencyLimiter:
    """At most `limit` requests at once; fewer, and none for a while, after the service reported overload.

    The number allowed is halved once for each burst of refusals, and raised by one after as many successes as are
    allowed at once: the process finds what the service can take, instead of every thread hitting the limit by itself.
    """

    def __init__(self, limit: int) -> None:
        self._limit = self.allowed = limit
        self._in_flight = 0
        self._successes = 0
        self._hold_until = self._slowed_at = -math.inf
        self._changed = threading.Condition()

    @contextmanager
    def acquire(self, clock: Callable[[], float], sleep: Callable[[float], None], deadline: float) -> Iterator[float]:
        """Wait for a slot, and for the end of a pause; yields the time at which the request starts.

        Raises ServiceError if no slot is free, or the pause lasts, until `deadline`.
        """
        with self._changed:
            timeout = None if deadline == math.inf else deadline - clock()
            if not self._changed.wait_for(lambda: self._in_flight < self.allowed, timeout):
                raise _no_slot_error()
            self._in_flight += 1
        try:
            if (pause := self._hold_until - clock()) > 0:
                if self._hold_until >= deadline:
                    raise _no_slot_error()
                sleep(pause)
            yield clock()
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def on_success(self) -> None:
        """The service accepted a request; after enough of these one more is allowed at once."""
        with self._changed:
            self._successes += self.allowed < self._limit
            if self._successes >= self.allowed:
                self.allowed, self._successes = min(self.allowed + 1, self._limit), 0
                self._changed.notify_all()

    def on_overload(self, started: float, now: float) -> None:
        """The service refused a request `started` then; those started before the last halving are the same burst."""
        with self._changed:
            if started >= self._slowed_at:
                self.allowed, self._successes, self._slowed_at = max(1, self.allowed // 2), 0, now

    def hold_until(self, until: float) -> None:
        """No request starts before the time `until`."""
        with self._changed:
            self._hold_until = max(self._hold_until, until)


def _no_slot_error() -> ServiceError:
    return ServiceError(
        "The embedding service is busy with as many requests as it accepts, and no slot became free in time; try "
        "again in a minute.",
        retryable=False,
    )


_limiters: dict[tuple[str, int], ConcurrencyLimiter] = {}
_limiters_lock = threading.Lock()


def shared_limiter(base_url: str, limit: int) -> ConcurrencyLimiter:
    """One limiter per service for the whole process, however many embedders use it."""
    with _limiters_lock:
        return _limiters.setdefault((base_url, limit), ConcurrencyLimiter(limit))
