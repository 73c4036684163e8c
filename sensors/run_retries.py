"""Runs that Dagster starts again by itself: their next run decides, so their end is not reported."""

import time
from collections.abc import Callable

import dagster as dg

from resources.dagster_instance.tags import WILL_RETRY_TAG

RETRY_SECONDS = 600.0  # how long a retry that Dagster announced is waited for; one that comes later does nothing


def is_to_be_retried(dagster: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run failed and Dagster says so, or has not yet said: it writes the tag a moment after the failure."""
    failed = run.status is dg.DagsterRunStatus.FAILURE
    return failed and dagster.run_retries_enabled and run.tags.get(WILL_RETRY_TAG, "true") == "true"


def goes_on(dagster: dg.DagsterInstance, record: dg.RunRecord, clock: Callable[[], float] = time.time) -> bool:
    """Whether a run is to be retried and failed not long ago."""
    ended = record.end_time or record.update_timestamp.timestamp()
    return is_to_be_retried(dagster, record.dagster_run) and clock() - ended < RETRY_SECONDS
