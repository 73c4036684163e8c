"""Jobs that an event asked for: their beginning and what they gave are told to the event's run."""

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
    """What a job gave, as its event's run shows it."""

    output: Any = None


@contextmanager
def for_event(context: dg.OpExecutionContext, ledger: Ledger) -> Iterator[JobOutput]:
    """Around an op's work. A job that nobody's event asked for tells nobody; a failure is told by the sensor.

    Raises dg.Failure where Dagster starts a run again whose event's run has ended meanwhile: it was cancelled, or was
    told as failed, and what came after it about the same document has begun. Who starts it again by hand may.
    """
    run_id, told = context.run.tags.get(EVENT_RUN_TAG), JobOutput()
    if run_id and not ledger.function_runs.started(run_id, context.run.run_id) and RETRY_NUMBER_TAG in context.run.tags:
        raise dg.Failure(f"The event's run {run_id} has ended; this retry does nothing", allow_retries=False)
    yield told
    if run_id:
        ledger.function_runs.end(run_id, "completed", output=told.output, dagster_run_id=context.run.run_id)
