"""Jobs that an event asked for: their beginning and what they gave are told to the event's run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.ledger.ledger import Ledger

EVENT_RUN_TAG = "rowline/event_run"


@dataclass
class Told:
    """What a job gave, as its event's run shows it."""

    output: Any = None


@contextmanager
def for_event(context: dg.OpExecutionContext, ledger: Ledger) -> Iterator[Told]:
    """Around an op's work. A job that nobody's event asked for tells nobody; a failure is told by the sensor."""
    run_id, told = context.run.tags.get(EVENT_RUN_TAG), Told()
    if run_id:
        ledger.event_runs.started(run_id, context.run.run_id)
    yield told
    if run_id:
        ledger.event_runs.end(run_id, "completed", output=told.output, dagster_run_id=context.run.run_id)
