"""What every step on a document shares: its version, its lock, its retries, and how it fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from assets.documents.metadata import step_metadata, version_metadata
from domain.errors import PermanentError, TransientError
from operations.documents.processing import StepResources
from operations.documents.steps import STEPS, Step
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger

# Only what is transient gets this far: a permanent error forbids retries.
RETRIES = dg.RetryPolicy(max_retries=2, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def retried() -> Iterator[None]:
    """Errors as Dagster's failures: what is transient is tried again by the step's `RETRIES`, the rest is not."""
    try:
        yield
    except TransientError as error:
        raise dg.Failure(str(error), allow_retries=True) from error
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def run_step(context: dg.AssetExecutionContext, step: Step, resources: StepResources) -> dg.MaterializeResult[None]:
    """A step on the version that the run works on. Raises WaitsForEmbeddingJob, else only dg.Failure."""
    with claimed_version(context, resources.ledger, starts=step is STEPS[0]) as version:
        facts = step.run(resources, version, context.run.run_id)
    return dg.MaterializeResult(metadata={**step_metadata(facts), **version_metadata(version)})


@contextmanager
def claimed_version(context: dg.AssetExecutionContext, ledger: Ledger, starts: bool) -> Iterator[Version]:
    """The version this run works on, locked against other runs of the document.

    The step that `starts` a run binds it to the newest version; a run of later steps alone (materialized by hand)
    works on what was started before and changes nobody's status by failing. An error with a message for people is
    written to the version that the run is bound to, and becomes a `dg.Failure`.
    """
    document_id = context.partition_key
    with retried():
        try:
            with ledger.documents.claim(document_id):
                find = ledger.documents.start if starts else ledger.documents.resume
                yield find(document_id, context.run.run_id)
        except TransientError as error:
            if context.retry_number >= RETRIES.max_retries:
                tries = f"{error} (tried {context.retry_number + 1} times)"
                ledger.documents.fail(document_id, None, tries, context.run.run_id)
            raise
        except PermanentError as error:
            ledger.documents.fail(document_id, None, str(error), context.run.run_id)
            raise
