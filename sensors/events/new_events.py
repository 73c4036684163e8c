"""New events: waits on the ledger, has their functions' effects, and asks for the jobs among them."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.documents.event_jobs import EVENT_RUN_TAG
from domain.errors import PermanentError
from domain.events.payloads import DocumentRollback, SyncRequested
from domain.events.registry import function_named, read_payload
from domain.events.scheduling import most_of_each
from operations.documents.uploads import Uploads
from operations.events.functions import UNEXPECTED, Effects
from resources.ledger.events.function_runs import JobRun
from resources.ledger.ledger import Ledger
from resources.objects.event_files import EventFiles
from sensors.events.job_outcomes import carry_out_cancellations, end_jobs

log = logging.getLogger(__name__)
LOOK_SECONDS = 20.0  # a tick may take 60 s; the daemon looks again at once
WORK_SECONDS = 20.0


def new_events(jobs: Sequence[dg.JobDefinition]) -> dg.SensorDefinition:
    """The sensor that requests runs of these jobs: `document_rollback`, `document_cleanup` and `vector_sync`."""
    sensor = dg.sensor(
        name="new_events",
        jobs=jobs,
        description="Events that apps sent, and the runs that they started.",
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return sensor(evaluate)


def evaluate(
    context: dg.SensorEvaluationContext,
    ledger: dg.ResourceParam[Ledger],
    uploads: dg.ResourceParam[Uploads],
    event_files: dg.ResourceParam[EventFiles],
) -> dg.SensorResult | dg.SkipReason:
    """Events recorded in the ledger; waits there, so that an effect comes within a second."""
    # the cursor holds what the tick before asked for: it is stored only after the daemon has taken the requests
    ledger.function_runs.mark_requested(json.loads(context.cursor or "[]"))
    effects = Effects(ledger, uploads, event_files)
    ended = end_jobs(context.instance, ledger) + ledger.function_runs.finish_from_versions()
    ended += carry_out_cancellations(context.instance, ledger)
    settled = effects.work(WORK_SECONDS)
    requests = requests_for(ledger)
    if not (settled or requests or ended):
        ledger.function_runs.wait_for_work(most_of_each(ledger.function_runs.under_way()), LOOK_SECONDS)
        settled = effects.work(WORK_SECONDS)
        requests = requests_for(ledger)
    if not requests:
        context.update_cursor("[]")
        return dg.SkipReason(f"{settled} runs of events were settled, {ended} have ended")
    return dg.SensorResult(
        run_requests=requests, cursor=json.dumps([request.tags[EVENT_RUN_TAG] for request in requests])
    )


def requests_for(ledger: Ledger) -> list[dg.RunRequest]:
    """The jobs that are to be asked for. A run whose job cannot be told fails, and holds up no other."""
    requests = []
    for run in ledger.function_runs.requesting():
        try:
            requests.append(request_of(run))
        except PermanentError as error:
            ledger.function_runs.end(run.run_id, "failed", str(error))
        except Exception:
            log.exception("The job of run %s of %s cannot be told", run.run_id, run.function)
            ledger.function_runs.end(run.run_id, "failed", UNEXPECTED)
    return requests


def request_of(run: JobRun) -> dg.RunRequest:
    """The job of a run. Its key makes asking twice asking once."""
    job, op, config = job_of(run)
    tags = {EVENT_RUN_TAG: run.run_id, **({"document": run.document_id} if run.document_id else {})}
    return dg.RunRequest(
        # three parts, as `RunWanted` reads every run key: of a run that failed, to tell which version did
        run_key=f"{run.run_id}:0:0",
        job_name=job,
        run_config={"ops": {op: {"config": config}}},
        tags=tags,
    )


def job_of(run: JobRun) -> tuple[str, str, dict[str, Any]]:
    """(job, op, the op's configuration)."""
    function = function_named(run.function)
    assert function is not None  # of this release: only known functions are settled
    payload = read_payload(function, run.data)
    match payload:
        case DocumentRollback():
            config = {"document_id": run.document_id, "to_version": payload.target_version}
            return "document_rollback", "rolled_back_document", config
        case SyncRequested():
            return "vector_sync", "synced_vectors", {"repair": payload.repair}
    return "document_cleanup", "removed_documents", {"document_ids": [run.document_id], "dry_run": False}
