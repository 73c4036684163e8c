"""New uploads: waits on the ledger, registers the documents' partitions and requests their runs."""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.documents.partitions import documents
from domain.documents.run_requests import GROUP_OP, GroupRequestPlan, RunRequestPlan, plan_runs
from resources.ledger.ledger import Ledger
from settings.settings import Settings

LOOK_SECONDS = 25.0  # a tick may take 60 s; the daemon looks again at once


def new_uploads(jobs: Sequence[Any]) -> dg.SensorDefinition:
    """The sensor that asks for runs of these jobs: `document_graph`, and `document_group` for many at once."""
    watching = dg.sensor(
        name="new_uploads",
        jobs=jobs,
        description="Uploads recorded in the ledger that wait for their run.",
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return watching(requests)


def requests(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Waits on the ledger, so that a run is requested within a second."""
    # the cursor holds what the tick before requested: it is stored only after the daemon has taken the requests
    asked = [RunRequestPlan.from_key(key) for key in json.loads(context.cursor or "[]")]
    if asked:
        ledger.documents.mark_requested([(run.document_id, run.version, run.attempt) for run in asked])
    wanted = plan_runs(ledger.documents.pending(), settings.max_concurrent_runs)
    if not wanted:
        ledger.documents.wait_for_upload(LOOK_SECONDS)
        wanted = plan_runs(ledger.documents.pending(), settings.max_concurrent_runs)
    if not wanted:
        context.update_cursor("[]")
        return dg.SkipReason("no upload is waiting")
    runs = [run for one in wanted for run in (one.runs if isinstance(one, GroupRequestPlan) else (one,))]
    return dg.SensorResult(
        dynamic_partitions_requests=[documents.build_add_request([run.document_id for run in runs])],
        run_requests=[_of_group(one) if isinstance(one, GroupRequestPlan) else _of_document(one) for one in wanted],
        cursor=json.dumps([run.run_key for run in runs]),
    )


def _of_document(run: RunRequestPlan) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run.run_key,
        job_name="document_graph",
        partition_key=run.document_id,
        tags={"document": run.document_id, "version": str(run.version)},
    )


def _of_group(group: GroupRequestPlan) -> dg.RunRequest:
    """What a group that died did not come to is asked for again one by one, not as the same group."""
    config = {"runs": [run.run_key for run in group.runs]}
    return dg.RunRequest(
        run_key=group.run_key,
        job_name="document_group",
        run_config={"ops": {GROUP_OP: {"config": config}}},
        tags={"rowline/documents": str(len(group.runs)), "dagster/max_retries": "0"},
    )
