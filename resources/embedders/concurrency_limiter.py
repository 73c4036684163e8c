"""Pace: how fast this process asks one service, agreed among all its threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from resources.embedders.errors import ServiceTrouble


class ConcurrencyLimiter:
    """At most so many requests at once; fewer, and none for a while, after the service asked to slow down.

    Halved once for each burst of refusals, and one more again after as many answers as are now allowed at once: so
    the process finds what the service bears, in place of every thread running into the limit by itself.
    """

    def __init__(self, at_once: int) -> None:
        self._most = self.allowed = at_once
        self._under_way = 0
        self._answered = 0
        self._not_before = self._slowed_at = -math.inf
        self._changed = threading.Condition()

    @contextmanager
    def acquire(self, clock: Callable[[], float], sleep: Callable[[float], None], until: float) -> Iterator[float]:
        """A place among the requests under way, after the pause if there is one; gives the time it begins.

        Raises ServiceTrouble where none is free, or the pause lasts, `until` then.
        """
        with self._changed:
            patience = None if until == math.inf else until - clock()
            if not self._changed.wait_for(lambda: self._under_way < self.allowed, patience):
                raise _busy()
            self._under_way += 1
        try:
            if (pause := self._not_before - clock()) > 0:
                if self._not_before >= until:
                    raise _busy()
                sleep(pause)
            yield clock()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def on_success(self) -> None:
        """The service took a request: after some of these, one more may be under way."""
        with self._changed:
            self._answered += self.allowed < self._most
            if self._answered >= self.allowed:
                self.allowed, self._answered = min(self.allowed + 1, self._most), 0
                self._changed.notify_all()

    def on_overload(self, began: float, now: float) -> None:
        """The service refused a request that `began` then; those begun before the last such time are one burst."""
        with self._changed:
            if began >= self._slowed_at:
                self.allowed, self._answered, self._slowed_at = max(1, self.allowed // 2), 0, now

    def hold_until(self, then: float) -> None:
        """Nobody begins a request before `then`."""
        with self._changed:
            self._not_before = max(self._not_before, then)


def _busy() -> ServiceTrouble:
    return ServiceTrouble(
        "The embedding service is asked as much as it takes, and no turn came in time; ask again in a minute.",
        worth_repeating=False,
    )


_paces: dict[tuple[str, int], ConcurrencyLimiter] = {}
_paces_lock = threading.Lock()


def shared_pace(base_url: str, at_once: int) -> ConcurrencyLimiter:
    """One pace per service for the whole process, however many embedders speak to it."""
    with _paces_lock:
        return _paces.setdefault((base_url, at_once), ConcurrencyLimiter(at_once))
