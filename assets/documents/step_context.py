"""What every step on a document shares: its version, its lock, its retries, and how its failures are told."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from domain.errors import PermanentError, TransientError
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger

# Only what is transient gets this far: a permanent failure forbids retries (B3: two retries).
RETRIES = dg.RetryPolicy(max_retries=2, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def retried() -> Iterator[None]:
    """Failures as Dagster has them: what is transient is tried again by the step's `RETRIES`, the rest is not."""
    try:
        yield
    except TransientError as error:
        raise dg.Failure(str(error), allow_retries=True) from error
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


@contextmanager
def version_in_work(context: dg.AssetExecutionContext, ledger: Ledger, begins: bool = False) -> Iterator[Version]:
    """The version this run works on, locked against other runs of the document.

    The step that `begins` a run binds it to the newest version; a run of later steps alone (materialized by hand)
    works on what was begun before and changes nobody's status by failing. A failure that a person can be told is
    written to the version that the run is bound to, and becomes a `dg.Failure`.
    """
    document_id = context.partition_key
    with retried():
        try:
            with ledger.documents.claim(document_id):
                find = ledger.documents.start if begins else ledger.documents.resume
                yield find(document_id, context.run.run_id)
        except TransientError as error:
            if context.retry_number >= RETRIES.max_retries:
                tries = f"{error} (tried {context.retry_number + 1} times)"
                ledger.documents.fail(document_id, None, tries, context.run.run_id)
            raise
        except PermanentError as error:
            ledger.documents.fail(document_id, None, str(error), context.run.run_id)
            raise
