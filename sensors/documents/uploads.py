"""New uploads: waits on the ledger, registers the documents' partitions and requests their runs."""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.documents.partitions import documents
from domain.documents.run_planning import GROUP_OP, GroupRequestPlan, RunRequestPlan, plan_runs
from resources.ledger.ledger import Ledger
from settings.settings import Settings

MAX_WAIT_SECONDS = 25.0  # a tick may take 60 s; the daemon evaluates again at once


def new_uploads(jobs: Sequence[Any]) -> dg.SensorDefinition:
    """The sensor that requests runs of these jobs: `document_graph`, and `document_group` for many at once."""
    sensor = dg.sensor(
        name="new_uploads",
        jobs=jobs,
        description="Uploads recorded in the ledger that wait for their run.",
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return sensor(evaluate)


def evaluate(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Waits on the ledger, so that a run is requested within a second."""
    # the cursor holds what the tick before requested: it is stored only after the daemon has accepted the requests
    requested = [RunRequestPlan.from_key(key) for key in json.loads(context.cursor or "[]")]
    if requested:
        ledger.documents.mark_requested([(run.document_id, run.version, run.attempt) for run in requested])
    plans = plan_runs(ledger.documents.pending(), settings.max_concurrent_runs)
    if not plans:
        ledger.documents.wait_for_upload(MAX_WAIT_SECONDS)
        plans = plan_runs(ledger.documents.pending(), settings.max_concurrent_runs)
    if not plans:
        context.update_cursor("[]")
        return dg.SkipReason("no upload is waiting")
    runs = [run for plan in plans for run in (plan.runs if isinstance(plan, GroupRequestPlan) else (plan,))]
    return dg.SensorResult(
        dynamic_partitions_requests=[documents.build_add_request([run.document_id for run in runs])],
        run_requests=[_run_request(plan) for plan in plans],
        cursor=json.dumps([run.run_key for run in runs]),
    )


def _run_request(plan: RunRequestPlan | GroupRequestPlan) -> dg.RunRequest:
    return _group_run(plan) if isinstance(plan, GroupRequestPlan) else _document_run(plan)


def _document_run(run: RunRequestPlan) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run.run_key,
        job_name="document_graph",
        partition_key=run.document_id,
        tags={"document": run.document_id, "version": str(run.version)},
    )


def _group_run(group: GroupRequestPlan) -> dg.RunRequest:
    """What a group that died did not reach is requested again one by one, not as the same group."""
    config = {"runs": [run.run_key for run in group.runs]}
    return dg.RunRequest(
        run_key=group.run_key,
        job_name="document_group",
        run_config={"ops": {GROUP_OP: {"config": config}}},
        tags={"rowline/documents": str(len(group.runs)), "dagster/max_retries": "0"},
    )
