"""Jobs that an event started: their start and output are recorded in the event's run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.dagster_instance.tags import RETRY_NUMBER_TAG
from resources.ledger.ledger import Ledger

EVENT_RUN_TAG = "rowline/event_run"


@dataclass
class JobOutput:
    """The output of a job, as its event's run shows it."""

    output: Any = None


@contextmanager
def for_event(context: dg.OpExecutionContext, ledger: Ledger) -> Iterator[JobOutput]:
    """Around an op's work: records it in the event's run, if an event started the job; the sensor records a failure.

    Raises dg.Failure if Dagster retries a run whose event's run has ended meanwhile: it was cancelled, or recorded as
    failed, and what came after it about the same document has started. A person may start it again by hand.
    """
    run_id, job = context.run.tags.get(EVENT_RUN_TAG), JobOutput()
    if run_id and not ledger.function_runs.started(run_id, context.run.run_id) and RETRY_NUMBER_TAG in context.run.tags:
        raise dg.Failure(f"The event's run {run_id} has ended; this retry does nothing", allow_retries=False)
    yield job
    if run_id:
        ledger.function_runs.end(run_id, "completed", output=job.output, dagster_run_id=context.run.run_id)
