"""Embedding jobs of a document: submitted by the run that then waits, collected by the run that the sensor starts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from domain.documents.embedding_jobs import waiting_sentence
from domain.errors import PermanentError, RowlineError
from resources.embedders.protocol import Embedder, EmbeddingJobService, JobResult, JobState, ResultExpired
from resources.ledger.documents.documents import Version
from resources.ledger.indexing.embedding_jobs import AtService, EmbeddingJob
from resources.ledger.ledger import Ledger

STORE_BATCH_SIZE = 500  # vectors of one transaction


def run_embedding_jobs(ledger: Ledger, embedder: Embedder, version: Version, run_id: str) -> str | None:
    """Submit what the version may have done later, collect what is done; returns what it waits for, or None.

    Jobs of older versions of the document are collected too: this version may need what they paid for; but a version
    that is not to wait goes on without those that cannot be read now. Raises PermanentError if the service refused a
    job of this version; a retry embeds the rest by usual requests.
    """
    service = embedder.jobs
    if service is None:
        return None
    waiting = _unfinished(ledger, service, version, run_id)
    if version.deferred and not waiting:
        ledger.embedding_jobs.create(version)
        waiting = _unfinished(ledger, service, version, run_id)
    if not version.deferred or not waiting:
        return None
    return waiting_sentence(len(waiting), sum(job.inputs for job in waiting))


def _unfinished(ledger: Ledger, service: EmbeddingJobService, version: Version, run_id: str) -> list[EmbeddingJob]:
    return [job for job in ledger.embedding_jobs.open(version) if not _finish(ledger, service, version, job, run_id)]


def _finish(ledger: Ledger, service: EmbeddingJobService, version: Version, job: EmbeddingJob, run_id: str) -> bool:
    service_id = job.service_id
    if service_id is None:
        service_id = service.submit(job.job_key, job.created_at, lambda: ledger.embedding_jobs.texts(job))
        if service_id is None:  # all its texts were paid for meanwhile
            ledger.embedding_jobs.finish(job, "collected")
            return True
        ledger.embedding_jobs.mark_submitted(job, service_id)
    try:
        state, done = _inspect(service, service_id)
    except RowlineError:
        if version.deferred or job.version == version.version:
            raise
        return True  # for this version; the job stays open
    if not state.ended:
        if job.state == "ready":  # the sensor could not find out
            ledger.embedding_jobs.mark_submitted(job, service_id)
        return False
    while part := list(islice(done, STORE_BATCH_SIZE)):
        ledger.embeddings.save_job_results(ledger.documents.get(job.document_id, job.version), part, run_id)
    ledger.embedding_jobs.finish(job, "refused" if state.refused else "collected")
    if state.refused and job.version == version.version:
        raise PermanentError(
            f"The embedding service did not finish a job of {job.inputs:,} texts at the lower price "
            f"({state.refused}); retry to embed the rest at the usual price"
        )
    return True


def cancel_embedding_jobs(
    ledger: Ledger,
    service: EmbeddingJobService | None,
    document_ids: Sequence[str],
    versions: Sequence[int] | None = None,
) -> int:
    """Cancel jobs of documents (of these versions) at the service, and delete what it holds of them; returns how many.

    What it needs minutes to end, the sensor `embedding_orders` deletes. Raises PermanentError if the settings
    name no such service any more, and what its methods raise; repeating it finishes.
    """
    jobs = ledger.embedding_jobs.at_service(document_ids, versions)
    for job in jobs:
        if service is None:
            raise PermanentError(
                f"OpenAI may still keep texts of the job {job.job_key}: do it again with "
                "EMBEDDING_PROVIDER=openai and the key that it was placed with, or when OpenAI has deleted them by "
                f"itself, 32 days after {job.created_at:%Y-%m-%d}"
            )
        cancel(ledger, service, job)
    return len(jobs)


def cancel(ledger: Ledger, service: EmbeddingJobService, job: AtService) -> bool:
    """Cancel one job; returns whether nothing of it is left at the service."""
    deleted = service.cancel(job.job_key, job.created_at, job.service_id)
    ledger.embedding_jobs.mark_cancelled(job, deleted)
    return deleted


def _inspect(service: EmbeddingJobService, service_id: str) -> tuple[JobState, Iterator[JobResult]]:
    """The state of a job, and its results if it has ended. A job whose results expired counts as refused."""
    state = service.state(service_id)
    try:
        return state, service.results(state) if state.ended else iter(())
    except ResultExpired as error:
        return replace(state, refused=str(error)), iter(())
