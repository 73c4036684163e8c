"""The runner of functions: what is due is handled together; what fails, one by one, with retries."""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from domain.errors import Conflict, PermanentError, RowlineError
from domain.events.scheduling import backoff, free_slots, has_tries_left
from operations.functions.handlers import HANDLERS, FunctionResources, Handler
from resources.ledger.events.function_runs import DueRun

log = logging.getLogger(__name__)
CONCURRENCY = 4  # runs of a slow handler at the same time
UNEXPECTED = "The function failed unexpectedly; the log of the sensor new_events says how"
GAVE_UP = "Tried {tries} times, and each time the process ended before it was done"


@dataclass(frozen=True)
class FunctionRunner:
    """Handles the runs that are due. One that fails holds up no other."""

    resources: FunctionResources
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    limits: Callable[[Mapping[str, int]], Mapping[str, int]] = free_slots

    def work(self, seconds: float) -> int:
        """Handle what is due until nothing is, or the time is over; returns how many runs were handled."""
        function_runs, ends, count = self.resources.ledger.function_runs, self.clock() + seconds, 0
        while self.clock() < ends:
            due = function_runs.list_due(self.limits(function_runs.under_way()))
            by_function: dict[str, list[DueRun]] = {}
            for run in due:
                by_function.setdefault(run.function, []).append(run)
            for name, runs in by_function.items():
                count += self._handle(HANDLERS[name](self.resources), runs, ends)
            if not due:
                break
        return count

    def _handle(self, handler: Handler[Any], runs: Sequence[DueRun], ends: float) -> int:
        if handler.slow:
            return self._handle_slowly(handler, runs, ends)
        try:
            handler.handle(runs)
        except Exception:  # one of them may be to blame, and the others are not to wait for it
            log.exception("%s runs of %s could not be handled together", len(runs), handler.function.name)
            for run in runs:
                self._attempt(handler, run)
        return len(runs)

    def _handle_slowly(self, handler: Handler[Any], runs: Sequence[DueRun], ends: float) -> int:
        """A few at a time: what the time does not reach is not begun, and does not count as tried."""
        count = 0
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for start in range(0, len(runs), CONCURRENCY):
                if self.clock() >= ends:
                    break
                few = runs[start : start + CONCURRENCY]
                list(pool.map(lambda run: self._attempt(handler, run), few))
                count += len(few)
        return count

    def _attempt(self, handler: Handler[Any], run: DueRun) -> None:
        """Handle one run. What is transient is tried again later, and at last fails as the rest does at once."""
        function_runs, function, attempts = self.resources.ledger.function_runs, handler.function, run.attempts + 1
        if not has_tries_left(function, run.attempts):
            function_runs.end(run.run_id, "failed", GAVE_UP.format(tries=run.attempts))
            return
        delay = backoff(attempts, self.jitter())
        function_runs.begin([run.run_id], delay)
        try:
            handler.handle([run])
        except Conflict as error:
            log.info("%s: %s", run.run_id, error)  # cancelled meanwhile
        except PermanentError as error:
            function_runs.end(run.run_id, "failed", str(error))
        except Exception as error:
            reason = str(error) if isinstance(error, RowlineError) else UNEXPECTED
            if not isinstance(error, RowlineError):
                log.exception("Run %s of %s failed", run.run_id, function.name)
            if has_tries_left(function, attempts):
                function_runs.reschedule(run.run_id, delay, reason)
            else:
                function_runs.end(run.run_id, "failed", f"{reason} (tried {attempts} times)")
