"""Effects of functions: a fact of the ledger, written together with the mark that it is done; a job is asked for."""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from domain.documents.templates import WorkbookTemplate
from domain.errors import Conflict, PermanentError, RowlineError
from domain.events.payloads import DocumentUploaded, NotificationSend
from domain.events.registry import Effect, Function, function_named, read_payload
from domain.events.scheduling import backoff, has_tries_left, most_of_each
from operations.documents.uploads import Uploads
from resources.ledger.documents.uploads import ExternalId
from resources.ledger.events.function_runs import DueRun
from resources.ledger.ledger import Ledger
from resources.objects.event_files import EventFiles

log = logging.getLogger(__name__)
AT_ONCE = 4  # files that are taken at the same time
UNEXPECTED = "The function failed unexpectedly; the log of the sensor new_events says how"
GAVE_UP = "Tried {tries} times, and each time the process ended before it was done"

Settle = Callable[[Function, Sequence[DueRun]], None]


@dataclass(frozen=True)
class Effects:
    """What is done for the runs whose time has come. One that fails holds up no other."""

    ledger: Ledger
    uploads: Uploads
    files: EventFiles
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    most: Callable[[Mapping[str, int]], Mapping[str, int]] = most_of_each

    def work(self, seconds: float) -> int:
        """Settle what is due until nothing is, or the time is over; how many runs were settled."""
        ends, number = self.clock() + seconds, 0
        while self.clock() < ends:
            due = self.ledger.function_runs.list_due(self.most(self.ledger.function_runs.under_way()))
            groups: dict[str, list[DueRun]] = {}
            for run in due:
                groups.setdefault(run.function, []).append(run)
            for name, runs in groups.items():
                function = function_named(name)
                assert function is not None  # asked for by name
                number += self._settle(function, runs, ends)
            if not due:
                break
        return number

    def _settle(self, function: Function, runs: Sequence[DueRun], ends: float) -> int:
        if function.effect == "file":
            return self._take_files(function, runs, ends)
        settle: dict[Effect, Settle] = {"queue": self._queue, "job": self._aim, "notice": self._say}
        try:
            settle[function.effect](function, runs)
        except Exception:  # one of them may be to blame, and the others are not to wait for it
            log.exception("%s runs of %s could not be settled together", len(runs), function.name)
            for run in runs:
                self._alone(function, run, lambda: settle[function.effect](function, [run]))  # noqa: B023 - called at once
        return len(runs)

    def _queue(self, _: Function, runs: Sequence[DueRun]) -> None:
        self.ledger.function_runs.queue([run.run_id for run in runs])

    def _aim(self, function: Function, runs: Sequence[DueRun]) -> None:
        # what a clean-up that broke off left of a document is cleaned up by the next one
        self.ledger.function_runs.bind_to_document(
            [run.run_id for run in runs], removed=function.name == "document-cleanup"
        )

    def _say(self, function: Function, runs: Sequence[DueRun]) -> None:
        """The run is done when the message is in the outbox; what becomes of it there, the notice tells."""
        said = {}
        for run in runs:
            payload = cast(NotificationSend, read_payload(function, run.data))
            said[run.run_id] = payload.notice(run.organization_id, run.run_id)
        self.ledger.function_runs.enqueue_notifications(said)

    # -- files ------------------------------------------------------------------------------------------------

    def _take_files(self, function: Function, runs: Sequence[DueRun], ends: float) -> int:
        """A few at a time: what the time does not reach is not begun, and does not count as tried."""
        taken = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(runs), AT_ONCE):
                if self.clock() >= ends:
                    break
                few = runs[start : start + AT_ONCE]
                list(pool.map(lambda run: self._alone(function, run, lambda: self._take_file(function, run)), few))
                taken += len(few)
        return taken

    def _take_file(self, function: Function, run: DueRun) -> None:
        payload = cast(DocumentUploaded, read_payload(function, run.data))
        named = payload.template and self.ledger.organizations.template(run.organization_id, payload.template)
        template = named or WorkbookTemplate()
        mode = payload.mode or ("employee_split" if template.employee_identifier else "company_wide")
        with self.files.opened(run.organization_id, payload.file_path) as body:
            self.uploads.upload(
                body,
                payload.filename,
                run.organization_id,
                template,
                mode,
                ExternalId(payload.document_id, run.run_id),
            )

    # -- one by one -------------------------------------------------------------------------------------------

    def _alone(self, function: Function, run: DueRun, effect: Callable[[], None]) -> None:
        """Attempt a run. What is transient is tried again later, and at last fails as the rest does at once."""
        runs, attempts = self.ledger.function_runs, run.attempts + 1
        if not has_tries_left(function, run.attempts):
            runs.end(run.run_id, "failed", GAVE_UP.format(tries=run.attempts))
            return
        pause = backoff(attempts, self.jitter())
        runs.begin([run.run_id], pause)
        try:
            effect()
        except Conflict as error:
            log.info("%s: %s", run.run_id, error)  # cancelled meanwhile
        except PermanentError as error:
            runs.end(run.run_id, "failed", str(error))
        except Exception as error:
            reason = str(error) if isinstance(error, RowlineError) else UNEXPECTED
            if not isinstance(error, RowlineError):
                log.exception("Run %s of %s failed", run.run_id, function.name)
            if has_tries_left(function, attempts):
                runs.reschedule(run.run_id, pause, reason)
            else:
                runs.end(run.run_id, "failed", f"{reason} (tried {attempts} times)")
