"""New events: waits on the ledger, runs their functions, and requests the jobs among them."""

import json
import logging
from collections.abc import Sequence

import dagster as dg

from assets.documents.event_jobs import EVENT_RUN_TAG
from domain.errors import PermanentError
from domain.events.scheduling import free_slots
from operations.documents.uploads import Uploads
from operations.functions.handlers import FunctionResources, job_request
from operations.functions.runner import UNEXPECTED, FunctionRunner
from resources.ledger.events.function_runs import JobRun
from resources.ledger.ledger import Ledger
from resources.objects.event_files import EventFiles
from sensors.events.job_outcomes import carry_out_cancellations, end_jobs

log = logging.getLogger(__name__)
MAX_WAIT_SECONDS = 20.0  # a tick may take 60 s; the daemon evaluates again at once
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
    """Handle events recorded in the ledger; waits there, so that a function starts within a second."""
    # the cursor holds what the tick before requested: it is stored only after the daemon has accepted the requests
    ledger.function_runs.mark_requested(json.loads(context.cursor or "[]"))
    runner = FunctionRunner(FunctionResources(ledger, uploads, event_files))
    ended = end_jobs(context.instance, ledger) + ledger.function_runs.finish_from_versions()
    ended += carry_out_cancellations(context.instance, ledger)
    handled = runner.work(WORK_SECONDS)
    requests = run_requests(ledger)
    if not (handled or requests or ended):
        ledger.function_runs.wait_for_work(free_slots(ledger.function_runs.under_way()), MAX_WAIT_SECONDS)
        handled = runner.work(WORK_SECONDS)
        requests = run_requests(ledger)
    if not requests:
        context.update_cursor("[]")
        return dg.SkipReason(f"{handled} runs of events were handled, {ended} have ended")
    return dg.SensorResult(
        run_requests=requests, cursor=json.dumps([request.tags[EVENT_RUN_TAG] for request in requests])
    )


def run_requests(ledger: Ledger) -> list[dg.RunRequest]:
    """The jobs that are to run. A run whose job cannot be requested fails, and holds up no other."""
    requests = []
    for run in ledger.function_runs.requesting():
        try:
            requests.append(run_request(run))
        except PermanentError as error:
            ledger.function_runs.end(run.run_id, "failed", str(error))
        except Exception:
            log.exception("The job of run %s of %s cannot be requested", run.run_id, run.function)
            ledger.function_runs.end(run.run_id, "failed", UNEXPECTED)
    return requests


def run_request(run: JobRun) -> dg.RunRequest:
    """The job of a run. By its key, a second request of the same job is ignored."""
    request = job_request(run)
    tags = {EVENT_RUN_TAG: run.run_id, **({"document": run.document_id} if run.document_id else {})}
    return dg.RunRequest(
        # three parts, as `RunRequestPlan` reads every run key: of a run that failed, to tell which version did
        run_key=f"{run.run_id}:0:0",
        job_name=request.job,
        run_config={"ops": {request.op: {"config": dict(request.config)}}},
        tags=tags,
    )
