"""Orders of a document: placed by the run that ends waiting, collected by the run that the sensor wakes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from domain.documents.embedding_jobs import waiting_sentence
from domain.errors import PermanentError, RowlineError
from resources.embedders.protocol import Embedder, EmbeddingJobService, JobResult, JobState, ResultExpired
from resources.ledger.documents.documents import Version
from resources.ledger.indexing.embedding_jobs import AtService, EmbeddingJob
from resources.ledger.ledger import Ledger

KEPT_TOGETHER = 500  # vectors of one transaction


def run_embedding_jobs(ledger: Ledger, embedder: Embedder, version: Version, run_id: str) -> str | None:
    """Place what the version may have done later, collect what is done; gives what it waits for, if anything.

    Orders for older versions of the document are collected too: what they paid for, this version may need; but a
    version that is not to wait goes on without those that cannot be read now. Raises PermanentError where the
    service refused an order of this version; a retry embeds the rest by usual requests.
    """
    service = embedder.jobs
    if service is None:
        return None
    waiting = _under_way(ledger, service, version, run_id)
    if version.economy and not waiting:
        ledger.embedding_jobs.create(version)
        waiting = _under_way(ledger, service, version, run_id)
    if not version.economy or not waiting:
        return None
    return waiting_sentence(len(waiting), sum(order.inputs for order in waiting))


def _under_way(ledger: Ledger, service: EmbeddingJobService, version: Version, run_id: str) -> list[EmbeddingJob]:
    return [
        order for order in ledger.embedding_jobs.open(version) if not _settled(ledger, service, version, order, run_id)
    ]


def _settled(ledger: Ledger, service: EmbeddingJobService, version: Version, order: EmbeddingJob, run_id: str) -> bool:
    service_id = order.service_id
    if service_id is None:
        service_id = service.submit(order.order_key, order.created_at, lambda: ledger.embedding_jobs.texts(order))
        if service_id is None:  # all its texts were paid for meanwhile
            ledger.embedding_jobs.finish(order, "collected")
            return True
        ledger.embedding_jobs.mark_submitted(order, service_id)
    try:
        state, done = _looked_at(service, service_id)
    except RowlineError:
        if version.economy or order.version == version.version:
            raise
        return True  # for this version; the order stays open
    if not state.ended:
        if order.state == "ready":  # the sensor could not tell
            ledger.embedding_jobs.mark_submitted(order, service_id)
        return False
    while part := list(islice(done, KEPT_TOGETHER)):
        ledger.embeddings.save_job_results(ledger.documents.get(order.document_id, order.version), part, run_id)
    ledger.embedding_jobs.finish(order, "refused" if state.refused else "collected")
    if state.refused and order.version == version.version:
        raise PermanentError(
            f"The embedding service did not finish an order of {order.inputs:,} texts at the lower price "
            f"({state.refused}); retry to embed the rest at the usual price"
        )
    return True


def cancel_embedding_jobs(
    ledger: Ledger,
    service: EmbeddingJobService | None,
    document_ids: Sequence[str],
    versions: Sequence[int] | None = None,
) -> int:
    """Orders of documents (of these versions) end at the service, and what it keeps of them is deleted; how many.

    What it needs minutes to end, the sensor `embedding_orders` deletes. Raises PermanentError where the settings
    name no such service any more, and what its methods raise; doing it again ends it.
    """
    orders = ledger.embedding_jobs.at_service(document_ids, versions)
    for order in orders:
        if service is None:
            raise PermanentError(
                f"OpenAI may still keep texts of the order {order.order_key}: do it again with "
                "EMBEDDING_PROVIDER=openai and the key that it was placed with, or when OpenAI has deleted them by "
                f"itself, 32 days after {order.created_at:%Y-%m-%d}"
            )
        cancel(ledger, service, order)
    return len(orders)


def cancel(ledger: Ledger, service: EmbeddingJobService, order: AtService) -> bool:
    """One order; gives whether nothing of it is left at the service."""
    gone = service.cancel(order.order_key, order.created_at, order.service_id)
    ledger.embedding_jobs.mark_cancelled(order, gone)
    return gone


def _looked_at(service: EmbeddingJobService, service_id: str) -> tuple[JobState, Iterator[JobResult]]:
    """Where an order stands, and what it brought if it has ended. An outcome that is gone was refused."""
    state = service.state(service_id)
    try:
        return state, service.results(state) if state.ended else iter(())
    except ResultExpired as error:
        return replace(state, refused=str(error)), iter(())
