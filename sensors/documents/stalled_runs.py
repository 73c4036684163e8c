"""Stalled runs: a run whose process died is ended, so that its document can be tried again and the queue is free."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg

from domain.documents.run_planning import RunRequestPlan
from domain.documents.stalled_runs import LivenessSigns, Observation, confirm_dead, is_suspect
from domain.documents.statuses import process_gone_message
from resources.dagster_instance.run_processes import Process
from resources.dagster_instance.tags import PARTITION_NAME_TAG, RUN_KEY_TAG
from resources.ledger.ledger import Ledger
from sensors.documents.run_failures import group_of
from sensors.run_retries import goes_on

# a run that is starting has no process yet, and Dagster's own run monitoring watches it
UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
ENDED_BADLY = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
MAX_RUNS = 1000  # of one tick


@dataclass(frozen=True, slots=True)
class Suspect:
    """A run that shows no sign of life; `run` is None if Dagster has none, or one that ended."""

    run_id: str
    document_id: str | None
    process: Process | None = None
    run: dg.DagsterRun | None = None


@dg.sensor(
    description="Runs whose process is gone.",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def stuck_runs(context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger]) -> dg.SkipReason:
    """Runs whose process is gone, which Dagster itself does not notice."""
    before = {run_id: Observation(*seen) for run_id, seen in json.loads(context.cursor or "{}").items()}
    after, ended = inspect_runs(context.instance, ledger, before, time.time(), context.log.warning)
    context.update_cursor(json.dumps(after))
    return dg.SkipReason(f"{len(after)} runs show no sign of life, {ended} were ended")


def inspect_runs(
    dagster: dg.DagsterInstance,
    ledger: Ledger,
    before: Mapping[str, Observation],
    now: float,
    warn: Callable[[str], None],
) -> tuple[dict[str, Observation], int]:
    """Inspect all runs once; returns (what to remember, how many were ended)."""
    suspects = {suspect.run_id: suspect for suspect in (*_of_dagster(dagster, ledger), *_of_ledger(dagster, ledger))}
    ended, after = confirm_dead(suspects, before, now)
    for run_id in ended:
        warn(_end(dagster, ledger, suspects[run_id]))
    return after, len(ended)


def _of_dagster(dagster: dg.DagsterInstance, ledger: Ledger) -> list[Suspect]:
    """Runs that are under way as far as Dagster knows."""
    suspects = []
    for run in dagster.get_runs(dg.RunsFilter(statuses=UNDER_WAY), limit=MAX_RUNS):
        process = Process.from_tags(run.tags, run.run_id, run.parent_run_id is not None)
        document_id = run.tags.get(PARTITION_NAME_TAG)
        documents = [document_id] if document_id else [document for document, *_ in group_of(run)]
        lives = process.is_alive() if process else None
        claimed = any(map(ledger.documents.is_claimed, documents)) if documents else None
        if is_suspect(LivenessSigns(lives, claimed)):
            suspects.append(Suspect(run.run_id, document_id, process, run))
    return suspects


def _of_ledger(dagster: dg.DagsterInstance, ledger: Ledger) -> list[Suspect]:
    """Versions in progress whose run ended badly, or is unknown by now, and of which the ledger does not know."""
    in_work = ledger.documents.running(MAX_RUNS)
    if not in_work:
        return []
    records = dagster.get_run_records(dg.RunsFilter(run_ids=list(in_work)))
    going = {
        record.dagster_run.run_id
        for record in records
        if record.dagster_run.status not in ENDED_BADLY or goes_on(dagster, record)
    }
    return [
        Suspect(run_id, document_id)
        for run_id, document_id in in_work.items()
        if run_id not in going and not ledger.documents.is_claimed(document_id)
    ]


def _end(dagster: dg.DagsterInstance, ledger: Ledger, suspect: Suspect) -> str:
    """Fail the run, and the version unless Dagster runs it again, each only if it is still in progress; returns why.

    If we die between the two, the sensor `failed_runs` does the second.
    """
    host = f" on {suspect.process.host} (process {suspect.process.pid})" if suspect.process else ""
    reason = process_gone_message(suspect.run_id, host)
    now = dagster.get_run_by_id(suspect.run_id)
    message = f"{suspect.document_id or suspect.run_id}: {reason}"
    group = group_of(now) if now else []
    if group:
        ledger.run_groups.requeue(group, suspect.run_id)
    if now and now.status in UNDER_WAY:
        dagster.report_run_failed(now, reason)
    record = dagster.get_run_record_by_id(suspect.run_id)
    if group or (record and goes_on(dagster, record)):
        return message
    if suspect.document_id:
        ledger.documents.fail(suspect.document_id, None, reason, suspect.run_id)
    if suspect.run and (run_key := suspect.run.tags.get(RUN_KEY_TAG)):
        request = RunRequestPlan.from_key(run_key)
        ledger.documents.fail_unstarted(request.document_id, request.version, request.attempt, reason)
    return message
