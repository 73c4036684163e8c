"""Orders of embeddings: looked at while the service works on them; a document whose orders are done goes on."""

import dagster as dg

from domain.errors import PermanentError, RowlineError, TransientError
from operations.documents.embedding_jobs import cancel
from resources.embedders.protocol import Embedder, EmbeddingJobService
from resources.ledger.indexing.embedding_jobs import EmbeddingJob
from resources.ledger.ledger import Ledger

LOOKS = 20  # orders of one tick, which may take 60 s


@dg.sensor(
    description="Orders at the embedding service that documents wait for.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def embedding_orders(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], embedder: dg.ResourceParam[Embedder]
) -> dg.SkipReason:
    """Orders at the embedding service; their documents are put back into the queue, and their runs collect."""
    cleared = clear(context, ledger, embedder.jobs)  # first: what nobody waits for is not looked at below
    under_way = ended = 0
    for order in ledger.embedding_jobs.due(LOOKS):
        try:
            done = has_ended(embedder, order)
        except TransientError as error:
            ledger.embedding_jobs.schedule_poll(order)
            context.log.warning(f"{order.order_key}: {error}")
            break  # the service is unwell, which says nothing about any order
        if done:
            ledger.embedding_jobs.finish(order, "ready")
        else:
            ledger.embedding_jobs.schedule_poll(order)
        ended, under_way = ended + done, under_way + (not done)
    woken = ledger.embedding_jobs.requeue_ready()
    told = f"{under_way} orders are under way, {ended} have ended, {len(woken)} documents go on"
    return dg.SkipReason(told + (f", {cleared} are deleted at the service" if cleared else ""))


def clear(context: dg.SensorEvaluationContext, ledger: Ledger, service: EmbeddingJobService | None) -> int:
    """Take away at the service what nobody waits for: texts are not left there for the 30 days that it keeps them."""
    if service is None:
        return 0
    cleared = 0
    for order in ledger.embedding_jobs.unneeded(LOOKS):
        try:
            cleared += cancel(ledger, service, order)
        except RowlineError as error:
            ledger.embedding_jobs.cancel_later(order)
            context.log.warning(f"{order.order_key}: {error}")
            break
    return cleared


def has_ended(embedder: Embedder, order: EmbeddingJob) -> bool:
    """Whether there is something for the document's run to do: collect, or fail with a reason.

    Raises TransientError where the service cannot be asked now.
    """
    if embedder.jobs is None or order.service_id is None:
        return True  # the settings name another embedder now: the run says so
    try:
        return embedder.jobs.state(order.service_id).ended
    except PermanentError:
        return True  # a wrong key, say: the run meets it too, and its document tells
