"""Embedding jobs: polled while the service works on them; a document whose jobs are done is queued again."""

import dagster as dg

from domain.errors import PermanentError, RowlineError, TransientError
from operations.documents.embedding_jobs import cancel
from resources.embedders.protocol import Embedder, EmbeddingJobService
from resources.ledger.indexing.embedding_jobs import EmbeddingJob
from resources.ledger.ledger import Ledger

MAX_POLLS = 20  # jobs of one tick, which may take 60 s


@dg.sensor(
    description="Embedding jobs at the service that documents wait for.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def embedding_orders(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], embedder: dg.ResourceParam[Embedder]
) -> dg.SkipReason:
    """Embedding jobs at the service; when they end, their documents are queued again, and their runs collect."""
    deleted = delete_unneeded(context, ledger, embedder.jobs)  # first: what nobody waits for is not polled below
    unfinished = ended = 0
    for job in ledger.embedding_jobs.due(MAX_POLLS):
        try:
            done = has_ended(embedder, job)
        except TransientError as error:
            ledger.embedding_jobs.schedule_poll(job)
            context.log.warning(f"{job.job_key}: {error}")
            break  # the service is unwell, which says nothing about any job
        if done:
            ledger.embedding_jobs.finish(job, "ready")
        else:
            ledger.embedding_jobs.schedule_poll(job)
        ended, unfinished = ended + done, unfinished + (not done)
    queued = ledger.embedding_jobs.requeue_ready()
    summary = f"Embedding jobs under way: {unfinished}, ended: {ended}; documents queued again: {len(queued)}"
    return dg.SkipReason(summary + (f", {deleted} are deleted at the service" if deleted else ""))


def delete_unneeded(context: dg.SensorEvaluationContext, ledger: Ledger, service: EmbeddingJobService | None) -> int:
    """Delete at the service what nobody waits for: texts do not stay there for the 30 days that it stores them."""
    if service is None:
        return 0
    deleted = 0
    for job in ledger.embedding_jobs.unneeded(MAX_POLLS):
        try:
            deleted += cancel(ledger, service, job)
        except RowlineError as error:
            ledger.embedding_jobs.cancel_later(job)
            context.log.warning(f"{job.job_key}: {error}")
            break
    return deleted


def has_ended(embedder: Embedder, job: EmbeddingJob) -> bool:
    """Whether there is something for the document's run to do: collect, or fail with a reason.

    Raises TransientError if the service does not answer now.
    """
    if embedder.jobs is None or job.service_id is None:
        return True  # the settings name another embedder now: the run says so
    try:
        return embedder.jobs.state(job.service_id).ended
    except PermanentError:
        return True  # a wrong key, say: the run meets it too, and its document says so
