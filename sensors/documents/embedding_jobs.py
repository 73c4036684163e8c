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
    cleared = clear(context, ledger, embedder.orders)  # first: what nobody waits for is not looked at below
    under_way = ended = 0
    for order in ledger.orders.due(LOOKS):
        try:
            done = has_ended(embedder, order)
        except TransientError as error:
            ledger.orders.look_later(order)
            context.log.warning(f"{order.order_key}: {error}")
            break  # the service is unwell, which says nothing about any order
        if done:
            ledger.orders.settle(order, "ready")
        else:
            ledger.orders.look_later(order)
        ended, under_way = ended + done, under_way + (not done)
    woken = ledger.orders.wake()
    told = f"{under_way} orders are under way, {ended} have ended, {len(woken)} documents go on"
    return dg.SkipReason(told + (f", {cleared} are deleted at the service" if cleared else ""))


def clear(context: dg.SensorEvaluationContext, ledger: Ledger, service: EmbeddingJobService | None) -> int:
    """Take away at the service what nobody waits for: texts are not left there for the 30 days that it keeps them."""
    if service is None:
        return 0
    cleared = 0
    for order in ledger.orders.unneeded(LOOKS):
        try:
            cleared += cancel(ledger, service, order)
        except RowlineError as error:
            ledger.orders.cancel_later(order)
            context.log.warning(f"{order.order_key}: {error}")
            break
    return cleared


def has_ended(embedder: Embedder, order: EmbeddingJob) -> bool:
    """Whether there is something for the document's run to do: collect, or fail with a reason.

    Raises TransientError where the service cannot be asked now.
    """
    if embedder.orders is None or order.service_id is None:
        return True  # the settings name another embedder now: the run says so
    try:
        return embedder.orders.state(order.service_id).ended
    except PermanentError:
        return True  # a wrong key, say: the run meets it too, and its document tells
