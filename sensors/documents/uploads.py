"""New uploads: waits on the ledger, registers the document's partition and requests its run."""

import json

import dagster as dg

from assets.documents.partitions import documents
from pipelines.documents.arrivals import RunWanted, runs_wanted
from resources.ledger.ledger import Ledger

LOOK_SECONDS = 25.0  # a tick may take 60 s; the daemon looks again at once


@dg.sensor(
    job_name="document_graph",
    description="Uploads recorded in the ledger that wait for their run.",
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_uploads(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger]
) -> dg.SensorResult | dg.SkipReason:
    """Uploads recorded in the ledger; waits there, so a run is requested within a second."""
    # the cursor holds what the tick before requested: it is stored only after the daemon has taken the requests
    asked = [RunWanted.from_key(key) for key in json.loads(context.cursor or "[]")]
    if asked:
        ledger.documents.mark_requested([(run.document_id, run.version, run.attempt) for run in asked])
    wanted = runs_wanted(ledger.documents.waiting())
    if not wanted:
        ledger.documents.wait_for_upload(LOOK_SECONDS)
        wanted = runs_wanted(ledger.documents.waiting())
    if not wanted:
        context.update_cursor("[]")
        return dg.SkipReason("no upload is waiting")
    return dg.SensorResult(
        dynamic_partitions_requests=[documents.build_add_request([run.document_id for run in wanted])],
        run_requests=[
            dg.RunRequest(
                run_key=run.run_key,
                partition_key=run.document_id,
                tags={"document": run.document_id, "version": str(run.version)},
            )
            for run in wanted
        ],
        cursor=json.dumps([run.run_key for run in wanted]),
    )
