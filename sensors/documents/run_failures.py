"""Failed runs: a run that ended badly leaves no document that looks as if it were still being processed."""

from typing import Any

import dagster as dg

from domain.documents.run_planning import GROUP_OP, RunRequestPlan
from domain.documents.statuses import unexplained_end
from resources.dagster_instance.tags import PARTITION_NAME_TAG, RUN_KEY_TAG
from resources.ledger.ledger import Ledger
from sensors.run_retries import is_to_be_retried


@dg.run_failure_sensor(
    description="Runs that failed without having written why.",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def failed_runs(context: dg.RunFailureSensorContext, ledger: dg.ResourceParam[Ledger]) -> None:
    """Runs that failed without having written why: their process died, or a check or step broke unexpectedly.

    One that Dagster runs again goes on as it is: its next run decides. Of a group, each document is tried alone.
    """
    if is_to_be_retried(context.instance, context.dagster_run) and not group_of(context.dagster_run):
        return
    steps = [event.step_key or "" for event in context.get_step_failure_events()]
    _end(context, ledger, unexplained_end("failed", steps, context.dagster_run.run_id))


@dg.run_status_sensor(
    description="Runs that a person stopped.",
    run_status=dg.DagsterRunStatus.CANCELED,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def canceled_runs(context: dg.RunStatusSensorContext, ledger: dg.ResourceParam[Ledger]) -> None:
    """Runs that a person stopped."""
    _end(context, ledger, unexplained_end("was stopped", [], context.dagster_run.run_id), stopped=True)


def group_of(dagster_run: dg.DagsterRun) -> list[tuple[str, int, int]]:
    """(document, version, attempt) of each document of a run for many; nothing for any other run."""
    config: Any = dagster_run.run_config
    op = config.get("ops", {}).get(GROUP_OP, {})
    runs = [RunRequestPlan.from_key(key) for key in op.get("config", {}).get("runs", ())]
    return [(run.document_id, run.version, run.attempt) for run in runs]


def _end(context: dg.RunStatusSensorContext, ledger: Ledger, reason: str, stopped: bool = False) -> None:
    document_id = context.dagster_run.tags.get(PARTITION_NAME_TAG)
    if document_id:
        ledger.documents.fail(document_id, None, reason, context.dagster_run.run_id)
    group = group_of(context.dagster_run)
    if group and stopped:
        ledger.run_groups.fail(group, context.dagster_run.run_id, reason)
    elif group:  # those it did not reach; one of them may be what killed it, so each is tried alone
        ledger.run_groups.requeue(group, context.dagster_run.run_id)
    run_key = context.dagster_run.tags.get(RUN_KEY_TAG)
    if run_key and not group:
        request = RunRequestPlan.from_key(run_key)
        ledger.documents.fail_unstarted(request.document_id, request.version, request.attempt, reason)
