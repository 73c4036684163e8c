"""How runs of events end whose job is Dagster's: failed jobs are recorded, and what somebody cancelled is stopped."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import dagster as dg

from assets.documents.event_jobs import EVENT_RUN_TAG
from resources.ledger.events.function_runs import CancelledRun
from resources.ledger.ledger import Ledger
from sensors.run_retries import goes_on

ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
CANCELLED = "Cancelled on request"
MISSING_AFTER = timedelta(minutes=5)
MISSING = "Dagster has no run of this job any more: it was deleted; send the event again"


def end_jobs(dagster: dg.DagsterInstance, ledger: Ledger, clock: Callable[[], float] = time.time) -> int:
    """End the runs whose job has ended without saying so: it failed, was stopped, or deleted; returns how many.

    A job whose process died goes on if Dagster starts it again: what waits for it must not start before that.
    """
    requested = ledger.function_runs.requested()
    if not requested:
        return 0
    newest: dict[str, dg.RunRecord] = {}
    for record in dagster.get_run_records(dg.RunsFilter(tags={EVENT_RUN_TAG: list(requested)})):  # newest first
        newest.setdefault(record.dagster_run.tags[EVENT_RUN_TAG], record)
    ended = 0
    for run_id, ago in requested.items():
        latest = newest.get(run_id)
        if latest is None and ago > MISSING_AFTER:
            ledger.function_runs.end(run_id, "failed", MISSING)
        elif latest is not None and latest.dagster_run.status in ENDED and not goes_on(dagster, latest, clock):
            _end(dagster, ledger, run_id, latest.dagster_run)
        else:
            continue
        ended += 1
    return ended


def _end(dagster: dg.DagsterInstance, ledger: Ledger, run_id: str, run: dg.DagsterRun) -> None:
    if run.status is dg.DagsterRunStatus.SUCCESS:
        ledger.function_runs.end(run_id, "completed", dagster_run_id=run.run_id)
    elif run.status is dg.DagsterRunStatus.CANCELED:
        ledger.function_runs.end(run_id, "cancelled", "The job was stopped", dagster_run_id=run.run_id)
    else:
        reasons = list(_reasons(dagster, run.run_id))
        reason = reasons[-1] if reasons else f"The job failed; run {run.run_id[:8]} in Dagster has the details"
        ledger.function_runs.end(run_id, "failed", reason, dagster_run_id=run.run_id)


def _reasons(dagster: dg.DagsterInstance, run_id: str) -> Iterable[str]:
    """What the steps of a failed run said to people."""
    for entry in dagster.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        data = event.step_failure_data.user_failure_data if event else None
        if data and data.description:
            yield data.description


def carry_out_cancellations(dagster: dg.DagsterInstance, ledger: Ledger) -> int:
    """Stop what somebody cancelled; returns how many."""
    return sum(_cancel(dagster, ledger, run) for run in ledger.function_runs.to_cancel())


def _cancel(dagster: dg.DagsterInstance, ledger: Ledger, run: CancelledRun) -> bool:
    if run.only_follows:  # somebody else's upload, or an earlier event's, goes on
        ledger.function_runs.end(run.run_id, "cancelled", CANCELLED)
        return True
    unfinished = [job for job in _runs_of(dagster, run) if job.status not in ENDED]
    if not unfinished and run.requested and run.dagster_run_id is None:
        return False  # requested, and not there yet: the next tick finds it
    for job in unfinished:
        dagster.run_coordinator.cancel_run(job.run_id)
    if run.document_id and run.version:
        ledger.documents.fail(run.document_id, run.version, CANCELLED)
    ledger.function_runs.end(run.run_id, "cancelled", CANCELLED)
    return True


def _runs_of(dagster: dg.DagsterInstance, run: CancelledRun) -> Sequence[dg.DagsterRun]:
    if run.state != "attached":
        return dagster.get_runs(dg.RunsFilter(tags={EVENT_RUN_TAG: run.run_id}))
    tags = {"document": str(run.document_id), "version": str(run.version)}
    return dagster.get_runs(dg.RunsFilter(tags=tags))
